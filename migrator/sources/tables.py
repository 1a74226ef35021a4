"""The data that ships with the code: YAML files beside the modules that they belong to."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from migrator.model.field import parse_path
from migrator.model.workload import WorkloadKind
from migrator.yaml.data import construct
from migrator.yaml.nodes import compose

_PACKAGE = Path(__file__).parent.parent


@cache
def load_table(name: str) -> Any:
    """Load a YAML file of the package, named by its path below the package's folder."""
    node = compose((_PACKAGE / name).read_text(encoding="utf-8"))
    if node is None:
        raise ValueError(f"{name} is empty")
    return construct(node)


@cache
def built_in_workload_kinds() -> tuple[WorkloadKind, ...]:
    """Give the kinds that make pods as they ship with migrator."""
    return tuple(
        WorkloadKind(group, row["kind"], parse_path(row["template"]))
        for row in load_table("sources/workload_kinds.yaml")
        for group in row["apiGroups"]
    )
