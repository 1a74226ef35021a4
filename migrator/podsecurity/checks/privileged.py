"""Containers must not be privileged.

A privileged container has every capability and device of the node: it is root on it.

Restricted fields:
    spec.{containers,initContainers,ephemeralContainers}[*].securityContext.privileged
Allowed values:
    undefined, false
Policy versions:
    v1.0 and later
Sources:
    https://kubernetes.io/docs/concepts/security/pod-security-standards/#baseline
    https://github.com/kubernetes/pod-security-admission/blob/v0.37.2/policy/check_privileged.go
"""

from __future__ import annotations

from migrator.podsecurity.check import Check, Forbidden, from_version
from migrator.podsecurity.level import BASELINE
from migrator.podsecurity.pod import Pod
from migrator.podsecurity.wording import name_containers


def forbid_privileged(pod: Pod) -> Forbidden | None:
    """Forbid privileged containers."""
    bad = [container for container in pod.containers if container.security_context.get("privileged")]
    if not bad:
        return None
    return Forbidden(
        "privileged",
        f"{name_containers(bad)} must not set securityContext.privileged=true",
        tuple(container.field("securityContext", "privileged") for container in bad),
    )


CHECK = Check("privileged", BASELINE, (from_version(0, forbid_privileged),))
