"""Writing elsewhere: a changed copy of the sources as a new folder, or all of them as one stream."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from migrator.errors import InputError
from migrator.model.reference import STDIN
from migrator.rendering.render import FileChange
from migrator.sources.files import JOURNAL_NAME
from migrator.yaml.scan import cut_json

STDIN_NAME = Path("stdin.yaml")
NOT_COPIED = frozenset({".git", JOURNAL_NAME})
_OPENING = re.compile(rb"(?:[ \t]*(?:#[^\n]*)?\r?\n)*(---(?=[ \t\r\n])|%)?")


def write_out(
    changes: Sequence[FileChange],
    sources: Sequence[str],
    out: Path,
    stdin: bytes | None,
    before_commit: Callable[[], None] = lambda: None,
    left_out: Collection[str] = (),
) -> list[str]:
    """Write a copy of the sources, with the changes made, into a new folder; give the paths of what changed there.

    Each file stands under its path relative to its source, with its mode; links stay links; `.git` stays behind.
    Files that are `left_out` stay behind, too. `before_commit` is called when all that is left to do is to give the
    folder its name. Raises InputError where `out` holds something already or lies inside a source, where two sources
    have a file of one path, and where something cannot be read or written; then nothing is left behind.
    """
    out = Path(os.path.realpath(out))
    refuse_place(out, sources)
    roots = _drop_nested(sources)
    origins = _list_origins(roots)
    contents = _place_contents(changes, roots, origins)
    gone = {_locate_change(change, roots) for change in changes if change.deleted}
    behind = {_absolute(path) for path in left_out}
    gone |= {relative for relative, (origin, _) in origins.items() if _absolute(str(origin)) in behind}
    if STDIN in roots and STDIN_NAME not in gone:
        contents.setdefault(STDIN_NAME, stdin or b"")
    with built_beside(out, before_commit) as staging:
        folders = [relative for relative, (origin, _) in origins.items() if _is_folder(origin)]
        for relative in folders:
            (staging / relative).mkdir(parents=True, exist_ok=True)
        for relative, (origin, root) in origins.items():
            if relative in contents or relative in gone or _is_folder(origin):
                continue
            if origin.is_symlink():
                (staging / relative).symlink_to(_aim_link(origin, root))
            else:
                shutil.copy2(origin, staging / relative)
        for relative, content in contents.items():
            (staging / relative).parent.mkdir(parents=True, exist_ok=True)
            (staging / relative).write_bytes(content)
            if relative in origins:
                shutil.copymode(origins[relative][0], staging / relative)
        # Last, since nothing can be written into a folder that is read-only.
        for relative in reversed(folders):
            shutil.copymode(origins[relative][0], staging / relative)
    return [str(out / _locate_change(change, roots)) for change in changes if not change.deleted]


def refuse_place(
    out: Path, sources: Sequence[str], hint: str = "give a new folder, or empty this one", replaced: bool = False
) -> None:
    """Raise InputError where a folder cannot be written: it holds something, is no folder, or is part of a source.

    `replaced` tells that what it holds may go.
    """
    if not replaced and out.is_dir() and any(out.iterdir()):
        raise InputError(str(out), "is not empty", hint=hint)
    if out.exists() and not out.is_dir():
        raise InputError(str(out), "is a file", hint="give a new folder")
    if out.is_mount():
        raise InputError(str(out), "is a mount point", hint="give a new folder inside it")
    for source in sources:
        if source != STDIN and Path(source).is_dir() and out.is_relative_to(os.path.realpath(source)):
            raise InputError(str(out), f"lies inside the source {source}", hint="give a folder beside it")


def _drop_nested(sources: Sequence[str]) -> list[str]:
    """Drop sources that lie inside another one: they are copied with it."""
    places = {source: _absolute(source) for source in sources if source != STDIN}
    kept = {
        place: source
        for source, place in places.items()
        if not any(place != other and place.is_relative_to(other) for other in places.values())
    }
    return [*kept.values(), *([STDIN] if STDIN in sources else [])]


def _absolute(path: str) -> Path:
    """Make a path absolute without resolving links."""
    return Path(os.path.abspath(path))  # noqa: PTH100 - it also takes `..` away


def _list_origins(roots: Sequence[str]) -> dict[Path, tuple[Path, Path]]:
    """List what is copied, folders before what they hold: by its path in the copy, its origin and its root."""
    origins: dict[Path, tuple[Path, Path]] = {}
    for source in roots:
        if source == STDIN:
            continue
        root = _absolute(source)
        for relative, origin in _walk(root) if root.is_dir() else [(Path(root.name), root.resolve())]:
            if relative in origins and not (_is_folder(origin) and _is_folder(origins[relative][0])):
                problem = f"stands in two sources: {origins[relative][0]} and {origin}"
                raise InputError(str(relative), problem, hint="write them into two folders, one after the other")
            origins[relative] = (origin, root)
    return origins


def _walk(root: Path) -> Iterator[tuple[Path, Path]]:
    def refuse(error: OSError) -> None:
        raise InputError(error.filename, f"cannot be copied: {_say(error)}", hint="grant the permission to read it")

    for folder_name, folders, files in os.walk(root, onerror=refuse):
        folder = Path(folder_name)
        folders[:] = sorted(set(folders) - NOT_COPIED)
        yield folder.relative_to(root), folder
        links = (name for name in folders if (folder / name).is_symlink())
        for name in sorted({*files, *links} - NOT_COPIED):
            origin = folder / name
            # Sockets, pipes and devices are no part of a repository.
            if origin.is_symlink() or origin.is_file():
                yield origin.relative_to(root), origin


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _place_contents(
    changes: Sequence[FileChange], roots: Sequence[str], origins: Mapping[Path, tuple[Path, Path]]
) -> dict[Path, bytes]:
    """Give the changed and the new files by their paths in the copy."""
    contents: dict[Path, bytes] = {}
    for change in changes:
        relative = _locate_change(change, roots)
        if relative in contents or (change.old is None and relative in origins):
            raise InputError(change.path, f"would be a second {relative} in the copy", hint="copy source by source")
        if not change.deleted:
            contents[relative] = change.new_content()
    return contents


def _locate_change(change: FileChange, roots: Sequence[str]) -> Path:
    if not change.translated:
        return _locate(change.path, roots)
    relative = Path(os.path.normpath(change.path))
    if relative.is_absolute() or ".." in relative.parts:
        raise InputError(change.path, "would be written outside of the folder that was asked for")
    return relative


def _locate(path: str, roots: Sequence[str]) -> Path:
    """Give a file's path in the copy: relative to its source, or its name beside a source that is a file."""
    if path == STDIN:
        return STDIN_NAME
    absolute = _absolute(path)
    for root in map(_absolute, (root for root in roots if root != STDIN)):
        if root.is_dir() and absolute.is_relative_to(root):
            return absolute.relative_to(root)
        if not root.is_dir() and absolute.parent == root.parent:
            return Path(absolute.name)
    raise InputError(path, "lies in none of the sources", hint="add its folder to the sources")


