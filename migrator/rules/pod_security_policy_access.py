"""What roles say about PodSecurityPolicies: the rules that say nothing once these are gone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from typing import Any

from migrator.model.field import FieldPath
from migrator.model.objects import Role
from migrator.model.record import record
from migrator.psp.authorize import POLICY_GROUPS, POLICY_RESOURCE, is_built_in_role, select_aggregated

RoleKey = tuple[str, str | None, str]
"""What bindings name: kind, namespace (None for a cluster role) and name."""


@record
class PolicyRules:
    """The part of a role that is about PodSecurityPolicies and nothing else.

    `removed` are the fields that go, with their values; `empties` tells that no rule would be left, `wildcard` that
    a rule stays which lets its holder use policies because it names every resource.
    """

    removed: tuple[tuple[FieldPath, Any], ...]
    empties: bool
    wildcard: bool


def find_policy_rules(rules: Sequence[Mapping[str, Any]]) -> PolicyRules:
    """Find what of a role's rules is about PodSecurityPolicies.

    A rule for other resources too loses only that one; those that say `*` stay.
    """
    removed: list[tuple[FieldPath, Any]] = []
    whole, wildcard = 0, False
    for index, rule in enumerate(rules):
        groups, resources = frozenset(rule.get("apiGroups") or ()), list(rule.get("resources") or ())
        if groups.isdisjoint({*POLICY_GROUPS, "*"}):
            continue
        wildcard = wildcard or "*" in resources
        if POLICY_RESOURCE not in resources:
            continue
        if all(resource == POLICY_RESOURCE for resource in resources):
            whole += 1
            removed.append((("rules", index), rule))
            continue
        removed += [
            (("rules", index, "resources", position), resource)
            for position, resource in enumerate(resources)
            if resource == POLICY_RESOURCE
        ]
    empties = 0 < whole == len(rules)
    return PolicyRules(((("rules",), list(rules)),) if empties else tuple(removed), empties, wildcard)


def name_role(role: Role) -> RoleKey:
    """Name a role as bindings do."""
    return role.ref.kind, role.ref.namespace, role.ref.name


def find_empty_roles(roles: Sequence[Role], rules: Mapping[RoleKey, Sequence[PolicyRules]]) -> frozenset[RoleKey]:
    """Find the roles of which nothing is left, by the rules of those that may be changed.

    An aggregated role is empty where all that it gathers among the sources is. Roles that every cluster has stay,
    as does one of which another copy keeps a rule or may not be changed.
    """
    copies: dict[RoleKey, list[Role]] = {}
    for role in roles:
        copies.setdefault(name_role(role), []).append(role)
    data = {role.ref.name: _describe(role) for role in roles if role.ref.kind == "ClusterRole"}
    aggregated = {name for name, role in data.items() if role["aggregationRule"]}
    empty = {
        key
        for key, found in rules.items()
        if len(found) == len(copies[key])
        and all(item.empties for item in found)
        and not (key[0] == "ClusterRole" and key[2] in aggregated)
    }
    waiting = {key for key in rules if key[0] == "ClusterRole" and key[2] in aggregated}
    while found_empty := {key for key in waiting if _gathers_nothing(key, data, rules, empty)}:
        empty |= found_empty
        waiting -= found_empty
    return frozenset(key for key in empty if key[0] == "Role" or not is_built_in_role(key[2]))


def _gathers_nothing(
    key: RoleKey,
    data: Mapping[str, Mapping[str, Any]],
    rules: Mapping[RoleKey, Sequence[PolicyRules]],
    empty: Set[RoleKey],
) -> bool:
    role = data[key[2]]
    members = select_aggregated(role, data)
    own = all(item.empties for item in rules[key]) or not role["rules"]
    return own and bool(members) and all(("ClusterRole", None, name) in empty for name in members)


def _describe(role: Role) -> Mapping[str, Any]:
    data: Mapping[str, Any] = role.data.unpack()
    return {**data, "metadata": {"name": role.ref.name, "labels": data["labels"]}}
