"""Label namespaces with the Pod Security level that their workloads satisfy."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from migrator.model.edit import FieldEdit
from migrator.model.inventory import Finding
from migrator.model.objects import Namespace
from migrator.model.plan import Change, NamespacePlan, NewObject, Phase, PhaseChoice, Reason
from migrator.model.reference import ResourceRef
from migrator.model.workload import describe_host_ports
from migrator.model.world import World
from migrator.podsecurity.labels import AUDIT, ENFORCE, WARN, InvalidLabel, LevelVersion, read_labels
from migrator.podsecurity.level import PRIVILEGED, Level, is_stricter
from migrator.podsecurity.version import NEWEST, PolicyVersion, parse_version
from migrator.publishing.placement import Places, list_new_file
from migrator.publishing.proposal import strategy_sources, strategy_text
from migrator.rules.granted_levels import compare_grants
from migrator.rules.pod_security import (
    ID,
    Judged,
    NamespaceVerdict,
    find_asked_version,
    find_version,
    find_weakest,
    judge_namespaces,
    judge_workloads,
    violates,
)

if TYPE_CHECKING:
    from migrator.rules.pod_security_policy import PolicyAdmission

_PHASES: Mapping[str, Phase] = {WARN: "expand", AUDIT: "expand", ENFORCE: "enforce"}
_FIRST_MINOR = 23
"""The first version whose API server reads the labels without a feature gate."""


@dataclass(slots=True)
class LabelProposal:
    """What is proposed for all namespaces: changes, each namespace's part of the plan, what a person must know."""

    changes: list[Change] = field(default_factory=list)
    namespaces: list[NamespacePlan] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)


def propose_labels(
    world: World,
    judged: Sequence[Judged],
    changes: Sequence[Change],
    places: Places,
    phase: PhaseChoice,
    selects: Callable[[str], bool],
    admission: PolicyAdmission | None = None,
) -> LabelProposal:
    """Propose labels for each namespace that workloads are known to be in.

    `judged` are the workloads as `changes` leave them; only namespaces that `selects` says are changed. `admission`
    knows what PodSecurityPolicies granted.
    """
    proposal = LabelProposal()
    manifests: dict[str, list[Namespace]] = {}
    for namespace in world.inventory.namespaces:
        manifests.setdefault(namespace.ref.name, []).append(namespace)
        proposal.findings.extend(_find_invalid_labels(namespace))
    homeless = [item for item in judged if item.workload.ref.namespace is None]
    for verdict in judge_namespaces(judged):
        own = manifests.get(verdict.name, [])
        proposal.findings.extend(_find_refused(world, verdict, own))
        proposal.findings.extend(_find_host_ports_alone(verdict, changes))
        plan, made = _propose_namespace(world, verdict, own, homeless, places, phase, selects(verdict.name))
        proposal.namespaces.append(plan if admission is None else _add_grants(plan, verdict, admission))
        proposal.changes.extend(made)
    proposal.findings.extend(_find_general(world, homeless))
    return proposal


def _propose_namespace(
    world: World,
    verdict: NamespaceVerdict,
    manifests: Sequence[Namespace],
    homeless: Sequence[Judged],
    places: Places,
    phase: PhaseChoice,
    selected: bool,
) -> tuple[NamespacePlan, list[Change]]:
    policy = world.policy.pod_security
    exempt = verdict.name in policy.exempt_namespaces
    doubt = "" if exempt else _say_why_incomplete(world, verdict, homeless)
    labels = {} if exempt else _choose_labels(verdict.after, find_version(world.policy), complete=not doubt)
    notes = ["the policy exempts it: it is never labelled here"] if exempt else []
    notes += [doubt] if doubt else []
    notes += [
        f"{item.workload.ref.kind}/{item.workload.ref.name} runs under an exempt runtime class and is not judged"
        for item in verdict.judged
        if item.exempt
    ]
    changes: list[Change] = []
    editable = [item for item in manifests if item.location.path not in world.excluded]
    for namespace in editable:
        wanted, kept = raise_labels(labels, namespace.labels)
        notes += [note for note in kept if note not in notes]
        changes.extend(_label(namespace, wanted, verdict))
    missing = labels
    for namespace in manifests:
        missing, _ = raise_labels(missing, namespace.labels)
    if editable or not selected:
        missing = {}
    elif labels and not manifests and policy.create_namespaces:
        created = list(_create(world, verdict, labels, places, phase))
        changes, missing = created, {} if created else missing
    plan = NamespacePlan(
        name=verdict.name,
        needed=verdict.needed,
        after=verdict.after,
        recommended=PRIVILEGED if exempt else verdict.after,
        because=verdict.because,
        labels=labels,
        commands=tuple(_write_commands(verdict.name, missing)),
        notes=tuple(notes),
    )
    return plan, changes if selected else []


