"""Containers must be made to run as another user than root, unless the pod has a user namespace.

A user other than 0 in runAsUser is not enough. True on the pod speaks for every container without a value of its
own; an explicit false fails wherever it stands.

Restricted fields:
    spec.securityContext.runAsNonRoot
    spec.{containers,initContainers,ephemeralContainers}[*].securityContext.runAsNonRoot
Allowed values:
    true; undefined on a container where the pod says true; any value from v1.35 where hostUsers is false
Policy versions:
    v1.0 and later
Sources:
    https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted
    https://github.com/kubernetes/pod-security-admission/blob/v0.37.2/policy/check_runAsNonRoot.go
"""

from __future__ import annotations

from migrator.model.field import FieldPath
from migrator.podsecurity.check import Check, Forbidden, except_user_namespaces, from_version
from migrator.podsecurity.level import RESTRICTED
from migrator.podsecurity.pod import Container, Pod
from migrator.podsecurity.wording import name_containers, name_setters

REASON = "runAsNonRoot != true"


def require_run_as_non_root(pod: Pod) -> Forbidden | None:
    """Forbid an explicit false; where there is none, require true for each container."""
    pod_value = pod.security_context.get("runAsNonRoot")
    pod_is_bad = pod_value is not None and pod_value is not True
    without_true = [
        container for container in pod.containers if container.security_context.get("runAsNonRoot") is not True
    ]
    if not pod_is_bad and not without_true:
        return None
    explicit = [c for c in without_true if c.security_context.get("runAsNonRoot") is not None]
    if pod_is_bad or explicit:
        return Forbidden(
            REASON,
            f"{name_setters(pod_is_bad, explicit)} must not set securityContext.runAsNonRoot=false",
            (("spec", "securityContext", "runAsNonRoot"),) * pod_is_bad + _list_fields(explicit),
        )
    if pod_value is True:
        return None
    return Forbidden(
        REASON,
        f"pod or {name_containers(without_true)} must set securityContext.runAsNonRoot=true",
        _list_fields(without_true),
    )


def _list_fields(containers: list[Container]) -> tuple[FieldPath, ...]:
    return tuple(container.field("securityContext", "runAsNonRoot") for container in containers)


CHECK = Check(
    "runAsNonRoot",
    RESTRICTED,
    (
        from_version(0, require_run_as_non_root),
        from_version(35, except_user_namespaces(require_run_as_non_root)),
    ),
)
