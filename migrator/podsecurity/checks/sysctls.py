"""Pods must not set sysctls beyond those that are known to stay inside the pod.

Restricted fields:
    spec.securityContext.sysctls[*].name
Allowed values:
    kernel.shm_rmid_forced, net.ipv4.ip_local_port_range, net.ipv4.ip_unprivileged_port_start,
    net.ipv4.ping_group_range, net.ipv4.tcp_syncookies
    from v1.27: net.ipv4.ip_local_reserved_ports
    from v1.29: net.ipv4.tcp_fin_timeout, net.ipv4.tcp_keepalive_intvl, net.ipv4.tcp_keepalive_probes,
    net.ipv4.tcp_keepalive_time
    from v1.32: net.ipv4.tcp_rmem, net.ipv4.tcp_wmem
    from v1.37: net.ipv4.tcp_notsent_lowat, net.ipv4.tcp_slow_start_after_idle
Policy versions:
    v1.0 and later
Sources:
    https://kubernetes.io/docs/concepts/security/pod-security-standards/#baseline
    https://github.com/kubernetes/pod-security-admission/blob/v0.37.2/policy/check_sysctls.go
"""

from __future__ import annotations

from functools import partial

from migrator.podsecurity.check import Check, Forbidden, from_version
from migrator.podsecurity.level import BASELINE
from migrator.podsecurity.pod import Pod

ALLOWED_SINCE = {
    0: (
        "kernel.shm_rmid_forced",
        "net.ipv4.ip_local_port_range",
        "net.ipv4.ip_unprivileged_port_start",
        "net.ipv4.ping_group_range",
        "net.ipv4.tcp_syncookies",
    ),
    27: ("net.ipv4.ip_local_reserved_ports",),
    29: (
        "net.ipv4.tcp_fin_timeout",
        "net.ipv4.tcp_keepalive_intvl",
        "net.ipv4.tcp_keepalive_probes",
        "net.ipv4.tcp_keepalive_time",
    ),
    32: ("net.ipv4.tcp_rmem", "net.ipv4.tcp_wmem"),
    37: ("net.ipv4.tcp_notsent_lowat", "net.ipv4.tcp_slow_start_after_idle"),
}


def list_allowed(minor: int) -> frozenset[str]:
    """List the sysctls that policy version v1.`minor` allows."""
    return frozenset(name for since, names in ALLOWED_SINCE.items() if since <= minor for name in names)


def forbid_sysctls(pod: Pod, allowed: frozenset[str]) -> Forbidden | None:
    """Forbid every sysctl that is not in `allowed`."""
    sysctls = pod.security_context.get("sysctls")
    if not sysctls:
        return None
    names = [(sysctl or {}).get("name") or "" for sysctl in sysctls]
    bad = [index for index, name in enumerate(names) if name not in allowed]
    if not bad:
        return None
    return Forbidden(
        "forbidden sysctls",
        ", ".join(names[index] for index in bad),
        tuple(("spec", "securityContext", "sysctls", index, "name") for index in bad),
    )


CHECK = Check(
    "sysctls",
    BASELINE,
    tuple(from_version(minor, partial(forbid_sysctls, allowed=list_allowed(minor))) for minor in ALLOWED_SINCE),
)
