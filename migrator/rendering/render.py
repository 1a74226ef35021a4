"""Rendering: a Plan's changes as edits of the files they stand in, each checked before anything is written."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from migrator.errors import InputError, MigratorError, TextError
from migrator.model.edit import FieldEdit
from migrator.model.field import FieldPath
from migrator.model.inventory import SourceFile
from migrator.model.plan import Change, NewObject, Plan
from migrator.model.record import record
from migrator.model.reference import ResourceRef
from migrator.parallel import map_in_processes
from migrator.rendering.delete import delete_documents, refuse_another
from migrator.rendering.replacement import Replacement, replace_spans
from migrator.sources.files import hash_content, read_bytes
from migrator.sources.manifests import load_json_values
from migrator.templates import render_object
from migrator.yaml.data import construct, find_node, load_text
from migrator.yaml.edit import (
    RefusedEditError,
    TextEdit,
    apply_text_edits,
    apply_to_data,
    cut_entries,
    find_causes,
    plan_item_insertion,
    plan_item_removal,
    plan_text_edits,
    refuse_repeated_keys,
    same_data,
)
from migrator.yaml.json_text import compose_json, load_json
from migrator.yaml.nodes import Node, SequenceNode, compose
from migrator.yaml.scan import (
    BYTE_ORDER_MARK,
    CutList,
    Span,
    cut_documents,
    cut_json,
    cut_json_list,
    cut_list,
    decode,
    line_of,
)
from migrator.yaml.write import write_json

PARALLEL_FROM = 300
"""Edited objects from which on a second process pays."""

_Place = tuple[int, int | None]


@record
class EditedObject:
    """One object's part of a file's change.

    `document` and `item` say where it stands, `start` and `end` (in bytes) the text that it was edited in: a
    document, or a List's item. `replacements` has what becomes of it, and which of the object's edits, in the plan's
    order, make that; the text of an object that is deleted goes whole.
    """

    document: int
    item: int | None
    start: int
    end: int
    replacements: tuple[tuple[Replacement, tuple[int, ...]], ...]


@record
class FileChange:
    """What happens to one file: `old` is None for a new one, which one replacement fills.

    `edited` are the objects whose fields change, in `base`: the old file, or the manifests that a Rancher stack was
    `translated` to. The path of those is relative to wherever the result is written.
    """

    path: str
    old: bytes | None
    replacements: tuple[Replacement, ...]
    translated: bool = False
    base: bytes = b""
    edited: tuple[EditedObject, ...] = ()

    @property
    def deleted(self) -> bool:
        """Whether nothing is left of the file, which then goes itself."""
        return self.old is not None and self.replacements == (Replacement(0, len(self.old), b""),)

    def new_content(self) -> bytes:
        """Give the file's bytes afterwards."""
        return replace_spans(self.old or b"", self.replacements)


@dataclass(frozen=True)
class _Work:
    """What is to be done in one file: field edits, new objects and deletions by the object they stand at.

    `explained` asks which edit makes which line: every edit is planned once more for that, alone.
    """

    path: str
    edits: Mapping[_Place, tuple[FieldEdit, ...]]
    created: Mapping[_Place, tuple[NewObject, ...]]
    deletions: Mapping[_Place, ResourceRef]
    explained: bool

    @cached_property
    def objects(self) -> Mapping[_Place, tuple[str, ...]]:
        """Give the new objects' texts, written where they are needed first: in the process that renders the file."""
        return {place: tuple(map(render_object, created)) for place, created in self.created.items()}


@record
class _Parts:
    """What becomes of a file, or of a piece of it: all of it, and by edited object."""

    replacements: tuple[Replacement, ...]
    edited: tuple[EditedObject, ...]


def render_plan(
    plan: Plan, files: Sequence[SourceFile], jobs: int = 1, explained: bool = True
) -> tuple[FileChange, ...]:
    """Render a plan's changes into file changes, in the order of paths; `explained` tells which edit makes what.

    Each edited object is parsed again and compared with the intention. Raises InputError where that fails, where a
    file has changed since it was read, and where a new file would cover one that is there.
    """
    known = {file.path: file for file in files}
    works = _collect_work(plan.changes, known, explained)
    created = _create_files(plan.changes, known)
    contents = {work.path: load_source(known[work.path]) for work in works}
    wanted = jobs if sum(len(work.edits) for work in works) >= PARALLEL_FROM else 1
    rendered = map_in_processes(lambda work: _render_file(work, contents[work.path]), works, wanted)
    replaced = {work.path: parts for work, parts in zip(works, rendered, strict=True) if parts.replacements}
    edited = [
        FileChange(path, contents[path], parts.replacements, base=contents[path], edited=parts.edited)
        for path, parts in replaced.items()
        if not known[path].translated
    ]
    nothing = _Parts((), ())
    written = [_write_translated(file, replaced.get(file.path, nothing)) for file in files if file.translated]
    return tuple(sorted([*edited, *created, *written], key=lambda change: change.path))


