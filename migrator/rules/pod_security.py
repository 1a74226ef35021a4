"""The Pod Security rule: which level the workloads of a namespace need, now and once a plan is applied."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from migrator.model.edit import FieldEdit
from migrator.model.field import FieldPath, format_path
from migrator.model.plan import Change
from migrator.model.policy import Policy
from migrator.model.record import record
from migrator.model.reference import Location, ResourceRef
from migrator.model.workload import PackedData, PodSecurity, PodSecurityViolation, Workload
from migrator.model.world import World
from migrator.podsecurity.evaluate import Violation, evaluate_level, evaluate_pod
from migrator.podsecurity.level import LEVELS, PRIVILEGED, RESTRICTED, Level
from migrator.podsecurity.version import PolicyVersion, clamp_version, parse_version
from migrator.yaml.edit import apply_to_data

ID = "pod-security"
HOST_PORTS = "hostPorts"

Place = tuple[ResourceRef, str, int, int | None]


@record
class Judged:
    """A workload and what its pod violates once the plan is applied; `edits` are the plan's in its object.

    `exempt` tells whether admission leaves its pods alone, because of their runtime class.
    """

    workload: Workload
    after: PodSecurity
    edits: tuple[FieldEdit, ...] = ()
    exempt: bool = False


@dataclass(frozen=True)
class NamespaceVerdict:
    """What the workloads of a namespace need: those that admission judges decide."""

    name: str
    judged: tuple[Judged, ...]

    @cached_property
    def _deciding(self) -> tuple[Judged, ...]:
        return tuple(item for item in self.judged if not item.exempt)

    @cached_property
    def needed(self) -> Level:
        """Give the strictest level that all workloads satisfy as they stand."""
        return find_weakest(item.workload.pod_security for item in self._deciding)

    @cached_property
    def after(self) -> Level:
        """Give the strictest level that all workloads satisfy once the plan is applied."""
        return find_weakest(item.after for item in self._deciding)

    @cached_property
    def held(self) -> tuple[tuple[Judged, PodSecurityViolation], ...]:
        """Give what keeps the namespace from the next level once the plan is applied."""
        if self.after == RESTRICTED:
            return ()
        above = LEVELS[LEVELS.index(self.after) + 1]
        return tuple(
            (item, violation)
            for item in self._deciding
            for violation in item.after.violations
            if violation.counts_at(above)
        )

    @cached_property
    def because(self) -> tuple[str, ...]:
        """Say what keeps the namespace from the next level: the workload, why, and at which field."""
        return tuple(describe_violation(item.workload, violation) for item, violation in self.held)

    @cached_property
    def host_ports_alone(self) -> tuple[Judged, ...]:
        """Give the workloads whose host ports are all that keeps the namespace at privileged."""
        if self.after != PRIVILEGED or any(violation.check != HOST_PORTS for _, violation in self.held):
            return ()
        return tuple(item for item, _ in self.held)

    def without(self, left_out: Sequence[Judged]) -> NamespaceVerdict:
        """Judge the namespace without some of its workloads."""
        gone = {id(item) for item in left_out}
        return NamespaceVerdict(self.name, tuple(item for item in self.judged if id(item) not in gone))


def find_version(policy: Policy) -> PolicyVersion:
    """Give the policy version that pods are judged by and labels are pinned to.

    It is the one asked for; the newest that the checks know where that is newer.
    """
    asked = find_asked_version(policy)
    return asked if asked.minor is None else clamp_version(asked)


def find_asked_version(policy: Policy) -> PolicyVersion:
    """Give the policy version that is asked for: the policy's, else the cluster's own."""
    if policy.pod_security.version is not None:
        return parse_version(policy.pod_security.version)
    return PolicyVersion(policy.cluster.version[1])


def judge_workloads(world: World, changes: Iterable[Change]) -> tuple[Judged, ...]:
    """Judge each workload that nothing else among the sources makes, as changes would leave it."""
    edits = collect_edits(changes)
    version = find_version(world.policy)
    return tuple(
        _judge(workload, edits.get(find_place(workload.ref, workload.location), ()), version, world.policy)
        for workload in world.inventory.workloads
        if workload.pod_security is not None and not (workload.owners and world.owner_of(workload) is not None)
    )


def collect_edits(changes: Iterable[Change]) -> Mapping[Place, Sequence[FieldEdit]]:
    """Collect the edits of changes by the object that they are made in."""
    edits: dict[Place, list[FieldEdit]] = defaultdict(list)
    for change in changes:
        if change.action == "update" and change.edit is not None:
            edits[find_place(change.resource, change.location)].append(change.edit)
    return edits


def find_place(ref: ResourceRef, location: Location) -> Place:
    """Give what tells an object from all others: one may stand in several files."""
    return ref, location.path, location.document, location.item


def _judge(workload: Workload, edits: Sequence[FieldEdit], version: PolicyVersion, policy: Policy) -> Judged:
    exempt_classes = policy.pod_security.exempt_runtime_classes
    exempt = bool(exempt_classes) and workload.pod.unpack()["spec"].get("runtimeClassName") in exempt_classes
    return Judged(workload, judge_after(workload, edits, version), tuple(edits), exempt)


def judge_namespaces(judged: Iterable[Judged]) -> tuple[NamespaceVerdict, ...]:
    """Judge each namespace that workloads are known to be in, in the order of names."""
    by_namespace: dict[str, list[Judged]] = defaultdict(list)
    for item in judged:
        if item.workload.ref.namespace is not None:
            by_namespace[item.workload.ref.namespace].append(item)
    return tuple(NamespaceVerdict(name, tuple(items)) for name, items in sorted(by_namespace.items()))


def find_weakest(results: Iterable[PodSecurity | None]) -> Level:
    """Find the level that all pods satisfy; restricted where there is none."""
    levels = {result.level for result in results if result is not None}
    return next((level for level in LEVELS if level in levels), RESTRICTED)


def describe_violation(workload: Workload, violation: PodSecurityViolation) -> str:
    """Say which workload violates what, and at which field."""
    what = f"{violation.reason} ({violation.detail})" if violation.detail else violation.reason
    path, line = violation.fields[0] if violation.fields else ((), workload.location.line)
    field = f" {format_path(path)}" if path else ""
    return f"{workload.ref.kind}/{workload.ref.name}: {what}:{field} at {workload.location.at(line)}"


def judge_after(workload: Workload, edits: Sequence[FieldEdit], version: PolicyVersion) -> PodSecurity:
    """Judge a workload's pod as edits would leave it; what they do not touch keeps its place."""
    now = workload.pod_security
    inside = list_inside(workload, edits)
    if now is None or not inside:
        return now or PodSecurity(str(version), RESTRICTED, ())
    pod = apply_to_data(workload.pod.unpack(), inside)
    evaluation = evaluate_pod(pod["metadata"], pod["spec"], version)
    return PodSecurity(
        str(version),
        evaluation.level,
        tuple(
            PodSecurityViolation(
                found.level,
                found.check,
                found.reason,
                found.detail,
                _locate(workload, now, found, edits),
                found.overridden,
            )
            for found in evaluation.violations
        ),
    )


