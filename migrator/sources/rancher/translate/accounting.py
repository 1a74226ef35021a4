"""The fate of every key of a stack's files: nothing is dropped in silence."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any

from migrator.model.field import FieldPath, format_path
from migrator.sources.rancher.compose import SERVICE_SECTIONS, ComposeFile, KeyOrigin
from migrator.sources.rancher.stack import Stack, StackService, is_known
from migrator.sources.rancher.translate.model import KeyFate, mark, report
from migrator.sources.rancher.translate.survey import Context
from migrator.sources.tables import load_table

_RANK = {"reported": 0, "ignored": 1, "translated": 2}
_Marks = Mapping[tuple[str, FieldPath], KeyFate]


def account_keys(stack: Stack, context: Context, fates: Iterable[KeyFate]) -> tuple[KeyFate, ...]:
    """Give one fate for each mapping key, and for each list item that has one of its own, in the files' order."""
    own = (*_mark_reading(stack), *_mark_unmatched(stack), *_mark_left_out(context), *_mark_dead_aliases(stack))
    marks = _join_marks([*fates, *own])
    result: list[KeyFate] = []
    for position, file in enumerate(stack.files):
        used = None if position < len(stack.files) and not _is_extended(stack, file) else _find_used(stack, file)
        listed = set()
        for key in file.keys:
            listed.add(key.path)
            result.append(_find_fate(file, key, marks, used))
        result.extend(
            fate for (name, path), fate in marks.items() if name == file.file and path not in listed and path
        )
        result.extend(mark(key, "ignored", "Given again below; the last one counts.") for key in file.duplicates)
    return tuple(sorted(result, key=lambda fate: (_file_rank(stack, fate.file), fate.line, _path_key(fate.path))))


def account_refusal(stack: Stack, reason: str) -> tuple[KeyFate, ...]:
    """Give the fates of a stack that is refused as a whole."""
    keys = [key for file in stack.files for key in file.keys]
    return tuple(report(key, f"Not converted: {reason}.", key is not keys[0]) for key in keys)


def _file_rank(stack: Stack, name: str) -> int:
    return next((position for position, file in enumerate(stack.files) if file.file == name), len(stack.files))


def _path_key(path: FieldPath) -> tuple[str, ...]:
    return tuple(str(step).zfill(6) if isinstance(step, int) else step for step in path)


def _is_extended(stack: Stack, file: ComposeFile) -> bool:
    return "compose" not in file.file.rpartition("/")[2] or not file.file.startswith(str(stack.folder))


def _find_used(stack: Stack, file: ComposeFile) -> frozenset[FieldPath]:
    depth = len(file.service_root) + 1
    return frozenset(
        setting.origin.path[:depth]
        for service in stack.services
        for setting in service.settings.values()
        if setting.origin.file == file.file
    )


def _join_marks(fates: Iterable[KeyFate]) -> dict[tuple[str, FieldPath], KeyFate]:
    """Keep the gravest fate of each key; several reports on one are joined."""
    found: dict[tuple[str, FieldPath], list[KeyFate]] = {}
    for fate in fates:
        found.setdefault((fate.file, fate.path), []).append(fate)
    return {place: _join(entries) for place, entries in found.items()}


def _join(entries: list[KeyFate]) -> KeyFate:
    gravest = min(entries, key=lambda fate: _RANK[fate.fate])
    same = [fate for fate in entries if fate.fate == gravest.fate]
    messages = dict.fromkeys(fate.message for fate in same)
    separator = " " if gravest.fate == "reported" else "; "
    message = separator.join(messages)
    inherited = all(fate.inherited for fate in same)
    return KeyFate(gravest.path, gravest.file, gravest.line, gravest.fate, message, inherited)


def _find_fate(file: ComposeFile, key: KeyOrigin, marks: _Marks, used: frozenset[FieldPath] | None) -> KeyFate:
    own = marks.get((file.file, key.path))
    if own is not None:
        return own
    root = file.service_root
    depth = len(root)
    if used is not None and (key.path[:depth] not in file.service_roots or not _is_used(key.path, used, depth)):
        return mark(key, "ignored", "This stack extends other services of this file.")
    if _is_replaced(file, key.path):
        return mark(key, "ignored", f"Replaced by {file.find_section(str(key.path[1]))}.{key.path[1]}.")
    if _is_unknown_below(file, key.path):
        return _default(key, None, len(key.path))
    for length in range(len(key.path) - 1, depth, -1):
        inherited = marks.get((file.file, key.path[:length]))
        if inherited is not None and length > depth + 1:
            return KeyFate(key.path, key.file, key.line, inherited.fate, _point_at(inherited), True)
    if len(key.path) <= depth or (depth and key.path[0] not in SERVICE_SECTIONS):
        return _default(key, _rows("stack").get(str(key.path[0])), 1)
    if file.is_section(str(key.path[depth])):
        return _default(key, _rows("stack").get(str(key.path[depth])), depth + 1)
    if len(key.path) == depth + 1:
        return mark(key, "translated", "objects of this name")
    row = _find_row(file, key.path)
    if row is not None and "to" not in row and len(key.path) == depth + 2 and _is_empty(file, key.path):
        return mark(key, "ignored", "It is empty.")
    return _default(key, row, depth + 2)


