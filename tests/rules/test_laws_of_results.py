"""The laws over all cases: a result is stable, its phases add up, and each leaves a tree that works."""

from __future__ import annotations

from pathlib import Path

import laws
import pytest
from cases import Case, diff_case, find_cases, working_in, write_files

from migrator.errors import PolicyError
from migrator.model.plan import Plan
from migrator.model.reference import ResourceRef
from migrator.planning.plan import Overrides
from migrator.rendering.render import render_plan

CHANGING = [case for case in find_cases() if case.expected_diff and case.phase == "all"]


def apply_case(case: Case, phase: str, overrides: Overrides = Overrides()) -> Plan:  # noqa: B008 - frozen
    """Apply one phase below the working directory."""
    inventory = case.read(["."])
    plan = case.plan(inventory, phase, overrides)
    write_files(render_plan(plan, inventory.files))
    return plan


def fix_numbers(plan: Plan) -> Overrides:
    """Give the numbers that the cluster would choose, from the top of the range."""
    open_ports = [entry for entry in plan.port_map if entry.query is not None]
    planned = {entry.node_port for entry in plan.port_map}
    first = plan.policy.cluster.node_ports[1] + 1
    numbers: dict[tuple[ResourceRef, int], int] = {}
    for entry in open_ports:
        port = (entry.resource, entry.old_port)
        if port not in numbers:
            pods = {other.pod for other in open_ports if (other.resource, other.old_port) == port}
            first -= len(pods)
            while not planned.isdisjoint(range(first, first + len(pods))):
                first -= 1
            numbers[port] = first - min(int((pod or "-0").rpartition("-")[2]) for pod in pods)
    keys = {(entry.resource, entry.protocol, entry.old_port) for entry in open_ports}
    return Overrides(node_ports={key: numbers[(key[0], key[2])] for key in keys})


@pytest.mark.parametrize("case", CHANGING, ids=str)
def test_planning_the_result_again_changes_nothing(case: Case, tmp_path: Path) -> None:
    case.copy_to(tmp_path)
    with working_in(tmp_path):
        apply_case(case, "all")
        inventory = case.read(["."])
        again = case.plan(inventory)
        assert [change for change in again.changes if change.action != "keep"] == []
        assert diff_case(case, again, inventory) == ""


@pytest.mark.parametrize("case", CHANGING, ids=str)
def test_phases_add_up_and_each_leaves_a_tree_that_works(case: Case, tmp_path: Path) -> None:
    whole, steps = tmp_path / "whole", tmp_path / "steps"
    for folder in (whole, steps):
        folder.mkdir()
        case.copy_to(folder)
    before = laws.read_objects(steps)
    with working_in(whole):
        overrides = fix_numbers(case.plan())
        plan = apply_case(case, "all", overrides)
    unpublished = {
        f"{change.workload.name} {port.host_port}/{port.protocol}"
        for change in plan.changes
        for port in change.ports
        if change.strategy in ("remove", "anti_affinity")
    }
    with working_in(steps):
        apply_case(case, "expand", overrides)
        expanded = laws.read_objects(steps)
        assert [pods.host_ports for pods in laws.find_pods(expanded)] == [
            pods.host_ports for pods in laws.find_pods(before)
        ]
        apply_case(case, "contract", overrides)
        contracted = laws.read_objects(steps)
        apply_case(case, "enforce", overrides)
    assert laws.canonical(laws.read_objects(steps)) == laws.canonical(laws.read_objects(whole))
    for after in (expanded, contracted):
        laws.check_selection(before, after)
        laws.check_numbers(before, after)
        laws.check_answered(before, after, unpublished)


@pytest.mark.parametrize("case", CHANGING, ids=str)
def test_contract_waits_for_expand(case: Case) -> None:
    with working_in(case.folder):
        inventory = case.read()
        changes = case.plan(inventory, "expand").changes
        if any(change.ports and change.action != "keep" for change in changes):
            with pytest.raises(PolicyError, match="contract before expand"):
                case.plan(inventory, "contract")
        else:
            case.plan(inventory, "contract")


TREES = [case for case in CHANGING if case.source == "input" and "exclude" not in case.options]


@pytest.mark.parametrize("case", TREES, ids=str)
def test_order_of_files_does_not_count(case: Case) -> None:
    with working_in(case.folder):
        paths = sorted(str(path) for path in Path("input").rglob("*") if path.is_file())
        results = []
        for sources, jobs in ((paths, 1), (paths[::-1], 1), (["input"], 2)):
            inventory = case.read(sources, jobs)
            results.append(diff_case(case, case.plan(inventory), inventory))
        assert results == [case.expected_diff] * 3
