"""The pod that policies see, the policy that it gets, and the pod that is stored."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from migrator.model.field import format_path
from migrator.psp.admit import Selection, select_policy
from migrator.psp.model import PodSecurityPolicy
from migrator.psp.prepare import TOKEN_MOUNT_PATH, prepare_pod
from migrator.psp.read import read_policy

OPEN = {
    "volumes": ["*"],
    **{field: {"rule": "RunAsAny"} for field in ("seLinux", "runAsUser", "supplementalGroups", "fsGroup")},
}
NON_ROOT = {"runAsUser": {"rule": "MustRunAsNonRoot"}}
SECCOMP = "seccomp.security.alpha.kubernetes.io/"


def policy(name: str, annotations: dict[str, str] | None = None, **spec: Any) -> PodSecurityPolicy:
    found = read_policy({"metadata": {"name": name, "annotations": annotations}, "spec": {**OPEN, **spec}})
    assert name.startswith("bad") or found.usable, found.problems
    return found


def pod(*, annotations: dict[str, str] | None = None, **spec: Any) -> dict[str, Any]:
    metadata = {"name": "p", "namespace": "shop", "annotations": annotations}
    return {"metadata": metadata, "spec": {"containers": [{"name": "web", "image": "i"}], **spec}}


def select(submitted: dict[str, Any], *policies: PodSecurityPolicy) -> Selection:
    return select_policy(prepare_pod(submitted), policies)


def test_names_decide_byte_by_byte() -> None:
    assert select(pod(), policy("b"), policy("a.10"), policy("a.2"), policy("a-x")).selected == "a-x"
    assert select(pod(), policy("a.2"), policy("a.10")).selected == "a.10"


def test_a_policy_that_changes_nothing_goes_before_one_that_does() -> None:
    selection = select(pod(), policy("a", **NON_ROOT), policy("b", **NON_ROOT), policy("z"))
    assert (selection.selected, selection.mutations, selection.rejected_by) == ("z", (), {})
    assert [verdict.psp for verdict in selection.verdicts if verdict.mutations] == ["a", "b"]


def test_of_those_that_change_the_pod_the_first_wins() -> None:
    selection = select(pod(), policy("b", readOnlyRootFilesystem=True), policy("a", **NON_ROOT))
    assert selection.selected == "a"
    assert [(format_path(m.field), m.value, m.psp) for m in selection.mutations] == [
        ("spec.containers[0].securityContext.runAsNonRoot", True, "a")
    ]
    assert selection.pod["spec"]["containers"][0]["securityContext"] == {"runAsNonRoot": True}
    assert selection.pod["metadata"]["annotations"] == {"kubernetes.io/psp": "a"}


def test_whether_a_policy_changes_a_pod_is_the_pod_s_doing_too() -> None:
    says_all = pod(containers=[{"name": "web", "image": "i", "securityContext": {"runAsNonRoot": True}}])
    assert select(says_all, policy("a", **NON_ROOT), policy("z")).selected == "a"


def test_a_rejected_pod_stays_as_it_was_and_knows_why() -> None:
    submitted = pod(hostPID=True)
    selection = select(submitted, policy("a"), policy("b", **NON_ROOT))
    assert (selection.selected, selection.admitted, selection.mutations) == (None, False, ())
    assert selection.rejected_by == dict.fromkeys(
        ("a", "b"), ("spec.securityContext.hostPID: Invalid value: true: Host PID is not allowed to be used",)
    )
    assert selection.pod == prepare_pod(submitted)


def test_without_a_policy_nothing_is_admitted() -> None:
    selection = select(pod())
    assert (selection.selected, selection.admitted, selection.rejected_by) == (None, False, {})


def test_policies_with_problems_are_passed_over() -> None:
    bad = policy("bad", runAsUser={"rule": "MustRunAs"})
    selection = select(pod(), bad, policy("z"))
    assert selection.selected == "z"
    assert [verdict.psp for verdict in selection.verdicts] == ["z"]
    assert select(pod(), bad).selected is None


def test_submitted_objects_are_left_alone() -> None:
    submitted = pod(hostNetwork=True, initContainers=[{"name": "i", "ports": [{"containerPort": 1}]}])
    before = copy.deepcopy(submitted)
    prepared = prepare_pod(submitted)
    prepared_before = copy.deepcopy(prepared)
    everything = policy(
        "a",
        {SECCOMP + "allowedProfileNames": "*", SECCOMP + "defaultProfileName": "runtime/default"},
        hostNetwork=True,
        hostPorts=[{"min": 0, "max": 65535}],
        **NON_ROOT,
    )
    assert select_policy(prepared, [everything]).selected == "a"
    assert (submitted, prepared) == (before, prepared_before)


def test_host_ports_follow_the_host_network() -> None:
    ports = [{"containerPort": 80}, {"containerPort": 81, "hostPort": 9}]
    containers = [{"name": "web", "ports": ports}]
    spec = prepare_pod(pod(hostNetwork=True, containers=containers, ephemeralContainers=[{"name": "e"}]))["spec"]
    assert [port["hostPort"] for port in spec["containers"][0]["ports"]] == [80, 9]
    assert "ports" not in spec["ephemeralContainers"][0]
    assert prepare_pod(pod(containers=containers))["spec"]["containers"][0]["ports"] == ports


@pytest.mark.parametrize(
    ("own", "account", "mounted"),
    [
        (None, None, True),
        (None, {}, True),
        (True, {"automountServiceAccountToken": False}, True),
        (None, {"automountServiceAccountToken": True}, True),
        (False, None, False),
        (False, {"automountServiceAccountToken": True}, False),
        (None, {"automountServiceAccountToken": False}, False),
    ],
)
def test_the_token_is_mounted_unless_somebody_says_no(own: bool | None, account: Any, mounted: bool) -> None:
    spec = prepare_pod(pod(automountServiceAccountToken=own), account)["spec"]
    assert ("volumes" in spec) == mounted
    assert ("volumeMounts" in spec["containers"][0]) == mounted


def test_the_token_needs_a_policy_that_allows_its_volume() -> None:
    for volumes, admitted in (
        (["secret"], True),
        (["projected"], True),
        (["*"], True),
        (["emptyDir"], False),
        ([], False),
    ):
        assert select(pod(), policy("a", volumes=volumes)).admitted is admitted
        assert select(pod(automountServiceAccountToken=False), policy("a", volumes=volumes)).admitted


def test_the_token_is_mounted_where_nothing_else_is() -> None:
    taken = {"name": "own", "mountPath": TOKEN_MOUNT_PATH}
    spec = prepare_pod(
        pod(
            containers=[{"name": "a", "volumeMounts": [taken]}, {"name": "b"}],
            volumes=[{"name": "own", "emptyDir": {}}],
        )
    )["spec"]
    assert spec["containers"][0]["volumeMounts"] == [taken]
    assert [mount["mountPath"] for mount in spec["containers"][1]["volumeMounts"]] == [TOKEN_MOUNT_PATH]
    assert [volume["name"] for volume in spec["volumes"]] == ["own", "kube-api-access-00000"]
    only_taken = prepare_pod(pod(containers=[{"name": "a", "volumeMounts": [taken]}]))["spec"]
    assert "volumes" not in only_taken


def test_a_token_volume_that_is_there_is_used() -> None:
    there = {"name": "kube-api-access-abcde", "projected": {"sources": []}}
    spec = prepare_pod(pod(volumes=[there]))["spec"]
    assert spec["volumes"] == [there]
    mount = {"name": "kube-api-access-abcde", "readOnly": True, "mountPath": TOKEN_MOUNT_PATH}
    assert spec["containers"][0]["volumeMounts"] == [mount]


def test_the_service_account_has_two_names() -> None:
    assert prepare_pod(pod(serviceAccount="old"))["spec"]["serviceAccountName"] == "old"
    assert prepare_pod(pod(serviceAccount="old", serviceAccountName="new"))["spec"]["serviceAccountName"] == "new"
    assert prepare_pod(pod())["spec"]["serviceAccountName"] == "default"


def test_a_seccomp_field_alone_makes_every_policy_a_changing_one() -> None:
    open_policies = [policy(name, {SECCOMP + "allowedProfileNames": "*"}) for name in ("b", "a")]
    field_alone = pod(securityContext={"seccompProfile": {"type": "RuntimeDefault"}})
    selection = select(field_alone, *open_policies)
    assert selection.selected == "a"
    assert [format_path(m.field) for m in selection.mutations] == [f'metadata.annotations["{SECCOMP}pod"]']
    context = {"seccompProfile": {"type": "RuntimeDefault"}}
    both = pod(annotations={SECCOMP + "pod": "runtime/default"}, securityContext=context)
    assert select(both, *open_policies).mutations == ()


def test_seccomp_annotations_become_fields_and_fields_annotations() -> None:
    containers = [
        {"name": "a", "securityContext": {"seccompProfile": {"type": "Localhost", "localhostProfile": "x"}}},
        {"name": "b"},
        {"name": "c"},
    ]
    annotations = {f"container.{SECCOMP}b": "unconfined"}
    profiles = {SECCOMP + "allowedProfileNames": "*", SECCOMP + "defaultProfileName": "docker/default"}
    stored = select(pod(containers=containers, annotations=annotations), policy("p", profiles)).pod
    assert stored["metadata"]["annotations"] == {
        **annotations,
        "kubernetes.io/psp": "p",
        SECCOMP + "pod": "docker/default",
        f"container.{SECCOMP}a": "localhost/x",
    }
    assert stored["spec"]["securityContext"] == {"seccompProfile": {"type": "RuntimeDefault"}}
    assert stored["spec"]["containers"][1]["securityContext"] == {"seccompProfile": {"type": "Unconfined"}}
    assert "securityContext" not in stored["spec"]["containers"][2]


@pytest.mark.parametrize(
    ("context", "spec", "text"),
    [
        (
            {"privileged": True},
            {"allowPrivilegeEscalation": False},
            "`allowPrivilegeEscalation` to false and `privileged`",
        ),
        (
            {"capabilities": {"add": ["CAP_SYS_ADMIN"]}},
            {"allowPrivilegeEscalation": False},
            "`allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN",
        ),
        (
            {},
            {"runAsUser": {"rule": "MustRunAs", "ranges": [{"min": 2**31, "max": 2**31}]}},
            "between 0 and 2147483647",
        ),
        ({"capabilities": {"add": ["SYS_ADMIN"]}}, {"allowPrivilegeEscalation": False}, None),
        ({}, {"runAsUser": {"rule": "MustRunAs", "ranges": [{"min": 0, "max": 0}]}}, None),
        ({"privileged": True}, {"defaultAllowPrivilegeEscalation": True}, None),
        ({}, {"runAsUser": {"rule": "MustRunAs", "ranges": [{"min": 2**31 - 1, "max": 2**31}]}}, None),
    ],
)
def test_what_a_policy_writes_can_make_a_pod_invalid(context: Any, spec: dict[str, Any], text: str | None) -> None:
    submitted = pod(containers=[{"name": "web", "securityContext": context}])
    selection = select(submitted, policy("a", privileged=True, allowedCapabilities=["*"], **spec))
    assert selection.selected == "a"
    assert selection.admitted is (text is None)
    assert text is None or text in selection.refusals[0]
