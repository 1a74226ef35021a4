"""Plain data (dict, list, tuple, scalars) as YAML or JSON text, in the style of the text it goes into."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from migrator.model.record import record
from migrator.yaml.scalars import write_scalar


@record
class BlockStyle:
    """How a text lays out blocks: spaces per level, before a list's dash below its key, and behind the dash."""

    step: int = 2
    dash: int = 0
    gap: int = 1


def write_block(data: Any, style: BlockStyle = BlockStyle()) -> list[str]:
    """Write a mapping or sequence as block lines without indentation or line ends."""
    if isinstance(data, dict):
        return list(_write_mapping(data, style))
    return list(_write_sequence(data, style))


def _write_mapping(data: Mapping[str, Any], style: BlockStyle) -> Iterator[str]:
    for key, value in data.items():
        yield from write_entry(key, value, style)


def write_entry(key: str, value: Any, style: BlockStyle) -> list[str]:
    """Write one entry of a mapping as block lines."""
    name = write_scalar(key)
    if isinstance(value, dict) and value:
        return [f"{name}:", *(" " * style.step + line for line in _write_mapping(value, style))]
    if isinstance(value, list | tuple) and value:
        return [f"{name}:", *(" " * style.dash + line for line in _write_sequence(value, style))]
    return [f"{name}: {write_flow(value)}"]


def _write_sequence(data: Sequence[Any], style: BlockStyle) -> Iterator[str]:
    for item in data:
        yield from write_item(item, style)


def write_item(item: Any, style: BlockStyle) -> list[str]:
    """Write one item of a sequence as block lines, its dash included."""
    dash = "-" + " " * style.gap
    if isinstance(item, dict | list | tuple) and item:
        lines = write_block(item, style)
        return [f"{dash}{lines[0]}", *(" " * len(dash) + line for line in lines[1:])]
    return [f"{dash}{write_flow(item)}"]


def write_flow(data: Any) -> str:
    """Write data on one line, as flow YAML."""
    if isinstance(data, dict):
        return "{" + ", ".join(f"{write_scalar(key)}: {write_flow(value)}" for key, value in data.items()) + "}"
    if isinstance(data, list | tuple):
        return "[" + ", ".join(map(write_flow, data)) + "]"
    return write_scalar(data)


def write_json(data: Any, indent: int | str | None) -> str:
    """Write data as JSON; `indent`, in blanks or as it stands, None puts it on one line."""
    return json.dumps(data, indent=indent, ensure_ascii=False)