def _write_translated(file: SourceFile, parts: _Parts) -> FileChange:
    base = file.content or b""
    whole = Replacement(0, 0, replace_spans(base, parts.replacements))
    return FileChange(file.path, None, (whole,), translated=True, base=base, edited=parts.edited)


def load_source(file: SourceFile) -> bytes:
    """Give a file's bytes.

    Raises InputError where it has changed since it was read.
    """
    content = file.content if file.content is not None else read_bytes(file.path)
    if hash_content(content) != file.sha256:
        raise InputError(file.path, "has changed since it was read", hint="run migrator again; nothing was written")
    return content


def _collect_work(changes: Iterable[Change], known: Mapping[str, SourceFile], explained: bool) -> list[_Work]:
    edits: dict[str, dict[_Place, list[FieldEdit]]] = {}
    created: dict[str, dict[_Place, list[NewObject]]] = {}
    deletions: dict[str, dict[_Place, ResourceRef]] = {}
    for change in changes:
        if change.action == "update" and change.edit is not None:
            place = (change.location.document, change.location.item)
            edits.setdefault(change.location.path, {}).setdefault(place, []).append(change.edit)
        elif change.action == "create" and change.new is not None and change.new.placement != "file":
            anchor = change.new.anchor
            place = (anchor.document, anchor.item)
            created.setdefault(anchor.path, {}).setdefault(place, []).append(change.new)
        elif change.action == "delete":
            place = (change.location.document, change.location.item)
            deletions.setdefault(change.location.path, {})[place] = change.resource
    return [
        _Work(
            path=path,
            edits={place: tuple(items) for place, items in edits.get(path, {}).items()},
            created={place: tuple(items) for place, items in created.get(path, {}).items()},
            deletions=deletions.get(path, {}),
            explained=explained,
        )
        for path in sorted({*edits, *created, *deletions})
    ]


def _create_files(changes: Iterable[Change], known: Mapping[str, SourceFile]) -> list[FileChange]:
    created = []
    for change in changes:
        if change.action != "create" or change.new is None or change.new.placement != "file":
            continue
        path = change.location.path
        translated = known[change.new.anchor.path].translated
        if path in known or (not translated and os.path.lexists(path)):
            raise InputError(path, "is there already, and would be a new file of this plan", hint="move it away")
        text = render_object(change.new)
        if path.endswith(".json"):
            text = write_json(load_text(text), 4) + "\n"
        created.append(FileChange(path, None, (Replacement(0, 0, text.encode()),), translated))
    return created


def _render_file(work: _Work, content: bytes) -> _Parts:
    replacements: list[Replacement] = []
    edited: list[EditedObject] = []
    documents, json_file = _list_documents(work.path, content)
    by_document: dict[int, set[int | None]] = {}
    for document, item in {*work.edits, *work.created, *work.deletions}:
        by_document.setdefault(document, set()).add(item)
    gone = {
        document
        for document, items in by_document.items()
        if all((document, item) in work.deletions for item in items)
        and (None in items or len(items) == _count_items(content, documents[document], json_file))
    }
    edited += (_describe_deletion(documents[at], at, None) for at in sorted(gone))
    # Nothing is left of the file.
    if len(gone) == len(documents):
        return _Parts((Replacement(0, len(content), b""),), tuple(edited))
    for document, items in sorted(by_document.items()):
        span = documents[document]
        render = _render_json if json_file else _render_yaml
        try:
            if document not in gone:
                parts = render(work, content, span, document, items)
                replacements.extend(parts.replacements)
                edited.extend(parts.edited)
        except _PieceError as error:
            line = content.count(b"\n", 0, error.start) + line_of(error.text, error.index)
            raise InputError(
                work.path,
                f"cannot be edited safely: {error.reason}",
                line=line,
                hint="write this place out plainly, or leave the object out with --workload or an annotation",
            ) from None
    if gone:
        try:
            cut = cut_json if json_file else cut_documents
            replacements.extend(delete_documents(content, documents, gone, cut))
        except RefusedEditError as error:
            raise InputError(work.path, f"cannot be edited safely: {error.reason}") from None
    return _Parts(tuple(sorted(replacements, key=lambda item: (item.start, item.end))), tuple(edited))


