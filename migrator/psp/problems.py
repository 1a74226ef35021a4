"""What is wrong with a policy: what the API server refuses it for, and what makes its plugin skip it.

Source: pkg/apis/policy/validation/validation.go and pkg/security/podsecuritypolicy/factory.go of Kubernetes 1.24.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from migrator.model.field import FieldPath
from migrator.psp.model import (
    APPARMOR_ALLOWED,
    APPARMOR_DEFAULT,
    SECCOMP_ALLOWED,
    SECCOMP_DEFAULT,
    IDRange,
    IDStrategy,
    PodSecurityPolicy,
    Problem,
    ProfileStrategy,
)
from migrator.psp.volume_types import VOLUME_TYPES

_ANNOTATIONS: Final[FieldPath] = ("metadata", "annotations")
_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = re.compile(rf"{_LABEL}(\.{_LABEL})*\Z")
_SYSCTL_SEGMENT = "[a-z0-9]([-_a-z0-9]*[a-z0-9])?"
_SYSCTL_PATTERN = re.compile(rf"({_SYSCTL_SEGMENT}\.)*([a-z0-9][-_a-z0-9]*)?[a-z0-9*]\Z")

_Found = tuple[FieldPath, str]


def find_problems(policy: PodSecurityPolicy) -> list[Problem]:
    """Find all that is wrong with a policy whose values have the right types."""
    refused = [
        *_check_name(policy.name),
        *_check_app_armor(policy.app_armor),
        *_check_seccomp(policy.seccomp),
        *_check_rules(policy),
        *_check_volumes(policy.volumes),
        *_check_capabilities(policy),
        *_check_privilege_escalation(policy),
        *_check_host_paths(policy),
        *_check_drivers(policy),
        *_check_sysctls(policy),
        *_check_runtime_class(policy),
    ]
    problems = [Problem(path, "refused", message) for path, message in refused]
    return problems + [Problem(path, "skipped", message) for path, message in _check_strategies(policy)]


def _check_name(name: str) -> Iterator[_Found]:
    if not _is_subdomain(name):
        yield ("metadata", "name"), f'"{name}" is not a lowercase RFC 1123 subdomain'


def _check_app_armor(profiles: ProfileStrategy) -> Iterator[_Found]:
    for key, names in ((APPARMOR_DEFAULT, [profiles.default]), (APPARMOR_ALLOWED, profiles.allowed_text.split(","))):
        for name in names:
            if name not in ("", "runtime/default", "unconfined") and not name.startswith("localhost/"):
                yield (*_ANNOTATIONS, key), f'invalid AppArmor profile name: "{name}"'


def _check_seccomp(profiles: ProfileStrategy) -> Iterator[_Found]:
    allowed = profiles.allowed_text.split(",") if profiles.allowed_text else []
    default = [profiles.default] if profiles.default else []
    for key, names in ((SECCOMP_DEFAULT, default), (SECCOMP_ALLOWED, [name for name in allowed if name != "*"])):
        for name in names:
            if not _is_seccomp_profile(name):
                yield (*_ANNOTATIONS, key), f'"{name}" is not a valid seccomp profile'


def _is_seccomp_profile(name: str) -> bool:
    if name.startswith("localhost/"):
        path = name.removeprefix("localhost/")
        return not path.startswith("/") and ".." not in path.split("/")
    return name in ("runtime/default", "docker/default", "unconfined")


def _check_rules(policy: PodSecurityPolicy) -> Iterator[_Found]:
    may = ("MayRunAs", "MustRunAs", "RunAsAny")
    yield from _check_rule("seLinux", policy.se_linux.rule, ("MustRunAs", "RunAsAny"))
    yield from _check_rule("runAsUser", policy.run_as_user.rule, ("MustRunAs", "MustRunAsNonRoot", "RunAsAny"))
    yield from _check_ranges("runAsUser", policy.run_as_user.ranges)
    for field, strategy in (("supplementalGroups", policy.supplemental_groups), ("fsGroup", policy.fs_group)):
        yield from _check_rule(field, strategy.rule, may)
        yield from _check_ranges(field, strategy.ranges)
    if policy.run_as_group is not None:
        yield from _check_run_as_group(policy.run_as_group)


def _check_run_as_group(strategy: IDStrategy) -> Iterator[_Found]:
    path = ("spec", "runAsGroup", "ranges")
    yield from _check_rule("runAsGroup", strategy.rule, ("MustRunAs", "RunAsAny", "MayRunAs"))
    if strategy.rule == "RunAsAny" and strategy.ranges:
        yield path, "must be empty under RunAsAny"
    elif strategy.rule in ("MustRunAs", "MayRunAs"):
        if not strategy.ranges:
            yield path, "must provide at least one range"
        yield from _check_ranges("runAsGroup", strategy.ranges)


def _check_rule(field: str, rule: str, supported: Sequence[str]) -> Iterator[_Found]:
    if rule not in supported:
        yield ("spec", field, "rule"), f'"{rule}" is not supported: {", ".join(supported)}'


def _check_ranges(field: str, ranges: Sequence[IDRange]) -> Iterator[_Found]:
    for index, item in enumerate(ranges):
        path = ("spec", field, "ranges", index)
        if item.min < 0:
            yield (*path, "min"), "min cannot be negative"
        if item.max < 0:
            yield (*path, "max"), "max cannot be negative"
        if item.min > item.max:
            yield (*path, "min"), "min cannot be greater than max"


def _check_volumes(volumes: Sequence[str]) -> Iterator[_Found]:
    known = {*VOLUME_TYPES.values(), "*"}
    for index, volume in enumerate(volumes):
        if volume not in known:
            yield ("spec", "volumes", index), f'"{volume}" is not a type of volume'


def _check_capabilities(policy: PodSecurityPolicy) -> Iterator[_Found]:
    drops = policy.required_drop_capabilities
    if drops and "*" in policy.allowed_capabilities:
        path = ("spec", "requiredDropCapabilities")
        yield path, "must be empty when all capabilities are allowed by a wildcard"
    for field, names in (
        ("defaultAddCapabilities", policy.default_add_capabilities),
        ("allowedCapabilities", policy.allowed_capabilities),
    ):
        for index, name in enumerate(names):
            if name in drops:
                yield ("spec", field, index), f'"{name}" is in requiredDropCapabilities too'


def _check_privilege_escalation(policy: PodSecurityPolicy) -> Iterator[_Found]:
    if policy.default_allow_privilege_escalation and not policy.allow_privilege_escalation:
        path = ("spec", "defaultAllowPrivilegeEscalation")
        yield path, "cannot be true while allowPrivilegeEscalation is false"


def _check_host_paths(policy: PodSecurityPolicy) -> Iterator[_Found]:
    for index, allowed in enumerate(policy.allowed_host_paths):
        path = ("spec", "allowedHostPaths", index, "pathPrefix")
        if not allowed.path_prefix:
            yield path, "is required"
        elif ".." in allowed.path_prefix.split("/"):
            yield path, "must not contain '..'"


def _check_drivers(policy: PodSecurityPolicy) -> Iterator[_Found]:
    for index, driver in enumerate(policy.allowed_flex_volumes):
        if not driver:
            yield ("spec", "allowedFlexVolumes", index, "driver"), "must specify a driver"
    for index, name in enumerate(policy.allowed_csi_drivers):
        if len(name) > 63 or not _is_subdomain(name.lower()):
            yield ("spec", "allowedCSIDrivers", index, "name"), f'"{name}" is not the name of a CSI driver'


def _check_sysctls(policy: PodSecurityPolicy) -> Iterator[_Found]:
    lists = (
        ("allowedUnsafeSysctls", policy.allowed_unsafe_sysctls),
        ("forbiddenSysctls", policy.forbidden_sysctls),
    )
    for field, patterns in lists:
        for index, pattern in enumerate(patterns):
            if len(pattern) > 253 or not _SYSCTL_PATTERN.match(pattern):
                yield ("spec", field, index), f'"{pattern}" is not a pattern of sysctls'
        if len(patterns) > 1 and any(pattern.startswith("*") for pattern in patterns):
            yield ("spec", field), "if '*' is present, must not specify other sysctls"
    for index, allowed in enumerate(policy.allowed_unsafe_sysctls):
        for forbidden in policy.forbidden_sysctls:
            if _do_patterns_overlap(allowed, forbidden):
                yield ("spec", "allowedUnsafeSysctls", index), f'overlaps with forbidden "{forbidden}"'


def _do_patterns_overlap(one: str, other: str) -> bool:
    if one.endswith("*") and other.endswith("*"):
        return one[:-1].startswith(other[:-1]) or other[:-1].startswith(one[:-1])
    if one.endswith("*"):
        return other.startswith(one[:-1])
    if other.endswith("*"):
        return one.startswith(other[:-1])
    return one == other


def _check_runtime_class(policy: PodSecurityPolicy) -> Iterator[_Found]:
    strategy = policy.runtime_class
    if strategy is None:
        return
    path = ("spec", "runtimeClass", "allowedRuntimeClassNames")
    for index, name in enumerate(strategy.allowed_names):
        if name != "*" and not _is_subdomain(name):
            yield (*path, index), f'"{name}" is not a lowercase RFC 1123 subdomain'
        if name in strategy.allowed_names[:index]:
            yield (*path, index), f'"{name}" is listed twice'
    if "*" in strategy.allowed_names and len(strategy.allowed_names) > 1:
        yield path, "if '*' is present, must not specify other RuntimeClass names"
    default = strategy.default_name
    if default is not None:
        if not _is_subdomain(default):
            yield (
                ("spec", "runtimeClass", "defaultRuntimeClassName"),
                f'"{default}" is not a lowercase RFC 1123 subdomain',
            )
        if default not in strategy.allowed_names and "*" not in strategy.allowed_names:
            yield path, f'default "{default}" must be allowed'


def _check_strategies(policy: PodSecurityPolicy) -> Iterator[_Found]:
    if policy.run_as_user.rule == "MustRunAs" and not policy.run_as_user.ranges:
        yield ("spec", "runAsUser", "ranges"), "MustRunAs requires at least one range"
    if policy.se_linux.rule == "MustRunAs" and policy.se_linux.options is None:
        yield ("spec", "seLinux", "seLinuxOptions"), "MustRunAs requires SELinuxOptions"
    for field, strategy in (("supplementalGroups", policy.supplemental_groups), ("fsGroup", policy.fs_group)):
        if strategy.rule in ("MustRunAs", "MayRunAs") and not strategy.ranges:
            yield ("spec", field, "ranges"), f"ranges must be supplied for {strategy.rule}"


def _is_subdomain(name: str) -> bool:
    return len(name) <= 253 and _SUBDOMAIN.match(name) is not None
