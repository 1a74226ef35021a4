"""Writing: all files of a run or none of them, also across a crash.

In place, every new content is first staged beside its file, under a journal that names them all; one line in the
journal commits the run; then the staged files are renamed over the old ones. A run that finds a journal finishes
what was committed and undoes what was not.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import stat
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from migrator.errors import InputError
from migrator.rendering.render import FileChange
from migrator.sources.files import JOURNAL_NAME, hash_content

COMMITTED = b"committed\n"
STAGED_SUFFIX = ".migrator-new"
SYNC_ONE_BY_ONE = 20
"""Files up to which each is synced by itself; beyond that one sync of everything is faster."""


@dataclass(frozen=True, slots=True)
class Recovery:
    """What was found of an earlier run: its folder, whether it was finished or undone, and its files."""

    folder: Path
    finished: bool
    files: int


def write_in_place(changes: Sequence[FileChange]) -> list[str]:
    """Write file changes over their files, all or nothing.

    Raises InputError where a file cannot be written or has changed; then nothing is written.
    """
    if not changes:
        return []
    targets = [(change, Path(os.path.realpath(change.path))) for change in changes]
    folder = Path(os.path.commonpath([target.parent for _, target in targets]))
    journal = folder / JOURNAL_NAME
    entries = [{"path": str(target), "staged": str(_staged_path(target))} for _, target in targets]
    try:
        descriptor = os.open(journal, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o644)
    except FileExistsError:
        raise InputError(
            str(journal), "another run is writing here", hint="wait for it, or look at the file"
        ) from None
    except OSError as error:
        raise _refuse(str(folder), error) from None
    with os.fdopen(descriptor, "r+b") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        try:
            file.write(json.dumps({"formatVersion": "1.0", "entries": entries}).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
            for change, target in targets:
                _stage(change, target)
            _sync([_staged_path(target) for _, target in targets])
            for change, target in targets:
                _refuse_changed(change, target)
            file.write(COMMITTED)
            file.flush()
            os.fsync(file.fileno())
        except BaseException as error:
            _remove_staged(entry["staged"] for entry in entries)
            journal.unlink(missing_ok=True)
            if isinstance(error, OSError):
                raise _refuse(str(folder), error) from None
            raise
        _rename_staged(entries)
        journal.unlink()
    return [change.path for change in changes]


def _staged_path(target: Path) -> Path:
    return target.with_name(f".{target.name}{STAGED_SUFFIX}")


def _stage(change: FileChange, target: Path) -> None:
    """Write a file's new content beside it, with its mode and owner."""
    staged = _staged_path(target)
    if change.old is not None:
        status = target.stat()
        if not status.st_mode & (stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH) or not os.access(target, os.W_OK):
            raise InputError(change.path, "is read-only", hint="make it writable, or write elsewhere with --out")
    elif target.exists():
        raise InputError(change.path, "is there already, and would be a new file", hint="move it away")
    try:
        with staged.open("wb") as file:
            file.write(change.new_content())
        if change.old is not None:
            staged.chmod(stat.S_IMODE(status.st_mode))
            if os.geteuid() == 0:
                os.chown(staged, status.st_uid, status.st_gid)
    except OSError as error:
        raise _refuse(change.path, error) from None


def _refuse(path: str, error: OSError) -> InputError:
    problem = f"cannot be written: {(error.strerror or str(error)).lower()}"
    return InputError(path, problem, hint="nothing was written; the files are as they were")


def _refuse_changed(change: FileChange, target: Path) -> None:
    if change.old is not None and hash_content(target.read_bytes()) != hash_content(change.old):
        raise InputError(change.path, "has changed since it was read", hint="run migrator again; nothing was written")
    if change.old is None and target.exists():
        raise InputError(change.path, "has appeared since the sources were read", hint="run migrator again")


def _sync(paths: Sequence[Path]) -> None:
    if len(paths) > SYNC_ONE_BY_ONE:
        os.sync()
        return
    for path in paths:
        with path.open("rb") as file:
            os.fsync(file.fileno())


def _rename_staged(entries: Iterable[dict[str, str]]) -> int:
    count = 0
    folders = set()
    for entry in entries:
        if os.path.lexists(entry["staged"]):
            Path(entry["staged"]).replace(entry["path"])
            folders.add(Path(entry["path"]).parent)
        count += 1
    for folder in folders:
        _sync_folder(folder)
    return count


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove_staged(paths: Iterable[str]) -> None:
    for path in paths:
        Path(path).unlink(missing_ok=True)


def find_journals(sources: Sequence[str]) -> list[Path]:
    """Find the journals that earlier runs left in the sources, or in folders above them."""
    found: dict[Path, None] = {}
    for source in sources:
        if source == "-":
            continue
        start = Path(os.path.realpath(source))
        for folder in (start, *start.parents):
            if (folder / JOURNAL_NAME).is_file():
                found[folder / JOURNAL_NAME] = None
        if start.is_dir():
            for folder_name, folders, files in os.walk(start):
                folders[:] = [name for name in folders if not name.startswith(".")]
                if JOURNAL_NAME in files:
                    found[Path(folder_name) / JOURNAL_NAME] = None
    return list(found)


