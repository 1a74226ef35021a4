"""Changing fields of a text by cutting and inserting spans: every other character stays as it is.

A change is asked for as `FieldEdit`s on paths of the data and becomes `TextEdit`s on the text. Whatever is not laid
out in a way that is known here is refused, and `verify_edit` composes the result and compares it with the
intention, so a wrong cut cannot get through.
"""

from __future__ import annotations

import copy
import dataclasses
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from migrator.errors import MigratorError
from migrator.model.data import dump_by_value
from migrator.model.edit import APPEND, FieldEdit
from migrator.model.field import FieldPath, format_path
from migrator.model.record import record
from migrator.yaml.data import construct, find_child
from migrator.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode, is_explicitly_tagged
from migrator.yaml.write import BlockStyle, write_entry, write_flow, write_item, write_json


class RefusedEditError(MigratorError):
    """An edit that cannot be made without touching something else: `index` is its place in the text."""

    def __init__(self, reason: str, index: int = 0) -> None:
        super().__init__(reason)
        self.reason = reason
        self.index = index


@record
class TextEdit:
    """A span of the text (in code points) and what stands there afterwards."""

    start: int
    end: int
    text: str


def apply_text_edits(text: str, edits: Iterable[TextEdit]) -> str:
    """Make the edits, which must not overlap."""
    parts: list[str] = []
    position = 0
    for edit in sorted(edits, key=lambda item: (item.start, item.end)):
        parts += (text[position : edit.start], edit.text)
        position = edit.end
    parts.append(text[position:])
    return "".join(parts)


def apply_to_data(data: Any, edits: Sequence[FieldEdit]) -> Any:
    """Make the edits on plain data; paths are those of the data before any edit.

    Only what lies on their paths is copied: the result shares the rest with `data`.
    """
    result = copy.copy(data)
    copied = {id(result)}
    removed_items: list[tuple[list[Any], int]] = []
    for edit in edits:
        *above, last = edit.path
        parent: Any = result
        for position, step in enumerate(above):
            child = parent[step] if isinstance(step, int) else parent.get(step)
            if child is None or child == {} or child == []:
                child = [] if (*above, last)[position + 1] == APPEND else {}
            elif id(child) not in copied:
                child = copy.copy(child)
            copied.add(id(child))
            _set_step(parent, step, child, edit.before)
            parent = child
        if edit.op == "remove":
            if isinstance(parent, list):
                removed_items.append((parent, int(last)))
            else:
                del parent[last]
        elif last == APPEND:
            parent.append(edit.value)
        else:
            _set_step(parent, last, edit.value, edit.before)
    for items, index in sorted(removed_items, key=lambda pair: -pair[1]):
        del items[index]
    return result


def _set_step(parent: Any, step: Any, value: Any, before: tuple[str, ...]) -> None:
    """Set a value; a new key goes in front of the sibling that it is written in front of."""
    sibling = None
    if before and isinstance(parent, dict) and step not in parent:
        sibling = next((name for name in before if name in parent), None)
    if sibling is None:
        parent[step] = value
        return
    entries = list(parent.items())
    parent.clear()
    for key, known in entries:
        if key == sibling:
            parent[step] = value
        parent[key] = known


def same_data(left: Any, right: Any) -> bool:
    """Compare plain data, telling 1 from true and 1.0; the order of keys does not count."""
    # A comparison in C decides nearly always.
    return dump_by_value(left) == dump_by_value(right) or (bool(left == right) and _same_types(left, right))


def _same_types(left: Any, right: Any) -> bool:
    if isinstance(left, dict):
        return all(_same_types(value, right[key]) for key, value in left.items())
    if isinstance(left, list):
        return all(map(_same_types, left, right))
    return type(left) is type(right)


def _is_like_json(text: str) -> bool:
    """Tell JSON, whose keys are quoted, from YAML in flow style."""
    return _JSON_START.match(text) is not None


