"""Where two objects differ, field by field: items of lists are matched by what tells them apart in Kubernetes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from enum import Enum
from typing import Any, Final, Literal

from migrator.model.field import FieldPath
from migrator.model.record import record


class Missing(Enum):
    """Stands for a field that is not there."""

    MISSING = "missing"


MISSING: Final = Missing.MISSING

_PORT_KEYS: Final = (("containerPort", "name"), ("port", "name"))
"""What tells an entry of a `ports` list from the others: of a container's, of a Service's."""


@record
class Difference:
    """A field that differs, with its path before and after: items of a list may stand at other places there.

    `before` or `after` is MISSING where the field is not there. What is added or taken away is told leaf by leaf, but
    an item of a list as a whole.
    """

    path_before: FieldPath
    path_after: FieldPath
    before: Any
    after: Any

    @property
    def op(self) -> Literal["add", "remove", "replace"]:
        """Tell what was done."""
        return "add" if self.before is MISSING else "remove" if self.after is MISSING else "replace"

    @property
    def path(self) -> FieldPath:
        """Give the path where the field stands, or stood."""
        return self.path_before if self.after is MISSING else self.path_after


def compare(before: Any, after: Any) -> tuple[Difference, ...]:
    """Compare two objects. A field that is null counts as one that is not there."""
    return tuple(_compare(before, after, (), ()))


def _compare(before: Any, after: Any, at: FieldPath, then: FieldPath) -> Iterator[Difference]:
    before, after = (MISSING if value is None else value for value in (before, after))
    if isinstance(before, dict) or isinstance(after, dict):
        whole = _as(dict, before), _as(dict, after)
        if whole[0] is not None and whole[1] is not None and (before or after):
            for key in {**whole[0], **whole[1]}:
                yield from _compare(whole[0].get(key), whole[1].get(key), (*at, key), (*then, key))
            return
    elif isinstance(before, list) or isinstance(after, list):
        lists = _as(list, before), _as(list, after)
        if lists[0] is not None and lists[1] is not None and (before or after):
            yield from _compare_lists(lists[0], lists[1], at, then)
            return
    if before != after or isinstance(before, bool) != isinstance(after, bool):
        yield Difference(at, then, before, after)


def _as(kind: type, value: Any) -> Any:
    """Give a mapping or list; an empty one for what is not there, None for anything else."""
    return kind() if value is MISSING else value if isinstance(value, kind) else None


def _compare_lists(
    before: Sequence[Any], after: Sequence[Any], at: FieldPath, then: FieldPath
) -> Iterator[Difference]:
    tell = _choose_tokens([*before, *after], str(at[-1]) if at else "")
    tokens = list(map(tell, before)), list(map(tell, after))
    matcher = SequenceMatcher(None, *tokens, autojunk=False)
    for tag, start, end, new, new_end in matcher.get_opcodes():
        if tag == "equal" or (tag == "replace" and end - start == new_end - new and tell is _write):
            for old, now in zip(range(start, end), range(new, new_end), strict=True):
                yield from _compare(before[old], after[now], (*at, old), (*then, now))
            continue
        for index in range(start, end):
            yield Difference((*at, index), (*then, new), before[index], MISSING)
        for index in range(new, new_end):
            yield Difference((*at, start), (*then, index), MISSING, after[index])


def _choose_tokens(items: Sequence[Any], name: str) -> Any:
    """Choose what tells the items of a list apart: the keys of ports, names, else all that they say."""
    if items and all(isinstance(item, dict) for item in items):
        if name == "ports":
            return _tell_port
        if all(isinstance(item.get("name"), str) for item in items):
            return _tell_name
    return _write


def _tell_port(port: Mapping[str, Any]) -> str:
    keys = next((keys for keys in _PORT_KEYS if keys[0] in port), ())
    return _write([port.get("protocol") or "TCP", *(port.get(key) for key in keys)])


def _tell_name(item: Mapping[str, Any]) -> str:
    return str(item["name"])


def _write(item: Any) -> str:
    return json.dumps(item, sort_keys=True, default=str)
