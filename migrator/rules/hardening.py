"""Hardening: what it would take for a pod to satisfy a level, as data that strategies fill in."""

from __future__ import annotations

from fnmatch import fnmatchcase

from migrator.model.edit import FieldEdit, make_edit
from migrator.model.field import FieldPath
from migrator.model.policy import PodSecurityPolicyData
from migrator.model.record import record
from migrator.model.workload import Workload
from migrator.model.world import World
from migrator.podsecurity.pod import Container, Pod
from migrator.rules.host_port import read_ignore_reason
from migrator.rules.pod_security import ID

_OS_LABEL = "kubernetes.io/os"
_SYS_ADMIN = frozenset(("SYS_ADMIN", "CAP_SYS_ADMIN", "ALL"))


@record
class Option:
    """Something that a person may do where nothing mechanical helps, and what it costs."""

    does: str
    price: str


@record
class Remedy:
    """What satisfies one check: edits of the object where that is mechanical, else options at the fields at fault.

    A check that is met in one container by an edit and in another by a person's decision has a remedy of each kind.
    """

    check: str
    mechanical: bool
    fields: tuple[FieldPath, ...]
    edits: tuple[FieldEdit, ...]
    options: tuple[Option, ...]
    risk: str


def say_why_left(world: World, workload: Workload) -> str | None:
    """Say why a workload is not to be hardened; None where it is.

    Raises InputError for an annotation that gives no reason.
    """
    policy = world.policy.pod_security
    owner = world.owner_of(workload)
    if owner is not None:
        return f"it is made from {owner.ref.kind}/{owner.ref.name}"
    reason = read_ignore_reason(workload, ID)
    if reason is not None:
        return f"the workload says to leave it: {reason}"
    if workload.ref.namespace in policy.exempt_namespaces:
        return "the policy exempts its namespace"
    return None


def is_for_windows(pod: Pod) -> bool:
    """Tell whether a pod runs on Windows, where the API or the kubelet knows nothing of Linux's confinement."""
    return pod.is_windows or (pod.spec.get("nodeSelector") or {}).get(_OS_LABEL) == "windows"


def can_change(container: Container) -> bool:
    """Tell whether a container can be changed: an ephemeral one only goes with its pod."""
    return container.path[1] != "ephemeralContainers"


def list_added(container: Container) -> tuple[str, ...]:
    """List the capabilities that a container adds, as written."""
    return tuple(name or "" for name in (container.security_context.get("capabilities") or {}).get("add") or ())


def has_all_privileges(container: Container) -> bool:
    """Tell whether a container escalates by definition: privileged, or with CAP_SYS_ADMIN.

    The API refuses allowPrivilegeEscalation: false there (pkg/apis/core/validation, ValidateSecurityContext).
    """
    return bool(container.security_context.get("privileged")) or not _SYS_ADMIN.isdisjoint(list_added(container))


def is_known_non_root(pod: Pod, container: Container, policy: PodSecurityPolicyData) -> bool:
    """Tell whether a container's user is surely not root.

    Its manifest names another user, or it names none and the policy knows its image.
    """
    user = container.security_context.get("runAsUser")
    if user is None:
        user = pod.security_context.get("runAsUser")
    if user is not None:
        return isinstance(user, int) and user != 0
    image = container.fields.get("image") or ""
    return any(fnmatchcase(image, pattern) for pattern in policy.non_root_images)


def set_field(pod: Pod, path: FieldPath, value: object) -> FieldEdit:
    """Make the edit that gives a field of the pod its value, where a person would write it."""
    return make_edit({"spec": pod.spec}, path, value)