def _aim_link(link: Path, root: Path) -> str:
    """Give what a link's copy points at: the copy of its target inside the source, or its very target outside."""
    aim = link.readlink()
    steps = [_absolute(str(link.parent.joinpath(*aim.parts[:count]))) for count in range(1, len(aim.parts) + 1)]
    if all(step.is_relative_to(root) for step in steps):
        return str(aim)
    target = os.path.realpath(link)
    if Path(target).is_relative_to(root.resolve()):
        return os.path.relpath(target, link.parent.resolve())
    return target


@contextmanager
def built_beside(out: Path, before_commit: Callable[[], None]) -> Iterator[Path]:
    """Build a folder beside its place, and move it there when it is complete; one that stands there makes way."""
    staging = out.with_name(f".{out.name}.migrator-new")
    missing = [parent for parent in out.parents if not parent.exists()]
    done = False
    try:
        staging.mkdir(parents=True, exist_ok=True)
        with _locked(staging):
            try:
                # What a killed run has left.
                _empty(staging)
                yield staging
                if out.exists():
                    shutil.copymode(out, staging)
                os.sync()
                before_commit()
                if out.exists() and any(out.iterdir()):
                    out.rename(_aside(out))
                staging.replace(out)
                done = True
                settle_folder(out)
            finally:
                if not done:
                    settle_folder(out)
                    _empty(staging)
                    staging.rmdir()
    except OSError as error:
        name = str(error.filename or out)
        path = str(out) if Path(name).is_relative_to(staging) else name
        raise InputError(path, f"cannot be copied to {out}: {_say(error)}", hint="nothing was written") from None
    finally:
        if not done:
            for parent in missing:
                with suppress(OSError):
                    parent.rmdir()


def _aside(out: Path) -> Path:
    return out.with_name(f".{out.name}.migrator-old")


def settle_folder(out: Path) -> None:
    """Put back the folder that a killed run has moved aside, or remove it where the new one took its place."""
    aside = _aside(out)
    if not os.path.lexists(aside):
        return
    if out.exists():
        _empty(aside)
        aside.rmdir()
    else:
        aside.rename(out)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            current = os.path.samestat(os.fstat(descriptor), folder.stat())
        except (BlockingIOError, FileNotFoundError):
            current = False
        if not current:
            raise InputError(str(folder), "another run is writing here", hint="wait until it has ended")
        yield
    finally:
        os.close(descriptor)


def _empty(folder: Path) -> None:
    for path, _, _ in os.walk(folder):
        Path(path).chmod(0o700)
    for child in folder.iterdir():
        if _is_folder(child):
            shutil.rmtree(child)
        else:
            child.unlink()


def write_stream(changes: Sequence[FileChange], paths: Sequence[str], contents: Mapping[str, bytes]) -> bytes:
    """Write files and new ones as one stream of documents; a single file keeps its bytes."""
    edited = {change.path: change.new_content() for change in changes}
    gone = {change.path for change in changes if change.deleted}
    ordered = sorted({*paths, *edited} - gone, key=lambda path: (path not in contents, path))
    parts = [edited.get(path, contents.get(path, b"")) for path in ordered]
    if len(parts) == 1:
        return parts[0]
    # Behind `---` kubectl reads YAML, which has no two values side by side.
    pieces = [part[span.start : span.end] for part in parts for span in cut_json(part)]
    return b"".join(_separate(piece, not index) for index, piece in enumerate(pieces))


def _separate(content: bytes, first: bool) -> bytes:
    """Make a file's documents stand alone in a stream, whatever stands before and behind them."""
    if content and not content.endswith(b"\n"):
        content += b"\n"
    opening = _OPENING.match(content)
    if opening and opening[1]:
        # Directives are only read behind the end of a document, which blank lines and comments do not make.
        alone = first or content.startswith(b"---")
        return content if alone else b"...\n" + content
    # Also in front of the first: kubectl takes a stream that starts with a brace for nothing but JSON.
    return b"---\n" + content


def _say(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
