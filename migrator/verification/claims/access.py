"""RBAC grants what it granted, but for PodSecurityPolicies that are gone."""

from __future__ import annotations

from collections.abc import Iterator

from migrator.verification.claim import Claim
from migrator.verification.comparison import Comparison, Pair
from migrator.verification.grants import BINDINGS, ROLES, is_about_policies, is_admission_off, list_grants

ID = "access"


def find_claims(comparison: Comparison) -> Iterator[Claim]:
    """Claim of each role and binding that changed, or went, that it took nothing along."""
    left = {document.ref.name for document in comparison.after.find_documents("PodSecurityPolicy")}
    roles_left = {(item.ref.kind, item.ref.namespace, item.ref.name) for item in comparison.after.inventory.roles}
    for pair in comparison.pairs:
        identity = pair.ref.api_version.rpartition("/")[0], pair.ref.kind
        if pair.before is None or not (pair.after is None or pair.differences):
            continue
        problem = None
        if identity in ROLES:
            problem = _find_lost(pair, left if not is_admission_off(comparison.policy) else set())
        elif identity in BINDINGS and pair.after is None:
            problem = _find_unbound(pair, roles_left)
        else:
            continue
        yield Claim(ID, problem is None, pair.ref, *pair.places(), problem or "lost nothing but PodSecurityPolicies")


def _find_lost(pair: Pair, policies: set[str]) -> str | None:
    """Find what a role granted besides, or granted of policies that are still there."""
    assert pair.before is not None
    then = set(list_grants(pair.before.data))
    now = set(list_grants(pair.after.data)) if pair.after else set()
    gained = sorted(now - then)
    if gained:
        return f"grants {_say(gained[0])} now"
    lost = sorted(then - now)
    others = [grant for grant in lost if not is_about_policies(grant)]
    if others:
        return f"granted {_say(others[0])}, which is no PodSecurityPolicy’s"
    used = [grant for grant in lost if grant[3] in policies or (grant[3] == "*" and policies)]
    if used:
        return f"granted {_say(used[0])}, and PodSecurityPolicy {min(policies)} still decides"
    if pair.after is None and not then and not pair.before.data.get("aggregationRule"):
        return "granted nothing, so nothing of PodSecurityPolicies is a reason to delete it"
    return None


def _find_unbound(pair: Pair, roles: set[tuple[str, str | None, str]]) -> str | None:
    assert pair.before is not None
    ref = pair.before.data.get("roleRef") or {}
    kind, name = str(ref.get("kind")), str(ref.get("name"))
    namespace = pair.before.ref.namespace if kind == "Role" else None
    if (kind, namespace, name) in roles:
        return f"bound {kind} {name}, which is still there"
    return None


def _say(grant: tuple[str, str, str, str]) -> str:
    group, resource, verb, name = grant
    where = f"{resource}.{group}" if group else resource
    return f"`{verb}` of {where}" + (f" {name}" if name != "*" else "")
