"""Containers must keep the masks that hide parts of /proc, unless the pod has a user namespace.

Restricted fields:
    spec.{containers,initContainers,ephemeralContainers}[*].securityContext.procMount
Allowed values:
    undefined, Default; any value from v1.35 where hostUsers is false
Policy versions:
    v1.0 and later; for restricted, procMount_restricted takes its place from v1.35
Sources:
    https://kubernetes.io/docs/concepts/security/pod-security-standards/#baseline
    https://github.com/kubernetes/pod-security-admission/blob/v0.37.2/policy/check_procMount_baseline.go
"""

from __future__ import annotations

from migrator.podsecurity.check import Check, Forbidden, except_user_namespaces, from_version
from migrator.podsecurity.level import BASELINE
from migrator.podsecurity.pod import Container, Pod
from migrator.podsecurity.wording import join_quoted, name_containers


def forbid_proc_mount(pod: Pod) -> Forbidden | None:
    """Forbid every procMount that is not Default."""
    bad = [container for container in pod.containers if _has_bad_proc_mount(container)]
    if not bad:
        return None
    types = sorted({container.security_context["procMount"] for container in bad})
    return Forbidden(
        "procMount",
        f"{name_containers(bad)} must not set securityContext.procMount to {join_quoted(types)}",
        tuple(container.field("securityContext", "procMount") for container in bad),
    )


def _has_bad_proc_mount(container: Container) -> bool:
    proc_mount = container.security_context.get("procMount")
    return proc_mount is not None and proc_mount != "Default"


CHECK = Check(
    "procMount",
    BASELINE,
    (from_version(0, forbid_proc_mount), from_version(35, except_user_namespaces(forbid_proc_mount))),
)
