"""Cutting a stream into the pieces that are parsed alone: documents, and the items of Lists.

Cutting looks at the first characters of lines only, so it costs next to nothing; whoever parses a piece that was
cut out of a List checks that it is what it looked like, and takes the whole document otherwise. Everything here
counts bytes: what is not touched is copied as it is.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator

from migrator.errors import TextError
from migrator.model.record import record

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_BYTE_ORDER_MARKS_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
_PIECE = 1 << 24

_MARKER = re.compile(rb"(?:---|\.\.\.)(?:[ \t\r\n]|\Z)")
_DOCUMENT_END = re.compile(rb"\.\.\.[ \t]*+(?:#[^\n]*+)?\r?(?:\n|\Z)")
_EMPTY = re.compile(rb"(?:(?:---|\.\.\.)[ \t]*+)?+(?:[ \t\r\n]++|#[^\n]*+)*+\Z")
_DIRECTIVES = re.compile(
    rb"(?:(?:---|\.\.\.)[^\n]*+\n)?+(?:[ \t]*+(?:#[^\n]*+)?+\r?\n)*+%[^\n]*+\n"
    rb"(?:%[^\n]*+\n|[ \t]*+(?:#[^\n]*+)?+\r?\n)*+\Z"
)
_LIST_KIND = re.compile(rb"^kind:[ \t]*[\"']?([A-Za-z]*List)[\"']?[ \t\r]*(?:#.*)?$", re.MULTILINE)
_LIST_ITEMS = re.compile(rb"^items:[ \t\r]*(?:#.*)?\n", re.MULTILINE)
_FIRST_DASH = re.compile(rb"(?:[ \t]*(?:#[^\n]*)?\r?\n)*( *)-[ \t]")
_NEXT_KEY = re.compile(rb"^(?![ \t\r\n#-])", re.MULTILINE)
_JSON_ITEMS = re.compile(rb'^ +"items": \[\n', re.MULTILINE)
_JSON_LIST_KIND = re.compile(rb'^ +"kind": "[A-Za-z]*List",?$', re.MULTILINE)
_JSON_OPENING = re.compile(rb" +(?=\{$)", re.MULTILINE)
_BLANKS = re.compile(r"[ \t\r\n]*")
_JSON_SEAM = re.compile(rb"\}[ \t\r\n]*\{")


@record
class Span:
    """A part of a file, in bytes from its start."""

    start: int
    end: int


@record
class CutList:
    """A List document cut at its items: what stands before the first, the items, what stands behind the last."""

    header: Span
    items: tuple[Span, ...]
    footer: Span


def decode(content: bytes) -> str:
    """Decode UTF-8, line ends kept.

    Raises TextError that says what to do for anything that is not UTF-8 text.
    """
    if content[:2] in _BYTE_ORDER_MARKS_UTF_16:
        raise TextError("UTF-16 text; save it as UTF-8")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        before = content[: error.start].decode("utf-8", "replace")
        raise TextError(
            f"byte 0x{content[error.start]:02x} is not UTF-8; save the file as UTF-8", len(before)
        ) from None
    position = text.find("\0")
    if position >= 0:
        raise TextError("a NUL byte: is this UTF-16 or a binary file? Save it as UTF-8 text", position)
    return text


def check_text(content: bytes) -> None:
    """Check that content is text, piece by piece: all of a large file as text besides its bytes would fill memory.

    Raises TextError as `decode` does.
    """
    suspicious = content[:2] in _BYTE_ORDER_MARKS_UTF_16 or b"\0" in content
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for start in range(0, len(content), _PIECE):
            decoder.decode(content[start : start + _PIECE], start + _PIECE >= len(content))
    except UnicodeDecodeError:
        suspicious = True
    if suspicious:
        decode(content)


def cut_documents(content: bytes) -> Iterator[Span]:
    """Cut a YAML stream at its document markers; each span starts with its marker and its directives.

    Spans without content (blank lines and comments only) and the `...` between documents are left out.
    """
    start = len(BYTE_ORDER_MARK) if content.startswith(BYTE_ORDER_MARK) else 0
    for marker in (*_find_markers(content, start + 1), len(content)):
        if _EMPTY.match(content, start, marker):
            start = _skip_document_end(content, marker)
        elif marker == len(content) or not _DIRECTIVES.match(content, start, marker):
            yield Span(start, marker)
            start = _skip_document_end(content, marker)


def _skip_document_end(content: bytes, marker: int) -> int:
    """Step over a `...`: the C parser takes none in front of a document."""
    end = _DOCUMENT_END.match(content, marker)
    return end.end() if end else marker


def _find_markers(content: bytes, start: int) -> list[int]:
    positions = []
    for marker in (b"\n---", b"\n..."):
        position = content.find(marker, start)
        while position >= 0:
            if _MARKER.match(content, position + 1):
                positions.append(position + 1)
            position = content.find(marker, position + 4)
    return sorted(positions)


def cut_json(content: bytes) -> list[Span]:
    """Cut JSON at the starts of its values, as kubectl reads several that stand one behind the other.

    What is no JSON is not cut, and what follows the last value that is stays a piece of its own.
    """
    start = len(BYTE_ORDER_MARK) if content.startswith(BYTE_ORDER_MARK) else 0
    starts = [start]
    if _JSON_SEAM.search(content):
        # One character a byte, so that places are those of bytes: whatever is not ASCII stands inside of strings.
        text = content.decode("latin-1")
        decode_value = json.JSONDecoder().raw_decode
        try:
            while (start := _step_over(text, decode_value(text, _step_over(text, start))[1])) < len(text):
                starts.append(start)
        except (ValueError, RecursionError):
            pass
    return [Span(start, end) for start, end in zip(starts, [*starts[1:], len(content)], strict=True)]


def cut_list(content: bytes, document: Span) -> CutList | None:
    """Cut a block-style List document at its items; None where it is not laid out so."""
    kind = _LIST_KIND.search(content, document.start, document.end)
    items = _LIST_ITEMS.search(content, document.start, document.end) if kind else None
    dash = _FIRST_DASH.match(content, items.end(), document.end) if items else None
    if items is None or dash is None:
        return None
    footer = _NEXT_KEY.search(content, items.end(), document.end)
    end = footer.start() if footer else document.end
    marker = b"\n" + dash[1] + b"-"
    starts = []
    position = content.find(marker, items.end() - 1, end)
    while position >= 0:
        if content[position + len(marker) : position + len(marker) + 1] in (b" ", b"\t", b"\n", b"\r"):
            starts.append(position + 1)
        position = content.find(marker, position + 1, end)
    return CutList(
        Span(document.start, starts[0]),
        tuple(Span(start, stop) for start, stop in zip(starts, [*starts[1:], end], strict=True)),
        Span(end, document.end),
    )


def cut_json_list(content: bytes) -> CutList | None:
    """Cut a pretty-printed JSON List (as kubectl prints it) at its items; None where it is not laid out so."""
    items = _JSON_ITEMS.search(content)
    opening = _JSON_OPENING.match(content, items.end()) if items else None
    if items is None or opening is None:
        return None
    if not (_JSON_LIST_KIND.search(content[-4096:]) or _JSON_LIST_KIND.search(content[:4096])):
        return None
    spans = []
    position = items.end() - 1
    first, last = b"\n" + opening[0] + b"{\n", b"\n" + opening[0] + b"}"
    while content.startswith(first, position):
        end = content.find(last, position)
        if end < 0:
            return None
        end += len(last)
        spans.append(Span(position + len(first) - 2, end))
        position = end + 1 if content[end : end + 1] == b"," else end
    return CutList(Span(0, spans[0].start), tuple(spans), Span(spans[-1].end, len(content)))


def cut_dense_json_list(content: bytes) -> CutList | None:
    """Cut a JSON List of any layout at its items, by decoding it once; None for anything else."""
    # One character a byte, so that places are those of bytes: whatever is not ASCII stands inside of strings.
    text = content.decode("latin-1")
    decode_value = json.JSONDecoder().raw_decode
    spans: list[Span] = []
    try:
        place = _step_over(text, len(BYTE_ORDER_MARK) if content.startswith(BYTE_ORDER_MARK) else 0, "{")
        while True:
            key, place = decode_value(text, place)
            place = _step_over(text, place, ":")
            if key == "items":
                break
            _, place = decode_value(text, place)
            place = _step_over(text, place, ",")
        place = _step_over(text, place, "[")
        while not spans or text[place] == ",":
            place = _step_over(text, place, ",") if spans else place
            _, end = decode_value(text, place)
            spans.append(Span(place, end))
            place = _step_over(text, end)
        _step_over(text, place, "]")
    except (ValueError, IndexError, RecursionError):
        return None
    return CutList(Span(0, spans[0].start), tuple(spans), Span(spans[-1].end, len(content)))


def _step_over(text: str, place: int, sign: str = "") -> int:
    """Step over a sign and the blanks around it.

    Raises ValueError where another one stands.
    """
    place = _BLANKS.match(text, place).end()  # type: ignore[union-attr]
    if not text.startswith(sign, place):
        raise ValueError(sign)
    return _BLANKS.match(text, place + len(sign)).end()  # type: ignore[union-attr]


def line_of(text: str, index: int) -> int:
    """Give the line (from 1) of a code point."""
    return text.count("\n", 0, index) + 1


def column_of(text: str, index: int) -> int:
    """Give the column (from 1) of a code point."""
    return index - text.rfind("\n", 0, index)
