"""What a plan comes to: what changes, what breaks for whom, what is left to a person."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from migrator.model.inventory import Finding
from migrator.model.plan import PHASES, Change, Phase, Plan, Reason
from migrator.model.policy import Policy
from migrator.model.record import record
from migrator.model.reference import ResourceRef
from migrator.rules import pod_security

RE_CREATE = "delete and re-create"
RESTART = "rolling restart"


def count(number: int, noun: str) -> str:
    """Write a number with its noun: 1 object, 1,667 objects."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


@record
class Counts:
    """How many objects changes add, edit and delete, and how many host ports stay."""

    added: int
    edited: int
    deleted: int
    kept: int

    def __str__(self) -> str:
        """Write what changes, such as `8 to add, 17 to edit`; "" for nothing."""
        parts = ((self.added, "add"), (self.edited, "edit"), (self.deleted, "delete"))
        return ", ".join(f"{number:,} to {verb}" for number, verb in parts if number)


@record
class PhaseCounts:
    """What one phase does, what it breaks, to how many objects, and what becomes of how many workloads' pods."""

    phase: Phase
    does: str
    breaks: str
    counts: Counts
    pods: str


_PHASES: Mapping[Phase, tuple[str, str]] = {
    "expand": ("adds what answers and warns beside what is there", "nothing"),
    "contract": ("edits the workloads, once", "clients that did not move"),
    "enforce": ("refuses pods that fall below their namespace's level", "pods that should not run"),
    "cleanup": ("deletes what no longer decides anything", "nothing"),
}


@record
class Break:
    """What no longer works as before: for whom, what happens, and the workloads or namespaces where."""

    who: str
    what: str
    where: tuple[ResourceRef, ...]


def count_changes(changes: Iterable[Change]) -> Counts:
    """Count what changes do; an object that several changes edit counts once."""
    listed = list(changes)

    def count_objects(action: str) -> int:
        return len({(change.location.path, change.resource) for change in listed if change.action == action})

    created = sum(1 for change in listed if change.action == "create")
    kept = sum(1 for change in listed if change.action == "keep")
    return Counts(created, count_objects("update"), count_objects("delete"), kept)


def count_phases(plan: Plan) -> Iterator[PhaseCounts]:
    """Count what each phase that changes something does."""
    for phase in PHASES:
        changes = [change for change in plan.changes if change.phase == phase and change.action != "keep"]
        if changes:
            restarted, recreated = (len(_list_workloads(changes, effect)) for effect in (RESTART, RE_CREATE))
            parts = ((restarted, "will restart"), (recreated, "to re-create"))
            pods = "; ".join(f"{count(number, 'workload')} {what}" for number, what in parts if number)
            yield PhaseCounts(phase, *_PHASES[phase], count_changes(changes), pods or "none restart")


def _list_workloads(changes: Iterable[Change], effect: str) -> tuple[ResourceRef, ...]:
    return tuple(dict.fromkeys(change.workload for change in changes if change.effect == effect))


def list_breaks(plan: Plan) -> Iterator[Break]:
    """List what breaks, and for whom."""
    moved: dict[str, list[ResourceRef]] = {}
    for entry in plan.port_map:
        if entry.type != "hostPort":
            moved.setdefault(entry.who_must_change, []).append(entry.resource)
    for who, refs in moved.items():
        where = tuple(dict.fromkeys(refs))
        yield Break(
            who, f"{count(len(refs), 'port')} of {count(len(where), 'workload')} will answer elsewhere", where
        )
    restarted, recreated = (_list_workloads(plan.changes, effect) for effect in (RESTART, RE_CREATE))
    if restarted:
        yield Break(
            "whoever is connected", f"{count(len(restarted), 'workload')} will restart, pod by pod", restarted
        )
    if recreated:
        what = f"{count(len(recreated), 'workload')} will not follow by themselves: delete and re-create them"
        yield Break("whoever rolls it out", what, recreated)
    enforced = tuple(
        dict.fromkeys(
            change.resource
            for change in plan.changes
            if change.rule == pod_security.ID and change.phase == "enforce" and change.action != "keep"
        )
    )
    if enforced:
        what = f"pods below the level will be refused in {count(len(enforced), 'namespace')}"
        yield Break("whoever creates pods", what, enforced)


def list_left(plan: Plan) -> tuple[Finding, ...]:
    """List the findings that somebody has to act on, errors first."""
    grave = [finding for finding in plan.findings if finding.severity != "info"]
    return tuple(sorted(grave, key=lambda finding: finding.severity))


def title_plan(plan: Plan) -> str:
    """Say in one line what a plan does."""
    counts = count_changes(plan.changes)
    kept = f"{count(counts.kept, 'host port')} kept" if counts.kept else ""
    text = f"Phase {plan.phase}: {counts}" if str(counts) else "Nothing to change"
    files, objects = plan.translated
    if files:
        text = f"{count(objects, 'object')} in {count(files, 'file')} from Rancher stacks"
        text += f"; phase {plan.phase}: {counts}" if str(counts) else ""
    return f"{text}; {kept}" if kept else text


def say_assumptions(policy: Policy) -> str:
    """Say what the plan takes for granted about the cluster and its clients."""
    cluster = policy.cluster
    low, high = cluster.node_ports
    balancer = "load balancers" if cluster.load_balancer else "no load balancer"
    return (
        f"Assumed ({policy.path or 'the built-in policy'}): Kubernetes {cluster.version[0]}.{cluster.version[1]}, "
        f"node ports {low}-{high}, {count(len(cluster.used_node_ports), 'number')} taken besides, {balancer}, "
        "clients outside of the cluster unless a row or an annotation says otherwise"
    )


def say_once(reason: Reason, said: set[str]) -> str:
    """Give a message, without the reason where it was said already; what is said is remembered."""
    because = reason.message.removeprefix(reason.what)
    if reason.what and any(known.startswith(because) for known in said):
        return f"{reason.what}."
    said.add(because)
    return reason.message
