"""Changes of fields as a JSON Patch, for objects whose text is not there to be edited.

Sources: RFC 6902 (JSON Patch), RFC 6901 (JSON Pointer).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from migrator.model.edit import APPEND, FieldEdit
from migrator.model.field import FieldPath
from migrator.yaml.edit import RefusedEditError, apply_to_data, same_data, wrap_value

Operation = dict[str, Any]


def make_operations(data: Any, edits: Sequence[FieldEdit]) -> list[tuple[FieldEdit, list[Operation]]]:
    """Make the operations that do to an object what the edits do, by the edit that each is for, in their order.

    A `test` stands before what takes something away. Raises RefusedEditError where the operations would do anything
    else than the edits.
    """
    steps = []
    current = data
    for edit in _order(edits):
        steps.append((edit, list(_write_edit(current, edit))))
        current = apply_to_data(current, [edit])
    if not same_data(current, apply_to_data(data, edits)):
        raise RefusedEditError("the edits of this object cannot be made one after the other")
    return steps


def _order(edits: Sequence[FieldEdit]) -> list[FieldEdit]:
    """Put what removes items of lists last, from the back, since each moves the items behind it."""
    moving = [edit for edit in edits if edit.op == "remove" and isinstance(edit.path[-1], int)]
    staying = [edit for edit in edits if edit not in moving]
    return [*staying, *sorted(moving, key=lambda edit: _sort_key(edit.path), reverse=True)]


def _sort_key(path: FieldPath) -> list[tuple[int, str]]:
    return [(step, "") if isinstance(step, int) else (-1, step) for step in path]


def _write_edit(data: Any, edit: FieldEdit) -> Iterator[Operation]:
    parent = data
    for depth, step in enumerate(edit.path):
        at, rest = edit.path[: depth + 1], edit.path[depth + 1 :]
        child = _find(parent, step)
        if rest and _leads_on(child, rest[0]):
            parent = child
            continue
        if child is not None and not rest:
            yield {"op": "test", "path": write_pointer(at), "value": child}
        if edit.op == "remove":
            yield {"op": "remove", "path": write_pointer(at)}
        else:
            # What is added where null stands takes its place (RFC 6902, 4.1).
            op = "add" if child is None or rest else "replace"
            yield {"op": op, "path": write_pointer(at), "value": wrap_value(rest, edit.value)}
        return


def _find(parent: Any, step: str | int) -> Any:
    """Find a member or an item; None where there is none, or null."""
    if isinstance(parent, dict):
        return parent.get(str(step))
    return parent[step] if isinstance(step, int) else None


def _leads_on(child: Any, step: str | int) -> bool:
    """Tell whether a field holds what the next step can be taken in; an empty one of the other kind is replaced."""
    return bool(child) or (child == [] if step == APPEND else child == {})


def write_pointer(path: FieldPath) -> str:
    """Write a path as a JSON Pointer."""
    return "".join(f"/{str(step).replace('~', '~0').replace('/', '~1')}" for step in path)
