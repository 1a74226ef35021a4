"""Pods must not share the host's network, process or IPC namespace.

A pod in the host's network reaches every port and interface of its node; one in the process or IPC namespace sees
and signals what else runs there.

Restricted fields:
    spec.hostNetwork
    spec.hostPID
    spec.hostIPC
Allowed values:
    undefined, false
Policy versions:
    v1.0 and later
Sources:
    https://kubernetes.io/docs/concepts/security/pod-security-standards/#baseline
    https://github.com/kubernetes/pod-security-admission/blob/v0.37.2/policy/check_hostNamespaces.go
"""

from __future__ import annotations

from migrator.podsecurity.check import Check, Forbidden, from_version
from migrator.podsecurity.level import BASELINE
from migrator.podsecurity.pod import Pod

HOST_NAMESPACES = ("hostNetwork", "hostPID", "hostIPC")


def forbid_host_namespaces(pod: Pod) -> Forbidden | None:
    """Forbid each of the host's namespaces that is asked for."""
    shared = [field for field in HOST_NAMESPACES if pod.spec.get(field)]
    if not shared:
        return None
    return Forbidden(
        "host namespaces",
        ", ".join(f"{field}=true" for field in shared),
        tuple(("spec", field) for field in shared),
    )


CHECK = Check("hostNamespaces", BASELINE, (from_version(0, forbid_host_namespaces),))
