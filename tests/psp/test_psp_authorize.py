"""Who may use which policy: roles, bindings, subjects, identities."""

from __future__ import annotations

from typing import Any

import pytest

from migrator.psp.authorize import (
    Identity,
    PolicyGrants,
    make_controller_identity,
    make_requester_identity,
    make_service_account_identity,
    read_grants,
)

NAMES = frozenset({"one", "two"})
USE_ONE = {"apiGroups": ["policy"], "resources": ["podsecuritypolicies"], "verbs": ["use"], "resourceNames": ["one"]}
WEB = make_service_account_identity("shop", "web")
CONTROLLER = make_controller_identity("Deployment")


def role(kind: str, name: str, *rules: dict[str, Any], namespace: str = "", **more: Any) -> dict[str, Any]:
    metadata = {"name": name, "namespace": namespace, "labels": more.pop("labels", {})}
    return {"kind": kind, "metadata": metadata, "rules": list(rules), **more}


def bind(kind: str, role_kind: str, role_name: str, subject: dict[str, Any], namespace: str = "") -> dict[str, Any]:
    return {
        "kind": kind,
        "metadata": {"name": f"{role_name}-binding", "namespace": namespace},
        "roleRef": {"kind": role_kind, "name": role_name},
        "subjects": [subject],
    }


def account(name: str = "web", namespace: str = "shop") -> dict[str, Any]:
    return {"kind": "ServiceAccount", "name": name, "namespace": namespace}


def group(name: str) -> dict[str, Any]:
    return {"kind": "Group", "name": name}


def usable(grants: PolicyGrants, identity: Identity | None, namespace: str = "shop") -> frozenset[str]:
    assert identity is not None
    return grants.select_usable([identity], namespace, NAMES)


def grant_rule(**changes: Any) -> PolicyGrants:
    """One cluster role with one rule, bound to the account of the pods."""
    return read_grants(
        [
            role("ClusterRole", "r", {**USE_ONE, **changes}),
            bind("ClusterRoleBinding", "ClusterRole", "r", account()),
        ]
    )


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({}, {"one"}),
        ({"apiGroups": ["extensions"]}, {"one"}),
        ({"apiGroups": ["*"]}, {"one"}),
        ({"apiGroups": ["apps", "policy"]}, {"one"}),
        ({"resources": ["*"]}, {"one"}),
        ({"verbs": ["*"]}, {"one"}),
        ({"resourceNames": ["two", "gone"]}, {"two"}),
        ({"resourceNames": []}, NAMES),
        ({"resourceNames": None}, NAMES),
        ({"apiGroups": [""]}, set()),
        ({"apiGroups": ["apps"]}, set()),
        ({"apiGroups": None}, set()),
        ({"resources": ["podsecuritypolicies/use"]}, set()),
        ({"resources": ["pods"]}, set()),
        ({"verbs": ["get", "list"]}, set()),
        ({"verbs": None}, set()),
        ({"resourceNames": ["*"]}, set()),
        ({"resources": None, "nonResourceURLs": ["*"]}, set()),
    ],
)
def test_a_rule_grants(changes: dict[str, Any], names: set[str]) -> None:
    assert usable(grant_rule(**changes), WEB) == names


@pytest.mark.parametrize(
    ("subject", "granted"),
    [
        (account(), True),
        (group("system:serviceaccounts"), True),
        (group("system:serviceaccounts:shop"), True),
        ({"kind": "User", "name": "system:serviceaccount:shop:web"}, True),
        (account(namespace=""), True),
        (account("db"), False),
        (account(namespace="bank"), False),
        (group("system:serviceaccounts:bank"), False),
        (group("system:authenticated"), False),
        ({"kind": "User", "name": "system:serviceaccounts"}, False),
        ({"kind": "User", "name": "*"}, False),
        ({"kind": "Robot", "name": "web"}, False),
    ],
)
def test_a_subject_is_matched(subject: dict[str, Any], granted: bool) -> None:
    grants = read_grants(
        [role("ClusterRole", "r", USE_ONE), bind("RoleBinding", "ClusterRole", "r", subject, "shop")]
    )
    assert usable(grants, WEB) == ({"one"} if granted else set())


