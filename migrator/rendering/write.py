"""Writing in place: all files of a run or none of them, also across a crash.

A journal names the files of the run. Every new content is staged beside its file and every old one kept beside it
before the first file is replaced, so that whatever happens on the way can be undone by renaming alone, on a full disk
too. One line in the journal commits the run. A run that finds a journal puts back what was not committed.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from io import FileIO
from pathlib import Path

from migrator.errors import InputError
from migrator.model.record import record
from migrator.rendering.render import FileChange
from migrator.sources.files import JOURNAL_NAME, find_journals, hash_content

COMMITTED = b"committed\n"
JOURNAL_VERSION = "1.0"
NOTHING_WRITTEN = "nothing was written; the files are as they were"
SYNC_ONE_BY_ONE = 20
"""Paths up to which each is synced by itself; beyond that one sync of everything is faster."""


@record
class Recovery:
    """What was found of an interrupted run: its folder, whether it had written all, how many files it names."""

    folder: Path
    finished: bool
    files: int


@record
class _Entry:
    """A file of a run, as the journal names it: the SHA-256 of its bytes before (None: it is new) and after.

    `new` is None for a file that goes.
    """

    path: Path
    old: str | None
    new: str | None

    @property
    def staged(self) -> Path:
        """Where the new content waits until it takes the file's place."""
        return self.path.with_name(f".{self.path.name}.migrator-new")

    @property
    def kept(self) -> Path:
        """Where the old file stays until the run is committed."""
        return self.path.with_name(f".{self.path.name}.migrator-old")

    def is_replaced(self) -> bool:
        """Whether the staged content has taken the file's place: it moves there, and the old file was kept before."""
        if self.new is None:
            return os.path.lexists(self.kept) and _hash_file(self.path) != self.old
        if os.path.lexists(self.staged):
            return False
        return os.path.lexists(self.kept) if self.old is not None else _hash_file(self.path) == self.new


def write_in_place(changes: Sequence[FileChange], before_commit: Callable[[], None] = lambda: None) -> list[str]:
    """Write file changes over their files, all or nothing.

    Mode, owner and extended attributes stay. A link keeps pointing at the file that it means; other hard links of a
    file keep the old content. `before_commit` is called when the run can still be undone for the last time. Raises
    InputError where a file cannot be written or has changed; then nothing is written.
    """
    if not changes:
        return []
    entries = _list_entries(changes)
    folder = Path(os.path.commonpath([entry.path.parent for entry in entries]))
    with _create_journal(folder) as journal:
        committed = False
        try:
            _append(journal, _write_journal(folder, entries))
            _sync([folder])
            for change, entry in zip(changes, entries, strict=True):
                _stage(change, entry)
            for change, entry in zip(changes, entries, strict=True):
                _refuse_changed(change, entry)
                _keep(change, entry)
            # A rename must not reach the disk before what it moves, nor before what undoes it.
            _sync([*(entry.staged for entry in entries if entry.new is not None), *_folders(entries)])
            for change, entry in zip(changes, entries, strict=True):
                with _refusing(change.path):
                    if entry.new is None:
                        entry.path.unlink()
                    else:
                        entry.staged.replace(entry.path)
            _sync(_folders(entries))
            before_commit()
            _append(journal, COMMITTED)
            committed = True
        except OSError as error:
            raise _refuse(str(folder), error) from None
        finally:
            _settle(entries, committed)
            (folder / JOURNAL_NAME).unlink()
    return [change.path for change in changes if not change.deleted]


def _list_entries(changes: Sequence[FileChange]) -> list[_Entry]:
    """List the files of a run by their real paths, and refuse what cannot be written before anything is."""
    entries: dict[Path, _Entry] = {}
    for change in changes:
        path = Path(os.path.realpath(change.path))
        if path in entries:
            raise InputError(change.path, f"is the same file as {path}, which changes too", hint="give it only once")
        old = None if change.old is None else hash_content(change.old)
        new = None if change.deleted else hash_content(change.new_content())
        entry = entries[path] = _Entry(path, old, new)
        if change.deleted and Path(change.path).is_symlink():
            hint = "delete the link and its file, or write elsewhere with --out"
            raise InputError(change.path, "is a link to a file that goes", hint=hint)
        if entry.kept.exists():
            hint = f"compare it with {change.path}, then delete it"
            raise InputError(str(entry.kept), "is the old file of an interrupted run without its journal", hint=hint)
        if path.exists() == (change.old is None):
            _refuse_changed(change, entry)
        if change.old is not None and not _is_writable(path):
            raise InputError(change.path, "is read-only", hint="make it writable, or write elsewhere with --out")
    return list(entries.values())


