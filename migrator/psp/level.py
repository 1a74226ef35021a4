"""The Pod Security level that a policy grants: the strictest that every pod which it admits satisfies.

Source: the mapping of PodSecurityPolicies to Pod Security Standards in Kubernetes' documentation
(https://kubernetes.io/docs/reference/access-authn-authz/psp-to-pod-security-standards/). It differs in one field: the
page wants an AppArmor profile for restricted, Pod Security admission does not.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from migrator.model.field import FieldPath
from migrator.model.record import record
from migrator.podsecurity.checks import capabilities_baseline, capabilities_restricted, restricted_volumes
from migrator.podsecurity.checks.se_linux_options import TYPES_1_0
from migrator.podsecurity.level import BASELINE, PRIVILEGED, RESTRICTED, Level, is_stricter
from migrator.psp.model import (
    APPARMOR_ALLOWED,
    APPARMOR_DEFAULT,
    RUNTIME_DEFAULT_NAMES,
    SECCOMP_ALLOWED,
    PodSecurityPolicy,
)

_ANNOTATIONS: Final[FieldPath] = ("metadata", "annotations")


@record
class LevelLimit:
    """A field that keeps a policy from granting more than a level.

    `lsm` tells whether that is only so where pods make use of SELinux or AppArmor.
    """

    level: Level
    field: FieldPath
    lsm: bool = False


@record
class GrantedLevel:
    """The levels that a policy grants: strictly, and assuming that no pod asks for SELinux or AppArmor settings.

    `limits` are the fields that keep it from restricted.
    """

    strict: Level
    without_lsm: Level
    limits: tuple[LevelLimit, ...]


def find_granted_level(policy: PodSecurityPolicy) -> GrantedLevel:
    """Find the levels that a policy grants."""
    limits = tuple(_find_limits(policy))
    return GrantedLevel(
        find_weakest_level(limit.level for limit in limits),
        find_weakest_level(limit.level for limit in limits if not limit.lsm),
        limits,
    )


def find_weakest_level(levels: Iterable[Level]) -> Level:
    """Find the level that forbids least; restricted where there is none."""
    weakest: Level = RESTRICTED
    for level in levels:
        if is_stricter(weakest, level):
            weakest = level
    return weakest


def _find_limits(policy: PodSecurityPolicy) -> Iterator[LevelLimit]:
    for field, allowed in (
        ("privileged", policy.privileged),
        ("hostNetwork", policy.host_network),
        ("hostPID", policy.host_pid),
        ("hostIPC", policy.host_ipc),
        ("hostPorts", any(item.max > 0 for item in policy.host_ports)),
        ("allowedUnsafeSysctls", bool(policy.allowed_unsafe_sysctls)),
        ("allowedProcMountTypes", any(name != "Default" for name in policy.allowed_proc_mount_types)),
    ):
        if allowed:
            yield LevelLimit(PRIVILEGED, ("spec", field))
    yield from _find_capability_limits(policy)
    yield from _find_volume_limits(policy)
    yield from _find_user_limits(policy)
    yield from _find_profile_limits(policy)


def _find_capability_limits(policy: PodSecurityPolicy) -> Iterator[LevelLimit]:
    for field, names in (
        ("allowedCapabilities", policy.allowed_capabilities),
        ("defaultAddCapabilities", policy.default_add_capabilities),
    ):
        if not capabilities_baseline.ALLOWED.issuperset(names):
            yield LevelLimit(PRIVILEGED, ("spec", field))
        elif not capabilities_restricted.ALLOWED.issuperset(names):
            yield LevelLimit(BASELINE, ("spec", field))
    if "ALL" not in policy.required_drop_capabilities:
        yield LevelLimit(BASELINE, ("spec", "requiredDropCapabilities"))


def _find_volume_limits(policy: PodSecurityPolicy) -> Iterator[LevelLimit]:
    if not {"hostPath", "*"}.isdisjoint(policy.volumes):
        yield LevelLimit(PRIVILEGED, ("spec", "volumes"))
    elif not restricted_volumes.ALLOWED.issuperset(policy.volumes):
        yield LevelLimit(BASELINE, ("spec", "volumes"))


def _find_user_limits(policy: PodSecurityPolicy) -> Iterator[LevelLimit]:
    if policy.allow_privilege_escalation:
        yield LevelLimit(BASELINE, ("spec", "allowPrivilegeEscalation"))
    if policy.run_as_user.rule != "MustRunAsNonRoot":
        yield LevelLimit(BASELINE, ("spec", "runAsUser", "rule"))
    if policy.se_linux.rule != "MustRunAs":
        yield LevelLimit(PRIVILEGED, ("spec", "seLinux", "rule"), lsm=True)
    elif (options := policy.se_linux.options) is not None and (
        options.user or options.role or options.type not in TYPES_1_0
    ):
        # It is the policy that makes its pods ask for these.
        yield LevelLimit(PRIVILEGED, ("spec", "seLinux", "seLinuxOptions"))


def _find_profile_limits(policy: PodSecurityPolicy) -> Iterator[LevelLimit]:
    seccomp = policy.seccomp.allowed
    if seccomp is not None and not all(_is_confined(name) for name in seccomp):
        yield LevelLimit(PRIVILEGED, (*_ANNOTATIONS, SECCOMP_ALLOWED))
    elif not seccomp or "" in seccomp:
        yield LevelLimit(BASELINE, (*_ANNOTATIONS, SECCOMP_ALLOWED))
    app_armor = policy.app_armor
    if not _is_confined(app_armor.default):
        yield LevelLimit(PRIVILEGED, (*_ANNOTATIONS, APPARMOR_DEFAULT))
    if app_armor.allowed is None or not all(_is_confined(name) for name in app_armor.allowed):
        yield LevelLimit(PRIVILEGED, (*_ANNOTATIONS, APPARMOR_ALLOWED), lsm=True)


def _is_confined(profile: str) -> bool:
    return not profile or profile in RUNTIME_DEFAULT_NAMES or profile.startswith("localhost/")