def recover(journal: Path) -> Recovery:
    """Finish or undo what a journal tells of.

    Raises InputError where the run that wrote it is still at work.
    """
    try:
        file = journal.open("rb")
    except FileNotFoundError:
        return Recovery(journal.parent, False, 0)
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise InputError(str(journal), "another run is writing here", hint="wait until it has ended") from None
        head, _, tail = file.read().partition(b"\n")
        try:
            entries = json.loads(head)["entries"] if head else []
        except (ValueError, KeyError, TypeError):
            # The run ended while it wrote the journal, before it staged anything.
            entries = []
        committed = tail == COMMITTED
        if committed:
            _rename_staged(entries)
        else:
            _remove_staged(entry["staged"] for entry in entries)
        journal.unlink(missing_ok=True)
    return Recovery(journal.parent, committed, len(entries))


def write_out(changes: Sequence[FileChange], sources: Sequence[str], out: Path, stdin: bytes | None) -> list[str]:
    """Write a copy of the sources, with the changes made, into a new folder.

    Each file stands under its path relative to its source. Raises InputError where `out` holds something already,
    lies inside a source, or where two sources have a file of one path; then nothing is left behind.
    """
    out = Path(os.path.realpath(out))
    if out.is_dir() and any(out.iterdir()):
        raise InputError(str(out), "is not empty", hint="give a new folder, or empty this one")
    if out.exists() and not out.is_dir():
        raise InputError(str(out), "is a file", hint="give a new folder")
    for source in sources:
        if source != "-" and Path(source).is_dir() and out.is_relative_to(os.path.realpath(source)):
            raise InputError(str(out), f"lies inside the source {source}", hint="give a folder beside it")
    with _built_beside(out) as staging:
        copied: dict[Path, str] = {}
        for source in sources:
            for origin, relative in _list_copies(source):
                if relative in copied:
                    raise InputError(str(relative), f"stands in two sources: {copied[relative]} and {source}")
                copied[relative] = source
                target = _inside(staging, relative)
                target.parent.mkdir(parents=True, exist_ok=True)
                if origin is None:
                    target.write_bytes(stdin or b"")
                else:
                    shutil.copy2(origin, target)
        written = []
        for change in changes:
            relative = _relative_to_source(change.path, sources)
            target = _inside(staging, relative)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(change.new_content())
            written.append(str(out / relative))
    return written


@contextmanager
def _built_beside(out: Path) -> Iterator[Path]:
    """Build a folder beside its place, and move it there when it is complete."""
    staging = out.with_name(f".{out.name}.migrator-{os.getpid()}")
    try:
        staging.mkdir(parents=True)
        yield staging
        if out.exists():
            out.rmdir()
        staging.rename(out)
    except OSError as error:
        raise _refuse(error.filename or str(out), error) from None
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _list_copies(source: str) -> Iterator[tuple[Path | None, Path]]:
    """List what `--out` copies of a source: all files but Git's, links that stay inside as the files they mean."""
    if source == "-":
        yield None, Path("stdin.yaml")
        return
    root = Path(source)
    if not root.is_dir():
        yield root, Path(root.name)
        return
    inside = Path(os.path.realpath(root))
    for folder, folders, files in os.walk(root):
        folders[:] = sorted(name for name in folders if name != ".git")
        for name in sorted(files):
            path = Path(folder) / name
            if path.is_symlink() and not Path(os.path.realpath(path)).is_relative_to(inside):
                continue
            if path.is_file() and name != JOURNAL_NAME:
                yield path, path.relative_to(root)


def _relative_to_source(path: str, sources: Sequence[str]) -> Path:
    if path == "-":
        return Path("stdin.yaml")
    absolute = Path(os.path.abspath(path))  # noqa: PTH100 - without resolving links
    for source in sources:
        root = Path(os.path.abspath(source))  # noqa: PTH100
        if root.is_dir() and absolute.is_relative_to(root):
            return absolute.relative_to(root)
        if absolute == root or absolute.parent == root.parent:
            return Path(absolute.name)
    raise InputError(path, "lies in none of the sources")


def _inside(folder: Path, relative: Path) -> Path:
    """Give a path below a folder.

    Raises InputError for one that would leave it.
    """
    target = Path(os.path.normpath(folder / relative))
    if not target.is_relative_to(folder):
        raise InputError(str(relative), "would be written outside of the folder that was asked for")
    return target


def write_stream(changes: Sequence[FileChange], paths: Sequence[str], contents: dict[str, bytes]) -> bytes:
    """Write files and new ones as one stream of documents; a single file keeps its bytes."""
    edited = {change.path: change.new_content() for change in changes}
    parts: list[bytes] = []
    for path in sorted({*paths, *edited}, key=lambda path: (path not in contents, path)):
        content = edited.get(path, contents.get(path, b""))
        if parts and not parts[-1].endswith(b"\n"):
            parts.append(b"\n")
        if parts and not content.startswith((b"---", b"%")):
            parts.append(b"---\n")
        parts.append(content)
    return b"".join(parts)