def test_a_role_binding_stays_in_its_namespace() -> None:
    everybody = group("system:serviceaccounts")
    grants = read_grants(
        [role("Role", "r", USE_ONE, namespace="shop"), bind("RoleBinding", "Role", "r", everybody, "shop")]
    )
    assert usable(grants, make_service_account_identity("bank", "till"), "shop") == {"one"}
    assert usable(grants, make_service_account_identity("bank", "till"), "bank") == set()


@pytest.mark.parametrize(
    "binding",
    [
        bind("RoleBinding", "Role", "r", account(), "bank"),
        bind("ClusterRoleBinding", "Role", "r", account()),
        bind("RoleBinding", "ClusterRole", "r", account(), "shop"),
        bind("RoleBinding", "Role", "gone", account(), "shop"),
        bind("RoleBinding", "Other", "r", account(), "shop"),
        bind("ClusterRoleBinding", "ClusterRole", "c", account(namespace="")),
    ],
)
def test_a_binding_that_reaches_no_role_grants_nothing(binding: dict[str, Any]) -> None:
    grants = read_grants([role("Role", "r", USE_ONE, namespace="shop"), role("ClusterRole", "c", USE_ONE), binding])
    assert usable(grants, WEB) == set()


def test_controllers_bring_the_grants_of_kube_system_to_every_namespace() -> None:
    kube_system = group("system:serviceaccounts:kube-system")
    grants = read_grants(
        [role("ClusterRole", "r", USE_ONE), bind("ClusterRoleBinding", "ClusterRole", "r", kube_system)]
    )
    assert usable(grants, WEB) == set()
    assert usable(grants, CONTROLLER) == {"one"}
    assert usable(grants, make_controller_identity("CronJob"), "bank") == {"one"}
    assert usable(grants, make_controller_identity("Deployment", own_accounts=False)) == set()


def test_only_who_asks_by_itself_is_authenticated() -> None:
    authenticated = group("system:authenticated")
    grants = read_grants(
        [role("ClusterRole", "r", USE_ONE), bind("ClusterRoleBinding", "ClusterRole", "r", authenticated)]
    )
    assert usable(grants, WEB) == set()
    assert usable(grants, CONTROLLER) == {"one"}
    assert usable(grants, make_controller_identity("Deployment", own_accounts=False)) == {"one"}


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("Deployment", "replicaset-controller"),
        ("ReplicaSet", "replicaset-controller"),
        ("DaemonSet", "daemon-set-controller"),
        ("StatefulSet", "statefulset-controller"),
        ("Job", "job-controller"),
        ("ReplicationController", "replication-controller"),
    ],
)
def test_each_kind_has_its_controller(kind: str, name: str) -> None:
    assert make_controller_identity(kind) == Identity(
        f"system:serviceaccount:kube-system:{name}",
        ("system:serviceaccounts", "system:serviceaccounts:kube-system", "system:authenticated"),
    )


@pytest.mark.parametrize(
    ("user", "groups", "all_groups"),
    [
        ("alice", (), ("system:authenticated",)),
        ("alice", ("dev",), ("dev", "system:authenticated")),
        ("root", ("system:masters", "system:authenticated"), ("system:masters", "system:authenticated")),
        ("system:serviceaccount:ci", (), ("system:authenticated",)),
        (
            "system:serviceaccount:ci:bot",
            (),
            ("system:serviceaccounts", "system:serviceaccounts:ci", "system:authenticated"),
        ),
    ],
)
def test_who_asks_has_the_groups_of_authentication(user: str, groups: Any, all_groups: Any) -> None:
    assert make_requester_identity(user, groups) == Identity(user, all_groups)


@pytest.mark.parametrize("kind", ["Pod", "Rollout", ""])
def test_other_kinds_have_none(kind: str) -> None:
    assert make_controller_identity(kind) is None


