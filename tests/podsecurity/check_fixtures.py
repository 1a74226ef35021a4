"""The fixtures under checks/: a folder per check, a file per case.

`versions` and `pod` are what is judged. A file `fail-….yaml` says what is `forbidden`; in `pass-….yaml` the check
lets the pod pass, in `absent-….yaml` the check does not exist yet.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from migrator.model.field import parse_path
from migrator.podsecurity.check import Forbidden

FOLDER = Path(__file__).parent / "checks"
PATHS = sorted(FOLDER.glob("*/*.yaml"))


@dataclass(frozen=True, slots=True)
class CheckFixture:
    module: str
    outcome: str
    versions: tuple[str, ...]
    metadata: dict[str, Any]
    spec: dict[str, Any]
    forbidden: Forbidden | None


def read_check_fixture(path: Path) -> CheckFixture:
    content = YAML(typ="safe").load(path)
    pod, forbidden = content["pod"], content.get("forbidden")
    return CheckFixture(
        module=path.parent.name,
        outcome=path.name.partition("-")[0],
        versions=tuple(content["versions"]),
        metadata=pod.get("metadata", {}),
        spec=pod["spec"],
        forbidden=forbidden and read_forbidden(forbidden),
    )


def read_forbidden(content: dict[str, Any]) -> Forbidden:
    fields = tuple(parse_path(field) for field in content["fields"])
    return Forbidden(content["reason"], content["detail"], fields)


def read_check_fixtures() -> Iterator[CheckFixture]:
    return map(read_check_fixture, PATHS)
