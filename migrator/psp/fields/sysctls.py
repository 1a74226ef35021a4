"""`forbiddenSysctls` and `allowedUnsafeSysctls`: kernel parameters of the pod.

Source: pkg/security/podsecuritypolicy/sysctl.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from migrator.podsecurity.checks.sysctls import ALLOWED_SINCE, list_allowed
from migrator.podsecurity.level import BASELINE
from migrator.psp.demand import POD_CONTEXT, Demand, Enforced, write_text, write_texts
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


def demand(policy: PodSecurityPolicy, enforced: Enforced) -> Iterator[Demand]:
    """None that is forbidden, and of the others those that Kubernetes 1.24 took for safe, or the policy allows.

    Pod Security takes more for safe from v1.27 on.
    """
    if enforced.covers(BASELINE) and all(_is_allowed(policy, name) for name in _list_covered(enforced)):
        return
    forbidden = [f"!({item})" for item in _write_matches(policy.forbidden_sysctls)]
    allowed = _write_matches((*sorted(SAFE_SYSCTLS), *policy.allowed_unsafe_sysctls))
    wanted = forbidden if "*" in policy.allowed_unsafe_sysctls else [*forbidden, " || ".join(allowed)]
    if not wanted:
        return
    if len(wanted) > 1:
        wanted[-1] = f"({wanted[-1]})"
    names = ", ".join((*sorted(SAFE_SYSCTLS), *policy.allowed_unsafe_sysctls))
    but = f", but not {', '.join(policy.forbidden_sysctls)}" if policy.forbidden_sysctls else ""
    yield Demand(
        f"{POD_CONTEXT}.?sysctls.orValue([]).all(s, {' && '.join(wanted)})",
        f"securityContext.sysctls must be of {names}{but}",
    )


def _is_allowed(policy: PodSecurityPolicy, name: str) -> bool:
    return not does_any_match(policy.forbidden_sysctls, name) and (
        name in SAFE_SYSCTLS or does_any_match(policy.allowed_unsafe_sysctls, name)
    )


def _list_covered(enforced: Enforced) -> frozenset[str]:
    return list_allowed(max(ALLOWED_SINCE) if enforced.version.minor is None else enforced.version.minor)


def _write_matches(patterns: Sequence[str]) -> list[str]:
    """Write that the sysctl `s` is one of a list, in which names may end with `*`."""
    names = [item for item in patterns if not item.endswith("*")]
    prefixes = [f"s.name.startsWith({write_text(item[:-1])})" for item in patterns if item.endswith("*")]
    return [f"s.name in {write_texts(names)}", *prefixes] if names else prefixes


RULE = FieldRule("sysctls", concerns, validate_pod=validate_pod, demand=demand)
