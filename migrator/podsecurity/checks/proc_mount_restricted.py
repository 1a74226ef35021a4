"""Containers must keep the masks that hide parts of /proc, user namespace or not.

Before v1.35 the baseline check procMount says the same.

Restricted fields:
    spec.{containers,initContainers,ephemeralContainers}[*].securityContext.procMount
Allowed values:
    undefined, Default
Policy versions:
    v1.35 and later
Sources:
    https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted
    https://github.com/kubernetes/pod-security-admission/blob/v0.37.2/policy/check_procMount_restricted.go
"""

from __future__ import annotations

from migrator.podsecurity.check import Check, from_version
from migrator.podsecurity.checks.proc_mount import forbid_proc_mount
from migrator.podsecurity.level import RESTRICTED

CHECK = Check(
    "procMount_restricted",
    RESTRICTED,
    (from_version(35, forbid_proc_mount),),
    overrides=("procMount",),
)
