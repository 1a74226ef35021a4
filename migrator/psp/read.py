"""PodSecurityPolicy read from a plain object.

Source: k8s.io/api/policy/v1beta1 (types), pkg/apis/policy/v1beta1 (defaults) of Kubernetes 1.24.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from migrator.model.field import FieldPath
from migrator.psp.model import (
    APPARMOR_ALLOWED,
    APPARMOR_DEFAULT,
    RUNTIME_DEFAULT_NAMES,
    SECCOMP_ALLOWED,
    SECCOMP_DEFAULT,
    AllowedHostPath,
    IDRange,
    IDStrategy,
    PodSecurityPolicy,
    Problem,
    ProfileStrategy,
    RuntimeClassStrategy,
    SELinuxOptions,
    SELinuxStrategy,
)
from migrator.psp.problems import find_problems


def read_policy(document: Mapping[str, Any]) -> PodSecurityPolicy:
    """Read a PodSecurityPolicy from the API's JSON.

    A value of a wrong type counts as absent and is a problem, as is all that the API server refuses.
    """
    problems: list[Problem] = []
    read = _Reader(problems)
    metadata = read.mapping(document.get("metadata"), ("metadata",))
    annotations = read.annotations(metadata.get("annotations"), ("metadata", "annotations"))
    spec = read.mapping(document.get("spec"), ("spec",))
    policy = _read_spec(read.string(metadata.get("name"), ("metadata", "name")), spec, annotations, read)
    problems += find_problems(policy)
    return replace(policy, problems=tuple(problems)) if problems else policy


def _read_spec(
    name: str, spec: Mapping[str, Any], annotations: Mapping[str, str], read: _Reader
) -> PodSecurityPolicy:
    def at(field: str) -> tuple[Any, FieldPath]:
        return spec.get(field), ("spec", field)

    return PodSecurityPolicy(
        name=name,
        privileged=bool(read.boolean(*at("privileged"))),
        default_add_capabilities=read.strings(*at("defaultAddCapabilities")),
        required_drop_capabilities=read.strings(*at("requiredDropCapabilities")),
        allowed_capabilities=read.strings(*at("allowedCapabilities")),
        volumes=read.strings(*at("volumes")),
        host_network=bool(read.boolean(*at("hostNetwork"))),
        host_ports=read.ranges(*at("hostPorts")),
        host_pid=bool(read.boolean(*at("hostPID"))),
        host_ipc=bool(read.boolean(*at("hostIPC"))),
        se_linux=_read_se_linux(*at("seLinux"), read),
        run_as_user=_read_id_strategy(*at("runAsUser"), read),
        run_as_group=None if spec.get("runAsGroup") is None else _read_id_strategy(*at("runAsGroup"), read),
        supplemental_groups=_read_id_strategy(*at("supplementalGroups"), read),
        fs_group=_read_id_strategy(*at("fsGroup"), read),
        read_only_root_filesystem=bool(read.boolean(*at("readOnlyRootFilesystem"))),
        default_allow_privilege_escalation=read.boolean(*at("defaultAllowPrivilegeEscalation")),
        # Policies from before the field existed stay as permissive as they were.
        allow_privilege_escalation=read.boolean(*at("allowPrivilegeEscalation")) is not False,
        allowed_host_paths=_read_host_paths(*at("allowedHostPaths"), read),
        allowed_flex_volumes=_read_named(*at("allowedFlexVolumes"), "driver", read),
        allowed_csi_drivers=_read_named(*at("allowedCSIDrivers"), "name", read),
        allowed_unsafe_sysctls=read.strings(*at("allowedUnsafeSysctls")),
        forbidden_sysctls=read.strings(*at("forbiddenSysctls")),
        allowed_proc_mount_types=read.strings(*at("allowedProcMountTypes")),
        runtime_class=_read_runtime_class(*at("runtimeClass"), read),
        seccomp=_widen_runtime_default(_read_profiles(annotations, SECCOMP_DEFAULT, SECCOMP_ALLOWED)),
        app_armor=_read_profiles(annotations, APPARMOR_DEFAULT, APPARMOR_ALLOWED),
    )


def _read_id_strategy(value: Any, path: FieldPath, read: _Reader) -> IDStrategy:
    strategy = read.mapping(value, path)
    return IDStrategy(
        read.string(strategy.get("rule"), (*path, "rule")),
        read.ranges(strategy.get("ranges"), (*path, "ranges")),
    )


def _read_se_linux(value: Any, path: FieldPath, read: _Reader) -> SELinuxStrategy:
    strategy = read.mapping(value, path)
    rule = read.string(strategy.get("rule"), (*path, "rule"))
    if strategy.get("seLinuxOptions") is None:
        return SELinuxStrategy(rule)
    here = (*path, "seLinuxOptions")
    options = read.mapping(strategy["seLinuxOptions"], here)
    parts = {name: read.string(options.get(name), (*here, name)) for name in ("level", "role", "type", "user")}
    return SELinuxStrategy(rule, SELinuxOptions(**parts))


def _read_host_paths(value: Any, path: FieldPath, read: _Reader) -> tuple[AllowedHostPath, ...]:
    return tuple(
        AllowedHostPath(
            read.string(entry.get("pathPrefix"), (*here, "pathPrefix")),
            bool(read.boolean(entry.get("readOnly"), (*here, "readOnly"))),
        )
        for here, entry in read.mappings(value, path)
    )


def _read_named(value: Any, path: FieldPath, key: str, read: _Reader) -> tuple[str, ...]:
    return tuple(read.string(entry.get(key), (*here, key)) for here, entry in read.mappings(value, path))


def _read_runtime_class(value: Any, path: FieldPath, read: _Reader) -> RuntimeClassStrategy | None:
    if value is None:
        return None
    strategy = read.mapping(value, path)
    default = strategy.get("defaultRuntimeClassName")
    return RuntimeClassStrategy(
        read.strings(strategy.get("allowedRuntimeClassNames"), (*path, "allowedRuntimeClassNames")),
        None if default is None else read.string(default, (*path, "defaultRuntimeClassName")),
    )


def _read_profiles(annotations: Mapping[str, str], default: str, allowed: str) -> ProfileStrategy:
    text = annotations.get(allowed)
    return ProfileStrategy(
        annotations.get(default, ""), None if text is None else frozenset(text.split(",")), text or ""
    )


def _widen_runtime_default(profiles: ProfileStrategy) -> ProfileStrategy:
    # docker/default is the old name of runtime/default: to allow one is to allow both.
    if profiles.allowed is None or profiles.allowed.isdisjoint(RUNTIME_DEFAULT_NAMES):
        return profiles
    return replace(profiles, allowed=profiles.allowed | RUNTIME_DEFAULT_NAMES)


class _Reader:
    """Reads values of one type; what is of another counts as absent and becomes a problem."""

    def __init__(self, problems: list[Problem]) -> None:
        self._problems = problems

    def boolean(self, value: Any, path: FieldPath) -> bool | None:
        found: bool | None = self._expect(value, path, bool, "a boolean", lambda: None)
        return found

    def string(self, value: Any, path: FieldPath) -> str:
        return self._expect(value, path, str, "a string", str) or ""

    def mapping(self, value: Any, path: FieldPath) -> Mapping[str, Any]:
        return self._expect(value, path, Mapping, "a mapping", dict) or {}

    def strings(self, value: Any, path: FieldPath) -> tuple[str, ...]:
        return tuple(self.string(item, (*path, index)) for index, item in enumerate(self._sequence(value, path)))

    def mappings(self, value: Any, path: FieldPath) -> list[tuple[FieldPath, Mapping[str, Any]]]:
        items = enumerate(self._sequence(value, path))
        return [((*path, index), self.mapping(item, (*path, index))) for index, item in items]

    def ranges(self, value: Any, path: FieldPath) -> tuple[IDRange, ...]:
        return tuple(
            IDRange(self._integer(entry.get("min"), (*here, "min")), self._integer(entry.get("max"), (*here, "max")))
            for here, entry in self.mappings(value, path)
        )

    def annotations(self, value: Any, path: FieldPath) -> dict[str, str]:
        return {key: self.string(text, (*path, key)) for key, text in self.mapping(value, path).items()}

    def _sequence(self, value: Any, path: FieldPath) -> list[Any]:
        return self._expect(value, path, list, "a list", list) or []

    def _integer(self, value: Any, path: FieldPath) -> int:
        if isinstance(value, bool):
            self._problems.append(Problem(path, "refused", "must be an integer"))
            return 0
        return self._expect(value, path, int, "an integer", int) or 0

    def _expect(self, value: Any, path: FieldPath, kind: type, noun: str, empty: Callable[[], Any]) -> Any:
        if value is None or isinstance(value, kind):
            return value
        self._problems.append(Problem(path, "refused", f"must be {noun}"))
        return empty()
