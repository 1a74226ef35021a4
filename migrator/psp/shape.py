"""The shape that a pod must have before policies look at it.

What the API server would not decode is told with its place; `null` counts as absent, as it does there.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from migrator.model.field import FieldPath, format_path
from migrator.psp.pod import APPARMOR_CONTAINER_PREFIX, SECCOMP_CONTAINER_PREFIX, SECCOMP_POD

# A type, a list of one shape, or a mapping of fields; "*" stands for every field. Fields that no policy reads are
# not named, and pass.
Fields = dict[str, Any]

_SE_LINUX: Final[Fields] = dict.fromkeys(("level", "role", "type", "user"), str)
_SECCOMP: Final[Fields] = {"type": str, "localhostProfile": str}
_CONTAINER: Final[Fields] = {
    "name": str,
    "ports": [{"containerPort": int, "hostPort": int}],
    "volumeMounts": [{"name": str, "mountPath": str, "readOnly": bool}],
    "securityContext": {
        "privileged": bool,
        "runAsUser": int,
        "runAsGroup": int,
        "runAsNonRoot": bool,
        "readOnlyRootFilesystem": bool,
        "allowPrivilegeEscalation": bool,
        "procMount": str,
        "capabilities": {"add": [str], "drop": [str]},
        "seLinuxOptions": _SE_LINUX,
        "seccompProfile": _SECCOMP,
    },
}
_PROJECTION: Final[Fields] = {
    "serviceAccountToken": {"path": str, "audience": str},
    "configMap": {"name": str},
    "downwardAPI": {"items": [{"path": str, "fieldRef": {"apiVersion": str, "fieldPath": str}}]},
}
_VOLUME: Final[Fields] = {
    "name": str,
    "hostPath": {"path": str},
    "flexVolume": {"driver": str},
    "csi": {"driver": str},
    "projected": {"sources": [_PROJECTION]},
}
_ANNOTATIONS: Final[Fields] = {"*": str}
_READ_ANNOTATIONS: Final = (SECCOMP_POD, SECCOMP_CONTAINER_PREFIX, APPARMOR_CONTAINER_PREFIX)
_POD: Final[Fields] = {
    "metadata": {"annotations": _ANNOTATIONS},
    "spec": {
        "hostNetwork": bool,
        "hostPID": bool,
        "hostIPC": bool,
        "serviceAccountName": str,
        "serviceAccount": str,
        "automountServiceAccountToken": bool,
        "runtimeClassName": str,
        "containers": [_CONTAINER],
        "initContainers": [_CONTAINER],
        "ephemeralContainers": [_CONTAINER],
        "volumes": [_VOLUME],
        "securityContext": {
            "runAsUser": int,
            "runAsGroup": int,
            "runAsNonRoot": bool,
            "fsGroup": int,
            "supplementalGroups": [int],
            "sysctls": [{"name": str}],
            "seLinuxOptions": _SE_LINUX,
            "seccompProfile": _SECCOMP,
        },
    },
}
_NOUNS: Final[Mapping[type, str]] = {str: "a string", bool: "a boolean", int: "an integer"}


class PodShapeError(ValueError):
    """A pod that the API server would not decode; `field` is the place."""

    def __init__(self, field: FieldPath, noun: str) -> None:
        super().__init__(f"{format_path(field)}: must be {noun}")
        self.field = field
        self.noun = noun

    def __reduce__(self) -> tuple[object, ...]:
        return PodShapeError, (self.field, self.noun)


def read_pod(pod: Any) -> dict[str, Any]:
    """Copy a pod without its nulls.

    Raises PodShapeError where a field that policies read is of a wrong type.
    """
    read: dict[str, Any] = _read_mapping(pod, _POD, ())
    return read


def strip_pod(pod: Any) -> Any:
    """Copy of a pod what policies read, so that pods which no policy can tell apart become equal.

    Values of wrong types are kept as they are: `read_pod` tells them.
    """
    return _strip(pod, _POD)


def _strip(value: Any, shape: Any) -> Any:
    if isinstance(shape, list):
        if not isinstance(value, list):
            return value
        return [_strip(item, shape[0]) for item in value]
    if not isinstance(shape, dict) or not isinstance(value, Mapping):
        return value
    if shape is _ANNOTATIONS:
        return {
            key: item
            for key, item in value.items()
            if item is not None and (key.startswith(_READ_ANNOTATIONS) or not isinstance(item, str))
        }
    kept = {
        key: _strip(value[key], shape[key]) if type(shape[key]) is not type else value[key]
        for key in shape
        if value.get(key) is not None
    }
    if shape is _VOLUME:
        # Of a source that is not looked into, it only counts that it is there.
        kept.update((key, {}) for key, item in value.items() if key not in shape and item is not None)
    return kept


def _read(value: Any, shape: Any, path: FieldPath) -> Any:
    if isinstance(shape, dict):
        return _read_mapping(value, shape, path)
    if isinstance(shape, list):
        if not isinstance(value, list):
            raise PodShapeError(path, "a list")
        return [_read_item(item, shape[0], (*path, index)) for index, item in enumerate(value)]
    if isinstance(value, shape) and (shape is bool or not isinstance(value, bool)):
        return value
    raise PodShapeError(path, _NOUNS[shape])


def _read_item(value: Any, shape: Any, path: FieldPath) -> Any:
    # An item cannot be absent: a null one is an empty one.
    return _read((shape() if isinstance(shape, type) else {}) if value is None else value, shape, path)


def _read_mapping(value: Any, shape: Fields, path: FieldPath) -> dict[str, Any]:
    if not isinstance(value, Mapping):
        raise PodShapeError(path, "a mapping")
    every = shape.get("*")
    read = {}
    for key, item in value.items():
        if item is not None:
            expected = shape.get(key, every)
            read[key] = item if expected is None else _read(item, expected, (*path, key))
    return read