def _add_grants(plan: NamespacePlan, verdict: NamespaceVerdict, admission: PolicyAdmission) -> NamespacePlan:
    """Add what PodSecurityPolicies granted. Needs decide about labels: a grant says what pods might have been."""
    grant = admission.namespace_grants.get(plan.name)
    if grant is None:
        return plan
    levels = (grant.strict, grant.without_lsm)
    exempt = plan.name in admission.world.policy.pod_security.exempt_namespaces
    notes = () if exempt else tuple(compare_grants(admission, verdict, ENFORCE in plan.labels))
    return dataclasses.replace(plan, granted=levels, notes=(*plan.notes, *notes))


def _say_why_incomplete(world: World, verdict: NamespaceVerdict, homeless: Sequence[Judged]) -> str:
    """Say why a namespace's pods may not all be known; "" where they are."""
    if not world.policy.pod_security.is_complete(verdict.name):
        return (
            "enforce is not proposed: the sources may not hold all its pods (podSecurity.complete says where they do)"
        )
    weakest = find_weakest(item.after for item in homeless)
    if is_stricter(verdict.after, weakest):
        names = ", ".join(f"{item.workload.ref.kind}/{item.workload.ref.name}" for item in homeless[:2])
        return (
            f"enforce is not proposed: {names} and others that name no namespace may be in this one, and satisfy "
            f"{weakest} only (--default-namespace says where they are)"
        )
    return ""


def _choose_labels(level: Level, version: PolicyVersion, complete: bool) -> dict[str, str]:
    modes = [] if level == PRIVILEGED else [WARN, AUDIT]
    if complete:
        modes.append(ENFORCE)
    return {key: value for mode in modes for key, value in ((mode, level), (f"{mode}-version", str(version)))}


