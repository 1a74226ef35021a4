"""The Pod Security rule: which level the workloads of a namespace need, now and once a plan is applied."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from migrator.model.edit import FieldEdit
from migrator.model.plan import Change
from migrator.model.policy import Policy
from migrator.model.reference import ResourceRef
from migrator.model.workload import PodSecurity, PodSecurityViolation, Workload
from migrator.model.world import World
from migrator.podsecurity.evaluate import evaluate_pod
from migrator.podsecurity.level import LEVELS, PRIVILEGED, RESTRICTED, Level, is_stricter
from migrator.podsecurity.version import PolicyVersion, parse_version
from migrator.yaml.edit import apply_to_data

ID = "pod-security"
HOST_PORTS = "hostPorts"


@dataclass(frozen=True, slots=True)
class NamespaceVerdict:
    """What the workloads of a namespace need.

    `needed` is the strictest level that all of them satisfy as they stand, `after` once the plan is applied.
    `because` names what holds the namespace back then. `host_ports_alone` lists the workloads whose kept host ports
    are all that keeps it at privileged.
    """

    name: str
    needed: Level
    after: Level
    because: tuple[str, ...]
    host_ports_alone: tuple[Workload, ...]
    workloads: tuple[Workload, ...]


def find_version(policy: Policy) -> PolicyVersion:
    """Give the policy version that pods are judged by: the policy's, else the cluster's own."""
    if policy.pod_security.version is not None:
        return parse_version(policy.pod_security.version)
    return PolicyVersion(policy.cluster.version[1])


def judge_namespaces(world: World, changes: Iterable[Change]) -> tuple[NamespaceVerdict, ...]:
    """Judge each namespace that workloads are known to be in, in the order of names."""
    edits: dict[tuple[ResourceRef, str, int, int | None], list[FieldEdit]] = defaultdict(list)
    for change in changes:
        if change.action == "update" and change.edit is not None:
            edits[(change.resource, *_place(change.location))].append(change.edit)
    by_namespace: dict[str, list[Workload]] = defaultdict(list)
    for workload in world.inventory.workloads:
        if workload.ref.namespace is not None and workload.pod_security is not None and not workload.owners:
            by_namespace[workload.ref.namespace].append(workload)
    version = find_version(world.policy)
    return tuple(
        _judge_namespace(name, workloads, edits, version) for name, workloads in sorted(by_namespace.items())
    )


def _place(location: object) -> tuple[str, int, int | None]:
    return location.path, location.document, location.item  # type: ignore[attr-defined]


def _judge_namespace(
    name: str,
    workloads: Sequence[Workload],
    edits: Mapping[tuple[ResourceRef, str, int, int | None], Sequence[FieldEdit]],
    version: PolicyVersion,
) -> NamespaceVerdict:
    judged = [
        (workload, judge_after(workload, edits.get((workload.ref, *_place(workload.location)), ()), version))
        for workload in workloads
    ]
    needed = _weakest(workload.pod_security for workload in workloads)
    after = _weakest(result for _, result in judged)
    held = [
        (workload, violation)
        for workload, result in judged
        for violation in result.violations
        if _holds_back(violation, after)
    ]
    alone: tuple[Workload, ...] = ()
    if after == PRIVILEGED and held and all(violation.check == HOST_PORTS for _, violation in held):
        alone = tuple({id(workload): workload for workload, _ in held}.values())
    return NamespaceVerdict(
        name=name,
        needed=needed,
        after=after,
        because=tuple(_describe(workload, violation) for workload, violation in held),
        host_ports_alone=alone,
        workloads=tuple(workloads),
    )


def _weakest(results: Iterable[PodSecurity | None]) -> Level:
    levels = [result.level for result in results if result is not None]
    return min((level for level in LEVELS if level in levels), key=LEVELS.index, default=RESTRICTED)


def _holds_back(violation: PodSecurityViolation, level: Level) -> bool:
    """Tell whether a violation keeps a namespace from the level above."""
    if level == RESTRICTED:
        return False
    return violation.counts_at(LEVELS[LEVELS.index(level) + 1])


def _describe(workload: Workload, violation: PodSecurityViolation) -> str:
    line = violation.fields[0][1] if violation.fields else workload.location.line
    what = f"{violation.reason} ({violation.detail})" if violation.detail else violation.reason
    return f"{workload.ref.kind}/{workload.ref.name}: {what} at {workload.location.path}:{line}"


def judge_after(workload: Workload, edits: Sequence[FieldEdit], version: PolicyVersion) -> PodSecurity:
    """Judge a workload's pod as edits would leave it."""
    now = workload.pod_security
    prefix = workload.kind.template
    inside = [
        FieldEdit(edit.op, edit.path[len(prefix) :], edit.value)
        for edit in edits
        if edit.path[: len(prefix)] == prefix
    ]
    if now is None or not inside or now.level == RESTRICTED:
        return now or PodSecurity(str(version), RESTRICTED, ())
    pod = apply_to_data(workload.pod.unpack(), inside)
    evaluation = evaluate_pod(pod["metadata"], pod["spec"], version)
    lines = {violation.check: violation.fields for violation in now.violations}
    return PodSecurity(
        str(version),
        evaluation.level,
        tuple(
            PodSecurityViolation(
                found.level, found.check, found.reason, found.detail, lines.get(found.check, ()), found.overridden
            )
            for found in evaluation.violations
        ),
    )


def find_stricter(level: Level, other: Level) -> Level:
    """Give the stricter of two levels."""
    return level if is_stricter(level, other) else other