def _is_writable(path: Path) -> bool:
    """Whether a file may be written; root too respects a file that nobody may write."""
    return bool(path.stat().st_mode & (stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH)) and os.access(path, os.W_OK)


@contextmanager
def _create_journal(folder: Path) -> Iterator[FileIO]:
    """Create a run's journal and hold its lock.

    Raises InputError where another run is at work here, in a folder above or in one below.
    """
    path = folder / JOURNAL_NAME
    with _refusing(str(folder), "the files of one run need a folder in common that can be written"):
        try:
            journal = path.open("xb", buffering=0)
        except FileExistsError:
            raise _refuse_second_run(path) from None
    with journal:
        try:
            _lock(journal, path)
        except OSError as error:
            path.unlink()
            raise InputError(str(path), f"cannot be locked: {_say(error)}", hint=NOTHING_WRITTEN) from None
        others = [other for other in find_journals([str(folder)]) if other != path]
        if others:
            path.unlink()
            raise _refuse_second_run(others[0])
        yield journal


def _lock(journal: FileIO, path: Path) -> None:
    """Lock a journal for one run.

    Raises InputError where another run holds it or has just removed it.
    """
    try:
        fcntl.flock(journal, fcntl.LOCK_EX | fcntl.LOCK_NB)
        current = os.path.samestat(os.fstat(journal.fileno()), path.stat())
    except (BlockingIOError, FileNotFoundError):
        current = False
    if not current:
        raise _refuse_second_run(path)


def _write_journal(folder: Path, entries: Iterable[_Entry]) -> bytes:
    files = [{"path": str(entry.path.relative_to(folder)), "old": entry.old, "new": entry.new} for entry in entries]
    return json.dumps({"formatVersion": JOURNAL_VERSION, "files": files}).encode() + b"\n"


def _append(journal: FileIO, content: bytes) -> None:
    while content:
        # A disk that is nearly full takes a part first, and is full the next time.
        content = content[journal.write(content) :]
    os.fsync(journal.fileno())


def _stage(change: FileChange, entry: _Entry) -> None:
    """Write a file's new content beside it, with its mode, owner and extended attributes."""
    with _refusing(change.path):
        # Only a run without a journal can have left this one, and it replaced nothing: the old file is not kept.
        entry.staged.unlink(missing_ok=True)
        if change.deleted:
            return
        mode = 0o666 if change.old is None else 0o600
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        with open(os.open(entry.staged, flags, mode), "wb") as file:  # noqa: PTH123 - with the mode from the start
            file.write(change.new_content())
        if change.old is not None:
            _copy_ownership(entry.path, entry.staged)


def _copy_ownership(source: Path, target: Path) -> None:
    status = source.stat()
    own = target.stat()
    if (status.st_uid, status.st_gid) != (own.st_uid, own.st_gid):
        try:
            os.chown(target, status.st_uid, status.st_gid)
        except PermissionError:
            # A shared folder: who writes a file owns it, as with git; its group stays where that is allowed.
            with suppress(PermissionError):
                os.chown(target, -1, status.st_gid)
    shutil.copystat(source, target)
    os.utime(target)


def _refuse_changed(change: FileChange, entry: _Entry) -> None:
    current = _hash_file(entry.path)
    if current == entry.old:
        return
    if change.old is None:
        raise InputError(change.path, "has appeared since the sources were read", hint="run migrator again")
    problem = "is gone" if current is None else "has changed"
    hint = "run migrator again; nothing was written"
    raise InputError(change.path, f"{problem} since it was read", hint=hint)


def _keep(change: FileChange, entry: _Entry) -> None:
    """Keep the old file under a second name; as a copy where the file system has no hard links."""
    if change.old is None:
        return
    with _refusing(change.path):
        try:
            os.link(entry.path, entry.kept)
        except OSError:
            shutil.copy2(entry.path, entry.kept)
            _copy_ownership(entry.path, entry.kept)
            _sync([entry.kept])