def test_the_cluster_s_own_roles_are_known() -> None:
    grants = read_grants([bind("ClusterRoleBinding", "ClusterRole", "cluster-admin", account())])
    assert usable(grants, WEB) == NAMES
    assert usable(read_grants([]), Identity("root", ("system:masters",))) == NAMES
    assert usable(read_grants([]), WEB) == set()
    assert usable(read_grants([bind("ClusterRoleBinding", "ClusterRole", "admin", account())]), WEB) == set()


def aggregate(
    name: str, *selectors: dict[str, Any], rules: tuple[dict[str, Any], ...] = (), **more: Any
) -> dict[str, Any]:
    return role("ClusterRole", name, *rules, aggregationRule={"clusterRoleSelectors": list(selectors)}, **more)


@pytest.mark.parametrize(
    ("selector", "granted"),
    [
        ({"matchLabels": {"team": "a"}}, True),
        ({"matchExpressions": [{"key": "team", "operator": "In", "values": ["b", "a"]}]}, True),
        ({"matchExpressions": [{"key": "team", "operator": "Exists"}]}, True),
        ({"matchExpressions": [{"key": "other", "operator": "NotIn", "values": ["a"]}]}, True),
        ({"matchExpressions": [{"key": "other", "operator": "DoesNotExist"}]}, True),
        ({"matchLabels": {"team": "b"}}, False),
        ({"matchLabels": {"team": "a", "more": "x"}}, False),
        ({"matchExpressions": [{"key": "team", "operator": "NotIn", "values": ["a"]}]}, False),
        ({"matchExpressions": [{"key": "team", "operator": "DoesNotExist"}]}, False),
        ({"matchExpressions": [{"key": "team", "operator": "Like", "values": ["a"]}]}, False),
    ],
)
def test_an_aggregated_role_has_the_rules_of_those_it_selects(selector: dict[str, Any], granted: bool) -> None:
    # Without the mark the negative selectors would select cluster-admin as well.
    marked = {**selector, "matchLabels": {"mark": "x", **selector.get("matchLabels", {})}}
    grants = read_grants(
        [
            aggregate("all", marked),
            role("ClusterRole", "part", USE_ONE, labels={"mark": "x", "team": "a"}),
            bind("ClusterRoleBinding", "ClusterRole", "all", account()),
        ]
    )
    assert usable(grants, WEB) == ({"one"} if granted else set())


def test_several_selectors_select_what_one_of_them_does() -> None:
    use_two = {**USE_ONE, "resourceNames": ["two"]}
    grants = read_grants(
        [
            aggregate("all", {"matchLabels": {"team": "a"}}, {"matchLabels": {"team": "b"}}),
            role("ClusterRole", "one", USE_ONE, labels={"team": "a"}),
            role("ClusterRole", "two", use_two, labels={"team": "b"}),
            role("ClusterRole", "three", {**USE_ONE, "resourceNames": None}, labels={"team": "c"}),
            bind("ClusterRoleBinding", "ClusterRole", "all", account()),
        ]
    )
    assert usable(grants, WEB) == NAMES
    assert grants.find_policies(WEB, "shop") == {"one", "two"}


def test_an_empty_selector_selects_cluster_admin() -> None:
    grants = read_grants([aggregate("all", {}), bind("ClusterRoleBinding", "ClusterRole", "all", account())])
    assert usable(grants, WEB) == NAMES


def test_aggregation_goes_on_and_may_run_in_circles() -> None:
    use_two = {**USE_ONE, "resourceNames": ["two"]}
    grants = read_grants(
        [
            aggregate("a", {"matchLabels": {"to": "a"}}, labels={"to": "b"}),
            aggregate("b", {"matchLabels": {"to": "b"}}, labels={"to": "a"}),
            role("ClusterRole", "one", USE_ONE, labels={"to": "a"}),
            role("ClusterRole", "two", use_two, labels={"to": "b"}),
            bind("ClusterRoleBinding", "ClusterRole", "a", account()),
        ]
    )
    assert usable(grants, WEB) == NAMES