def plan_text_edits(text: str, root: Node, edits: Sequence[FieldEdit]) -> list[TextEdit]:
    """Find the spans to cut and insert for the edits of one object; paths start at `root`.

    Raises RefusedEditError for a layout that is not known, and for a field that stands behind an alias or a merge
    key.
    """
    if not edits:
        return []
    editor = _Editor(text, root, json_style=_is_like_json(text))
    removals: dict[int, tuple[Node, list[int]]] = {}
    filled: set[int] = set()
    removes = any(edit.op == "remove" for edit in edits)
    result: list[TextEdit] = []
    for edit in _merge_adds(editor, edits):
        if edit.op == "remove":
            parent = editor.find(edit.path[:-1])
            removals.setdefault(id(parent), (parent, []))[1].append(editor.position_in(parent, edit.path))
        else:
            if removes and edit.op == "add":
                filled.add(id(editor.find_parent(edit)[0]))
            result.append(editor.replace(edit) if edit.op == "replace" else editor.add(edit))
            if edit.comment and not editor.json_style and not result[-1].text.lstrip().startswith("#"):
                result.append(editor.comment_above(result[-1].start, edit.comment))
    for parent, positions in removals.values():
        if isinstance(parent, MappingNode):
            result.extend(editor.remove_keys(parent, sorted(set(positions)), id(parent) in filled))
        elif isinstance(parent, SequenceNode):
            result.extend(editor.remove_items(parent, sorted(set(positions))))
    return _join_edits(result)


def find_causes(
    text: str, root: Node, edits: Sequence[FieldEdit], planned: Sequence[TextEdit]
) -> list[tuple[int, ...]]:
    """Tell for each of the text edits that were planned together which field edits, by index, it makes.

    Where edits were joined, each lies in the one that took it in.
    """
    if len(edits) == 1:
        return [(0,)] * len(planned)
    causes: list[list[int]] = [[] for _ in planned]
    for index, edit in enumerate(edits):
        try:
            own = plan_text_edits(text, root, [edit])
        except RefusedEditError:  # possible only together with others
            own = list(planned[:1])
        for alone in own:
            around = [at for at, known in enumerate(planned) if known.start <= alone.start and alone.end <= known.end]
            same = [at for at in around if (planned[at].start, planned[at].end) == (alone.start, alone.end)]
            for at in (same or around)[:1]:
                causes[at].append(index)
    return list(map(tuple, causes))


class _Entries(dict[str, Any]):
    """Entries that go into one empty mapping together."""


def _merge_adds(editor: _Editor, edits: Sequence[FieldEdit]) -> list[FieldEdit]:
    """Make one edit of those that add keys below one missing or empty parent."""
    merged: list[FieldEdit] = []
    places: dict[FieldPath, int] = {}
    for edit in edits:
        missing = editor.find_missing(edit.path) if edit.op == "add" else None
        path = missing or edit.path
        value = wrap_value(edit.path[len(path) :], edit.value)
        place = path
        if edit.op == "add" and path[-1] != APPEND and editor.is_empty(path[:-1]):
            place, value = path[:-1], _Entries({str(path[-1]): value})
        elif missing is None:
            merged.append(edit)
            continue
        if place in places:
            known = merged[places[place]]
            merged[places[place]] = dataclasses.replace(known, value=_merge_values(known.value, value))
        else:
            places[place] = len(merged)
            merged.append(dataclasses.replace(edit, path=path, value=value))
    return merged


def _merge_values(left: Any, right: Any) -> Any:
    if isinstance(left, dict) and isinstance(right, dict):
        both = {key: _merge_values(left[key], value) if key in left else value for key, value in right.items()}
        return type(left)({**left, **both})
    return [*left, *right] if isinstance(left, list) and isinstance(right, list) else right


def _join_edits(edits: list[TextEdit]) -> list[TextEdit]:
    """Join what is inserted at one place, deeper lines first, else in the order asked for, and removals that touch.

    What was asked for twice is dropped. Raises RefusedEditError for edits that overlap.
    """
    joined: dict[tuple[int, int], TextEdit] = {}
    for edit in sorted(edits, key=_depth, reverse=True):
        key = (edit.start, edit.end)
        known = joined.get(key)
        if known is None or known.text == edit.text:
            joined[key] = edit
        elif edit.start == edit.end:
            joined[key] = TextEdit(edit.start, edit.end, _join_texts(known.text, edit.text))
        else:
            raise RefusedEditError("two changes of one place", edit.start)
    ordered: list[TextEdit] = []
    for edit in sorted(joined.values(), key=lambda item: (item.start, item.end)):
        last = ordered[-1] if ordered else None
        if last is not None and last.end > edit.start:
            raise RefusedEditError("two changes overlap", edit.start)
        if last is not None and last.end == edit.start and not last.text and not edit.text:
            ordered[-1] = TextEdit(last.start, edit.end, "")
        else:
            ordered.append(edit)
    return ordered


