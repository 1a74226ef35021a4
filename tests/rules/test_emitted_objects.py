"""What is emitted or edited is what the API takes, by the schemas of Kubernetes 1.34."""

from __future__ import annotations

from pathlib import Path

import laws
import pytest
from cases import Case, find_cases, working_in, write_files

from migrator.rendering.render import render_plan

SAMPLE = (
    "row-06-load-balancer-asked-for",
    "row-07-node-agent-1.34",
    "row-09-surge",
    "row-11-node-affinity",
    "row-13-spread-only-1.32",
    "row-13-spread-only-1.33",
    "row-14-members",
    "row-19-twins",
    "row-27-extended-with-another-port",
    "name-too-long",
    "port-names-that-clash",
    "labels-that-are-not-copied",
)
CASES = [case for case in find_cases() if case.folder.name in SAMPLE]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_results_are_valid(case: Case, tmp_path: Path) -> None:
    kubernetes_validate = pytest.importorskip("kubernetes_validate")
    case.copy_to(tmp_path)
    with working_in(tmp_path):
        inventory = case.read(["."])
        write_files(render_plan(case.plan(inventory), inventory.files))
    objects = laws.read_objects(tmp_path)
    for item in objects:
        kubernetes_validate.validate(item, "1.34", strict=True)
    for item in objects:
        names = [port["name"] for port in item["spec"].get("ports", ())] if item["kind"] == "Service" else []
        assert len(names) == len(set(names))
        assert all(len(name) <= 15 for name in names)
        assert len(item["metadata"]["name"]) <= 63


def test_the_sample_is_there() -> None:
    assert len(CASES) == len(SAMPLE)
