"""Pods must name a seccomp profile, the runtime's default or a local one.

The pod's profile speaks for every container without its own. A bad one on the pod fails even where each container
has its own.

Restricted fields:
    spec.securityContext.seccompProfile.type
    spec.{containers,initContainers,ephemeralContainers}[*].securityContext.seccompProfile.type
Allowed values:
    RuntimeDefault, Localhost; undefined on a container where the pod has one
Policy versions:
    v1.19 and later; from v1.25 pods of Windows (os.name) pass
Sources:
    https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted
    https://github.com/kubernetes/pod-security-admission/blob/v0.37.2/policy/check_seccompProfile_restricted.go
"""

from __future__ import annotations

from migrator.podsecurity.check import Check, Forbidden, except_windows, from_version
from migrator.podsecurity.checks.seccomp_profile_baseline import forbid_seccomp_profiles
from migrator.podsecurity.level import RESTRICTED
from migrator.podsecurity.pod import Pod
from migrator.podsecurity.wording import name_containers


def require_seccomp_profiles(pod: Pod) -> Forbidden | None:
    """Forbid bad profiles; where there are none, require one for each container."""
    forbidden = forbid_seccomp_profiles(pod)
    if forbidden is not None:
        return forbidden
    if pod.security_context.get("seccompProfile") is not None:
        return None
    missing = [container for container in pod.containers if container.security_context.get("seccompProfile") is None]
    if not missing:
        return None
    return Forbidden(
        "seccompProfile",
        f"pod or {name_containers(missing)} must set securityContext.seccompProfile.type"
        ' to "RuntimeDefault" or "Localhost"',
        tuple(container.field("securityContext", "seccompProfile", "type") for container in missing),
    )


CHECK = Check(
    "seccompProfile_restricted",
    RESTRICTED,
    (from_version(19, require_seccomp_profiles), from_version(25, except_windows(require_seccomp_profiles))),
    overrides=("seccompProfile_baseline",),
)
