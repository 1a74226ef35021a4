"""Changes of fields, as asked for: what an editor of text makes of them is its own business."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from migrator.model.field import FieldPath

APPEND = "-"
"""The last step of a path that adds an item to a list, as in JSON Pointer."""


@dataclass(frozen=True, slots=True)
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
