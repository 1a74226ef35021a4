"""Hardening workloads: the mechanical remedies as changes, what is left to a person as findings."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from migrator.model.field import FieldPath
from migrator.model.inventory import Finding
from migrator.model.plan import Change, Reason
from migrator.model.workload import PodSecurityViolation, Workload
from migrator.model.world import World
from migrator.podsecurity.level import Level
from migrator.podsecurity.registry import name_module
from migrator.publishing.proposal import find_effect
from migrator.rules.hardening import Option, Remedy, say_why_left
from migrator.rules.pod_security import ID, Judged, describe_violation, is_touched
from migrator.strategies.hardening import describe_strategy, find_remedies


def harden_workloads(world: World, selects: Callable[[Workload], bool]) -> Iterator[Change]:
    """Propose what is mechanical to bring the selected workloads to the policy's level.

    Raises InputError for annotations that give no reason.
    """
    for workload in filter(selects, world.inventory.workloads):
        yield from harden_workload(world, workload)


def harden_workload(world: World, workload: Workload) -> Iterator[Change]:
    """Propose what is mechanical to bring a workload to the policy's level."""
    level = _find_level(world)
    if level is None or say_why_left(world, workload) is not None:
        return
    for remedy in find_remedies(workload, level, world.policy):
        if remedy.mechanical:
            yield from _change_workload(workload, remedy, level)


def find_left_over(world: World, judged: Sequence[Judged], selects: Callable[[Workload], bool]) -> Iterator[Finding]:
    """Say what still keeps workloads from the policy's level once the plan is applied, and a person's options."""
    level = _find_level(world)
    if level is None:
        return
    for item in judged:
        workload = item.workload
        left = {violation.check: violation for violation in item.after.violations if violation.counts_at(level)}
        if not left or not selects(workload) or say_why_left(world, workload) is not None:
            continue
        for remedy in find_remedies(workload, level, world.policy):
            if not remedy.mechanical and remedy.check in left:
                yield _report(workload, left[remedy.check], remedy, level)


def _find_level(world: World) -> Level | None:
    harden = world.policy.pod_security.harden
    return None if harden == "none" else harden


def _change_workload(workload: Workload, remedy: Remedy, level: Level) -> Iterator[Change]:
    table = describe_strategy(remedy.check)
    pod: Any = workload.pod.unpack()
    lines = _list_lines(workload, remedy.check)
    title = table["title"]
    for edit in remedy.edits:
        line = next((line for path, line in lines if is_touched(path, (edit,))), workload.location.line)
        yield Change(
            rule=ID,
            decision=remedy.check,
            strategy=name_module(remedy.check),
            phase="contract",
            action="update",
            resource=workload.ref,
            location=workload.location.at(line),
            workload=workload.ref,
            reason=Reason(
                message=f"{title[:1].lower()}{title[1:]}: {level} asks for it",
                way_back=table["wayBack"],
                caveats=(remedy.risk,),
                sources=tuple(table["sources"]),
            ),
            effect=find_effect(workload),
            edit=edit,
            current=_find_current(pod, edit.path[len(workload.kind.template) :]) if edit.op != "add" else None,
        )


def _find_current(pod: Any, path: FieldPath) -> Any:
    for step in path:
        pod = pod[step]
    return pod


def _report(workload: Workload, violation: PodSecurityViolation, remedy: Remedy, level: Level) -> Finding:
    """Report what only a person can decide, at the first field that is left."""
    line = violation.fields[0][1] if violation.fields else workload.location.line
    place = workload.location.at(line)
    what = describe_violation(workload, violation)
    options = " ".join(f"({number}) {_write_option(item)}" for number, item in enumerate(remedy.options, 1))
    return Finding(ID, "warning", f"{what} keeps it from {level}. Options: {options}", workload.ref, place)


def _list_lines(workload: Workload, check: str) -> tuple[tuple[FieldPath, int], ...]:
    verdict = workload.pod_security
    violations = verdict.violations if verdict is not None else ()
    return next((item.fields for item in violations if item.check == check), ())


def _write_option(option: Option) -> str:
    return f"{option.does} Price: {option.price}"
