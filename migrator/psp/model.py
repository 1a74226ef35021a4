"""PodSecurityPolicy as a value.

Source: k8s.io/api/policy/v1beta1 of Kubernetes 1.24.
"""

from __future__ import annotations

from typing import Final, Literal

from migrator.model.field import FieldPath
from migrator.model.record import record

API_VERSIONS: Final = ("policy/v1beta1", "extensions/v1beta1")

SECCOMP_DEFAULT: Final = "seccomp.security.alpha.kubernetes.io/defaultProfileName"
SECCOMP_ALLOWED: Final = "seccomp.security.alpha.kubernetes.io/allowedProfileNames"
APPARMOR_DEFAULT: Final = "apparmor.security.beta.kubernetes.io/defaultProfileName"
APPARMOR_ALLOWED: Final = "apparmor.security.beta.kubernetes.io/allowedProfileNames"
RUNTIME_DEFAULT_NAMES: Final = frozenset({"runtime/default", "docker/default"})


@record
class IDRange:
    """An inclusive range of user or group IDs, or of host ports."""

    min: int
    max: int

    def __contains__(self, number: int) -> bool:
        return self.min <= number <= self.max

    def __str__(self) -> str:
        return f"{{{self.min} {self.max}}}"


@record
class IDStrategy:
    """A rule for user or group IDs with its ranges."""

    rule: str
    ranges: tuple[IDRange, ...] = ()

    @property
    def ranges_text(self) -> str:
        """The ranges as the API server prints them."""
        return "[" + " ".join(str(item) for item in self.ranges) + "]"


@record
class SELinuxOptions:
    """What a container's SELinux context is made of; an empty part is an unset one."""

    level: str = ""
    role: str = ""
    type: str = ""
    user: str = ""

    def to_object(self) -> dict[str, str]:
        """The options as the API writes them: unset parts are left out."""
        parts = {"level": self.level, "role": self.role, "type": self.type, "user": self.user}
        return {name: value for name, value in parts.items() if value}


@record
class SELinuxStrategy:
    """A rule for SELinux contexts; `options` is None where the policy has none."""

    rule: str
    options: SELinuxOptions | None = None


@record
class AllowedHostPath:
    """A path on the node below which hostPath volumes may lie."""

    path_prefix: str
    read_only: bool = False


@record
class RuntimeClassStrategy:
    """The runtime classes that pods may name, and the one they get."""

    allowed_names: tuple[str, ...] = ()
    default_name: str | None = None


@record
class ProfileStrategy:
    """Seccomp or AppArmor profiles of a policy, from its annotations.

    `allowed` is None where the policy has no such annotation; `allowed_text` is the annotation itself.
    """

    default: str = ""
    allowed: frozenset[str] | None = None
    allowed_text: str = ""


@record
class Problem:
    """Something wrong with a policy, at a field of it.

    `refused`: the API server does not take such an object. `skipped`: it does, but its admission plugin passes
    the policy over for every pod.
    """

    field: FieldPath
    effect: Literal["refused", "skipped"]
    message: str


@record
class PodSecurityPolicy:
    """One PodSecurityPolicy, its defaults filled in.

    `problems` holds what the API server would refuse it for, and why its admission plugin would pass it over.
    """

    name: str
    privileged: bool = False
    default_add_capabilities: tuple[str, ...] = ()
    required_drop_capabilities: tuple[str, ...] = ()
    allowed_capabilities: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    host_network: bool = False
    host_ports: tuple[IDRange, ...] = ()
    host_pid: bool = False
    host_ipc: bool = False
    se_linux: SELinuxStrategy = SELinuxStrategy("")
    run_as_user: IDStrategy = IDStrategy("")
    run_as_group: IDStrategy | None = None
    supplemental_groups: IDStrategy = IDStrategy("")
    fs_group: IDStrategy = IDStrategy("")
    read_only_root_filesystem: bool = False
    default_allow_privilege_escalation: bool | None = None
    allow_privilege_escalation: bool = True
    allowed_host_paths: tuple[AllowedHostPath, ...] = ()
    allowed_flex_volumes: tuple[str, ...] = ()
    allowed_csi_drivers: tuple[str, ...] = ()
    allowed_unsafe_sysctls: tuple[str, ...] = ()
    forbidden_sysctls: tuple[str, ...] = ()
    allowed_proc_mount_types: tuple[str, ...] = ()
    runtime_class: RuntimeClassStrategy | None = None
    seccomp: ProfileStrategy = ProfileStrategy()
    app_armor: ProfileStrategy = ProfileStrategy()
    problems: tuple[Problem, ...] = ()

    def __hash__(self) -> int:
        # Policies are keys of many look-ups, and have names of their own.
        return hash(self.name)

    @property
    def usable(self) -> bool:
        """Whether the admission plugin would ever ask this policy."""
        return not self.problems
