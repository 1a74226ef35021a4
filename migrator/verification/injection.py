"""How a pod template spells what a PodSecurityPolicy writes into pods."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from migrator.model.field import FieldPath
from migrator.psp.admit import Mutation
from migrator.psp.fields.seccomp import convert_annotation
from migrator.psp.pod import (
    APPARMOR_CONTAINER_PREFIX,
    SECCOMP_CONTAINER_PREFIX,
    SECCOMP_POD,
    get_annotations,
    visit_containers,
)

Written = tuple[tuple[FieldPath, Any], ...]


def list_written(pod: Any, mutation: Mutation) -> Iterator[Written]:
    """List the ways to write a mutation into a pod's template; `*` at the end of a path stands for an item of a list.

    None for ephemeral containers, which no template has.
    """
    field, value = mutation.field, mutation.value
    if "ephemeralContainers" in field:
        return
    if field[0] == "metadata":
        yield ((field, value),)
        profile = convert_annotation(value)
        for holder in _find_holders(pod, str(field[-1])) if profile else ():
            yield ((holder, profile),)
    elif isinstance(value, dict) and field[-1] == "capabilities":
        yield tuple(((*field, key, "*"), name) for key, names in value.items() for name in names)
    else:
        yield ((field, value),)


def _find_holders(pod: Any, annotation: str) -> Iterator[FieldPath]:
    """Find the fields that say the same as an annotation about a profile: the container's, and that of its pod."""
    if annotation == SECCOMP_POD:
        yield ("spec", "securityContext", "seccompProfile")
        return
    name = annotation.removeprefix(APPARMOR_CONTAINER_PREFIX)
    for path, container in visit_containers(pod):
        if container.get("name") == name:
            yield (*path, "securityContext", "appArmorProfile")
    yield ("spec", "securityContext", "appArmorProfile")


def list_annotated(pod: Any) -> Iterator[Written]:
    """List the fields that a pod's own seccomp annotations stand for; Kubernetes reads those before 1.27 alone."""
    annotations = get_annotations(pod)
    holders: list[tuple[str, FieldPath]] = [(SECCOMP_POD, ("spec",))]
    holders += ((f"{SECCOMP_CONTAINER_PREFIX}{item.get('name')}", path) for path, item in visit_containers(pod))
    for annotation, path in holders:
        profile = convert_annotation(str(annotations.get(annotation, "")))
        if profile is not None:
            yield (((*path, "securityContext", "seccompProfile"), profile),)


def list_leaves(written: Written) -> Iterator[tuple[FieldPath, Any]]:
    """List the single values of what is written."""
    for path, value in written:
        if isinstance(value, dict):
            yield from list_leaves(tuple(((*path, key), item) for key, item in value.items()))
        elif isinstance(value, list):
            yield from (((*path, "*"), item) for item in value)
        else:
            yield path, value