def _join_texts(text: str, more: str) -> str:
    """Join inserted lines; a comment is not said again, but where it belongs to the line below."""
    body = more.lstrip("\r\n")
    comment, _, rest = body.partition("\n")
    if not comment.lstrip(" ").startswith("#"):
        return text + more
    indent = comment[: comment.index("#") + 1]
    said = next((line for line in reversed(text.split("\n")) if line.startswith(indent)), None) == comment
    if not rest:
        return text if said and text.endswith(more) else text + more
    return text + (more[: -len(body)] + rest if said else more)


def _depth(edit: TextEdit) -> int:
    """Give how deep inserted lines are: items of a list deeper than keys of their column, mere comments least."""
    lines = (line for line in edit.text.lstrip("\r\n").split("\n") if not line.lstrip(" ").startswith("#"))
    line = next(lines, "")
    return 2 * (len(line) - len(line.lstrip(" "))) + line.lstrip(" ").startswith("- ") if line else -1


_TO_FIRST_DASH = re.compile(r"(?:[&!]\S*[ \t]*)*(?:[ \t]*(?:#[^\n]*)?\r?\n)*[ \t]*-(?=\s)")
_DASH_GAP = re.compile(r"-( {1,8})(?=[^\s#])")
_JSON_START = re.compile(r"""\s*[{\[](?:\s*[{\[])*\s*["}\]]""")
_TO_NEXT_DASH = re.compile(r"(?:[ \t]*(?:#[^\n]*)?\r?\n)*[ \t]*-(?=\s)")
_BEHIND_DASH = re.compile(r"-(?:\s+(?:#[^\n]*\n|[&!]\S*(?=\s)))*\s+\Z")
_ALIAS = re.compile(r"[ \t]*:?[ \t]*\*[^\s,\]}]+")
_DASH_PREFIX = re.compile(r"[ \t]*(?:-[ \t]+)+(?:[&!][^\s]*[ \t]+)*\Z")