def _settle(entries: Sequence[_Entry], committed: bool) -> None:
    """Leave the files of a run alone: put the old ones back unless it was committed, and remove what stood beside.

    It may end at any point and be done again. Raises InputError where a person has edited a file that would be put
    back, before it touches anything.
    """
    if not committed:
        replaced = {entry: _hash_file(entry.path) for entry in entries if entry.is_replaced()}
        for entry, current in replaced.items():
            if current not in (entry.old, entry.new):
                hint = f"its old content is in {entry.kept}: put either back in its place, then run migrator again"
                raise InputError(str(entry.path), "has been edited since a run here was interrupted", hint=hint)
        for entry, current in replaced.items():
            if current == entry.old:
                continue
            with _refusing(str(entry.path), "the next run tries again to put the old files back"):
                if entry.old is None:
                    entry.path.unlink()
                else:
                    entry.kept.replace(entry.path)
        _sync(_folders(replaced))
    for entry in entries:
        # In this order: a kept file without a staged one is a file that was replaced.
        entry.kept.unlink(missing_ok=True)
        entry.staged.unlink(missing_ok=True)
    _sync(_folders(entries))


def recover(path: Path) -> Recovery:
    """Undo the interrupted run that a journal tells of, or tidy up behind it where it had written everything.

    Raises InputError where that run is still at work, where a person has edited its files since, and where the
    journal names files outside of its folder.
    """
    folder = Path(os.path.realpath(path.parent))
    with _refusing(str(path), "the next run tries again"):
        try:
            journal = path.open("rb", buffering=0)
        except FileNotFoundError:
            return Recovery(folder, True, 0)
        with journal:
            _lock(journal, path)
            head, _, tail = journal.read().partition(b"\n")
            entries = _read_journal(folder, head)
            committed = tail == COMMITTED
            _settle(entries, committed)
            path.unlink(missing_ok=True)
    return Recovery(folder, committed, len(entries))


def _read_journal(folder: Path, head: bytes) -> list[_Entry]:
    """Read a journal's files; none from one that was not written to its end, since then nothing else was begun."""
    try:
        document = json.loads(head)
        version = str(document["formatVersion"])
        if version.partition(".")[0] != JOURNAL_VERSION.partition(".")[0]:
            hint = "run the migrator that wrote it"
            raise InputError(str(folder / JOURNAL_NAME), f"is a journal of another format, {version}", hint=hint)
        return [_Entry(_locate(folder, file["path"]), file["old"], file["new"]) for file in document["files"]]
    except (ValueError, KeyError, TypeError, RecursionError):
        return []


def _locate(folder: Path, name: str) -> Path:
    """Locate a file of a journal, which is input too and must not lead out of its folder."""
    path = folder / name
    if folder not in path.parents or os.path.realpath(path) != str(path):
        hint = "delete the journal, unless a run of yours was interrupted here"
        raise InputError(str(folder / JOURNAL_NAME), f"names what is no file of its folder: {name}", hint=hint)
    return path


def _hash_file(path: Path) -> str | None:
    try:
        return hash_content(path.read_bytes())
    except FileNotFoundError:
        return None


def _folders(entries: Iterable[_Entry]) -> list[Path]:
    return list(dict.fromkeys(entry.path.parent for entry in entries))


def _sync(paths: Sequence[Path]) -> None:
    """Bring files, and the names in folders, to the disk."""
    if len(paths) > SYNC_ONE_BY_ONE:
        os.sync()
        return
    for path in paths:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


@contextmanager
def _refusing(path: str, hint: str = NOTHING_WRITTEN) -> Iterator[None]:
    """Turn what the file system says into an error that names the path as a person gave it."""
    try:
        yield
    except OSError as error:
        raise _refuse(path, error, hint) from None


def _refuse(path: str, error: OSError, hint: str = NOTHING_WRITTEN) -> InputError:
    return InputError(path, f"cannot be written: {_say(error)}", hint=hint)


def _say(error: OSError) -> str:
    return (error.strerror or str(error)).lower()


def _refuse_second_run(journal: Path) -> InputError:
    return InputError(str(journal), "another run is writing here", hint="wait until it has ended, then run again")