def _is_replaced(file: ComposeFile, path: FieldPath) -> bool:
    """Tell whether a key belongs to a service that another section names, too; the later section counts."""
    if not file.second_format or len(path) < 2 or path[0] not in SERVICE_SECTIONS:
        return False
    return file.find_section(str(path[1])) not in (None, path[0])


def _find_row(file: ComposeFile, path: FieldPath) -> Mapping[str, Any] | None:
    """Find what is known of a service's key; in the sections of format 2 some have keys of their own."""
    depth = len(file.service_root)
    own = _rows("sections").get(str(path[0]), {}).get(str(path[depth + 1])) if depth else None
    found: Mapping[str, Any] | None = own or _rows("service").get(str(path[depth + 1]))
    return found


def _is_unknown_below(file: ComposeFile, path: FieldPath) -> bool:
    """Tell whether a key stands two steps below a service or a section, and Rancher knew none of that name there."""
    depth = len(file.service_root)
    if len(path) == depth + 3 and path[:depth] in file.service_roots:
        row = _rows("service").get(str(path[depth + 1])) or {}
    elif len(path) == 3 and file.second_format:
        row = _rows("stack").get(str(path[0])) or {}
    else:
        return False
    return "keys" in row and path[-1] not in row["keys"]


def _is_empty(file: ComposeFile, path: FieldPath) -> bool:
    """Tell whether a key was written without a value, as Rancher's export writes those that nobody set."""
    value: Any = file.data
    for step in path:
        value = value.get(step) if isinstance(value, Mapping) else None
    return value in (None, "", {}, [])


def _point_at(parent: KeyFate) -> str:
    """Say it once: keys below one that a person must look at only point at it."""
    return f"See {format_path(parent.path[-2:])}." if parent.fate == "reported" else parent.message


def _is_used(path: FieldPath, used: frozenset[FieldPath], depth: int) -> bool:
    return len(path) <= depth or path[: depth + 1] in used


def _default(key: KeyOrigin, row: Mapping[str, Any] | None, owner: int) -> KeyFate:
    """Give the fate that the table has for a key whose first `owner` steps name the key that the table knows."""
    if len(key.path) > owner and (row is None or row.get("fate") == "reported"):
        return report(key, f"See {format_path(key.path[:owner][-2:])}.", inherited=True)
    if row is None:
        return report(key, f"Unsupported config option: {key.path[-1]!r} is unknown to Rancher v1.6.")
    if "to" in row:
        return mark(key, "translated", row["to"])
    return mark(key, row["fate"], row["message"])


@cache
def _rows(table: str) -> Mapping[str, Any]:
    rows: Mapping[str, Any] = load_table("sources/rancher/keys.yaml")[table]
    return rows


def _mark_reading(stack: Stack) -> Iterator[KeyFate]:
    for warning in stack.warnings:
        if warning.message.startswith("replaced by"):
            yield mark(warning.origin, "ignored", warning.message)
        else:
            yield report(warning.origin, warning.message)


def _mark_dead_aliases(stack: Stack) -> Iterator[KeyFate]:
    for file in stack.files:
        aliases = file.data.get("aliases") if file.second_format else None
        for name, alias in aliases.items() if isinstance(aliases, Mapping) else ():
            if not isinstance(alias, Mapping) or "services" not in alias:
                message = "It names no services, and Rancher made nothing of it; a Service with a selector can."
                yield report(file.origin(("aliases", name)), message)
                for key in alias if isinstance(alias, Mapping) else ():
                    yield report(file.origin(("aliases", name, key)), message, inherited=True)


def _mark_unmatched(stack: Stack) -> Iterator[KeyFate]:
    for service in stack.unmatched:
        message = f"There is no service {service.name} in docker-compose.yml; Rancher made nothing of this."
        yield report(service.origin, message)
        for setting in service.settings.values():
            yield report(setting.origin, message, inherited=True)


def _mark_left_out(context: Context) -> Iterator[KeyFate]:
    for blocked in context.blocked:
        service = context.service(blocked.service)
        message = f"{blocked.service} is left out: {blocked.reason}."
        yield report(service.origin, message)
        for setting in service.settings.values():
            yield report(setting.origin, f"{blocked.service} is left out.", inherited=True)


def mark_unused(service: StackService, handled: Iterable[str]) -> tuple[KeyFate, ...]:
    """Give the fates of a service's keys that mean nothing where it has no container."""
    known = frozenset(handled)
    return tuple(
        mark(setting.origin, "ignored", f"{service.name} has no container on Kubernetes.")
        for key, setting in service.settings.items()
        if key not in known and is_known(key) and setting.origin != service.origin
    )