class _Editor:
    """One text with its nodes; every method finds spans and changes nothing."""

    def __init__(self, text: str, root: Node, json_style: bool) -> None:
        self.text = text
        self.root = root
        self.json_style = json_style
        self.newline = "\r\n" if "\r\n" in text else "\n"

    # Finding

    def find(self, path: FieldPath) -> Node:
        node: Node = self.root
        for step in path:
            node = self._find_step(node, step, path)
        return node

    def _find_step(self, node: Node, step: str | int, path: FieldPath) -> Node:
        child = find_child(node, step)
        if child is None:
            raise RefusedEditError(f"{format_path(path)} is not written out here", node.start_mark.index)
        if child.start_mark.index < node.start_mark.index or (
            isinstance(node, MappingNode) and child.start_mark.index < self._key_of(node, step).start_mark.index
        ):
            raise RefusedEditError(
                f"{format_path(path)} stands behind an alias; write the alias out first", node.start_mark.index
            )
        return child

    def _key_of(self, node: MappingNode, step: str | int) -> Node:
        return next(key for key, _ in reversed(node.args[1]) if type(key) is ScalarNode and key.args[1] == step)

    def position_in(self, parent: Node, path: FieldPath) -> int:
        step = path[-1]
        if isinstance(parent, SequenceNode) and isinstance(step, int) and step < len(parent.value):
            return step
        if isinstance(parent, MappingNode):
            for position in range(len(parent.value) - 1, -1, -1):
                key = parent.value[position][0]
                if type(key) is ScalarNode and key.value == step:
                    return position
        raise RefusedEditError(f"{format_path(path)} is not written out here", parent.start_mark.index)

    # Places in the text

    def line_start(self, index: int) -> int:
        return self.text.rfind("\n", 0, index) + 1

    def line_end(self, index: int) -> int:
        end = self.text.find("\n", index)
        return len(self.text) if end < 0 else end + 1

    def is_first_on_line(self, index: int) -> bool:
        return not self.text[self.line_start(index) : index].strip(" \t")

    def value_end(self, node: Node, after: int) -> int:
        """Give where a value's own text ends; `after` is where the text before it ended."""
        if node.start_mark.index < after:
            alias = _ALIAS.match(self.text, after)
            if alias is None:
                raise RefusedEditError("an alias that is laid out unusually", after)
            return alias.end()
        if isinstance(node, ScalarNode):
            if node.style in ("|", ">"):
                return self._block_scalar_end(node)
            return node.end_mark.index
        if node.flow_style:
            return node.end_mark.index
        if isinstance(node, MappingNode):
            key, value = node.value[-1]
            return self.value_end(value, key.end_mark.index)
        after = node.start_mark.index
        for item in node.value[:-1]:
            after = max(after, item.start_mark.index)
        return self.value_end(node.value[-1], after)

    def _block_scalar_end(self, node: ScalarNode) -> int:
        header_end = self.text.find("\n", node.start_mark.index)
        if "+" in self.text[node.start_mark.index : header_end].split("#")[0]:
            raise RefusedEditError("a block scalar that keeps its trailing lines", node.start_mark.index)
        end = node.end_mark.index
        while end > node.start_mark.index and self.text[end - 1] in " \t\r\n":
            end -= 1
        return end

    def dash_column(self, sequence: SequenceNode) -> int:
        """Give the column of a block sequence's dashes: its own mark stands at its anchor or tag where it has one."""
        return self._first_dash(sequence) - self.line_start(self._first_dash(sequence))

    def _first_dash(self, sequence: SequenceNode) -> int:
        match = _TO_FIRST_DASH.match(self.text, sequence.start_mark.index)
        if match is None:
            raise RefusedEditError("a list that is laid out unusually", sequence.start_mark.index)
        return match.end() - 1

    def entry_end(self, mapping: MappingNode, position: int) -> int:
        key, value = mapping.value[position]
        return self.value_end(value, key.end_mark.index)

    # Removing

    def remove_keys(self, mapping: MappingNode, positions: list[int], filled: bool) -> list[TextEdit]:
        """Cut entries out; what is left of a mapping that is not `filled` at the same time may be `{}`."""
        self._refuse_odd_entries(mapping, positions)
        if len(positions) == len(mapping.value):
            start = mapping.value[0][0].start_mark.index
            end = self.entry_end(mapping, len(mapping.value) - 1)
            if mapping.flow_style:
                return [TextEdit(mapping.start_mark.index, mapping.end_mark.index, "{}")]
            if filled and self.is_first_on_line(start):
                return [TextEdit(self.line_start(start), self.line_end(end), "")]
            return [TextEdit(start, end, "{}")]
        if mapping.flow_style:
            entries = [
                (key.start_mark.index, self.entry_end(mapping, position))
                for position, (key, _) in enumerate(mapping.value)
            ]
            return self._cut_flow(entries, positions)
        edits = []
        for position in positions:
            start = mapping.value[position][0].start_mark.index
            edits.append(TextEdit(self.line_start(start), self.line_end(self.entry_end(mapping, position)), ""))
        if positions[0] == 0:
            edits.append(self._move_prefix(mapping, positions))
        return [edit for edit in edits if edit.start != edit.end or edit.text]

    def _refuse_explicit_keys(self, mapping: MappingNode) -> None:
        for key, _ in mapping.value:
            if self._text_before(key).lstrip(" \t-").startswith("?"):
                raise RefusedEditError("a key written with `?`", key.start_mark.index)

    def _text_before(self, node: Node) -> str:
        return self.text[self.line_start(node.start_mark.index) : node.start_mark.index]

    def _refuse_odd_entries(self, mapping: MappingNode, positions: list[int]) -> None:
        self._refuse_explicit_keys(mapping)
        for position in positions:
            key = mapping.value[position][0]
            before = self._text_before(key)
            if not mapping.flow_style and position > 0 and before.strip(" \t"):
                raise RefusedEditError("a key that is not first on its line", key.start_mark.index)

    def _move_prefix(self, mapping: MappingNode, positions: list[int]) -> TextEdit:
        """Move a dash in front of a removed first key to the first key that stays."""
        first = mapping.value[0][0].start_mark.index
        prefix = self.text[self.line_start(first) : first]
        stays = next(index for index in range(len(mapping.value)) if index not in positions)
        start = mapping.value[stays][0].start_mark.index
        line = self.line_start(start)
        if not prefix.strip(" \t"):
            return TextEdit(line, line, "")
        if not _DASH_PREFIX.match(prefix) or len(prefix) != start - line or self.text[line:start].strip(" \t"):
            raise RefusedEditError("the first key of an item that is laid out unusually", first)
        return TextEdit(line, start, prefix)

    def remove_items(self, sequence: SequenceNode, positions: list[int]) -> list[TextEdit]:
        ends = self.item_ends(sequence)
        if len(positions) == len(sequence.value):
            if sequence.flow_style:
                return [TextEdit(sequence.start_mark.index, sequence.end_mark.index, "[]")]
            raise RefusedEditError("a list that would be left empty", sequence.start_mark.index)
        if sequence.flow_style:
            entries = [(item.start_mark.index, end) for item, end in zip(sequence.value, ends, strict=True)]
            return self._cut_flow(entries, positions)
        return [self.remove_block_item(sequence, position, ends) for position in positions]

    def remove_block_item(self, sequence: SequenceNode, position: int, ends: Sequence[int]) -> TextEdit:
        dash = self._find_dash(sequence, position, ends)
        return TextEdit(self.line_start(dash), self.line_end(ends[position]), "")

    def _find_dash(self, sequence: SequenceNode, position: int, ends: Sequence[int]) -> int:
        """Find the dash of an item that has its lines for itself."""
        start = sequence.value[position].start_mark.index
        if position == 0:
            dash = self._first_dash(sequence)
        else:
            match = _TO_NEXT_DASH.match(self.text, self.line_end(ends[position - 1]))
            dash = match.end() - 1 if match else start
        if not self.is_first_on_line(dash) or not _BEHIND_DASH.match(self.text[dash:start]):
            raise RefusedEditError("a list item that is laid out unusually", start)
        return dash

    def item_ends(self, sequence: SequenceNode) -> list[int]:
        ends: list[int] = []
        after = sequence.start_mark.index
        for item in sequence.value:
            if item.start_mark.index < after:
                raise RefusedEditError("an alias in the list", sequence.start_mark.index)
            after = self.value_end(item, after)
            ends.append(after)
        return ends

    def _cut_flow(self, entries: list[tuple[int, int]], positions: list[int]) -> list[TextEdit]:
        return [TextEdit(start, end, "") for start, end in cut_entries(entries, positions)]

    # Replacing and adding

    def replace(self, edit: FieldEdit) -> TextEdit:
        node = self.find(edit.path)
        if isinstance(node, ScalarNode) and node.style in ("|", ">"):
            raise RefusedEditError("a block scalar", node.start_mark.index)
        if not isinstance(node, ScalarNode) and not node.flow_style:
            raise RefusedEditError("a block collection cannot be replaced whole", node.start_mark.index)
        start = node.start_mark.index
        if is_explicitly_tagged(node) or self.text.startswith("&", start):
            raise RefusedEditError("a value with a tag or an anchor", start)
        if start == node.end_mark.index:
            return TextEdit(start, start, " " + self.write_inline(edit.value))
        return TextEdit(start, node.end_mark.index, self.write_inline(edit.value, node))

    def write_inline(self, value: Any, like: Node | None = None) -> str:
        if self.json_style:
            return write_json(value, None)
        if isinstance(value, str) and isinstance(like, ScalarNode) and like.style in ("'", '"'):
            return write_json(value, None) if like.style == '"' else "'" + value.replace("'", "''") + "'"
        return write_flow(value)

    def add(self, edit: FieldEdit) -> TextEdit:
        parent, path, value = self.find_parent(edit)
        last = path[-1]
        if isinstance(parent, SequenceNode):
            if last != APPEND:
                raise RefusedEditError("items are added at the end of a list only", parent.start_mark.index)
            return self._append_item(parent, value, edit.comment)
        if not isinstance(parent, MappingNode):
            return self._fill_empty(parent, last, value, edit.comment)
        if not parent.value:
            return self._fill_empty(parent, last, value, edit.comment)
        if any(type(key) is ScalarNode and key.value == last for key, _ in parent.value):
            raise RefusedEditError(f"{format_path(edit.path)} is there already", parent.start_mark.index)
        if parent.flow_style:
            return self._insert_flow_entry(parent, str(last), value, edit.before)
        return self._insert_block_entry(parent, str(last), value, edit)

    def find_missing(self, path: FieldPath) -> FieldPath | None:
        """Find the first step of a path that is not there at all, where more steps follow it; else None."""
        node: Node = self.root
        for depth, step in enumerate(path[:-1]):
            child = find_child(node, step)
            if child is None:
                return path[: depth + 1]
            node = child
        return None

    def is_empty(self, path: FieldPath) -> bool:
        """Tell whether a mapping is there, and written `{}`, `null` or not at all."""
        node: Node | None = self.root
        for step in path:
            node = find_child(node, step) if node is not None else None
        if isinstance(node, ScalarNode):
            return node.style == "" and node.value in ("", "~", "null")
        return isinstance(node, MappingNode) and not node.value

    def find_parent(self, edit: FieldEdit) -> tuple[Node, FieldPath, Any]:
        """Find the deepest parent that exists; what is missing below it becomes part of the value."""
        node: Node = self.root
        for depth, step in enumerate(edit.path[:-1]):
            child = find_child(node, step)
            empty = isinstance(child, ScalarNode) and child.style == "" and child.value in ("", "~", "null")
            if child is None:
                return node, edit.path[: depth + 1], wrap_value(edit.path[depth + 1 :], edit.value)
            if empty or (not isinstance(child, ScalarNode) and not child.value):
                child = self._find_step(node, step, edit.path)
                return child, edit.path[: depth + 2], wrap_value(edit.path[depth + 2 :], edit.value)
            node = self._find_step(node, step, edit.path)
        return node, edit.path, edit.value

    def style(self) -> BlockStyle:
        """Find how the text indents: from the first nested mapping and the first list below a key."""
        step, dash, gap = 2, None, 1
        queue: list[Node] = [self.root]
        found_step = False
        while queue:
            node = queue.pop(0)
            if isinstance(node, MappingNode) and not node.flow_style and node.value:
                column = node.value[0][0].start_mark.column
                for key, value in node.value:
                    if (
                        isinstance(value, ScalarNode)
                        or value.flow_style
                        or value.start_mark.index < key.start_mark.index
                    ):
                        continue
                    if isinstance(value, MappingNode):
                        offset = value.value[0][0].start_mark.column - column
                        if not found_step and offset > 0:
                            step, found_step = offset, True
                    elif dash is None:
                        dash, gap = max(self.dash_column(value) - column, 0), self._dash_gap(value)
                    queue.append(value)
            elif isinstance(node, SequenceNode) and not node.flow_style:
                queue.extend(item for item in node.value if not isinstance(item, ScalarNode))
            if found_step and dash is not None:
                break
        return BlockStyle(step, dash if dash is not None else 0, gap)

    def _dash_gap(self, sequence: SequenceNode) -> int:
        """Count the blanks between a block sequence's first dash and what stands behind it on its line."""
        match = _DASH_GAP.match(self.text, self._first_dash(sequence))
        return len(match[1]) if match else 1

    def _lines(self, lines: Sequence[str], indent: str, comment: str | None) -> str:
        head = [f"# {comment}"] if comment else []
        return "".join(f"{indent}{line}{self.newline}" for line in (*head, *lines))

    def comment_above(self, index: int, comment: str) -> TextEdit:
        """Insert a comment above the line of a place that has no room for it."""
        line = self.line_start(index)
        rest = self.text[line:]
        return TextEdit(line, line, self._lines((), rest[: len(rest) - len(rest.lstrip(" "))], comment))

    def _insert_block_entry(self, mapping: MappingNode, key: str, value: Any, edit: FieldEdit) -> TextEdit:
        self._refuse_explicit_keys(mapping)
        indent = " " * mapping.value[0][0].start_mark.column
        lines = self._lines(write_entry(key, value, self.style()), indent, edit.comment)
        for name in edit.before:
            for position, (sibling, _) in enumerate(mapping.value):
                if type(sibling) is ScalarNode and sibling.value == name:
                    start = sibling.start_mark.index
                    if self.is_first_on_line(start):
                        return self._insert_above(start, indent, lines)
                    if position + 1 < len(mapping.value):
                        return self._insert_above(mapping.value[position + 1][0].start_mark.index, indent, lines)
        return self._insert_below(self.entry_end(mapping, len(mapping.value) - 1), len(indent), lines)

    def _insert_above(self, index: int, indent: str, lines: str) -> TextEdit:
        """Insert above a key and above the comment lines that belong to it."""
        line = self.line_start(index)
        while line > 0:
            above = self.line_start(line - 1)
            if not self.text[above:line].startswith(indent + "#"):
                break
            line = above
        return TextEdit(line, line, lines)

    def _insert_below(self, index: int, column: int, lines: str) -> TextEdit:
        """Insert below a value and below the deeper comment lines that belong to it."""
        end = self.line_end(index)
        while end < len(self.text):
            following = self.text[end : self.line_end(end)]
            stripped = following.lstrip(" ")
            if not stripped.startswith("#") or len(following) - len(stripped) <= column:
                break
            end = self.line_end(end)
        if end == len(self.text) and not self.text.endswith("\n"):
            return TextEdit(end, end, self.newline + lines[: -len(self.newline)])
        return TextEdit(end, end, lines)

    def _append_item(self, sequence: SequenceNode, value: Any, comment: str | None) -> TextEdit:
        if not sequence.value:
            text = self.write_inline([value])
            return TextEdit(sequence.start_mark.index, sequence.end_mark.index, text)
        return self.insert_items(sequence, len(sequence.value) - 1, [value], comment)

    def insert_items(
        self, sequence: SequenceNode, position: int, values: Sequence[Any], comment: str | None
    ) -> TextEdit:
        """Insert items behind one that is there."""
        end = self.item_ends(sequence)[position]
        if sequence.flow_style:
            start = sequence.value[position].start_mark.index
            texts = ["," + self._flow_gap(start) + self._write_flow_value(value, start) for value in values]
            return TextEdit(end, end, "".join(texts))
        indent = " " * self.dash_column(sequence)
        style = dataclasses.replace(self.style(), gap=self._dash_gap(sequence))
        lines = [line for value in values for line in write_item(value, style)]
        return self._insert_below(end, len(indent), self._lines(lines, indent, comment))

    def _insert_flow_entry(self, mapping: MappingNode, key: str, value: Any, before: tuple[str, ...]) -> TextEdit:
        quoted = self.json_style or mapping.value[0][0].style == '"'  # type: ignore[union-attr]
        name = json.dumps(key, ensure_ascii=False) if quoted else write_flow(key)
        for sibling in before:
            for entry, _ in mapping.value:
                if type(entry) is ScalarNode and entry.value == sibling:
                    start = entry.start_mark.index
                    text = f"{name}{self._flow_colon(start)}{self._write_flow_value(value, start)}"
                    return TextEdit(start, start, f"{text},{self._flow_gap(start)}")
        start = mapping.value[-1][0].start_mark.index
        end = self.entry_end(mapping, len(mapping.value) - 1)
        text = f"{name}{self._flow_colon(start)}{self._write_flow_value(value, start)}"
        return TextEdit(end, end, f",{self._flow_gap(start)}{text}")

    def _flow_gap(self, start: int) -> str:
        """Give what separates an entry from its neighbour: a new line where entries stand on their own lines."""
        if self.is_first_on_line(start):
            return self.newline + self.text[self.line_start(start) : start]
        return "" if self.json_style and re.match(r'\S+":[^ ]', self.text[start:]) else " "

    def _flow_colon(self, start: int) -> str:
        """Give what stands behind a key: dense JSON has no blank there."""
        return ":" if self._flow_gap(start) == "" else ": "

    def _write_flow_value(self, value: Any, start: int) -> str:
        if not self.json_style:
            return write_flow(value)
        if not self.is_first_on_line(start):
            compact = self._flow_gap(start) == ""
            return json.dumps(value, ensure_ascii=False, separators=(",", ":") if compact else (", ", ": "))
        indent = self.text[self.line_start(start) : start]
        lines = write_json(value, self._json_step()).split("\n")
        return (self.newline + indent).join(lines)

    def _json_step(self) -> int:
        """Find how the text indents: from a line that opens something, and the one below it."""
        match = re.search(r"^([ ]*)(?:\S.*)?[{\[]\r?\n([ ]*)\S", self.text, re.MULTILINE)
        # The first line of an item that was cut out of its List may lack its indentation.
        if match is not None and match.start() == 0:
            match = re.search(r"\n([ ]*)(?:\S.*)?[{\[]\r?\n([ ]*)\S", self.text) or match
        return 4 if match is None else max(len(match[2]) - len(match[1]), 1)

    def _fill_empty(self, node: Node, key: str | int, value: Any, comment: str | None) -> TextEdit:
        """Give an empty mapping or list, written `{}`, `[]`, `null` or not at all, its first entry."""
        whole: Any = [value] if key == APPEND else value if isinstance(value, _Entries) else {key: value}
        start, end = node.start_mark.index, node.end_mark.index
        line_prefix = self.text[self.line_start(start) : start]
        key_match = re.match(r"([ \t]*(?:- +)*)[\w.\"'/-]+:[ \t]*\Z", line_prefix)
        rest = self.text[end : self.line_end(end)].strip()
        if self.json_style or key_match is None or (rest and not rest.startswith("#")):
            text = self.write_inline(whole)
            return TextEdit(start, end, text if start != end or line_prefix.endswith(" ") else " " + text)
        style = self.style()
        column = len(key_match[1])
        if isinstance(whole, list):
            lines, indent = write_item(value, style), " " * (column + style.dash)
        else:
            lines = [line for name, entry in whole.items() for line in write_entry(str(name), entry, style)]
            indent = " " * (column + style.step)
        block = self._lines(lines, indent, comment)
        kept_start = self.line_start(start) + len(line_prefix.rstrip())
        return TextEdit(kept_start, end, self.newline + block[: -len(self.newline)])


