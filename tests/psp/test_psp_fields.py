"""Each field of PodSecurityPolicy on its own, from the YAML files beside: a file per module of `fields`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from migrator.model.field import format_path
from migrator.psp import fields
from migrator.psp.admit import judge_pod
from migrator.psp.fields.se_linux import are_levels_equal
from migrator.psp.fields.seccomp import convert_annotation, convert_field
from migrator.psp.model import PodSecurityPolicy
from migrator.psp.pod import visit_containers
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
    if case.get("undefaulted"):
        assert list(validate(pod, policy)) == (case.get("refuses") or [])
        return
    verdict = judge_pod(pod, policy)
    sets = {format_path(mutation.field): mutation.value for mutation in verdict.mutations}
    assert sets == (case.get("sets") or {})
    assert list(verdict.messages) == (case.get("refuses") or [])
    if not sets:
        assert verdict.pod is pod


def validate(pod: dict[str, Any], policy: PodSecurityPolicy) -> Iterator[str]:
    """Judge a pod that has no defaults in it, as one that is updated."""
    for rule in fields.POD_RULES:
        if rule.validate_pod and rule.concerns(policy):
            yield from rule.validate_pod(policy, pod)
    for path, container in visit_containers(pod):
        for rule in fields.CONTAINER_RULES:
            if rule.validate_container and rule.concerns(policy):
                yield from rule.validate_container(policy, pod, container, path)


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


@pytest.mark.parametrize(
    ("annotation", "field"),
    [
        ("unconfined", {"type": "Unconfined"}),
        ("runtime/default", {"type": "RuntimeDefault"}),
        ("localhost/a/b.json", {"type": "Localhost", "localhostProfile": "a/b.json"}),
        ("localhost/", None),
        ("RuntimeDefault", None),
        ("", None),
    ],
)
def test_seccomp_annotations_and_fields_say_the_same(annotation: str, field: dict[str, str] | None) -> None:
    assert convert_annotation(annotation) == field
    if field is not None:
        assert convert_field(field) == annotation


def test_seccomp_profiles_that_the_other_side_cannot_say() -> None:
    assert convert_annotation("docker/default") == {"type": "RuntimeDefault"}
    assert convert_field({"type": "Localhost"}) == ""
    assert convert_field({}) == ""


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        ("s0", "s0", True),
        ("s0:c1,c2", "s0:c2,c1", True),
        ("s0:c1", "s0:c1", True),
        ("s0:c1", "s1:c1", False),
        ("s0:c1", "s0:c1,c2", False),
        ("s0", "s0:", False),
        ("s0:", "s0", False),
    ],
)
def test_levels_are_equal_whatever_the_order_of_categories(one: str, other: str, equal: bool) -> None:
    assert are_levels_equal(one, other) is equal
