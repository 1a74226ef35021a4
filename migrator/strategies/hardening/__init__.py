"""Hardening strategies: for each check of the Pod Security Standards, what would satisfy it.

A check's YAML file says in words what there is to do. Where some of it is mechanical, a module of the same name
proposes the edits. Mechanical is what writes out a field that is missing, or takes away what has no effect; a value
that somebody chose is a person's to change.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from migrator.model.edit import FieldEdit
from migrator.model.field import FieldPath
from migrator.model.policy import Policy
from migrator.model.workload import Workload
from migrator.podsecurity.evaluate import evaluate_level
from migrator.podsecurity.level import Level
from migrator.podsecurity.pod import Pod, read_pod
from migrator.podsecurity.registry import name_module
from migrator.rules.hardening import Option, Remedy, is_for_windows
from migrator.rules.pod_security import find_version, is_touched
from migrator.sources.tables import load_table
from migrator.yaml.edit import apply_to_data


def find_remedies(workload: Workload, level: Level, policy: Policy) -> tuple[Remedy, ...]:
    """Find what it would take for a workload's pod to satisfy a level, in the order of its violations.

    The edits are of the workload's object.
    """
    verdict = workload.pod_security
    violations = [item for item in verdict.violations if item.counts_at(level)] if verdict else []
    if not violations:
        return ()
    data = workload.pod.unpack()
    pod = read_pod(data["metadata"], data["spec"])
    prefix = workload.kind.template
    fields = {item.check: tuple(path[len(prefix) :] for path, _ in item.fields) for item in violations}
    proposed = {item.check: tuple(_propose(item.check, pod, fields[item.check], policy)) for item in violations}
    changed = apply_to_data(data, [edit for edits in proposed.values() for edit in edits])
    left = {item.check for item in evaluate_level(changed["metadata"], changed["spec"], level, find_version(policy))}
    remedies: list[Remedy] = []
    for check, edits in proposed.items():
        table = describe_strategy(check)
        if edits:
            moved = tuple(_move(edit, prefix) for edit in edits)
            remedies.append(Remedy(check, True, tuple(edit.path for edit in moved), moved, (), table["risk"]))
        if check in left:
            rest = tuple(field for field in fields[check] if not is_touched(field, edits)) or fields[check]
            options = tuple(_list_options(table, pod, rest))
            remedies.append(Remedy(check, False, tuple((*prefix, *field) for field in rest), (), options, ""))
    return tuple(remedies)


def describe_strategy(check: str) -> Mapping[str, Any]:
    """Give the texts of a check's strategy: title, does, risk, wayBack, options, sources."""
    table: Mapping[str, Any] = load_table(f"strategies/hardening/{name_module(check)}.yaml")
    return table


@cache
def is_mechanical(check: str) -> bool:
    """Tell whether edits can satisfy a check in some pods."""
    return (Path(__file__).parent / f"{name_module(check)}.py").is_file()


def _propose(check: str, pod: Pod, fields: tuple[FieldPath, ...], policy: Policy) -> Iterator[FieldEdit]:
    if is_mechanical(check):
        yield from import_module(f"{__name__}.{name_module(check)}").propose(pod, fields, policy.pod_security)


def _move(edit: FieldEdit, prefix: FieldPath) -> FieldEdit:
    return FieldEdit(edit.op, (*prefix, *edit.path), edit.value, edit.before)


def _list_options(table: Mapping[str, Any], pod: Pod, fields: tuple[FieldPath, ...]) -> Iterator[Option]:
    """List a check's options, and in front those that follow from what kind of pod or container it is."""
    common = load_table("rules/hardening.yaml")
    rows = []
    if any("ephemeralContainers" in field for field in fields):
        rows += common["ephemeral"]
    if is_for_windows(pod) and table.get("linux"):
        rows += common["windows"]
    else:
        rows += table["options"]
    return (Option(row["does"].strip(), row["price"].strip()) for row in rows)