def test_the_built_in_roles_aggregate_from_view_to_admin() -> None:
    label = {"rbac.authorization.k8s.io/aggregate-to-view": "true"}
    objects = [
        role("ClusterRole", "part", USE_ONE, labels=label),
        bind("RoleBinding", "ClusterRole", "admin", account(), "shop"),
    ]
    assert usable(read_grants(objects), WEB) == {"one"}
    assert usable(read_grants(objects), WEB, "bank") == set()


def test_stated_rules_of_an_aggregated_role_count_only_where_it_selects_nothing() -> None:
    binding = bind("ClusterRoleBinding", "ClusterRole", "all", account())
    stated = aggregate("all", {"matchLabels": {"team": "a"}}, rules=(USE_ONE,))
    assert usable(read_grants([stated, binding]), WEB) == {"one"}
    empty = role("ClusterRole", "part", labels={"team": "a"})
    assert usable(read_grants([stated, binding, empty]), WEB) == set()
    admin = aggregate(
        "admin", {"matchLabels": {"rbac.authorization.k8s.io/aggregate-to-admin": "true"}}, rules=(USE_ONE,)
    )
    grants = read_grants([admin, bind("ClusterRoleBinding", "ClusterRole", "admin", account())])
    assert usable(grants, WEB) == {"one"}


def test_grants_tell_where_they_come_from() -> None:
    grants = read_grants(
        [role("ClusterRole", "r", USE_ONE), bind("RoleBinding", "ClusterRole", "r", account(), "shop")]
    )
    (grant,) = grants.find_grants(WEB, "shop")
    assert (grant.binding_kind, grant.binding_name, grant.namespace) == ("RoleBinding", "r-binding", "shop")
    assert (grant.role_kind, grant.role_name, grant.policies) == ("ClusterRole", "r", {"one"})
    assert grants.find_grants(WEB, "bank") == ()
    assert grant_rule(verbs=["get"]).find_grants(WEB, "shop") == ()


def test_several_identities_join_what_they_may_use() -> None:
    use_two = {**USE_ONE, "resourceNames": ["two"]}
    grants = read_grants(
        [
            role("ClusterRole", "one", USE_ONE),
            role("ClusterRole", "two", use_two),
            bind("ClusterRoleBinding", "ClusterRole", "one", account()),
            bind("ClusterRoleBinding", "ClusterRole", "two", account("replicaset-controller", "kube-system")),
        ]
    )
    assert CONTROLLER is not None
    assert grants.select_usable([WEB, CONTROLLER], "shop", NAMES) == NAMES
    assert grants.select_usable([WEB, CONTROLLER], "shop", frozenset({"two", "three"})) == {"two"}
    assert grants.select_usable([], "shop", NAMES) == set()


@pytest.mark.parametrize(
    "wrong",
    [
        role("ClusterRole", "r", {**USE_ONE, "verbs": "use"}),
        role("ClusterRole", "r", {**USE_ONE, "apiGroups": "*"}),
        {"kind": "ClusterRole", "metadata": {"name": "r"}, "rules": "*"},
        {"kind": "ClusterRole", "metadata": {"name": "r"}, "rules": ["*", None]},
        {"kind": "ClusterRole", "metadata": "r", "rules": [USE_ONE]},
        {"kind": "ClusterRoleBinding", "metadata": None, "roleRef": "cluster-admin", "subjects": [account()]},
        {
            "kind": "ClusterRoleBinding",
            "roleRef": {"kind": "ClusterRole", "name": "cluster-admin"},
            "subjects": "web",
        },
        {"kind": "ClusterRole", "metadata": {"name": "r"}, "aggregationRule": {"clusterRoleSelectors": "*"}},
    ],
)
def test_what_the_api_server_would_not_take_grants_nothing(wrong: dict[str, Any]) -> None:
    grants = read_grants([wrong, bind("ClusterRoleBinding", "ClusterRole", "r", account())])
    assert usable(grants, WEB) == set()
