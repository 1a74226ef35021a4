"""Containers must not gain more privileges than they start with, as through set-user-ID programs.

The value must be written: the API takes an absent one for true. It cannot stand beside `privileged: true` or an
added CAP_SYS_ADMIN, which the API refuses.

Restricted fields:
    spec.{containers,initContainers,ephemeralContainers}[*].securityContext.allowPrivilegeEscalation
Allowed values:
    false
Policy versions:
    v1.8 and later; from v1.25 pods of Windows (os.name) pass
Sources:
    https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted
    https://github.com/kubernetes/pod-security-admission/blob/v0.37.2/policy/check_allowPrivilegeEscalation.go
"""

from __future__ import annotations

from migrator.podsecurity.check import Check, Forbidden, except_windows, from_version
from migrator.podsecurity.level import RESTRICTED
from migrator.podsecurity.pod import Pod
from migrator.podsecurity.wording import name_containers


def require_no_privilege_escalation(pod: Pod) -> Forbidden | None:
    """Require allowPrivilegeEscalation: false of each container."""
    bad = [
        container
        for container in pod.containers
        if container.security_context.get("allowPrivilegeEscalation") is not False
    ]
    if not bad:
        return None
    return Forbidden(
        "allowPrivilegeEscalation != false",
        f"{name_containers(bad)} must set securityContext.allowPrivilegeEscalation=false",
        tuple(container.field("securityContext", "allowPrivilegeEscalation") for container in bad),
    )


CHECK = Check(
    "allowPrivilegeEscalation",
    RESTRICTED,
    (
        from_version(8, require_no_privilege_escalation),
        from_version(25, except_windows(require_no_privilege_escalation)),
    ),
)
