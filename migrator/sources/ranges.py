"""Reading large inputs piece by piece, so that processes can share one file and none holds all of it."""

from __future__ import annotations

from collections.abc import Sequence

from migrator.errors import InputError, TextError
from migrator.model.record import record
from migrator.parallel import map_in_processes
from migrator.sources.files import FoundFile, hash_content, read_bytes
from migrator.sources.manifests import (
    LargeList,
    ManifestRead,
    Place,
    ReadSettings,
    find_list,
    join_reads,
    read_list_range,
    read_manifests,
    read_stream_range,
)
from migrator.yaml.scan import Span, check_text, cut_documents

TASK_SIZE = 500_000
"""Bytes of one piece of work: many times what handing it over costs, and small beside what a process may hold."""


@record
class FileRead:
    """A file with what it holds; its hash is that of the bytes which were read."""

    path: str
    sha256: str
    size: int
    read: ManifestRead


@record
class _Range:
    """A part of one file: documents of a stream, or (with `items`, counted from the part's start) of a List."""

    path: str
    span: Span
    place: Place
    outer: LargeList | None = None
    items: tuple[Span, ...] = ()


_Task = tuple[FoundFile, ...] | _Range


def read_files(files: Sequence[FoundFile], settings: ReadSettings, jobs: int) -> list[FileRead]:
    """Read files in up to `jobs` processes: small ones in bundles, large ones in ranges."""
    tasks: list[_Task] = []
    hashes: dict[str, tuple[str, int]] = {}
    bundle: list[FoundFile] = []
    for file in files:
        if file.size > 2 * TASK_SIZE:
            tasks.extend(_cut_file(file, hashes))
            continue
        bundle.append(file)
        if sum(item.size for item in bundle) >= TASK_SIZE:
            tasks.append(tuple(bundle))
            bundle = []
    if bundle:
        tasks.append(tuple(bundle))
    results: list[FileRead] = []
    pieces: dict[str, list[ManifestRead | None]] = {}
    outcomes = map_in_processes(lambda task: _run_task(task, settings), tasks, jobs)
    for task, outcome in zip(tasks, outcomes, strict=True):
        if isinstance(outcome, tuple):
            results.extend(outcome)
        elif isinstance(task, _Range):
            pieces.setdefault(task.path, []).append(outcome)
    for path, parts in pieces.items():
        sha256, size = hashes[path]
        known = [part for part in parts if part is not None]
        if len(known) == len(parts):
            results.append(FileRead(path, sha256, size, join_reads(known)))
        else:
            results.append(read_file(FoundFile(path, "", size, False), settings))
    return results


def read_file(file: FoundFile, settings: ReadSettings, content: bytes | None = None) -> FileRead:
    """Read one file; what is wrong with it stands in its `errors`."""
    try:
        content = read_bytes(file.path) if content is None else content
    except InputError as error:
        return FileRead(file.path, "", 0, ManifestRead(errors=[error]))
    return FileRead(file.path, hash_content(content), len(content), read_manifests(file.path, content, settings))


def _run_task(task: _Task, settings: ReadSettings) -> tuple[FileRead, ...] | ManifestRead | None:
    """Read a bundle's files, or one range; None for a range that cannot stand alone."""
    if not isinstance(task, _Range):
        return tuple(read_file(file, settings) for file in task)
    with open(task.path, "rb") as stream:  # noqa: PTH123 - the plain call is the fast one
        stream.seek(task.span.start)
        content = stream.read(task.span.end - task.span.start)
    if task.outer is None:
        return read_stream_range(content, task.place, settings)
    try:
        return read_list_range(content, task.items, task.outer, task.place, settings)
    except TextError:
        return None


def _cut_file(file: FoundFile, hashes: dict[str, tuple[str, int]]) -> list[_Task]:
    """Cut a large stream at document markers, a large List at its items; anything else stays whole."""
    content = read_bytes(file.path)
    hashes[file.path] = (hash_content(content), len(content))
    whole: list[_Task] = [(file,)]
    try:
        check_text(content)
    except TextError:
        return whole
    documents = list(cut_documents(content))
    if len(documents) == 1:
        found = find_list(file.path, content, documents[0], dense=True)
        if found is None:
            return whole
        pieces = _bundle(found.cut.items)
    else:
        found, pieces = None, _bundle(documents)
    ranges: list[_Task] = []
    first, lines, counted = 0, 0, 0
    for piece in pieces:
        span = Span(piece[0].start, piece[-1].end)
        lines += content.count(b"\n", counted, span.start)
        counted = span.start
        if found is None:
            ranges.append(_Range(file.path, span, Place(file.path, first, None, lines)))
        else:
            inside = tuple(Span(item.start - span.start, item.end - span.start) for item in piece)
            ranges.append(_Range(file.path, span, Place(file.path, 0, first, lines), found, inside))
        first += len(piece)
    return ranges if len(ranges) > 1 else whole


def _bundle(spans: Sequence[Span]) -> list[list[Span]]:
    bundles: list[list[Span]] = []
    for span in spans:
        if not bundles or span.start - bundles[-1][0].start >= TASK_SIZE:
            bundles.append([])
        bundles[-1].append(span)
    return bundles
