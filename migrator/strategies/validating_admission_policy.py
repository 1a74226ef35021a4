"""Put what PodSecurityPolicies forbid beyond Pod Security into ValidatingAdmissionPolicies."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from migrator.model.edit import FieldEdit
from migrator.model.field import FieldPath
from migrator.model.inventory import Finding
from migrator.model.objects import AdmissionObject
from migrator.model.plan import Change, NamespacePlan, NewObject, Phase, PhaseChoice, Placement, Reason
from migrator.model.reference import Location, ResourceRef, is_stream
from migrator.model.world import World
from migrator.podsecurity.labels import read_labels
from migrator.podsecurity.level import LEVELS
from migrator.psp.demand import Enforced
from migrator.publishing.placement import Places, list_new_file
from migrator.publishing.proposal import strategy_sources, strategy_text
from migrator.rules.pod_security_policy import ID, PolicyAdmission
from migrator.rules.pod_security_policy_residue import NamespaceResidue, find_residues
from migrator.sources.tables import load_table
from migrator.strategies.pod_security import raise_labels
from migrator.templates import render_template
from migrator.yaml.data import load_text

STRATEGY: Final = "validating_admission_policy"
API_VERSION: Final = "admissionregistration.k8s.io/v1"
POLICY: Final = "ValidatingAdmissionPolicy"
BINDING: Final = "ValidatingAdmissionPolicyBinding"
SINCE: Final = (1, 30)
"""The first version that has the objects without a feature gate."""
_OWN_FOLDER: Final = "from-kubernetes-1.30"
_TEMPLATES: Final = {POLICY: f"{STRATEGY}.yaml.j2", BINDING: f"{STRATEGY}_binding.yaml.j2"}
_CONTENT: Final = ("matchConditions", "variables", "validations")


def propose_residue(
    admission: PolicyAdmission,
    plans: Iterable[NamespacePlan],
    places: Places,
    phase: PhaseChoice,
    selects: Callable[[str], bool],
) -> tuple[list[Change], list[Finding]]:
    """Propose what takes the place of the PodSecurityPolicies in each namespace that `selects` says may be changed.

    `plans` say how the namespaces are labelled. Gives the changes, and what a person must know besides.
    """
    changes: list[Change] = []
    findings: list[Finding] = []
    world = admission.world
    if world.policy.residue == "none":
        return changes, findings
    existing = {(item.ref.kind, item.ref.name): item for item in world.inventory.admission_objects}
    labels = {plan.name: plan.labels for plan in plans}
    for item in find_residues(admission, lambda name: _find_enforced(world, name, labels.get(name, {}))):
        if not selects(item.name):
            continue
        if world.policy.residue == "admission" and item.residue is not None:
            changes.extend(_propose_namespace(world, item, existing, places, phase))
        findings.extend(_find_open(world, item, existing))
    return changes, findings


def name_policy(namespace: str) -> str:
    """Name a namespace's policy and its binding."""
    return f"psp-residue-{namespace}"


def _find_enforced(world: World, name: str, labels: Mapping[str, str]) -> Enforced:
    """Find what a namespace enforces once it has the labels; nothing where some of its pods are exempt."""
    policy = world.policy.pod_security
    if name in policy.exempt_namespaces or policy.exempt_users or policy.exempt_runtime_classes:
        return Enforced()
    written = [item.labels for item in world.inventory.namespaces if item.ref.name == name] or [{}]
    found = [read_labels({**current, **raise_labels(labels, current)[0]})[0].enforce for current in written]
    weakest = min(found, key=lambda item: LEVELS.index(item.level))
    return Enforced(weakest.level, weakest.version)


def _propose_namespace(
    world: World,
    item: NamespaceResidue,
    existing: Mapping[tuple[str, str], AdmissionObject],
    places: Places,
    phase: PhaseChoice,
) -> Iterator[Change]:
    name = name_policy(item.name)
    actions = ["Deny"] if phase in ("all", "enforce") else ["Warn", "Audit"]
    given = {"name": name, "namespace": item.name}
    home = _find_home(world, item.name)
    for kind, values in (
        (POLICY, {**given, "policies": _say_policies(item), "residue": item.residue}),
        (BINDING, {**given, "actions": actions}),
    ):
        known = existing.get((kind, name))
        if known is None and home is not None:
            yield from _create(world, item, kind, values, home, places, phase)
        elif known is None or known.location.path in world.excluded:
            continue
        elif kind == BINDING:
            yield from _update_binding(item, known)
        elif world.policy.cluster.pod_security_policy_admission:
            # Afterwards the PodSecurityPolicies and their RBAC go, and the policy is what counts.
            yield from _update_policy(item, known, load_text(render_template(_TEMPLATES[kind], **values))["spec"])


def _create(
    world: World,
    item: NamespaceResidue,
    kind: str,
    values: Mapping[str, Any],
    home: Location,
    places: Places,
    phase: PhaseChoice,
) -> Iterator[Change]:
    listed = world.policy.cluster.version >= SINCE and not _is_renamed(world, home.path)
    name = name_policy(item.name) + ("-binding" if kind == BINDING else "")
    placement: Placement = "file"
    if listed:
        placement, location = places.choose_beside(home, name)
    elif is_stream(home.path):
        return
    else:
        folder = "" if world.policy.cluster.version >= SINCE else f"{_OWN_FOLDER}/"
        location = places.choose_file(home, f"{folder}{name}.yaml")
    change = _change(
        item,
        ResourceRef(API_VERSION, kind, None, name_policy(item.name)),
        location,
        "enforce" if phase == "enforce" else "expand",
        new=NewObject(_TEMPLATES[kind], values, placement, home),
    )
    yield change
    if listed and placement == "file":
        yield from list_new_file(world, change, home)


