"""Each field of PodSecurityPolicy on its own, from the YAML files beside: a file per module of `fields`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from migrator.model.field import format_path
from migrator.psp import fields
from migrator.psp.admit import judge_pod
from migrator.psp.read import read_policy

FOLDER = Path(__file__).parent / "fields"
FILES = sorted(FOLDER.glob("*.yaml"))
OPEN = {
    "volumes": ["*"],
    **{field: {"rule": "RunAsAny"} for field in ("seLinux", "runAsUser", "supplementalGroups", "fsGroup")},
}


def load(path: Path) -> list[dict[str, Any]]:
    return list(YAML(typ="safe").load(path.read_text(encoding="utf-8")))


CASES = [pytest.param(case, id=f"{path.stem}: {case['name']}") for path in FILES for case in load(path)]


@pytest.mark.parametrize("case", CASES)
def test_a_field_sets_and_refuses(case: dict[str, Any]) -> None:
    policy = read_policy(
        {
            "metadata": {"name": "p", "annotations": case.get("policyAnnotations")},
            "spec": {**OPEN, **(case.get("policy") or {})},
        }
    )
    pod = {"metadata": {"annotations": case.get("annotations")}, "spec": case["spec"]}
    verdict = judge_pod(pod, policy)
    sets = {format_path(mutation.field): mutation.value for mutation in verdict.mutations}
    assert sets == (case.get("sets") or {})
    assert list(verdict.messages) == (case.get("refuses") or [])
    if not sets:
        assert verdict.pod is pod


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_half_of_a_file_is_left_alone(path: Path) -> None:
    cases = load(path)
    assert sum(not case.get("sets") and not case.get("refuses") for case in cases) * 2 >= len(cases) - 1


def test_every_field_has_its_file_and_its_place() -> None:
    modules = {path.stem for path in Path(str(fields.__file__)).parent.glob("*.py")} - {"__init__"}
    assert {path.stem for path in FILES} == modules
    rules = {rule.name for rule in (*fields.POD_RULES, *fields.CONTAINER_RULES)}
    assert rules == {getattr(fields, module).RULE.name for module in modules}
    for rule in fields.POD_RULES:
        assert rule.validate_pod is not None
    for rule in fields.CONTAINER_RULES:
        assert rule.validate_container is not None
