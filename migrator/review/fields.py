"""The change field by field: path, old value, new value, with the items of lists by what the API knows them by."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from migrator.model.field import format_path
from migrator.model.plan import Plan
from migrator.model.record import record
from migrator.model.reference import Location, ResourceRef
from migrator.planning.document import describe_location, describe_ref
from migrator.rendering.render import FileChange
from migrator.review.secrets import mask_secrets
from migrator.review.shown import EditedText, list_edited
from migrator.sources.tables import load_table
from migrator.templates import render_object
from migrator.yaml.data import load_text
from migrator.yaml.json_text import load_json
from migrator.yaml.scan import decode
from migrator.yaml.write import write_flow

ABSENT = object()


class _Item(str):
    """The key of a list's item."""

    __slots__ = ()


@record
class FieldChange:
    """A field's value before and after; ABSENT where there is none."""

    path: str
    old: Any
    new: Any


@record
class ObjectChange:
    """What becomes of one object: update, create or delete, and its fields in their order."""

    resource: ResourceRef
    location: Location
    action: str
    fields: tuple[FieldChange, ...]


def compare_objects(plan: Plan, files: Iterable[FileChange]) -> Iterator[ObjectChange]:
    """Compare every object that a plan changes, before and after, in the plan's order; secrets are masked."""
    texts = {(text.path, text.edited.document, text.edited.item): text for text in list_edited(files)}
    words = plan.policy.secret_words
    for change in plan.changes:
        place = (change.location.path, change.location.document, change.location.item)
        if change.action == "create" and change.new is not None:
            new = load_text(mask_secrets(render_object(change.new), words))
            yield ObjectChange(change.resource, change.location, "create", tuple(_compare({}, new)))
        elif change.action == "update" and place in texts:
            text = texts.pop(place)
            before, after = (_load(text, content, words) for content in (text.before, text.after))
            yield ObjectChange(change.resource, change.location, "update", tuple(_compare(before, after)))
        elif change.action == "delete":
            yield ObjectChange(change.resource, change.location, "delete", ())


def write_fields(changes: Iterable[ObjectChange]) -> str:
    """Write field changes as text, an object after the other."""
    blocks = []
    signs = {"update": "~", "create": "+", "delete": "-"}
    for change in changes:
        lines = [f"{signs[change.action]} {change.resource} ({change.location})"]
        lines += [f"    {item.path}: {_write_value(item.old)} → {_write_value(item.new)}" for item in change.fields]
        blocks.append("\n".join(lines) + "\n")
    return "\n".join(blocks)


def write_fields_json(changes: Iterable[ObjectChange]) -> str:
    """Write field changes as JSON; `old` or `new` is left out where the field is absent."""
    described = [
        {
            "resourceRef": describe_ref(change.resource),
            "file": describe_location(change.location),
            "action": change.action,
            "fields": [
                {
                    "path": item.path,
                    **({} if item.old is ABSENT else {"old": item.old}),
                    **({} if item.new is ABSENT else {"new": item.new}),
                }
                for item in change.fields
            ],
        }
        for change in changes
    ]
    return json.dumps(described, indent=2, ensure_ascii=False) + "\n"


def _write_value(value: Any) -> str:
    return "absent" if value is ABSENT else write_flow(value)


def _load(text: EditedText, content: bytes, words: frozenset[str]) -> Any:
    """Load an object of its piece of a file: alone, as a list's one item, or among a List's items."""
    masked = mask_secrets(decode(content), words)
    data = load_text(masked) if masked.lstrip()[:1] != "{" else _load_json(masked)
    item = text.edited.item
    if item is None:
        return data
    return data[0] if isinstance(data, list) else data["items"][item] if "items" in data else data


def _load_json(masked: str) -> Any:
    try:
        return load_json(masked)
    except ValueError:
        return load_text(masked)


def _compare(before: Any, after: Any) -> Iterator[FieldChange]:
    from deepdiff import DeepDiff
    from deepdiff.helper import notpresent

    found = DeepDiff(_key_lists(before), _key_lists(after), view="tree", threshold_to_diff_deeper=0)
    levels = [level for group in found.values() for level in group]
    rows: dict[str, FieldChange] = {}
    for level in levels:
        path = tuple(level.path(output_format="list"))
        old, new = (ABSENT if value is notpresent else value for value in (level.t1, level.t2))
        if ABSENT in (old, new):
            for below, value in _list_leaves(path, new if old is ABSENT else old):
                pair = (ABSENT, value) if old is ABSENT else (value, ABSENT)
                rows[_write_path(below)] = FieldChange(_write_path(below), *pair)
        else:
            rows[_write_path(path)] = FieldChange(_write_path(path), old, new)
    yield from sorted(rows.values(), key=lambda row: row.path)


def _list_leaves(path: tuple[Any, ...], value: Any) -> Iterator[tuple[tuple[Any, ...], Any]]:
    if isinstance(value, dict) and value:
        for key, below in value.items():
            yield from _list_leaves((*path, key), below)
    elif isinstance(value, list) and value:
        for index, below in enumerate(value):
            yield from _list_leaves((*path, index), below)
    else:
        yield path, value


def _write_path(path: tuple[Any, ...]) -> str:
    """Write a path with its items in brackets: `spec.containers[web].ports[8080/TCP].hostPort`."""
    text = ""
    for step in path:
        if isinstance(step, _Item):
            text += f"[{step}]"
        else:
            written = format_path((step,))
            text += written if written.startswith("[") or not text else f".{written}"
    return text


def _key_lists(value: Any, name: str = "") -> Any:
    """Make mappings of the lists whose items have keys."""
    if isinstance(value, dict):
        return {key: _key_lists(below, str(key)) for key, below in value.items()}
    if not isinstance(value, list):
        return value
    items = [_key_lists(item) for item in value]
    names = load_table("review/fields.yaml").get(name, ["name"])
    keys = [_find_key(item, names) for item in items]
    if not items or None in keys:
        return items
    keyed: dict[str, Any] = {}
    for key, item in zip(keys, items, strict=True):
        number = sum(1 for known in keyed if known == key or known.startswith(f"{key}#")) + 1
        keyed[_Item(key if number == 1 else f"{key}#{number}")] = item
    return keyed


def _find_key(item: Any, names: list[str]) -> str | None:
    if not isinstance(item, Mapping):
        return None
    found = [str(item[name]) for name in names if name in item]
    if found and "protocol" in names and "protocol" not in item:
        found.append("TCP")
    return "/".join(found) or None
