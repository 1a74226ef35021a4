"""The Pod Security level that a policy grants, field by field."""

from __future__ import annotations

from typing import Any

import pytest

from migrator.psp.level import find_granted_level
from migrator.psp.read import read_policy

SECCOMP = "seccomp.security.alpha.kubernetes.io/allowedProfileNames"
APPARMOR = "apparmor.security.beta.kubernetes.io/allowedProfileNames"
RESTRICTED: dict[str, Any] = {
    "allowPrivilegeEscalation": False,
    "requiredDropCapabilities": ["ALL"],
    "volumes": ["configMap", "emptyDir", "projected", "secret"],
    "runAsUser": {"rule": "MustRunAsNonRoot"},
    "seLinux": {"rule": "MustRunAs", "seLinuxOptions": {"level": "s0:c1,c2"}},
    "supplementalGroups": {"rule": "RunAsAny"},
    "fsGroup": {"rule": "RunAsAny"},
}


@pytest.mark.parametrize(
    ("change", "annotations", "strict", "without_lsm"),
    [
        ({}, {}, "restricted", "restricted"),
        ({"allowedCapabilities": ["NET_BIND_SERVICE"]}, {}, "restricted", "restricted"),
        ({"hostPorts": [{"min": 0, "max": 0}]}, {}, "restricted", "restricted"),
        ({"readOnlyRootFilesystem": True, "forbiddenSysctls": ["*"]}, {}, "restricted", "restricted"),
        ({"fsGroup": {"rule": "MustRunAs", "ranges": [{"min": 1, "max": 9}]}}, {}, "restricted", "restricted"),
        ({"allowedProcMountTypes": ["Default"]}, {}, "restricted", "restricted"),
        ({}, {SECCOMP: "localhost/a,docker/default"}, "restricted", "restricted"),
        ({}, {APPARMOR: "runtime/default,"}, "restricted", "restricted"),
        ({"allowPrivilegeEscalation": None}, {}, "baseline", "baseline"),
        ({"requiredDropCapabilities": ["NET_RAW", "all"]}, {}, "baseline", "baseline"),
        ({"allowedCapabilities": ["CHOWN"]}, {}, "baseline", "baseline"),
        ({"defaultAddCapabilities": ["CHOWN"]}, {}, "baseline", "baseline"),
        ({"volumes": ["nfs"]}, {}, "baseline", "baseline"),
        ({"runAsUser": {"rule": "MustRunAs", "ranges": [{"min": 1, "max": 9}]}}, {}, "baseline", "baseline"),
        ({}, {SECCOMP: None}, "baseline", "baseline"),
        ({"privileged": True}, {}, "privileged", "privileged"),
        ({"hostPID": True}, {}, "privileged", "privileged"),
        ({"hostPorts": [{"min": 80, "max": 80}]}, {}, "privileged", "privileged"),
        ({"allowedCapabilities": ["*"], "requiredDropCapabilities": []}, {}, "privileged", "privileged"),
        ({"volumes": ["hostPath"]}, {}, "privileged", "privileged"),
        ({"volumes": ["*"]}, {}, "privileged", "privileged"),
        ({"allowedUnsafeSysctls": ["kernel.msg*"]}, {}, "privileged", "privileged"),
        ({"allowedProcMountTypes": ["Unmasked"]}, {}, "privileged", "privileged"),
        ({}, {SECCOMP: "*"}, "privileged", "privileged"),
        ({}, {SECCOMP: "runtime/default,unconfined"}, "privileged", "privileged"),
        ({"seLinux": {"rule": "RunAsAny"}}, {}, "privileged", "restricted"),
        ({"seLinux": {"rule": "MustRunAs", "seLinuxOptions": {"type": "spc_t"}}}, {}, "privileged", "privileged"),
        ({"seLinux": {"rule": "MustRunAs", "seLinuxOptions": {"type": "container_t"}}}, {}, *["restricted"] * 2),
        ({}, {APPARMOR: None}, "privileged", "restricted"),
        ({}, {APPARMOR: "unconfined,runtime/default"}, "privileged", "restricted"),
        ({"hostIPC": True, "seLinux": {"rule": "RunAsAny"}}, {}, "privileged", "privileged"),
    ],
)
def test_each_field_limits_what_is_granted(
    change: dict[str, Any], annotations: dict[str, str | None], strict: str, without_lsm: str
) -> None:
    given = {SECCOMP: "runtime/default", APPARMOR: "runtime/default", **annotations}
    kept = {key: value for key, value in given.items() if value is not None}
    policy = read_policy({"metadata": {"name": "one", "annotations": kept}, "spec": {**RESTRICTED, **change}})
    assert policy.usable
    level = find_granted_level(policy)
    assert (level.strict, level.without_lsm) == (strict, without_lsm)