def _update_policy(item: NamespaceResidue, known: AdmissionObject, wanted: Mapping[str, Any]) -> Iterator[Change]:
    current = known.data.unpack()
    for key in _CONTENT:
        if current.get(key) != wanted.get(key):
            yield _edit(item, known, "expand", ("spec", key), current.get(key), wanted.get(key))


def _update_binding(item: NamespaceResidue, known: AdmissionObject) -> Iterator[Change]:
    current = known.data.unpack().get("validationActions")
    if "Deny" not in (current or ()):
        yield _edit(item, known, "enforce", ("spec", "validationActions"), current, ["Deny"])


def _edit(
    item: NamespaceResidue, known: AdmissionObject, phase: Phase, path: FieldPath, current: Any, wanted: Any
) -> Change:
    op = "remove" if wanted is None else "add" if current is None else "replace"
    edit = FieldEdit(op, path, wanted, ("validations",))  # type: ignore[arg-type]
    return _change(item, known.ref, known.location, phase, edit=edit, current=current)


def _change(
    item: NamespaceResidue,
    resource: ResourceRef,
    location: Location,
    phase: Phase,
    *,
    new: NewObject | None = None,
    edit: FieldEdit | None = None,
    current: Any = None,
) -> Change:
    effect = {
        POLICY: f"what {_say_policies(item)} forbids in namespace {item.name} is forbidden still",
        BINDING: "pods that it forbids are refused"
        if phase == "enforce" or (new is not None and "Deny" in new.values.get("actions", ()))
        else "kubectl warns of pods that it forbids, and the audit log names them",
    }[resource.kind]
    return Change(
        rule=ID,
        decision=ID,
        strategy=STRATEGY,
        phase=phase,
        action="create" if new is not None else "update",
        resource=resource,
        location=location,
        workload=ResourceRef("v1", "Namespace", None, item.name),
        reason=Reason(
            message=f"{effect}: {strategy_text(STRATEGY, 'because')}",
            way_back=strategy_text(STRATEGY, "wayBack"),
            caveats=tuple(load_table(f"strategies/{STRATEGY}.yaml")["caveats"]) if resource.kind == POLICY else (),
            sources=strategy_sources(STRATEGY),
            what=effect,
        ),
        new=new,
        edit=edit,
        current=current,
    )


def _find_home(world: World, namespace: str) -> Location | None:
    """Find the object beside which a namespace's policy goes: the Namespace, else the first of its workloads."""
    places = [item.location for item in world.inventory.namespaces if item.ref.name == namespace]
    places += [item.location for item in world.inventory.workloads if item.ref.namespace == namespace]
    return next((place for place in places if place.path not in world.excluded), None)


def _is_renamed(world: World, path: str) -> bool:
    """Tell whether a kustomization would rename what stands beside a file: a binding would lose its policy."""
    return any(
        path in world.files_under(item)
        for item in world.inventory.kustomizations
        if not {"namePrefix", "nameSuffix"}.isdisjoint(item.transformers)
    )


def _find_open(
    world: World, item: NamespaceResidue, existing: Mapping[tuple[str, str], AdmissionObject]
) -> Iterator[Finding]:
    """Say what is not forbidden any more, or not yet."""
    ref = ResourceRef("v1", "Namespace", None, item.name)
    name = name_policy(item.name)
    stands = (POLICY, name) in existing
    if not item.used and not stands:
        message = (
            f"namespace {item.name}: nobody there may use a PodSecurityPolicy, by the RBAC that was read: every pod "
            "is refused today, and nothing takes the place of that"
        )
        yield Finding(ID, "warning", message, ref)
    if item.residue is None:
        if item.used and stands:
            message = f"{name}: Pod Security says all that it says; it can be deleted, its binding first"
            yield Finding(ID, "info", message, ref, existing[(POLICY, name)].location)
        return
    left = f"what {_say_policies(item)} forbids and Pod Security {item.enforced.level} does not: {_say_all(item)}"
    if world.policy.residue == "report":
        yield Finding(ID, "warning", f"namespace {item.name}: nothing takes the place of {left}", ref)
    elif world.policy.cluster.version < SINCE:
        message = (
            f"namespace {item.name}: ValidatingAdmissionPolicy needs Kubernetes 1.30, so {name} goes into the folder "
            f"{_OWN_FOLDER}; until it is applied nothing forbids {left}"
        )
        yield Finding(ID, "warning", message, ref)
    else:
        home = _find_home(world, item.name)
        if home is not None and not stands and _is_renamed(world, home.path):
            message = (
                f"{name} is listed in no kustomization: a namePrefix or nameSuffix would part the policy from its "
                "binding; list its two files in one without"
            )
            yield Finding(ID, "warning", message, ref, home)


def _say_all(item: NamespaceResidue) -> str:
    if item.residue is None:
        return ""
    return "; ".join(validation.message for validation in item.residue.validations)


def _say_policies(item: NamespaceResidue) -> str:
    names = item.residue.policies if item.residue is not None else ()
    shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    return f"PodSecurityPolicy {shown}"
