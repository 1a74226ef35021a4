"""Finding the files of a source and their bytes."""

from __future__ import annotations

import fnmatch
import hashlib
import os
import posixpath
import stat
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from migrator.errors import InputError
from migrator.model.inventory import Unread
from migrator.model.record import record
from migrator.model.reference import STDIN, is_stream

MANIFEST_SUFFIXES = (".yaml", ".yml", ".json")
JOURNAL_NAME = ".migrator-journal"


@record
class FoundFile:
    """A file of a source: its path as messages name it, and the source that it was found under."""

    path: str
    root: str
    size: int
    excluded: bool


@record
class FoundFiles:
    """The files of all sources in order, the chart folders among them, and the links that were not followed."""

    files: tuple[FoundFile, ...]
    charts: frozenset[str]
    unread: tuple[Unread, ...]


def display_path(path: str) -> str:
    """Write a path as messages and diffs name it: relative to the working directory where it lies below."""
    if is_stream(path):
        return path
    relative = os.path.relpath(path)
    return relative if not relative.startswith("..") else str(Path(path).absolute())


def find_files(sources: Sequence[str], exclude: Iterable[str] = ()) -> FoundFiles:
    """Find the manifest files of the sources: files, directories, `-`.

    Hidden names are skipped and links are not followed; those that lead out of their source are said. Raises
    InputError for a source that is not there or cannot be read.
    """
    patterns = tuple(exclude)
    files: dict[str, FoundFile] = {}
    charts: set[str] = set()
    unread: list[Unread] = []
    for source in sources:
        if is_stream(source):
            files.setdefault(source, FoundFile(source, source, 0, False))
            continue
        root = display_path(source)
        try:
            mode = Path(source).stat().st_mode
        except OSError as error:
            raise InputError(source, _say_os_error(error), hint="give a file, a directory, or - for stdin") from None
        if stat.S_ISDIR(mode):
            for found in _walk(root, root, charts, unread, patterns):
                files.setdefault(found.path, found)
        else:
            size = Path(source).stat().st_size
            files.setdefault(root, FoundFile(root, root, size, _is_excluded(root, root, patterns)))
    ordered = tuple(sorted(files.values(), key=lambda found: found.path))
    return FoundFiles(ordered, frozenset(charts), tuple(unread))


def _walk(
    folder: str, root: str, charts: set[str], unread: list[Unread], patterns: tuple[str, ...]
) -> Iterator[FoundFile]:
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        raise InputError(
            folder, _say_os_error(error), hint="grant the permission, or name the sources one by one"
        ) from None
    for entry in entries:
        if entry.name.startswith("."):
            continue
        path = posixpath.normpath(posixpath.join(folder, entry.name))
        if entry.is_symlink():
            if entry.name.endswith(MANIFEST_SUFFIXES) or entry.is_dir():
                target = os.path.realpath(entry.path)
                if not Path(target).is_relative_to(os.path.realpath(root)):
                    unread.append(Unread(path, None, "a link that leads out of the source: not followed"))
        elif entry.is_dir():
            yield from _walk(path, root, charts, unread, patterns)
        elif entry.is_file() and (entry.name.endswith(MANIFEST_SUFFIXES) or entry.name == "Kustomization"):
            if entry.name == "Chart.yaml":
                charts.add(posixpath.dirname(path) or ".")
            yield FoundFile(path, root, entry.stat().st_size, _is_excluded(path, root, patterns))


def _is_excluded(path: str, root: str, patterns: tuple[str, ...]) -> bool:
    inside = posixpath.relpath(path, root) if path != root else posixpath.basename(path)
    parts = inside.split("/")
    above = {"/".join(parts[: count + 1]) for count in range(len(parts))}
    # With a slash in front they match `/here`, and `**/here`, which means any depth and none.
    candidates = {path, *parts, *above, *(f"/{candidate}" for candidate in above)}
    wanted = [pattern.removeprefix("./").rstrip("/") for pattern in patterns]
    return any(fnmatch.fnmatchcase(candidate, pattern) for pattern in wanted for candidate in candidates)


def read_bytes(path: str) -> bytes:
    """Read a file, or standard input for `-`.

    Raises InputError where it cannot be read.
    """
    try:
        if path == STDIN:
            return sys.stdin.buffer.read()
        with open(path, "rb") as file:  # noqa: PTH123 - the plain call is the fast one for thousands of files
            return file.read()
    except OSError as error:
        raise InputError(path, _say_os_error(error), hint="check the file and its permissions") from None


def read_head(path: str, size: int) -> bytes:
    """Read the first bytes of a file; none of what is no file, since a pipe would lack them then."""
    try:
        if not stat.S_ISREG(Path(path).stat().st_mode):
            return b""
        with open(path, "rb") as file:  # noqa: PTH123 - the plain call is the fast one
            return file.read(size)
    except OSError:
        return b""


def is_pipe(source: str) -> bool:
    """Tell whether a source can be read once only: a pipe, such as a shell makes of `<(...)`, or a device."""
    try:
        mode = Path(source).stat().st_mode
    except OSError:
        return False
    return not (is_stream(source) or stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def _say_os_error(error: OSError) -> str:
    return f"cannot be read: {(error.strerror or str(error)).lower()}"


def hash_content(content: bytes) -> str:
    """Give the SHA-256 of a file's bytes, as the plan file records it."""
    return hashlib.sha256(content).hexdigest()


def find_chart(path: str, charts: frozenset[str]) -> str | None:
    """Find the chart whose templates, values or metadata a file belongs to."""
    folder = posixpath.dirname(path)
    while True:
        if (folder or ".") in charts:
            return folder or "."
        parent = posixpath.dirname(folder)
        if parent == folder:
            return None
        folder = parent


def find_journals(sources: Iterable[str]) -> list[Path]:
    """Find the journals of other runs in the sources, and in folders above them."""
    found: dict[Path, None] = {}
    for source in sources:
        if is_stream(source):
            continue
        start = Path(os.path.realpath(source))
        for folder in (start, *start.parents):
            if (folder / JOURNAL_NAME).is_file():
                found[folder / JOURNAL_NAME] = None
        for folder_name, folders, files in os.walk(start):
            folders[:] = [name for name in folders if not name.startswith(".")]
            if JOURNAL_NAME in files:
                found[Path(folder_name, JOURNAL_NAME)] = None
    return list(found)