def _list_documents(path: str, content: bytes) -> tuple[list[Span], bool]:
    """Cut a file into its documents, and tell whether they are JSON."""
    values = load_json_values(path, content)
    if values is None:
        return list(cut_documents(content)), False
    return [span for span, _ in values], True


def _count_items(content: bytes, span: Span, json_file: bool) -> int:
    """Count the items of a List."""
    cut = cut_json_list(content) if json_file and _is_alone(content, span) else cut_list(content, span)
    if cut is not None:
        return len(cut.items)
    data = load_text(decode(content[span.start : span.end]).removeprefix("\ufeff"))
    return len(data["items"])


def _is_alone(content: bytes, span: Span) -> bool:
    """Tell whether a JSON value is all of its file."""
    return span.end == len(content) and content[: span.start] in (b"", BYTE_ORDER_MARK)


class _PieceError(MigratorError):
    """An edit that was refused: where its piece starts in the file, the piece, the place in it, and why."""

    def __init__(self, start: int, text: str, index: int, reason: str) -> None:
        super().__init__(reason)
        self.start = start
        self.text = text
        self.index = index
        self.reason = reason


def _render_yaml(work: _Work, content: bytes, span: Span, document: int, items: set[int | None]) -> _Parts:
    if None in items:
        return _edit_document(work, content, span, document, sorted(items - {None}, key=int))  # type: ignore[arg-type]
    cut = cut_list(content, span)
    if cut is not None:
        try:
            return _join(
                _edit_item(work, content, cut.items[item or 0], document, item or 0)
                for item in sorted(items, key=lambda index: index or 0)
            )
        except TextError:
            pass
    return _edit_document(work, content, span, document, sorted(items, key=lambda index: index or 0))  # type: ignore[arg-type]


def _join(parts: Iterable[_Parts]) -> _Parts:
    listed = list(parts)
    return _Parts(
        tuple(replacement for part in listed for replacement in part.replacements),
        tuple(edited for part in listed for edited in part.edited),
    )


def _describe_edits(
    work: _Work, span: Span, document: int, item: int | None, text: str, root: Node, edits: Sequence[FieldEdit]
) -> tuple[EditedObject, ...]:
    """Tell which edit makes which replacement; nothing for an object that is not edited, and where nobody asks."""
    if not edits or not work.explained:
        return ()
    planned = plan_text_edits(text, root, edits)
    causes = find_causes(text, root, edits, planned)
    pairs = tuple(zip(_to_bytes(span.start, text, planned), causes, strict=True))
    return (EditedObject(document, item, span.start, span.end, pairs),)


def _describe_deletion(span: Span, document: int, item: int | None) -> EditedObject:
    return EditedObject(document, item, span.start, span.end, ((Replacement(span.start, span.end, b""), ()),))


def _edit_item(work: _Work, content: bytes, span: Span, document: int, item: int) -> _Parts:
    """Edit one item of a List that was cut, and insert new items behind it."""
    text = decode(content[span.start : span.end])
    root = compose(text)
    if type(root) is not SequenceNode or len(root.value) != 1:
        raise TextError("not one item")
    deleted = work.deletions.get((document, item))
    if deleted is not None:
        refuse_another(root.value[0], deleted)
    edits = work.edits.get((document, item), ())
    new = list(map(load_text, work.objects.get((document, item), ())))
    try:
        if deleted is not None:
            removed = _to_bytes(span.start, text, [plan_item_removal(text, root, 0)])
            return _Parts(tuple(removed), (_describe_deletion(span, document, item),))
        before = refuse_repeated_keys(text, root)
        planned = plan_text_edits(text, root.value[0], edits)
        if new:
            planned.append(plan_item_insertion(text, root, 0, new))
        after = apply_text_edits(text, planned)
        _check(after, [apply_to_data(before[0], edits), *new], planned)
        edited = _describe_edits(work, span, document, item, text, root.value[0], edits)
    except RefusedEditError as error:
        raise _PieceError(span.start, text, error.index, error.reason) from None
    return _Parts(tuple(_to_bytes(span.start, text, planned)), edited)