def wrap_value(missing: FieldPath, value: Any) -> Any:
    """Wrap a value into the parents that a path lacks."""
    for step in reversed(missing):
        value = [value] if step == APPEND else {step: value}
    return value


def cut_entries(entries: Sequence[tuple[int, int]], positions: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Give the spans to cut so that entries go with the commas that part them; one entry at least stays."""
    index = 0
    while index < len(positions):
        run = index
        while run + 1 < len(positions) and positions[run + 1] == positions[run] + 1:
            run += 1
        first, last = positions[index], positions[run]
        if last + 1 < len(entries):
            yield entries[first][0], entries[last + 1][0]
        else:
            yield entries[first - 1][1], entries[last][1]
        index = run + 1


def plan_item_removal(text: str, sequence: SequenceNode, position: int) -> TextEdit:
    """Find the lines of a block list's item, should it be the last one too.

    Raises RefusedEditError for a layout that is not known.
    """
    editor = _Editor(text, sequence, json_style=False)
    return editor.remove_block_item(sequence, position, editor.item_ends(sequence))


def plan_item_insertion(text: str, sequence: Node, position: int, values: Sequence[Any]) -> TextEdit:
    """Find the place behind an item of a list, and write new items for it in the list's own style.

    Raises RefusedEditError for a layout that is not known.
    """
    if not isinstance(sequence, SequenceNode):
        raise RefusedEditError("not a list", sequence.start_mark.index)
    editor = _Editor(text, sequence, json_style=_is_like_json(text))
    return editor.insert_items(sequence, position, values, None)


def refuse_repeated_keys(text: str, root: Node) -> Any:
    """Construct a document's data.

    Raises RefusedEditError where a key is given twice: which of them counts depends on the reader.
    """
    duplicates: list[ScalarNode] = []
    data = construct(root, duplicates)
    if duplicates:
        key = duplicates[0]
        raise RefusedEditError(f"the key `{key.value}` is given twice; remove one", key.start_mark.index)
    return data
