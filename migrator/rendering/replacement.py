"""Spans of a file, in bytes, and what takes their place."""

from __future__ import annotations

from collections.abc import Iterable

from migrator.model.record import record


@record
class Replacement:
    """A span of a file, in bytes, and what stands there afterwards."""

    start: int
    end: int
    content: bytes


def replace_spans(content: bytes, replacements: Iterable[Replacement]) -> bytes:
    """Make replacements, which are in order and do not overlap."""
    parts: list[bytes] = []
    position = 0
    for item in replacements:
        parts += (content[position : item.start], item.content)
        position = item.end
    parts.append(content[position:])
    return b"".join(parts)
