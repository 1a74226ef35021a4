"""Label namespaces with the Pod Security level that their workloads satisfy."""

from __future__ import annotations

import dataclasses
import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from migrator.model.edit import APPEND, FieldEdit
from migrator.model.inventory import Finding
from migrator.model.objects import Namespace
from migrator.model.plan import Change, NamespacePlan, NewObject, Phase, Reason
from migrator.model.reference import ResourceRef
from migrator.model.world import World
from migrator.podsecurity.labels import AUDIT, ENFORCE, WARN, InvalidLabel, read_labels
from migrator.podsecurity.level import LEVELS, PRIVILEGED, RESTRICTED, Level, is_stricter
from migrator.podsecurity.version import PolicyVersion
from migrator.publishing.placement import Places
from migrator.publishing.proposal import strategy_sources, strategy_text
from migrator.rules.pod_security import ID, NamespaceVerdict, find_version
from migrator.templates import render_template
from migrator.yaml.data import construct
from migrator.yaml.nodes import compose

_PHASES: Mapping[str, Phase] = {WARN: "expand", AUDIT: "expand", ENFORCE: "enforce"}


@dataclass(slots=True)
class LabelProposal:
    """What is proposed for all namespaces: changes, each namespace's part of the plan, what a person must know."""

    changes: list[Change] = field(default_factory=list)
    namespaces: list[NamespacePlan] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)


def propose_labels(world: World, verdicts: tuple[NamespaceVerdict, ...], places: Places) -> LabelProposal:
    """Propose labels for each namespace that workloads are known to be in."""
    proposal = LabelProposal()
    manifests: dict[str, list[Namespace]] = {}
    for namespace in world.inventory.namespaces:
        manifests.setdefault(namespace.ref.name, []).append(namespace)
    for verdict in verdicts:
        _propose_namespace(world, verdict, manifests.get(verdict.name, []), places, proposal)
    return proposal


def _propose_namespace(
    world: World, verdict: NamespaceVerdict, manifests: list[Namespace], places: Places, proposal: LabelProposal
) -> None:
    policy = world.policy.pod_security
    version = find_version(world.policy)
    exempt = verdict.name in policy.exempt_namespaces
    complete = policy.is_complete(verdict.name)
    labels = {} if exempt else _wanted_labels(verdict.after, version, complete)
    because = [*verdict.because]
    if exempt:
        because.append("the policy exempts this namespace: it is never enforced")
    elif not complete:
        because.append(
            "enforce is not proposed: the sources may not hold all its pods (podSecurity.complete says where they do)"
        )
    missing = dict(labels)
    for namespace in manifests:
        current = dict(namespace.labels)
        wanted = _never_loosen(labels, current)
        proposal.findings.extend(_find_label_trouble(namespace, verdict))
        proposal.changes.extend(_label(namespace, wanted, verdict))
        missing = {}
    if labels and not manifests and policy.create_namespaces:
        proposal.changes.extend(_create(world, verdict, labels, places))
        missing = {}
    proposal.findings.extend(_find_host_ports_alone(verdict))
    proposal.namespaces.append(
        NamespacePlan(
            name=verdict.name,
            needed=verdict.needed,
            after=verdict.after,
            recommended=PRIVILEGED if exempt else verdict.after,
            because=tuple(because),
            labels=labels,
            commands=tuple(_write_commands(verdict.name, missing)),
        )
    )


def _wanted_labels(level: Level, version: PolicyVersion, complete: bool) -> dict[str, str]:
    modes = [] if level == PRIVILEGED else [WARN, AUDIT]
    if complete:
        modes.append(ENFORCE)
    return {key: value for mode in modes for key, value in ((mode, level), (f"{mode}-version", str(version)))}


def _never_loosen(labels: Mapping[str, str], current: Mapping[str, str]) -> dict[str, str]:
    """Leave out the labels that would loosen, or only rewrite, what a namespace says already."""
    wanted: dict[str, str] = {}
    for mode in (WARN, AUDIT, ENFORCE):
        if mode not in labels:
            continue
        level = labels[mode]
        said = current.get(mode)
        # A level that is not valid counts as restricted where it enforces, as privileged elsewhere.
        today = said if said in LEVELS else (RESTRICTED if mode == ENFORCE and said is not None else PRIVILEGED)
        if said is None or is_stricter(level, today):  # type: ignore[arg-type]
            wanted[mode] = level
            wanted[f"{mode}-version"] = labels[f"{mode}-version"]
    return {key: value for key, value in wanted.items() if current.get(key) != value}


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
            reason=_reason(verdict, mode),
            edit=FieldEdit("add" if current is None else "replace", ("metadata", "labels", key), value),
            current=current,
        )


