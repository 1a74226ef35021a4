"""What the policies read in a pod, and how a pod is changed: always into a new one that shares what stayed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from migrator.model.field import FieldPath

Object = Mapping[str, Any]

# In the order in which the plugin visits them.
CONTAINER_LISTS: Final = ("initContainers", "containers", "ephemeralContainers")

SECCOMP_POD: Final = "seccomp.security.alpha.kubernetes.io/pod"
SECCOMP_CONTAINER_PREFIX: Final = "container.seccomp.security.alpha.kubernetes.io/"
APPARMOR_CONTAINER_PREFIX: Final = "container.apparmor.security.beta.kubernetes.io/"

_NOTHING: Final[Object] = {}


def get_spec(pod: Object) -> Object:
    """The pod's spec; empty where there is none."""
    return pod.get("spec") or _NOTHING


def get_annotations(pod: Object) -> Mapping[str, str]:
    """The pod's annotations; empty where there are none."""
    return (pod.get("metadata") or _NOTHING).get("annotations") or _NOTHING


def get_security_context(holder: Object) -> Object:
    """The security context of a pod's spec or of a container; empty where there is none."""
    return holder.get("securityContext") or _NOTHING


def get_effective(pod: Object, container: Object, field: str) -> Any:
    """A field of the security context that containers inherit from their pod."""
    # The most called function of all; hence the short cuts.
    context = container.get("securityContext")
    if context:
        value = context.get(field)
        if value is not None:
            return value
    context = get_spec(pod).get("securityContext")
    return context.get(field) if context else None


def visit_containers(pod: Object) -> Iterator[tuple[FieldPath, Object]]:
    """Every container of the pod with its path: init containers, containers, ephemeral containers."""
    spec = get_spec(pod)
    for field in CONTAINER_LISTS:
        for index, container in enumerate(spec.get(field) or ()):
            yield ("spec", field, index), container


def set_fields(pod: Object, changes: Iterable[tuple[FieldPath, Any]]) -> Object:
    """Copy a pod with fields set; what is missing on the way is made, what lies beside it is shared.

    Without changes the pod itself comes back.
    """
    copies: dict[FieldPath, Any] = {}
    for path, value in changes:
        if not copies:
            copies[()] = dict(pod)
        parent = copies[()]
        for depth in range(1, len(path)):
            here = path[:depth]
            if here not in copies:
                copies[here] = parent[path[depth - 1]] = _copy_shallow(parent, path[depth - 1])
            parent = copies[here]
        parent[path[-1]] = value
    return copies[()] if copies else pod


def _copy_shallow(parent: Any, step: str | int) -> Any:
    found = parent[step] if isinstance(step, int) else parent.get(step)
    return list(found) if isinstance(found, list) else dict(found or {})
