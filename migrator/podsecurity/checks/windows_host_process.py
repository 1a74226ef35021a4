"""Windows pods and containers must not run as processes of the host.

Restricted fields:
    spec.securityContext.windowsOptions.hostProcess
    spec.{containers,initContainers,ephemeralContainers}[*].securityContext.windowsOptions.hostProcess
Allowed values:
    undefined, false
Policy versions:
    v1.0 and later
Sources:
    https://kubernetes.io/docs/concepts/security/pod-security-standards/#baseline
    https://github.com/kubernetes/pod-security-admission/blob/v0.37.2/policy/check_windowsHostProcess.go
"""

from __future__ import annotations

from migrator.podsecurity.check import Check, Forbidden, from_version
from migrator.podsecurity.level import BASELINE
from migrator.podsecurity.pod import Object, Pod
from migrator.podsecurity.wording import name_setters


def forbid_windows_host_process(pod: Pod) -> Forbidden | None:
    """Forbid hostProcess on the pod and on containers."""
    pod_is_bad = _is_host_process(pod.security_context)
    containers = [container for container in pod.containers if _is_host_process(container.security_context)]
    if not pod_is_bad and not containers:
        return None
    return Forbidden(
        "hostProcess",
        f"{name_setters(pod_is_bad, containers)} must not set securityContext.windowsOptions.hostProcess=true",
        (("spec", "securityContext", "windowsOptions", "hostProcess"),) * pod_is_bad
        + tuple(container.field("securityContext", "windowsOptions", "hostProcess") for container in containers),
    )


def _is_host_process(security_context: Object) -> bool:
    options = security_context.get("windowsOptions")
    return bool(options and options.get("hostProcess"))


CHECK = Check("windowsHostProcess", BASELINE, (from_version(0, forbid_windows_host_process),))
