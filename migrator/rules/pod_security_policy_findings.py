"""What a person should know about the PodSecurityPolicies, and what they decide, beyond the decisions themselves."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Final

from migrator.model.field import format_path
from migrator.model.inventory import Finding, Inventory
from migrator.model.objects import PodSecurityPolicyObject, RoleBinding
from migrator.model.workload import Workload
from migrator.psp.admit import SELECTED_ANNOTATION
from migrator.psp.authorize import is_built_in_role
from migrator.rules.pod_security_policy import FALLBACK_NAMESPACE, ID, PolicyAdmission, PolicyDecision

_NAMED: Final = 5


def find_policy_findings(admission: PolicyAdmission) -> tuple[Finding, ...]:
    """Find bad policies, roles that are not there, pods that cannot be decided or that run as decided otherwise."""
    inventory = admission.world.inventory
    return (
        *_find_bad_policies(inventory.pod_security_policies),
        *_find_twins(inventory.pod_security_policies),
        *_find_missing_roles(inventory),
        *_find_undecided(admission),
        *_find_unknown_namespaces(admission),
        *_find_other_annotations(admission),
    )


def _find_bad_policies(policies: Iterable[PodSecurityPolicyObject]) -> Iterator[Finding]:
    for policy in policies:
        for problem in policy.problems:
            what = f"{format_path(problem.field)}: {problem.message}"
            location = policy.location.at(problem.line)
            if problem.refused:
                message = f"PodSecurityPolicy {policy.ref.name} is no valid object, so no pod gets it: {what}"
                yield Finding(ID, "error", message, policy.ref, location)
            else:
                message = f"PodSecurityPolicy {policy.ref.name} is passed over for every pod: {what}"
                yield Finding(ID, "warning", message, policy.ref, location)


def _find_twins(policies: Iterable[PodSecurityPolicyObject]) -> Iterator[Finding]:
    first: dict[str, PodSecurityPolicyObject] = {}
    for policy in policies:
        known = first.setdefault(policy.ref.name, policy)
        if known is not policy:
            same = known.data.unpack() == policy.data.unpack()
            how = "with the same content" if same else "with other content; the one there counts"
            message = f"PodSecurityPolicy {policy.ref.name} stands in {known.location} too, {how}"
            yield Finding(ID, "info" if same else "warning", message, policy.ref, policy.location)


def _find_missing_roles(inventory: Inventory) -> Iterator[Finding]:
    known = {(role.ref.kind, role.ref.namespace, role.ref.name) for role in inventory.roles}
    missing: dict[str, list[RoleBinding]] = defaultdict(list)
    for binding in inventory.role_bindings:
        kind, name = binding.role_kind, binding.role_name
        if kind == "ClusterRole" and is_built_in_role(name):
            continue
        if (kind, None if kind == "ClusterRole" else binding.ref.namespace, name) not in known:
            missing[f"{kind} {name}"].append(binding)
    if missing:
        names = sorted(missing)
        shown = ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")
        message = (
            f"bindings name roles that are not among the sources, and are taken to grant no policy: {shown}; "
            "read those roles too, should they let anybody use PodSecurityPolicies"
        )
        first = missing[names[0]][0]
        yield Finding(ID, "warning", message, first.ref, first.location)


def _find_undecided(admission: PolicyAdmission) -> Iterator[Finding]:
    for workload, reason in admission.find_undecided():
        message = f"no PodSecurityPolicy can be found: the API server would not take the pod: {reason}"
        yield Finding(ID, "error", message, workload.ref, workload.location)


def _find_unknown_namespaces(admission: PolicyAdmission) -> Iterator[Finding]:
    unknown = [item for item in admission.decisions if item is not None and item.workload.ref.namespace is None]
    if unknown:
        first = unknown[0].workload
        more = f" and {len(unknown) - 1} more" if len(unknown) > 1 else ""
        message = (
            f"the namespace of {first.ref.kind}/{first.ref.name}{more} is unknown: PodSecurityPolicies are found as "
            f"in {FALLBACK_NAMESPACE}; --default-namespace names another"
        )
        yield Finding(ID, "info", message, first.ref, first.location)


def _find_other_annotations(admission: PolicyAdmission) -> Iterator[Finding]:
    """Compare what running pods say that they were admitted under; those of a workload with that workload."""
    by_ref = {item.workload.ref: item for item in admission.decisions if item is not None}
    inventory = admission.world.inventory
    for pod in (*inventory.workloads, *inventory.represented_workloads):
        noted = pod.annotations.get(SELECTED_ANNOTATION) if pod.ref.kind == "Pod" else None
        if noted is None:
            continue
        owner = admission.world.owner_of(pod) or pod
        judged = by_ref.get(owner.ref) or by_ref.get(admission.world.owners.first_owner_of(owner).ref)
        if judged is None or judged.selection.selected == noted:
            continue
        yield Finding(ID, "warning", _describe_difference(pod, judged, noted), pod.ref, pod.location)


def _describe_difference(pod: Workload, judged: PolicyDecision, noted: str) -> str:
    who = "it" if judged.workload is pod else f"{judged.workload.ref.kind}/{judged.workload.ref.name}"
    now = judged.selection.selected
    gets = f"by what was read {who} gets {now}" if now is not None else f"by what was read no policy admits {who}"
    return f"the annotation {SELECTED_ANNOTATION} says {noted}; {gets}"
