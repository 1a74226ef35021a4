"""Aggregated cluster roles as kube-controller-manager fills them."""

from __future__ import annotations

import os
from random import Random
from typing import Any

import pytest
from control_plane import API_SERVER, ControlPlane, name_missing_requirement, wait_for

from migrator.psp.authorize import Identity, PolicyGrants, read_grants

pytestmark = pytest.mark.conformance

RBAC = "rbac.authorization.k8s.io/v1"
ROLES = 24
POLICIES = frozenset(f"policy-{index}" for index in range(ROLES))
KEYS = ("team", "tier")
VALUES = ("a", "b", "c")


def test_aggregated_roles_grant_what_the_controller_writes_into_them() -> None:
    missing = name_missing_requirement()
    if missing is not None:
        pytest.skip(missing)
    seed = int(os.environ.get("PSP_SEED") or Random().randrange(10**6))
    print(f"PSP_SEED={seed}")
    roles = _make_roles(Random(seed))
    bindings = [
        _make_binding(name) for name in [role["metadata"]["name"] for role in roles] + ["view", "edit", "admin"]
    ]
    ours = _list_usable(read_grants([*roles, *bindings]), bindings)
    assert sum(len(names) > 1 for names in ours.values()) > 3
    with ControlPlane("v1.34.4", components=(API_SERVER, "kube-controller-manager")) as running:
        for role in roles:
            assert running.client.create(role).status == 201

        def read_theirs() -> dict[str, frozenset[str]]:
            live = running.client.list(RBAC, "ClusterRole").body["items"]
            # What the controller wrote is all that counts here: without the selectors nothing is computed anew.
            stated = [{"kind": "ClusterRole", **role, "aggregationRule": None} for role in live]
            return _list_usable(read_grants([*stated, *bindings]), bindings)

        try:
            wait_for(lambda: read_theirs() == ours)
        except TimeoutError:
            assert read_theirs() == ours


def _make_roles(random: Random) -> list[dict[str, Any]]:
    roles = []
    for index in range(ROLES):
        labels = {key: random.choice(VALUES) for key in KEYS if random.random() < 0.5}
        if random.random() < 0.2:
            labels[f"rbac.authorization.k8s.io/aggregate-to-{random.choice(('view', 'edit', 'admin'))}"] = "true"
        role: dict[str, Any] = {
            "apiVersion": RBAC,
            "kind": "ClusterRole",
            "metadata": {"name": f"role-{index}", "labels": labels},
        }
        if random.random() < 0.4:
            selectors = [_make_selector(random) for _ in range(random.randint(1, 2))]
            role["aggregationRule"] = {"clusterRoleSelectors": selectors}
        else:
            rule = {"apiGroups": ["policy"], "resources": ["podsecuritypolicies"], "verbs": ["use"]}
            role["rules"] = [{**rule, "resourceNames": [f"policy-{index}"]}]
        roles.append(role)
    return roles


def _make_selector(random: Random) -> dict[str, Any]:
    # The label that the positive part asks for keeps out the cluster's own roles, of which sources know few.
    selector: dict[str, Any] = {"matchLabels": {random.choice(KEYS): random.choice(VALUES)}}
    key = random.choice(KEYS)
    operator = random.choice((None, "In", "NotIn", "Exists", "DoesNotExist"))
    if operator in ("Exists", "DoesNotExist"):
        selector["matchExpressions"] = [{"key": key, "operator": operator}]
    elif operator:
        values = random.sample(VALUES, random.randint(1, 2))
        selector["matchExpressions"] = [{"key": key, "operator": operator, "values": values}]
    return selector


def _make_binding(role: str) -> dict[str, Any]:
    return {
        "kind": "ClusterRoleBinding",
        "metadata": {"name": role},
        "roleRef": {"kind": "ClusterRole", "name": role},
        "subjects": [{"kind": "User", "name": role}],
    }


def _list_usable(grants: PolicyGrants, bindings: list[dict[str, Any]]) -> dict[str, frozenset[str]]:
    users = [binding["subjects"][0]["name"] for binding in bindings]
    return {user: grants.select_usable([Identity(user)], "", POLICIES) for user in users}
