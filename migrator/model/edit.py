"""Changes of fields, as asked for: what an editor of text makes of them is its own business."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from migrator.model.field import FieldPath
from migrator.model.record import record

APPEND = "-"
"""The last step of a path that adds an item to a list, as in JSON Pointer."""


@record
class FieldEdit:
    """A change of one field.

    `add` makes missing parents on its way; `before` names the siblings that a new key goes in front of, the first
    that exists; `comment` stands above what is added.
    """

    op: Literal["add", "remove", "replace"]
    path: FieldPath
    value: Any = None
    before: tuple[str, ...] = ()
    comment: str | None = None


def make_edit(data: Mapping[str, Any], path: FieldPath, value: object) -> FieldEdit:
    """Make the edit that gives a field of a pod its value, where a person would write it."""
    node: Any = data
    for depth, step in enumerate(path):
        if isinstance(node, Mapping) and step not in node:
            return FieldEdit("add", path, value, _list_followers(node, str(step)))
        if step == APPEND or not node:
            return FieldEdit("add", path, value)
        if depth == len(path) - 1:
            break
        node = node[step]
        if not node:
            return FieldEdit("add", path, value, ("spec",) if step == "metadata" else ())
    return FieldEdit("replace", path, value)


def _list_followers(parent: Mapping[str, Any], key: str) -> tuple[str, ...]:
    """List the keys that a new one goes in front of: in the alphabet's order where the parent is kept in that."""
    keys = [str(name) for name in parent]
    if len(keys) > 2 and keys == sorted(keys):
        return tuple(name for name in keys if name > key)
    return ("initContainers", "containers", "volumes") if "containers" in keys else ()