def raise_labels(labels: Mapping[str, str], current: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """Leave out the labels that would loosen, or only rewrite, what a namespace says already.

    What counts is what the labels do: without a warn label a namespace warns of what it enforces. A version that is
    newer than the one pods were judged by stays. Gives the labels, and notes on those that could not be raised.
    """
    effective, _ = read_labels(current)
    wanted: dict[str, str] = {}
    notes: list[str] = []
    for mode, today in ((WARN, effective.warn), (AUDIT, effective.audit), (ENFORCE, effective.enforce)):
        if mode not in labels or not _is_raised(labels[mode], mode in current, today):
            continue
        version = labels[f"{mode}-version"]
        newer = f"{mode}-version" in current and parse_version(version).is_older(today.version)
        if newer and mode == ENFORCE:
            notes.append(
                f"enforce is not raised to {labels[mode]}: its version label says {today.version}, and pods were "
                f"judged by {version} (podSecurity.version says by which)"
            )
            continue
        wanted[mode] = labels[mode]
        if not newer:
            wanted[f"{mode}-version"] = version
    return {key: value for key, value in wanted.items() if current.get(key) != value}, notes


def _is_raised(level: str, written: bool, today: LevelVersion) -> bool:
    return is_stricter(level, today.level) or (not written and today.level == PRIVILEGED)  # type: ignore[arg-type]


def _label(namespace: Namespace, wanted: Mapping[str, str], verdict: NamespaceVerdict) -> Iterator[Change]:
    for key, value in wanted.items():
        mode = key.removesuffix("-version")
        current = namespace.labels.get(key)
        yield Change(
            rule=ID,
            decision=ID,
            strategy="pod_security",
            phase=_PHASES[mode],
            action="update",
            resource=namespace.ref,
            location=namespace.location,
            workload=namespace.ref,
            reason=_give_reason(verdict, mode) if key == mode else Reason(f"its pods were judged by {value}"),
            edit=FieldEdit("add" if current is None else "replace", ("metadata", "labels", key), value),
            current=current,
        )


def _give_reason(verdict: NamespaceVerdict, mode: str) -> Reason:
    what = {
        WARN: "kubectl warns of pods that would not be allowed",
        AUDIT: "the audit log names pods that would not be allowed",
        ENFORCE: "pods that are not allowed are refused",
    }[mode]
    held = f"; what keeps it from more: {verdict.because[0]}" if verdict.because and mode != AUDIT else ""
    return Reason(
        message=f"{what}: {verdict.after} is the strictest level that its workloads satisfy{held}",
        way_back=strategy_text("pod_security", "wayBack"),
        caveats=("Pods that other tools create in the namespace are judged too.",) if mode == ENFORCE else (),
        sources=strategy_sources("pod_security"),
    )


def _create(
    world: World, verdict: NamespaceVerdict, labels: Mapping[str, str], places: Places, phase: PhaseChoice
) -> Iterator[Change]:
    """Add a Namespace beside the first of its workloads that may be changed.

    In phase expand it comes without the labels of phase enforce, which edits it.
    """
    beside = next(
        (item.workload for item in verdict.judged if item.workload.location.path not in world.excluded), None
    )
    expand = {key: value for key, value in labels.items() if _PHASES[key.removesuffix("-version")] == "expand"}
    given = labels if phase in ("all", "enforce") else expand
    if beside is None or not given:
        return
    placement, location = places.choose(beside, f"namespace-{verdict.name}")
    ref = ResourceRef("v1", "Namespace", None, verdict.name)
    own_phase: Phase = "expand" if expand and phase != "enforce" else "enforce"
    created = Change(
        rule=ID,
        decision=ID,
        strategy="pod_security",
        phase=own_phase,
        action="create",
        resource=ref,
        location=location,
        workload=ref,
        reason=_give_reason(verdict, WARN if expand else ENFORCE),
        new=NewObject("pod_security.yaml.j2", {"name": verdict.name, "labels": given}, placement, beside.location),
    )
    yield created
    if placement == "file":
        yield from list_new_file(world, created, beside.location)


def _find_invalid_labels(namespace: Namespace) -> Iterator[Finding]:
    _, invalid = read_labels(namespace.labels)
    for label in invalid:
        effect = _say_effect(label)
        message = f"{label}; the API server refuses it in a new namespace, and where it stands already {effect}"
        yield Finding(ID, "warning", message, namespace.ref, namespace.location)


def _say_effect(label: InvalidLabel) -> str:
    mode = label.label.removesuffix("-version")
    if label.label != mode:
        return "it counts as latest"
    if mode == ENFORCE:
        return "it counts as restricted: pods that fall short are refused today"
    return "it counts as privileged: nothing is said of any pod today"


def _find_refused(world: World, verdict: NamespaceVerdict, manifests: Iterable[Namespace]) -> Iterator[Finding]:
    """Find labels that refuse pods which the plan leaves, each judged by the version that its label says."""
    if verdict.name in world.policy.pod_security.exempt_namespaces:
        return
    for namespace in manifests:
        enforce = read_labels(namespace.labels)[0].enforce
        if enforce.level == PRIVILEGED:
            continue
        refused = [
            f"{item.workload.ref.kind}/{item.workload.ref.name}"
            for item in verdict.judged
            if not item.exempt and violates(item, enforce.level, enforce.version)
        ]
        if refused:
            names = ", ".join(refused[:3]) + (f" and {len(refused) - 3} more" if len(refused) > 3 else "")
            message = (
                f"namespace {verdict.name} enforces {enforce}, which refuses new pods of {names} "
                f"also once this plan is applied (`migrator audit --level {enforce.level}` says why)"
            )
            yield Finding(ID, "error", message, namespace.ref, namespace.location)


def _find_host_ports_alone(verdict: NamespaceVerdict, changes: Sequence[Change]) -> Iterator[Finding]:
    """Say where host ports that are kept decide about a whole namespace, and what else could be done."""
    alone = verdict.host_ports_alone
    if not alone:
        return
    rest = verdict.without(alone)
    considered: dict[ResourceRef, dict[str, str]] = defaultdict(dict)
    for change in changes:
        if change.action == "keep":
            considered[change.workload].update((other.strategy, other.because) for other in change.reason.considered)
    for item in alone:
        workload = item.workload
        kept = [port for port in workload.host_ports if port.host_port and not _is_removed(item, port.path)]
        ports = describe_host_ports(port.host_port for port in kept)
        name = f"{workload.ref.kind}/{workload.ref.name}"
        if rest.judged:
            own = (
                "In a namespace of its own (another DNS name for its Services; ConfigMaps, Secrets, claims, RBAC and "
                f"NetworkPolicies move along) it leaves {rest.after} to the {len(rest.judged)} other workload(s) here"
            )
        else:
            own = "It is alone there, so nothing else is allowed more than it needs"
        message = (
            f"nothing but {ports} of {name}, which the plan keeps, holds namespace {verdict.name} at privileged. "
            f"{own}. {_say_other_strategies(considered[workload.ref])}"
        )
        yield Finding(ID, "warning", message, workload.ref, workload.location)


def _is_removed(item: Judged, path: tuple[str | int, ...]) -> bool:
    return any(edit.op == "remove" and edit.path in (path, (*path, "hostPort")) for edit in item.edits)


def _say_other_strategies(considered: Mapping[str, str]) -> str:
    if considered:
        told = "; ".join(f"{strategy}: {because}" for strategy, because in considered.items())
        return f"Another strategy for the port frees it as well ({told})"
    return "Another strategy for the port (spec.hostPorts of the policy) frees it as well; its clients then change"


def _find_general(world: World, homeless: Sequence[Judged]) -> Iterator[Finding]:
    """Say what holds for all namespaces: exempt users, versions, workloads of unknown namespaces."""
    policy = world.policy.pod_security
    version, asked = find_version(world.policy), find_asked_version(world.policy)
    cluster = PolicyVersion(world.policy.cluster.version[1])
    if policy.exempt_users:
        users = ", ".join(sorted(policy.exempt_users))
        message = f"requests of {users} are exempt: what they create is not judged, whatever the labels say"
        yield Finding(ID, "info", message)
    if asked != version:
        yield Finding(ID, "info", f"Pod Security {asked} is newer than the checks; judged and labelled as {NEWEST}")
    elif version.minor is not None and cluster.is_older(version):
        message = f"labels are pinned to {version}; a cluster of {cluster} judges by its own newest rules instead"
        yield Finding(ID, "warning", message)
    if cluster.minor is not None and cluster.minor < _FIRST_MINOR:
        yield Finding(ID, "warning", f"a cluster of {cluster} does not read the labels yet: that begins with v1.23")
    if homeless:
        first = homeless[0].workload
        message = (
            f"{len(homeless)} workload(s) name no namespace, {first.ref.kind}/{first.ref.name} first: they are "
            "judged, but no namespace is labelled for them (--default-namespace says where they are)"
        )
        yield Finding(ID, "info", message, first.ref, first.location)


def _write_commands(name: str, labels: Mapping[str, str]) -> Iterator[str]:
    """Write the `kubectl label` lines, one per phase, for a namespace without a manifest to edit.

    Without --overwrite kubectl refuses to change a label that is there already, so none is loosened.
    """
    for phase in ("expand", "enforce"):
        pairs = [f"{key}={value}" for key, value in labels.items() if _PHASES[key.removesuffix("-version")] == phase]
        if pairs:
            yield f"kubectl label namespace {name} {' '.join(pairs)}"


def find_unmet_labels(world: World, changes: Sequence[Change]) -> Iterator[tuple[NamespaceVerdict, Level]]:
    """Find the namespaces whose pods, as changes leave them, do not satisfy the level that the changes enforce."""
    enforced: dict[str, Level] = {}
    for change in changes:
        if change.rule != ID or change.resource.kind != "Namespace":
            continue
        if change.edit is not None and change.edit.path[-1] == ENFORCE:
            enforced[change.resource.name] = change.edit.value
        elif change.new is not None:
            labels = change.new.values["labels"]
            if ENFORCE in labels:
                enforced[change.resource.name] = labels[ENFORCE]
    if not enforced:
        return
    for verdict in judge_namespaces(judge_workloads(world, changes)):
        level = enforced.get(verdict.name, verdict.after)
        if is_stricter(level, verdict.after):
            yield verdict, level


def limit_to_phase(plan: NamespacePlan, phase: str) -> NamespacePlan:
    """Keep the commands of one phase."""
    wanted = {"expand": (WARN, AUDIT), "enforce": (ENFORCE,)}.get(phase)
    if wanted is None:
        return plan if phase == "all" else dataclasses.replace(plan, commands=())
    kept = tuple(command for command in plan.commands if any(f"{mode}=" in command for mode in wanted))
    return dataclasses.replace(plan, commands=kept)
