"""A pod as the checks look at it: everything that several of them visit, collected once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from migrator.model.data import dump_by_value
from migrator.model.field import FieldPath, format_path
from migrator.model.record import record

Object = Mapping[str, Any]

_EMPTY: Object = {}
# The order in which upstream visits them (policy/visitor.go), which is the order of names in a detail.
_CONTAINER_LISTS = ("initContainers", "containers", "ephemeralContainers")
# What the checks read; of other fields they see nothing, so pods that differ only there are judged once.
_POD_FIELDS = ("hostIPC", "hostNetwork", "hostPID", "hostUsers", "os", "securityContext")
_CONTAINER_FIELDS = (
    "name",
    "ports",
    "securityContext",
    "livenessProbe",
    "readinessProbe",
    "startupProbe",
    "lifecycle",
)
_ANNOTATION_MARK = ".security."


class MalformedPodError(ValueError):
    """A field of the pod has not the type that the Kubernetes API gives it."""


@record
class Container:
    """A container of any of the three lists; `path` leads to it from the pod, an absent object is empty."""

    name: str
    path: FieldPath
    fields: Object
    security_context: Object

    def field(self, *steps: str | int) -> FieldPath:
        """Return the path of a field of this container."""
        return (*self.path, *steps)


@record
class Pod:
    """A pod; absent objects and lists are empty, other fields stand in `spec` as the API takes them."""

    annotations: Object
    spec: Object
    security_context: Object
    containers: tuple[Container, ...]
    volumes: tuple[Object, ...]

    @property
    def is_windows(self) -> bool:
        """Whether `os.name` says windows; a node selector does not count."""
        os: Object | None = self.spec.get("os")
        return os is not None and os.get("name") == "windows"

    @property
    def has_user_namespace(self) -> bool:
        """Whether `hostUsers` is false (KEP-127)."""
        return self.spec.get("hostUsers") is False


def read_pod(metadata: Object, spec: Object) -> Pod:
    """Collect what the checks visit; a null is an absent value, a null element an empty one, as in the API.

    Raises MalformedPodError where an object or a list is something else.
    """
    return Pod(
        annotations=_read_object(metadata, "annotations", ("metadata",)),
        spec=spec,
        security_context=_read_object(spec, "securityContext", ("spec",)),
        containers=tuple(
            _read_container(fields, ("spec", key, index))
            for key in _CONTAINER_LISTS
            for index, fields in enumerate(_read_objects(spec, key))
        ),
        volumes=_read_objects(spec, "volumes"),
    )


def pack_seen(metadata: Object, spec: Object) -> bytes:
    """Pack what the checks see of a pod: (metadata, spec) with nothing else in them.

    Of a volume's sources that is whether they are there. What is not of its type stays, for `read_pod` to refuse.
    """
    seen = {key: spec[key] for key in _POD_FIELDS if key in spec}
    for key in _CONTAINER_LISTS:
        if key in spec:
            seen[key] = _each(spec[key], _see_container)
    if "volumes" in spec:
        seen["volumes"] = _each(spec["volumes"], _see_volume)
    annotations = metadata.get("annotations")
    if isinstance(annotations, dict):
        annotations = {key: value for key, value in annotations.items() if _ANNOTATION_MARK in key}
    return dump_by_value(({"annotations": annotations}, seen))


def _each(values: Any, see: Callable[[Object], Object]) -> Any:
    if not isinstance(values, list):
        return values
    return [see(value) if isinstance(value, dict) else value for value in values]


def _see_container(container: Object) -> Object:
    return {key: container[key] for key in _CONTAINER_FIELDS if key in container}


def _see_volume(volume: Object) -> Object:
    return {key: value if key == "name" or value is None else True for key, value in volume.items()}


def _read_container(fields: Object, path: FieldPath) -> Container:
    name = fields.get("name") or ""
    return Container(name, path, fields, _read_object(fields, "securityContext", path))


def _read_object(parent: Object, key: str, path: FieldPath) -> Object:
    value = parent.get(key)
    if value is None:
        return _EMPTY
    if not isinstance(value, dict):
        raise MalformedPodError(f"{format_path((*path, key))}: must be an object")
    return value


def _read_objects(spec: Object, key: str) -> tuple[Object, ...]:
    value = spec.get(key)
    if value is None:
        return ()
    if not isinstance(value, list):
        raise MalformedPodError(f"{format_path(('spec', key))}: must be a list")
    for index, element in enumerate(value):
        if element is not None and not isinstance(element, dict):
            raise MalformedPodError(f"{format_path(('spec', key, index))}: must be an object")
    return tuple(element or _EMPTY for element in value)
