"""`forbiddenSysctls` and `allowedUnsafeSysctls`: kernel parameters of the pod.

Source: pkg/security/podsecuritypolicy/sysctl.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from migrator.psp.field_rule import FieldRule
from migrator.psp.messages import write_forbidden, write_value
from migrator.psp.model import PodSecurityPolicy
from migrator.psp.pod import Object, get_security_context, get_spec

SAFE_SYSCTLS: Final = frozenset(
    {
        "kernel.shm_rmid_forced",
        "net.ipv4.ip_local_port_range",
        "net.ipv4.tcp_syncookies",
        "net.ipv4.ping_group_range",
        "net.ipv4.ip_unprivileged_port_start",
    }
)


def concerns(policy: PodSecurityPolicy) -> bool:
    """Every policy has a say."""
    return True


def validate_pod(policy: PodSecurityPolicy, pod: Object) -> Iterator[str]:
    """What is forbidden is refused first; then it must be safe, or allowed though unsafe."""
    for index, sysctl in enumerate(get_security_context(get_spec(pod)).get("sysctls") or ()):
        name, place = sysctl.get("name") or "", f"pod.spec.securityContext.sysctls[{index}]"
        if does_any_match(policy.forbidden_sysctls, name):
            yield write_forbidden(place, f"sysctl {write_value(name)} is not allowed")
        elif name not in SAFE_SYSCTLS and not does_any_match(policy.allowed_unsafe_sysctls, name):
            yield write_forbidden(place, f"unsafe sysctl {write_value(name)} is not allowed")


def does_any_match(patterns: Sequence[str], name: str) -> bool:
    """Whether a name is listed, or starts as a pattern with a final `*` does."""
    return any(name.startswith(item[:-1]) if item.endswith("*") else name == item for item in patterns)


RULE = FieldRule("sysctls", concerns, validate_pod=validate_pod)
