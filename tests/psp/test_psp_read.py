"""Policies read from plain objects, and what is wrong with them."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from migrator.model.field import format_path
from migrator.psp.model import AllowedHostPath, IDRange, IDStrategy, PodSecurityPolicy
from migrator.psp.read import read_policy

PLAIN: dict[str, Any] = {
    "apiVersion": "policy/v1beta1",
    "kind": "PodSecurityPolicy",
    "metadata": {"name": "plain"},
    "spec": {field: {"rule": "RunAsAny"} for field in ("seLinux", "runAsUser", "supplementalGroups", "fsGroup")},
}
SECCOMP = "seccomp.security.alpha.kubernetes.io/"
APPARMOR = "apparmor.security.beta.kubernetes.io/"


def read(**spec: Any) -> PodSecurityPolicy:
    document = copy.deepcopy(PLAIN)
    document["spec"].update(spec)
    return read_policy(document)


def test_a_plain_policy_has_the_api_s_defaults() -> None:
    policy = read()
    assert policy.usable
    assert (policy.name, policy.allow_privilege_escalation, policy.privileged) == ("plain", True, False)
    assert policy.run_as_group is None
    assert policy.runtime_class is None
    assert policy.seccomp.allowed is None


def test_every_field_is_read() -> None:
    policy = read(
        privileged=True,
        volumes=["secret"],
        hostPorts=[{"min": 1, "max": 2}],
        runAsUser={"rule": "MustRunAs", "ranges": [{"min": 3, "max": 4}]},
        allowedHostPaths=[{"pathPrefix": "/a", "readOnly": True}],
        allowedCSIDrivers=[{"name": "d"}],
        allowPrivilegeEscalation=False,
        runtimeClass={"allowedRuntimeClassNames": ["*"], "defaultRuntimeClassName": "x"},
    )
    assert policy.usable
    assert policy.host_ports == (IDRange(1, 2),)
    assert policy.run_as_user == IDStrategy("MustRunAs", (IDRange(3, 4),))
    assert policy.allowed_host_paths == (AllowedHostPath("/a", True),)
    assert policy.allowed_csi_drivers == ("d",)
    assert policy.runtime_class is not None
    assert policy.runtime_class.default_name == "x"
    assert not policy.allow_privilege_escalation


@pytest.mark.parametrize(
    ("spec", "field", "effect"),
    [
        ({"runAsUser": {"rule": "MustRunAs"}}, "spec.runAsUser.ranges", "skipped"),
        ({"seLinux": {"rule": "MustRunAs"}}, "spec.seLinux.seLinuxOptions", "skipped"),
        ({"fsGroup": {"rule": "MayRunAs"}}, "spec.fsGroup.ranges", "skipped"),
        ({"supplementalGroups": {"rule": "MustRunAs", "ranges": []}}, "spec.supplementalGroups.ranges", "skipped"),
        ({"runAsGroup": {"rule": "MustRunAs"}}, "spec.runAsGroup.ranges", "refused"),
        ({"runAsGroup": {"rule": "RunAsAny", "ranges": [{"min": 1, "max": 2}]}}, "spec.runAsGroup.ranges", "refused"),
        (
            {"runAsUser": {"rule": "MustRunAs", "ranges": [{"min": 5, "max": 1}]}},
            "spec.runAsUser.ranges[0].min",
            "refused",
        ),
        (
            {"fsGroup": {"rule": "RunAsAny", "ranges": [{"min": -1, "max": 1}]}},
            "spec.fsGroup.ranges[0].min",
            "refused",
        ),
        ({"runAsUser": {"rule": "MustRunAsRoot"}}, "spec.runAsUser.rule", "refused"),
        ({"seLinux": None}, "spec.seLinux.rule", "refused"),
        ({"volumes": ["secret", "emptydir"]}, "spec.volumes[1]", "refused"),
        ({"volumes": ["image"]}, "spec.volumes[0]", "refused"),
        (
            {"requiredDropCapabilities": ["A"], "allowedCapabilities": ["*"]},
            "spec.requiredDropCapabilities",
            "refused",
        ),
        (
            {"requiredDropCapabilities": ["A"], "defaultAddCapabilities": ["A"]},
            "spec.defaultAddCapabilities[0]",
            "refused",
        ),
        (
            {"allowPrivilegeEscalation": False, "defaultAllowPrivilegeEscalation": True},
            "spec.defaultAllowPrivilegeEscalation",
            "refused",
        ),
        ({"allowedHostPaths": [{"pathPrefix": "/a/../b"}]}, "spec.allowedHostPaths[0].pathPrefix", "refused"),
        ({"allowedHostPaths": [{}]}, "spec.allowedHostPaths[0].pathPrefix", "refused"),
        ({"allowedFlexVolumes": [{}]}, "spec.allowedFlexVolumes[0].driver", "refused"),
        ({"allowedCSIDrivers": [{"name": "a b"}]}, "spec.allowedCSIDrivers[0].name", "refused"),
        ({"forbiddenSysctls": ["Kernel"]}, "spec.forbiddenSysctls[0]", "refused"),
        ({"forbiddenSysctls": ["*", "kernel.msgmax"]}, "spec.forbiddenSysctls", "refused"),
        (
            {"allowedUnsafeSysctls": ["kernel.*"], "forbiddenSysctls": ["kernel.msg*"]},
            "spec.allowedUnsafeSysctls[0]",
            "refused",
        ),
        ({"runtimeClass": {"defaultRuntimeClassName": "x"}}, "spec.runtimeClass.allowedRuntimeClassNames", "refused"),
        (
            {"runtimeClass": {"allowedRuntimeClassNames": ["x", "x"]}},
            "spec.runtimeClass.allowedRuntimeClassNames[1]",
            "refused",
        ),
        ({"privileged": "yes"}, "spec.privileged", "refused"),
        ({"hostPorts": [{"min": "80", "max": 90}]}, "spec.hostPorts[0].min", "refused"),
        ({"hostPorts": [{"min": True, "max": 90}]}, "spec.hostPorts[0].min", "refused"),
        ({"volumes": "secret"}, "spec.volumes", "refused"),
        ({"runAsUser": "RunAsAny"}, "spec.runAsUser", "refused"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(spec: dict[str, Any], field: str, effect: str) -> None:
    policy = read(**spec)
    assert not policy.usable
    problem = policy.problems[0]
    assert (format_path(problem.field), problem.effect) == (field, effect)
    assert problem.message


@pytest.mark.parametrize(
    "spec",
    [
        {"runAsUser": {"rule": "RunAsAny", "ranges": [{"min": 1, "max": 2}]}},
        {"runAsUser": {"rule": "MustRunAsNonRoot"}},
        {"runAsGroup": {"rule": "MayRunAs", "ranges": [{"min": 2, "max": 2}]}},
        {"hostPorts": [{"min": 90, "max": 80}]},
        {"volumes": ["*", "cephFS", "ephemeral"]},
        {"volumes": None, "allowedCapabilities": None, "hostPorts": None},
        {"allowedProcMountTypes": ["Masked"]},
        {"allowedUnsafeSysctls": ["*"], "forbiddenSysctls": []},
        {"allowedUnsafeSysctls": ["net.*"], "forbiddenSysctls": ["kernel.*"]},
        {"requiredDropCapabilities": ["ALL"], "allowedCapabilities": ["KILL"]},
        {"runtimeClass": {"allowedRuntimeClassNames": []}},
        {"allowPrivilegeEscalation": False, "defaultAllowPrivilegeEscalation": False},
    ],
)
def test_what_the_api_server_takes_is_taken(spec: dict[str, Any]) -> None:
    assert read(**spec).problems == ()


@pytest.mark.parametrize(
    ("annotations", "wrong"),
    [
        ({SECCOMP + "allowedProfileNames": "runtime/default,"}, True),
        ({SECCOMP + "allowedProfileNames": "RuntimeDefault"}, True),
        ({SECCOMP + "defaultProfileName": "localhost//etc"}, True),
        ({SECCOMP + "defaultProfileName": "*"}, True),
        ({APPARMOR + "allowedProfileNames": "strict"}, True),
        ({APPARMOR + "defaultProfileName": "*"}, True),
        ({SECCOMP + "allowedProfileNames": "*,runtime/default"}, False),
        ({SECCOMP + "allowedProfileNames": ""}, False),
        ({SECCOMP + "defaultProfileName": "localhost/a"}, False),
        ({APPARMOR + "allowedProfileNames": "runtime/default,"}, False),
        ({APPARMOR + "defaultProfileName": "unconfined"}, False),
        ({"other": "x"}, False),
    ],
)
def test_profiles_are_checked(annotations: dict[str, str], wrong: bool) -> None:
    document = {**PLAIN, "metadata": {"name": "plain", "annotations": annotations}}
    problems = read_policy(document).problems
    assert bool(problems) == wrong
    assert all(problem.field == ("metadata", "annotations", next(iter(annotations))) for problem in problems)


def test_one_name_of_the_runtime_s_seccomp_profile_allows_both() -> None:
    def allowed(text: str) -> frozenset[str] | None:
        metadata = {"name": "plain", "annotations": {SECCOMP + "allowedProfileNames": text}}
        return read_policy({**PLAIN, "metadata": metadata}).seccomp.allowed

    assert allowed("docker/default") == {"docker/default", "runtime/default"}
    assert allowed("unconfined") == {"unconfined"}


@pytest.mark.parametrize("document", [{}, {"metadata": None, "spec": None}, {"metadata": [], "spec": "x"}])
def test_an_object_that_is_no_policy_is_a_policy_full_of_problems(document: dict[str, Any]) -> None:
    assert not read_policy(document).usable
