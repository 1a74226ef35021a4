"""What the PodSecurityPolicies of each namespace forbid and its Pod Security level does not."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from migrator.model.record import record
from migrator.psp.demand import Enforced
from migrator.psp.residue import Residue, Subject, find_residue
from migrator.rules.pod_security_policy import PolicyAdmission


@record
class NamespaceResidue:
    """What is left to be demanded of a namespace's pods beyond its enforced level; None where nothing is.

    `used` tells whether anybody there may use a policy at all, by the RBAC that was read.
    """

    name: str
    enforced: Enforced
    used: bool
    residue: Residue | None


def find_residues(admission: PolicyAdmission, find_enforced: Callable[[str], Enforced]) -> Iterator[NamespaceResidue]:
    """Find the residue of every namespace that was read, in the order of names.

    `find_enforced` gives what Pod Security enforces in each of them.
    """
    inventory = admission.world.inventory
    names = {item.ref.namespace for item in inventory.workloads if item.ref.namespace is not None}
    policies = [policy for _, policy in sorted(admission.policies.items()) if policy.usable]
    for name in sorted(names | {item.ref.name for item in inventory.namespaces}):
        enforced = find_enforced(name)
        used, subjects = _list_subjects(admission, name)
        residue = find_residue(name, policies, subjects, enforced) if used else None
        yield NamespaceResidue(name, enforced, used, residue)


def _list_subjects(admission: PolicyAdmission, namespace: str) -> tuple[bool, Mapping[str, frozenset[Subject]]]:
    """List who may use each policy in a namespace, and tell whether that is anybody who makes pods there."""
    found: dict[str, set[Subject]] = {name: set() for name in admission.policies}
    used = _may_requester(admission, namespace)
    for scope in ("", namespace):
        for kind, name in admission.grants.list_subjects(scope):
            policies = admission.grants.find_subject_policies(scope, kind, name)
            names = found.keys() if policies is None else found.keys() & policies
            used = used or bool(names and (scope or _is_at_home(name, namespace)))
            for policy in names:
                found[policy].add((kind, name))
    return used, {name: frozenset(subjects) for name, subjects in found.items()}


def _may_requester(admission: PolicyAdmission, namespace: str) -> bool:
    """Tell whether who is said to apply bare pods may use a policy for them."""
    if admission.requester is None:
        return False
    return bool(admission.grants.select_usable([admission.requester], namespace, admission.policies.keys()))


def _is_at_home(name: str, namespace: str) -> bool:
    """Tell whether a subject is the namespace's own, one of Kubernetes' controllers, or everybody."""
    if name in ("system:authenticated", "system:serviceaccounts"):
        return True
    return any(
        f"{name}:".startswith(f"{prefix}:{home}:")
        for prefix in ("system:serviceaccounts", "system:serviceaccount")
        for home in (namespace, "kube-system")
    )