def _edit_document(work: _Work, content: bytes, span: Span, document: int, items: Sequence[int]) -> _Parts:
    """Edit a document, or items of a List that cannot be cut, and insert new documents behind it."""
    text = decode(content[span.start : span.end])
    root = compose(text)
    if root is None:
        raise InputError(work.path, "an empty document was to be edited")
    edits = [*work.edits.get((document, None), ())]
    try:
        before = refuse_repeated_keys(text, root)
        planned = plan_text_edits(text, root, edits)
        expected = apply_to_data(before, edits)
        edited = [*_describe_edits(work, span, document, None, text, root, edits)]
        for item in items:
            at: FieldPath = ("items", item)
            own = [_prefix(edit, at) for edit in work.edits.get((document, item), ())]
            planned += plan_text_edits(text, root, own)
            expected = apply_to_data(expected, own)
            edited += _describe_edits(work, span, document, item, text, root, own)
        for item in sorted(items, reverse=True):
            new = list(map(load_text, work.objects.get((document, item), ())))
            if new:
                sequence = find_node(root, ("items",)) or root
                planned.append(plan_item_insertion(text, sequence, item, new))
                expected["items"][item + 1 : item + 1] = new
        removals = _list_removals(work, document, items)
        planned += plan_text_edits(text, root, removals)
        expected = apply_to_data(expected, removals)
        after = apply_text_edits(text, planned)
        _check(after, expected, planned)
        behind = work.objects.get((document, None), ())
        replacements = _to_bytes(span.start, text, planned)
        if behind:
            replacements.append(_insert_documents(content, span, after, behind))
    except RefusedEditError as error:
        raise _PieceError(span.start, text, error.index, error.reason) from None
    return _Parts(tuple(replacements), tuple(edited))


def _list_removals(work: _Work, document: int, items: Iterable[int | None]) -> list[FieldEdit]:
    """List the edits that take deleted items out of a List."""
    return [
        FieldEdit("remove", ("items", item))
        for item in items
        if item is not None and (document, item) in work.deletions
    ]


def _prefix(edit: FieldEdit, at: FieldPath) -> FieldEdit:
    return FieldEdit(edit.op, (*at, *edit.path), edit.value, edit.before, edit.comment)


def _insert_documents(content: bytes, span: Span, text: str, objects: Sequence[str]) -> Replacement:
    """Insert documents behind one, and check that the stream holds just these more."""
    newline = "\r\n" if "\r\n" in text else "\n"
    inserted = "" if text.endswith("\n") or not text else newline
    for body in objects:
        inserted += f"---{newline}{body.replace(chr(10), newline)}"
    stream = (text + inserted).encode()
    pieces = [decode(stream[piece.start : piece.end]) for piece in cut_documents(stream)]
    if len(pieces) != 1 + len(objects):
        raise RefusedEditError("a new document does not stand alone here", len(text))
    for piece, body in zip(pieces[1:], objects, strict=True):
        if piece != f"---{newline}{body.replace(chr(10), newline)}":
            raise RefusedEditError("a new document does not stand alone here", len(text))
    return Replacement(span.end, span.end, inserted.encode())


def _check(text: str, expected: Any, edits: Iterable[TextEdit]) -> None:
    """Compose an edited text again and compare it with the intention; what is wrong is told of the first edit."""
    place = min((edit.start for edit in edits), default=0)
    try:
        root = compose(text)
        actual = construct(root) if root is not None else None
    except TextError as error:
        raise RefusedEditError(f"the result would not parse ({error.problem})", place) from None
    if not same_data(actual, expected):
        raise RefusedEditError(
            "the result would differ from what was intended: an anchor, alias or merge key is shared here", place
        )


def _render_json(work: _Work, content: bytes, span: Span, document: int, items: set[int | None]) -> _Parts:
    cut = cut_json_list(content) if None not in items and _is_alone(content, span) else None
    if cut is not None:
        edited = (
            _edit_json(work, content, cut.items[item or 0], document, [item or 0], cut=True)
            for item in sorted(items, key=lambda index: index or 0)
            if (document, item) not in work.deletions
        )
        return _join([_delete_json_items(work, content, cut, document, items), *edited])
    return _edit_json(work, content, span, document, sorted(items, key=lambda index: -1 if index is None else index))


def _delete_json_items(
    work: _Work, content: bytes, cut: CutList, document: int, items: Iterable[int | None]
) -> _Parts:
    deleted = sorted(item for item in items if item is not None and (document, item) in work.deletions)
    for item in deleted:
        piece = cut.items[item]
        text = decode(content[piece.start : piece.end])
        try:
            refuse_another(compose_json(text), work.deletions[document, item])
        except TextError as error:
            raise _PieceError(piece.start, text, error.index, error.problem) from None
    spans = cut_entries([(item.start, item.end) for item in cut.items], deleted)
    return _Parts(
        tuple(Replacement(start, end, b"") for start, end in spans),
        tuple(_describe_deletion(cut.items[item], document, item) for item in deleted),
    )


