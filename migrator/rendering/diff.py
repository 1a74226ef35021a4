"""Unified diffs that `git apply` and `patch -p1` take, made from the edits themselves.

There are no `diff --git` lines: with them git takes the paths from the repository's top, and a patch that is applied
in a folder below silently changes nothing.

Format: https://git-scm.com/docs/diff-format and https://www.gnu.org/software/diffutils/manual/html_node/Unified-Format.html.
"""

from __future__ import annotations

import itertools
import os
import posixpath
from collections.abc import Iterable, Sequence
from pathlib import Path

from migrator.model.record import record
from migrator.model.reference import is_stream
from migrator.rendering.render import FileChange
from migrator.rendering.replacement import Replacement

CONTEXT = 3
NO_NEWLINE = b"\\ No newline at end of file\n"


@record
class LineChange:
    """Old lines [start, end), given by their byte span, and the lines that take their place."""

    start: int
    end: int
    lines: tuple[bytes, ...]


def write_diff(changes: Iterable[FileChange], base: str | None = None) -> bytes:
    """Write file changes as one patch; paths are relative to `base`, by default the working directory."""
    return b"".join(_write_file(change, base) for change in changes)


def find_base(sources: Sequence[str]) -> str | None:
    """Find the folder that a patch is applied in where sources lie outside of the working directory; else None."""
    here = Path.cwd()
    outside = [Path(os.path.abspath(source)) for source in sources if not is_stream(source)]  # noqa: PTH100 - takes `..` away
    if all(path.resolve().is_relative_to(here) or path.is_relative_to(here) for path in outside):
        return None
    folders = [path if path.is_dir() else path.parent for path in outside]
    return os.path.commonpath(folders)


def _write_file(change: FileChange, base: str | None) -> bytes:
    path = change.path
    if base is not None and not change.translated:
        path = os.path.relpath(Path(path).absolute(), base)
    old_name, new_name = _quote(posixpath.join("a", path)), _quote(posixpath.join("b", path))
    if change.old is None:
        content = change.new_content()
        head = b"--- /dev/null\n+++ %s\n" % _mark(new_name)
        if not content:
            return head
        count = _count_lines(content)
        body = _prefix_lines(b"+", content)
        return head + b"@@ -0,0 +1%s @@\n" % (b"" if count == 1 else b",%d" % count) + body
    if change.deleted:
        head = b"--- %s\n+++ /dev/null\n@@ -%s +0,0 @@\n" % (_mark(old_name), _range(0, _count_lines(change.old)))
        return head + _prefix_lines(b"-", change.old)
    hunks = _write_hunks(change.old, find_line_changes(change.old, change.replacements))
    return b"--- %s\n+++ %s\n" % (_mark(old_name), _mark(new_name)) + hunks if hunks else b""


def _quote(path: str) -> bytes:
    """Quote a path as git does where it holds quotes, backslashes, control characters or bytes above 127."""
    content = os.fsencode(path)
    if all(32 <= byte < 127 and byte not in b'"\\' for byte in content):
        return content
    escapes = {ord('"'): b'\\"', ord("\\"): b"\\\\", 10: b"\\n", 9: b"\\t", 13: b"\\r"}
    return (
        b'"'
        + b"".join(escapes.get(byte, bytes((byte,)) if 32 <= byte < 127 else b"\\%03o" % byte) for byte in content)
        + b'"'
    )


def _mark(name: bytes) -> bytes:
    """End a name that has blanks with a tab, as git does, so that patch does not read on."""
    return name + b"\t" if b" " in name else name


def split_lines(content: bytes) -> list[bytes]:
    """Split at line feeds only: a carriage return is part of its line."""
    lines = [line + b"\n" for line in content.split(b"\n")]
    last = lines.pop()[:-1]
    return [*lines, last] if last else lines


def _count_lines(content: bytes) -> int:
    return content.count(b"\n") + (content[-1:] not in (b"", b"\n"))


def _prefix_lines(prefix: bytes, content: bytes) -> bytes:
    """Write a prefix before each line, and say where the last has no end."""
    if not content:
        return b""
    if not content.endswith(b"\n"):
        return prefix + content.replace(b"\n", b"\n" + prefix) + b"\n" + NO_NEWLINE
    return prefix + content[:-1].replace(b"\n", b"\n" + prefix) + b"\n"


