"""Rancher stacks as cases of the decision table: rows 30 to 35, load balancers, several stacks in one run."""

from __future__ import annotations

import os
from pathlib import Path

import laws
import pytest
from cases import Case, find_stack_cases, judge, working_in, write_summary

from migrator.rendering.render import render_plan
from migrator.sources.read import ReadOptions, read_sources

CASES = find_stack_cases()


@pytest.mark.parametrize("case", CASES, ids=str)
def test_case_gives_what_it_shall(case: Case) -> None:
    diff, summary = judge(case)
    if os.environ.get("UPDATE_GOLDEN"):
        (case.folder / "expected.diff").write_bytes(diff.encode())
        (case.folder / "plan.json").write_text(write_summary(summary))
    assert diff == case.expected_diff
    assert write_summary(summary) == (case.folder / "plan.json").read_text()


def test_every_row_about_stacks_has_a_case() -> None:
    names = {case.folder.name[:6] for case in CASES}
    assert {f"row-{number}" for number in range(30, 36)} <= names


@pytest.mark.parametrize("case", CASES, ids=str)
def test_planning_the_result_again_changes_nothing(case: Case, tmp_path: Path) -> None:
    with working_in(case.folder):
        inventory = case.read()
        plan = case.plan(inventory)
        for change in render_plan(plan, inventory.files):
            target = tmp_path / change.path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(change.new_content())
    with working_in(tmp_path):
        result = read_sources(["."], ReadOptions(kinds=case.policy().workload_kinds))
        again = case.plan(result)
    assert result.workloads
    assert "hostPort: 0" not in "".join(path.read_text() for path in tmp_path.rglob("*.yaml"))
    assert [change for change in again.changes if change.action != "keep"] == []
    laws.check_numbers([], laws.read_objects(tmp_path))