def change_workload(workload: Workload, edits: Sequence[FieldEdit], version: PolicyVersion) -> Workload:
    """Give a workload as edits would leave its pod, judged anew."""
    pod = apply_to_data(workload.pod.unpack(), list_inside(workload, edits))
    judged = workload.pod_security and judge_after(workload, edits, version)
    return replace(workload, pod=PackedData.pack(pod), pod_security=judged)


def _locate(
    workload: Workload, now: PodSecurity, found: Violation, edits: Sequence[FieldEdit]
) -> tuple[tuple[FieldPath, int], ...]:
    """Give the places of what is still at fault: those from before, or new ones at the line of their container."""
    before = [item for violation in now.violations if violation.check == found.check for item in violation.fields]
    kept = tuple(item for item in before if not is_touched(item[0], edits))
    if kept:
        return kept
    prefix = workload.kind.template
    known = [item for violation in now.violations for item in violation.fields]
    places = []
    for field in found.fields:
        path = (*prefix, *field)
        container = path[: len(prefix) + 3]
        line = next((line for other, line in known if other[: len(container)] == container), workload.location.line)
        places.append((path, line))
    return tuple(places)


def list_inside(workload: Workload, edits: Sequence[FieldEdit]) -> list[FieldEdit]:
    """List the edits that lie in the pod, as edits of it."""
    prefix = workload.kind.template
    return [
        FieldEdit(edit.op, edit.path[len(prefix) :], edit.value)
        for edit in edits
        if edit.path[: len(prefix)] == prefix
    ]


def violates(judged: Judged, level: Level, version: PolicyVersion) -> bool:
    """Tell whether a workload's pod, as the plan leaves it, violates a level of any policy version."""
    pod = judged.workload.pod.unpack()
    inside = list_inside(judged.workload, judged.edits)
    after = apply_to_data(pod, inside) if inside else pod
    return bool(evaluate_level(after["metadata"], after["spec"], level, version))


def is_touched(path: FieldPath, edits: Iterable[FieldEdit]) -> bool:
    """Tell whether one of the edits changes a field, something in it, or what it stands in."""
    return any(path[: len(edit.path)] == edit.path or edit.path[: len(path)] == path for edit in edits)
