"""Pod templates in the plan: what PodSecurityPolicies wrote into pods, and hardening, until neither adds anything."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from migrator.model.edit import APPEND, FieldEdit
from migrator.model.inventory import Finding, Severity
from migrator.model.plan import Change
from migrator.model.record import record
from migrator.model.workload import Workload
from migrator.model.world import World
from migrator.planning.harden import harden_workload
from migrator.rules import pod_security
from migrator.rules.host_port import read_ignore_reason
from migrator.rules.pod_security import change_workload, collect_edits, find_place, find_version
from migrator.rules.pod_security_policy import ID, PolicyAdmission, PolicyDecision, list_refusals
from migrator.strategies.pod_security_policy import convert_annotations, write_out
from migrator.yaml.edit import apply_to_data

# Templates settle after two rounds; only where a policy asks for what hardening spells otherwise they never do.
_ROUNDS: Final = 8
_SHOWN: Final = 2
_UNREAD: Final = "seccomp annotations are not read any more by then: pods that were refused for one may be admitted"


@record
class Settled:
    """A workload whose template was settled: the changes that did it, and its decision before and after the plan."""

    workload: Workload
    changes: tuple[Change, ...]
    before: PolicyDecision | None
    after: PolicyDecision | None

    @property
    def injects(self) -> bool:
        """Whether what a policy wrote into the pods goes into the template."""
        return any(change.rule == ID for change in self.changes)


def settle_templates(
    admission: PolicyAdmission,
    changes: Iterable[Change],
    selects: Callable[[Workload], bool],
    allows_rule: Callable[[str], bool],
) -> Iterator[Settled]:
    """Settle the templates of the selected workloads, in which `changes` were made before.

    Raises InputError for annotations that give no reason.
    """
    world = admission.world
    edits = collect_edits(changes)
    for workload, decision in zip(world.inventory.workloads, admission.decisions, strict=True):
        if selects(workload):
            known = edits.get(find_place(workload.ref, workload.location), ())
            injects = allows_rule(ID) and not workload.owners and read_ignore_reason(workload, ID) is None
            yield _settle(admission, workload, decision, known, injects, allows_rule(pod_security.ID))


def _settle(
    admission: PolicyAdmission,
    workload: Workload,
    before: PolicyDecision | None,
    known: Sequence[FieldEdit],
    injects: bool,
    hardens: bool,
) -> Settled:
    world, version = admission.world, find_version(admission.world.policy)
    made: list[Change] = []
    decision, changed = before, workload

    def add(changes: Sequence[Change]) -> Workload:
        if not changes and changed is not workload:
            return changed
        for change in changes:
            fold_change(made, change)
        edits = [*known, *(change.edit for change in made if change.edit is not None)]
        return change_workload(workload, edits, version) if edits else workload

    for turn in range(_ROUNDS) if hardens else itertools.count():
        injected: tuple[Change, ...] = ()
        if injects and decision is not None and decision.selection.admitted:
            cluster = world.policy.cluster.version
            injected = (
                *write_out(changed, decision.selection.mutations, cluster),
                *convert_annotations(changed, decision.selection.selected or "", cluster),
            )
        if turn and not injected:
            return Settled(workload, tuple(made), before, decision)
        changed = add(injected)
        if hardens:
            changed = add(tuple(harden_workload(world, changed)))
        if changed is not workload:
            decision = admission.decide(workload, changed.pod.unpack())
    return _settle(admission, workload, before, known, injects, hardens=False)


def fold_change(made: list[Change], change: Change) -> None:
    """Add a change to those made before it, so that all are of the object as it stands.

    One of a value that an earlier change writes takes its place, or becomes a part of it.
    """
    if change.edit is None:
        return
    path = change.edit.path
    for position, known in enumerate(made):
        if known.edit is None:
            continue
        *above, last = known.edit.path
        below = path[: len(known.edit.path)] == known.edit.path
        appended = last == APPEND and path[:-1] == tuple(above) and known.edit.value == change.current
        if last != APPEND and path == known.edit.path:
            edit = dataclasses.replace(known.edit, value=change.edit.value, comment=change.edit.comment)
            made[position] = dataclasses.replace(change, edit=edit, current=known.current)
            return
        if (last != APPEND and below) or appended:
            inner = dataclasses.replace(change.edit, path=("", *path[len(known.edit.path) :]))
            value = apply_to_data({"": known.edit.value}, [inner])[""]
            reason = dataclasses.replace(
                known.reason, message=f"{known.reason.message}; {change.reason.message}", what=""
            )
            made[position] = dataclasses.replace(
                known, edit=dataclasses.replace(known.edit, value=value), reason=reason
            )
            return
    made.append(change)


def find_settled(world: World, settled: Iterable[Settled]) -> Iterator[Finding]:
    """Say which workloads' pods are denied, or are decided otherwise once the plan is applied."""
    for item in settled:
        before, after, workload = item.before, item.after, item.workload
        if before is None or after is None or world.owner_of(workload) is not None:
            continue
        found = (
            _describe_owned(before) if workload.owners else _describe_difference(world, before, after, item.changes)
        )
        if found is not None:
            severity, what = found
            message = f"{workload.ref.kind}/{workload.ref.name}: {what}"
            yield Finding(ID, severity, message, workload.ref, workload.location)


def _describe_owned(decision: PolicyDecision) -> tuple[Severity, str] | None:
    """Say where the values belong that are written into what an unknown object makes."""
    fields = dict.fromkeys(str(mutation.field[-1]) for mutation in decision.selection.mutations)
    if not fields:
        return None
    return "info", (
        f"PodSecurityPolicy {decision.selection.selected} writes {', '.join(fields)} into its pods; it is made by "
        f"{decision.workload.owners[0]}, which is not among the sources: the values belong there"
    )


def _describe_difference(
    world: World, before: PolicyDecision, after: PolicyDecision, changes: Iterable[Change]
) -> tuple[Severity, str] | None:
    old, new = before.selection.selected, after.selection.selected
    if not before.selection.admitted:
        then = f" Once the plan is applied, {new} does." if after.selection.admitted else ""
        if old is not None:
            return "warning", (
                f"PodSecurityPolicy {old} admits its pods changed, but then the API server refuses them, so nothing "
                f"is written out for it ({'; '.join(before.selection.refusals)}).{then} Once the policies are gone, "
                "nothing writes that into such pods any more, and they may be admitted"
            )
        unread = any(convert_annotations(before.workload, "", world.policy.cluster.version))
        return "warning", (
            f"no PodSecurityPolicy admits its pods, so nothing is written out for it ({_join(before)}).{then} Once "
            "the policies are gone, only what takes their place refuses such pods"
            + (f"; {_UNREAD}" if unread else "")
        )
    if not after.selection.admitted:
        return "error", (
            f"its pods run under PodSecurityPolicy {old}, and as the plan changes them none admits them any more "
            f"({_join(after)}): change the policy first, or leave this workload as it is until the policies are gone"
        )
    if old == new:
        return None
    written = ", ".join(
        dict.fromkeys(str(change.edit.path[-1]) for change in changes if change.edit and change.decision == new)
    )
    besides = f"; that writes {written} besides, which its pods did not have before" if written else ""
    return "warning" if written else "info", (
        f"its pods run under PodSecurityPolicy {old}, and as the plan changes them under {new}{besides}"
    )


def _join(decision: PolicyDecision) -> str:
    reasons = list(list_refusals(decision))
    more = f"; and {len(reasons) - _SHOWN} more" if len(reasons) > _SHOWN else ""
    return "; ".join(reasons[:_SHOWN]) + more
