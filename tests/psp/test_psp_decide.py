"""Grants and policies together decide a pod."""

from __future__ import annotations

from typing import Any

import pytest

from migrator.psp.authorize import Identity, make_controller_identity, read_grants
from migrator.psp.decide import decide_pod
from migrator.psp.read import read_policy

ANY = {field: {"rule": "RunAsAny"} for field in ("seLinux", "runAsUser", "supplementalGroups", "fsGroup")}
POLICIES = {
    name: read_policy({"metadata": {"name": name}, "spec": {**ANY, "volumes": ["*"], **spec}})
    for name, spec in {
        "a-privileged": {"privileged": True},
        "broken": {"runAsUser": {"rule": "MustRunAs"}},
        "restricted": {"requiredDropCapabilities": ["ALL"]},
    }.items()
}


def use(name: str, subject: dict[str, Any], namespace: str | None = None) -> list[dict[str, Any]]:
    rule = {"apiGroups": ["policy"], "resources": ["podsecuritypolicies"], "verbs": ["use"], "resourceNames": [name]}
    binding = {
        "kind": "RoleBinding" if namespace else "ClusterRoleBinding",
        "metadata": {"name": name, "namespace": namespace},
    }
    return [
        {"kind": "ClusterRole", "metadata": {"name": name}, "rules": [rule]},
        {**binding, "roleRef": {"kind": "ClusterRole", "name": name}, "subjects": [subject]},
    ]


GRANTS = read_grants(
    [
        *use("restricted", {"kind": "Group", "name": "system:serviceaccounts"}),
        *use("broken", {"kind": "Group", "name": "system:serviceaccounts"}),
        *use("a-privileged", {"kind": "ServiceAccount", "name": "agent", "namespace": "ops"}, "ops"),
        *use("gone", {"kind": "Group", "name": "system:serviceaccounts"}),
    ]
)


@pytest.mark.parametrize(
    ("namespace", "account", "requester", "selected"),
    [
        ("shop", None, None, "restricted"),
        ("ops", None, None, "restricted"),
        ("ops", "agent", None, "a-privileged"),
        ("shop", "agent", None, "restricted"),
        ("shop", None, make_controller_identity("DaemonSet"), "restricted"),
        ("shop", None, Identity("root", ("system:masters",)), "a-privileged"),
    ],
)
def test_the_account_and_the_requester_decide(
    namespace: str, account: str | None, requester: Identity | None, selected: str
) -> None:
    pod = {"spec": {"serviceAccountName": account, "containers": [{"name": "web"}]}}
    decision = decide_pod(pod, namespace, POLICIES, GRANTS, requester=requester)
    assert decision.selection.selected == selected
    assert decision.identities[0].user == f"system:serviceaccount:{namespace}:{account or 'default'}"
    assert decision.identities[1:] == ((requester,) if requester else ())


def test_policies_are_told_whether_or_not_they_work() -> None:
    decision = decide_pod({"spec": {"containers": []}}, "shop", POLICIES, GRANTS)
    assert [policy.name for policy in decision.usable] == ["broken", "restricted"]
    assert [verdict.psp for verdict in decision.selection.verdicts] == ["restricted"]


def test_who_may_use_nothing_gets_nothing() -> None:
    decision = decide_pod({"spec": {"containers": []}}, "shop", POLICIES, read_grants([]))
    assert (decision.usable, decision.selection.selected) == ((), None)


def test_the_service_account_s_choice_is_heard() -> None:
    pod = {"spec": {"containers": [{"name": "web"}]}}
    account = {"automountServiceAccountToken": False}
    spec = decide_pod(pod, "shop", POLICIES, GRANTS, service_account=account).selection.pod["spec"]
    assert "volumes" not in spec
    assert "volumes" in decide_pod(pod, "shop", POLICIES, GRANTS).selection.pod["spec"]