def find_line_changes(old: bytes, replacements: Sequence[Replacement]) -> list[LineChange]:
    """Widen replacements to whole lines and join those that share one."""
    joined: list[list[Replacement]] = []
    ends: list[int] = []
    for item in replacements:
        start, end = _line_span(old, item)
        if ends and start < ends[-1]:
            joined[-1].append(item)
            ends[-1] = max(ends[-1], end)
        else:
            joined.append([item])
            ends.append(end)
    changes = []
    for items, end in zip(joined, ends, strict=True):
        start = _line_span(old, items[0])[0]
        text, position = b"", start
        for item in items:
            text += old[position : item.start] + item.content
            position = item.end
        text += old[position:end]
        changes.append(_trim(old, start, end, text))
    return [change for change in changes if change.start != change.end or change.lines]


def _line_span(old: bytes, item: Replacement) -> tuple[int, int]:
    """Give the lines that a replacement touches; none for whole lines that are inserted between two."""
    start = old.rfind(b"\n", 0, item.start) + 1
    if item.end == item.start == start and item.content.endswith(b"\n"):
        return start, start
    whole_lines = item.end > item.start == start and old[item.end - 1 : item.end] == b"\n"
    if whole_lines and (not item.content or item.content.endswith(b"\n")):
        return start, item.end
    end = old.find(b"\n", item.end)
    return start, len(old) if end < 0 else end + 1


def _trim(old: bytes, start: int, end: int, text: bytes) -> LineChange:
    """Leave out the lines at both ends that stay the same."""
    before = split_lines(old[start:end])
    after = split_lines(text)
    while before and after and before[0] == after[0]:
        start += len(before[0])
        before, after = before[1:], after[1:]
    while before and after and before[-1] == after[-1]:
        end -= len(before[-1])
        before, after = before[:-1], after[:-1]
    return LineChange(start, end, tuple(after))


def _write_hunks(old: bytes, changes: Sequence[LineChange]) -> bytes:
    parts: list[bytes] = []
    group: list[LineChange] = []
    line, counted, shift = 0, 0, 0
    for change, following in itertools.zip_longest(changes, changes[1:]):
        group.append(change)
        if following is not None and _lines_on(old, change.end, 2 * CONTEXT) >= following.start:
            continue
        start = _lines_back(old, group[0].start, CONTEXT)
        line += old.count(b"\n", counted, start)
        counted = start
        hunk, added = _write_hunk(old, group, start, _lines_on(old, change.end, CONTEXT), line, shift)
        parts.append(hunk)
        shift += added
        group = []
    return b"".join(parts)


def _lines_back(old: bytes, position: int, count: int) -> int:
    for _ in range(count):
        if position == 0:
            break
        position = old.rfind(b"\n", 0, position - 1) + 1
    return position


def _lines_on(old: bytes, position: int, count: int) -> int:
    for _ in range(count):
        if position >= len(old):
            break
        end = old.find(b"\n", position)
        position = len(old) if end < 0 else end + 1
    return position


def _write_hunk(
    old: bytes, changes: Sequence[LineChange], start: int, end: int, line: int, shift: int
) -> tuple[bytes, int]:
    body: list[bytes] = []
    removed = added = context = 0
    position = start
    for change in changes:
        between, gone, new = old[position : change.start], old[change.start : change.end], b"".join(change.lines)
        body += (_prefix_lines(b" ", between), _prefix_lines(b"-", gone), _prefix_lines(b"+", new))
        context, removed, added = (
            context + _count_lines(between),
            removed + _count_lines(gone),
            added + len(change.lines),
        )
        position = change.end
    after = old[position:end]
    body.append(_prefix_lines(b" ", after))
    context += _count_lines(after)
    before_count, after_count = context + removed, context + added
    header = b"@@ -%s +%s @@\n" % (
        _range(line, before_count),
        _range(line + shift, after_count),
    )
    return header + b"".join(body), added - removed


def _range(lines_before: int, count: int) -> bytes:
    if count == 0:
        return b"%d,0" % lines_before
    return b"%d" % (lines_before + 1) if count == 1 else b"%d,%d" % (lines_before + 1, count)
