"""What roles grant, taken apart, so that what is about PodSecurityPolicies can be told from the rest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any, Final

from migrator.model.policy import Policy

Grant = tuple[str, str, str, str]
"""API group, resource, verb, and the name of the one object that it is for, or "*"."""

_GROUP: Final = "rbac.authorization.k8s.io"
ROLES: Final = frozenset({(_GROUP, "Role"), (_GROUP, "ClusterRole")})
BINDINGS: Final = frozenset({(_GROUP, "RoleBinding"), (_GROUP, "ClusterRoleBinding")})
ACCESS: Final = ROLES | BINDINGS

_POLICIES: Final = "podsecuritypolicies"


def list_grants(role: Mapping[str, Any]) -> Iterator[Grant]:
    """List what the rules of a role grant."""
    for rule in role.get("rules") or ():
        verbs, names = rule.get("verbs") or (), rule.get("resourceNames") or ("*",)
        yield from product(rule.get("apiGroups") or (), rule.get("resources") or (), verbs, names)
        yield from (("", url, verb, "*") for url, verb in product(rule.get("nonResourceURLs") or (), verbs))


def is_about_policies(grant: Grant) -> bool:
    """Tell whether a grant is about PodSecurityPolicies alone; what is for every resource is not."""
    return grant[1].partition("/")[0] == _POLICIES


def is_admission_off(policy: Policy) -> bool:
    """Tell whether a policy says that the API server runs no PodSecurityPolicy plugin any more."""
    cluster = (policy.document.get("spec") or {}).get("cluster") or {}
    return cluster.get("podSecurityPolicyAdmission") in ("off", False)
