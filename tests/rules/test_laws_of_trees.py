"""The laws over random trees."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import laws
from cases import working_in, write_files
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from test_laws_of_results import fix_numbers
from trees import make_tree, write_tree

from migrator.model.plan import Plan
from migrator.planning.plan import NOTHING_FIXED, Overrides, plan_changes
from migrator.policy.load import built_in_policy
from migrator.rendering.diff import write_diff
from migrator.rendering.render import render_plan
from migrator.sources.read import ReadOptions, read_sources

EXAMPLES = 1000 if os.environ.get("FULL") else 40


def plan_tree(phase: str = "all", overrides: Overrides = NOTHING_FIXED, jobs: int = 1) -> tuple[Plan, bytes]:
    policy = built_in_policy()
    inventory = read_sources(["."], ReadOptions(kinds=policy.workload_kinds, jobs=jobs))
    plan = plan_changes(inventory, policy, phase, overrides=overrides)  # type: ignore[arg-type]
    return plan, write_diff(render_plan(plan, inventory.files, jobs))


def apply_tree(phase: str, overrides: Overrides) -> Plan:
    policy = built_in_policy()
    inventory = read_sources(["."], ReadOptions(kinds=policy.workload_kinds))
    plan = plan_changes(inventory, policy, phase, overrides=overrides)  # type: ignore[arg-type]
    write_files(render_plan(plan, inventory.files))
    return plan


@settings(
    max_examples=EXAMPLES, deadline=None, derandomize=True, phases=(Phase.explicit, Phase.generate), print_blob=False
)
@given(st.integers(0, 2**32))
def test_a_tree_is_moved_by_the_laws(seed: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        whole, steps = Path(folder, "whole"), Path(folder, "steps")
        for copy in (whole, steps):
            write_tree(copy, make_tree(seed))
        before = laws.read_objects(whole)
        with working_in(whole):
            overrides = fix_numbers(plan_tree()[0])
            plan = apply_tree("all", overrides)
            again, diff = plan_tree()
            assert (diff, [change for change in again.changes if change.action != "keep"]) == (b"", [])
        unpublished = {
            f"{change.workload.name} {port.host_port}/{port.protocol}"
            for change in plan.changes
            for port in change.ports
            if change.strategy in ("remove", "anti_affinity")
        }
        with working_in(steps):
            apply_tree("expand", overrides)
            expanded = laws.read_objects(steps)
            apply_tree("contract", overrides)
        contracted = laws.read_objects(steps)
        assert laws.canonical(contracted) == laws.canonical(laws.read_objects(whole))
        for after in (expanded, contracted):
            laws.check_selection(before, after)
            laws.check_numbers(before, after)
            laws.check_answered(before, after, unpublished)


@settings(
    max_examples=EXAMPLES // 3,
    deadline=None,
    derandomize=True,
    phases=(Phase.explicit, Phase.generate),
    print_blob=False,
)
@given(st.integers(0, 2**32))
def test_a_narrower_run_gives_the_same_numbers(seed: int) -> None:
    from migrator.model.selection import Selection

    with tempfile.TemporaryDirectory() as folder, working_in(Path(folder)):
        write_tree(Path(), make_tree(seed))
        policy = built_in_policy()
        inventory = read_sources(["."], ReadOptions(kinds=policy.workload_kinds))
        whole = plan_changes(inventory, policy)
        parts = []
        for workload in inventory.workloads:
            selection = Selection(workloads=frozenset((str(workload.ref),)))
            parts += plan_changes(inventory, policy, "all", selection).port_map
        numbers = [
            {(entry.resource, entry.protocol, entry.old_port, entry.pod): entry.node_port for entry in port_map}
            for port_map in (whole.port_map, parts)
        ]
        assert numbers[0] == numbers[1]