def _edit_json(
    work: _Work, content: bytes, span: Span, document: int, items: Sequence[int | None], cut: bool = False
) -> _Parts:
    text = content[span.start : span.end].decode()
    root: Node = compose_json(text)
    try:
        refuse_repeated_keys(text, root)
        expected: Any = load_json(text)
        planned: list[TextEdit] = []
        edited: list[EditedObject] = []
        behind = ""
        for item in items:
            at: FieldPath = () if item is None or cut else ("items", item)
            own = [_prefix(edit, at) for edit in work.edits.get((document, item), ())]
            planned += plan_text_edits(text, root, own)
            expected = apply_to_data(expected, own)
            edited += _describe_edits(work, span, document, item, text, root, own)
        for item in sorted((item for item in items if item is not None), reverse=True):
            new = list(map(load_text, work.objects.get((document, item), ())))
            if new and cut:
                behind = _write_json_items(content, span, new)
            elif new:
                sequence = find_node(root, ("items",)) or root
                planned.append(plan_item_insertion(text, sequence, item, new))
                expected["items"][item + 1 : item + 1] = new
        removals = _list_removals(work, document, items)
        planned += plan_text_edits(text, root, removals)
        expected = apply_to_data(expected, removals)
        after = apply_text_edits(text, planned)
        _check_json(
            f"[{after}{behind}]" if cut else after, _flatten(expected, work, document, items) if cut else expected
        )
    except RefusedEditError as error:
        raise _PieceError(span.start, text, error.index, error.reason) from None
    replacements = _to_bytes(span.start, text, planned)
    if behind:
        replacements.append(Replacement(span.end, span.end, behind.encode()))
    for body in work.objects.get((document, None), ()):
        inserted = _write_json_value(load_text(body), text)
        if not after.endswith("\n"):
            inserted = ("\r\n" if "\r\n" in after else "\n") + inserted
        replacements.append(Replacement(span.end, span.end, inserted.encode()))
    return _Parts(tuple(replacements), tuple(edited))


def _flatten(expected: Any, work: _Work, document: int, items: Sequence[int | None]) -> list[Any]:
    return [expected, *(load_text(text) for item in items for text in work.objects.get((document, item), ()))]


def _write_json_items(content: bytes, span: Span, values: Sequence[Any]) -> str:
    """Write items behind one of a pretty-printed List, indented as it is."""
    line = content.rfind(b"\n", 0, span.start) + 1
    indent = content[line : span.start].decode()
    start = content.find(b"\n", span.start) + 1
    first = content[start : start + 64]
    inner = len(first) - len(first.lstrip(b" "))
    lines = [write_json(value, max(inner - len(indent), 1)).replace("\n", f"\n{indent}") for value in values]
    return "".join(f",\n{indent}{text}" for text in lines)


def _write_json_value(value: Any, beside: str) -> str:
    """Write a JSON value to stand behind another one, on one line or indented as that one is.

    JSON, since kubectl takes YAML behind one JSON value at most.
    """
    lines = beside.strip().split("\n")
    indent = lines[1][: -len(lines[1].lstrip())] if len(lines) > 1 else None
    written = write_json(value, indent) + "\n"
    return written.replace("\n", "\r\n") if "\r\n" in beside else written


def _check_json(text: str, expected: Any) -> None:
    try:
        actual = load_json(text)
    except TextError as error:
        raise RefusedEditError(f"the result would not parse ({error.problem})", 0) from None
    if not same_data(actual, expected):
        raise RefusedEditError("the result would differ from what was intended", 0)


def _to_bytes(start: int, text: str, edits: Iterable[TextEdit]) -> list[Replacement]:
    """Turn edits of a piece, in code points, into replacements of the file, in bytes."""
    ordered = sorted(edits, key=lambda edit: (edit.start, edit.end))
    if text.isascii():
        return [Replacement(start + edit.start, start + edit.end, edit.text.encode()) for edit in ordered]
    replacements = []
    position, offset = 0, start
    for edit in ordered:
        offset += len(text[position : edit.start].encode())
        end = offset + len(text[edit.start : edit.end].encode())
        replacements.append(Replacement(offset, end, edit.text.encode()))
        position, offset = edit.end, end
    return replacements
