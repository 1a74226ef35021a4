"""Containers must not ask for user 0, unless the pod has a user namespace.

Restricted fields:
    spec.securityContext.runAsUser
    spec.{containers,initContainers,ephemeralContainers}[*].securityContext.runAsUser
Allowed values:
    undefined, any number but 0; any value from v1.35 where hostUsers is false
Policy versions:
    v1.23 and later
Sources:
    https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted
    https://github.com/kubernetes/pod-security-admission/blob/v0.37.2/policy/check_runAsUser.go
"""

from __future__ import annotations

from migrator.podsecurity.check import Check, Forbidden, except_user_namespaces, from_version
from migrator.podsecurity.level import RESTRICTED
from migrator.podsecurity.pod import Pod
from migrator.podsecurity.wording import name_setters


def forbid_root_user(pod: Pod) -> Forbidden | None:
    """Forbid an explicit user 0 on the pod and on containers."""
    pod_is_bad = pod.security_context.get("runAsUser") == 0
    containers = [c for c in pod.containers if c.security_context.get("runAsUser") == 0]
    if not pod_is_bad and not containers:
        return None
    return Forbidden(
        "runAsUser=0",
        f"{name_setters(pod_is_bad, containers)} must not set runAsUser=0",
        (("spec", "securityContext", "runAsUser"),) * pod_is_bad
        + tuple(container.field("securityContext", "runAsUser") for container in containers),
    )


CHECK = Check(
    "runAsUser",
    RESTRICTED,
    (from_version(23, forbid_root_user), from_version(35, except_user_namespaces(forbid_root_user))),
)
