"""Cases of Pod Security in a plan: labels of namespaces, hardening of workloads. A folder is one.

    <case>/input.yaml      what is read
           options.yaml    optional: policy (a spec), phase, exclude
           expected.diff   what `diff` prints; not there where nothing is to be done
           expected.yaml   what the plan says besides

UPDATE_GOLDEN=1 writes the last two anew.
"""

from __future__ import annotations

import os
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from migrator.model.inventory import Inventory
from migrator.model.plan import Plan
from migrator.planning.plan import plan_changes
from migrator.policy.load import parse_policy
from migrator.rendering.diff import write_diff
from migrator.rendering.render import render_plan
from migrator.rules.pod_security import find_version
from migrator.sources.read import ReadOptions, read_sources
from migrator.yaml.write import write_block

FOLDER = Path(__file__).parent
CASES = sorted(path.parent.name for path in FOLDER.glob("*/input.yaml"))
SOURCE = "input.yaml"


def read_options(case: str) -> dict[str, Any]:
    path = FOLDER / case / "options.yaml"
    return YAML(typ="safe").load(path) if path.exists() else {}


def plan_case(case: str, phase: Any = None) -> tuple[Plan, Inventory]:
    """Plan what stands in the working directory with a case's options."""
    options = read_options(case)
    policy = parse_policy({"spec": options.get("policy", {})})
    read_as = ReadOptions(
        kinds=policy.workload_kinds,
        exclude=tuple(options.get("exclude", ())),
        default_namespace=None,
        jobs=1,
        pod_security=find_version(policy),
    )
    inventory = read_sources([SOURCE, *sorted(str(path) for path in Path().glob("namespace-*.yaml"))], read_as)
    assert not inventory.errors
    return plan_changes(inventory, policy, phase or options.get("phase", "all")), inventory


def summarize(plan: Plan) -> dict[str, Any]:
    summary: dict[str, Any] = {
        "namespaces": [f"{item.name}: {item.needed} -> {item.after}" for item in plan.namespaces],
        "workloads": [
            f"{item.resource.kind}/{item.resource.name}: {item.before} -> {item.after}" for item in plan.workloads
        ],
        "decisions": list(
            dict.fromkeys(
                f"{change.decision} [{change.phase}] {change.strategy}, {change.effect}"
                for change in plan.changes
                if change.rule == "pod-security"
            )
        ),
        "because": [text for item in plan.namespaces for text in item.because],
        "notes": [text for item in plan.namespaces for text in item.notes],
        "commands": [text for item in plan.namespaces for text in item.commands],
        "findings": [
            f"{item.severity} line {item.location.line if item.location else '-'}: {item.message}"
            for item in plan.findings
            if item.rule == "pod-security"
        ],
    }
    return {key: value for key, value in summary.items() if value}


@pytest.fixture
def case(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Stand in a folder with a case's input."""
    shutil.copy(FOLDER / request.param / SOURCE, tmp_path / SOURCE)
    monkeypatch.chdir(tmp_path)
    return str(request.param)


every_case = pytest.mark.parametrize("case", CASES, indirect=True)


def write_changes(plan: Plan, inventory: Inventory) -> None:
    for change in render_plan(plan, inventory.files):
        Path(change.path).write_bytes(change.new_content())


@every_case
def test_case_gives_what_it_shall(case: str) -> None:
    plan, inventory = plan_case(case)
    diff = write_diff(render_plan(plan, inventory.files)).decode()
    summary = "\n".join(write_block(summarize(plan))) + "\n"
    expected_diff, expected = FOLDER / case / "expected.diff", FOLDER / case / "expected.yaml"
    if os.environ.get("UPDATE_GOLDEN"):
        expected.write_text(summary)
        expected_diff.write_text(diff) if diff else expected_diff.unlink(missing_ok=True)
    assert diff == (expected_diff.read_text() if expected_diff.exists() else "")
    assert summary == expected.read_text()


@every_case
def test_the_result_is_at_the_level_that_was_said_and_needs_nothing_more(case: str) -> None:
    plan, inventory = plan_case(case)
    write_changes(plan, inventory)
    again, rest = plan_case(case)
    assert not render_plan(again, rest.files)
    assert [item.before for item in again.workloads] == [item.after for item in plan.workloads]
    assert [item.needed for item in again.namespaces] == [item.after for item in plan.namespaces]


@every_case
def test_phase_by_phase_gives_the_same_objects(case: str) -> None:
    if "phase" in read_options(case):
        pytest.skip("a case of one phase")
    whole = read_objects(case, ("all",))
    assert read_objects(case, ("expand", "contract", "enforce")) == whole


def read_objects(case: str, phases: tuple[str, ...]) -> list[Any]:
    for path in Path().glob("*.yaml"):
        path.unlink()
    shutil.copy(FOLDER / case / SOURCE, SOURCE)
    for phase in phases:
        plan, inventory = plan_case(case, phase)
        write_changes(plan, inventory)
    objects = [
        document for path in sorted(Path().glob("*.yaml")) for document in YAML(typ="safe").load_all(path.read_text())
    ]
    return sorted(objects, key=lambda item: (item["kind"], item["metadata"]["name"], str(item["metadata"])))


def test_half_of_the_cases_change_nothing() -> None:
    changed = Counter((FOLDER / case / "expected.diff").exists() for case in CASES)
    assert changed[False] >= changed[True]