def _reason(verdict: NamespaceVerdict, mode: str) -> Reason:
    what = {
        WARN: "kubectl warns of pods that would not be allowed",
        AUDIT: "the audit log names pods that would not be allowed",
        ENFORCE: "pods that are not allowed are refused",
    }[mode]
    held = f" ({verdict.because[0]} keeps it from more)" if verdict.because else ""
    return Reason(
        message=f"{what}: {verdict.after} is the strictest level that its workloads satisfy{held}",
        way_back=strategy_text("pod_security", "wayBack"),
        caveats=("Pods that other tools create in the namespace are judged too.",) if mode == ENFORCE else (),
        sources=strategy_sources("pod_security"),
    )


def _create(world: World, verdict: NamespaceVerdict, labels: Mapping[str, str], places: Places) -> Iterator[Change]:
    """Add a Namespace beside the first of its workloads."""
    text = render_template("pod_security.yaml.j2", name=verdict.name, labels=labels)
    data = construct(compose(text))  # type: ignore[arg-type]
    beside = verdict.workloads[0]
    placement, location = places.choose(beside, f"namespace-{verdict.name}")
    ref = ResourceRef("v1", "Namespace", None, verdict.name)
    phase: Phase = "expand" if WARN in labels else "enforce"
    yield Change(
        rule=ID,
        decision=ID,
        strategy="pod_security",
        phase=phase,
        action="create",
        resource=ref,
        location=location,
        workload=ref,
        reason=_reason(verdict, WARN if WARN in labels else ENFORCE),
        new=NewObject(text, data, placement, beside.location),
    )
    if placement != "file":
        return
    for kustomization in world.kustomizations_listing.get(beside.location.path, ()):
        name = kustomization.location.path
        entry = posixpath.relpath(location.path, kustomization.folder)
        yield Change(
            rule=ID,
            decision=ID,
            strategy="pod_security",
            phase=phase,
            action="update",
            resource=ResourceRef(kustomization.api_version, kustomization.kind, None, name),
            location=kustomization.location,
            workload=ref,
            reason=Reason(f"{entry} is listed, so that kustomize builds it."),
            edit=FieldEdit("add", ("resources", APPEND), entry),
        )


def _find_label_trouble(namespace: Namespace, verdict: NamespaceVerdict) -> Iterator[Finding]:
    effective, invalid = read_labels(namespace.labels)
    for label in invalid:
        yield Finding(ID, "warning", _say_effect(label), namespace.ref, namespace.location)
    if is_stricter(effective.enforce.level, verdict.after):
        message = (
            f"namespace {namespace.ref.name} enforces {effective.enforce.level}, and its workloads satisfy "
            f"{verdict.after} only: new pods are refused ({'; '.join(verdict.because[:2])})"
        )
        yield Finding(ID, "error", message, namespace.ref, namespace.location)


def _say_effect(label: InvalidLabel) -> str:
    mode = label.label.removesuffix("-version")
    if label.label != mode:
        effect = "it counts as latest"
    elif mode == ENFORCE:
        effect = "it counts as restricted, and denies pods today"
    else:
        effect = "it counts as privileged, and says nothing today"
    return f"{label}; {effect}"


def _find_host_ports_alone(verdict: NamespaceVerdict) -> Iterator[Finding]:
    for workload in verdict.host_ports_alone:
        ports = ", ".join(sorted({str(port.host_port) for port in workload.host_ports if port.host_port}, key=int))
        message = (
            f"host port {ports} of {workload.ref.kind}/{workload.ref.name}, which is kept, is all that holds "
            f"namespace {verdict.name} at privileged. A namespace of its own for this workload frees the others (its "
            "DNS name, RBAC and NetworkPolicies move along); another strategy for the port frees this one too (its "
            "clients change)"
        )
        yield Finding(ID, "warning", message, workload.ref, workload.location)


def _write_commands(name: str, labels: Mapping[str, str]) -> Iterator[str]:
    """Write the `kubectl label` lines, one per phase, for a namespace without a manifest."""
    for phase in ("expand", "enforce"):
        pairs = [f"{key}={value}" for key, value in labels.items() if _PHASES[key.removesuffix("-version")] == phase]
        if pairs:
            yield f"kubectl label namespace {name} {' '.join(pairs)}"


def limit_to_phase(plan: NamespacePlan, phase: str) -> NamespacePlan:
    """Keep the commands of one phase."""
    wanted = {"expand": (WARN, AUDIT), "enforce": (ENFORCE,)}.get(phase)
    if wanted is None:
        return plan if phase == "all" else dataclasses.replace(plan, commands=())
    kept = tuple(command for command in plan.commands if any(f"{mode}=" in command for mode in wanted))
    return dataclasses.replace(plan, commands=kept)
