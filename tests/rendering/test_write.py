"""Writing in place: wholly the old tree or wholly the new one, whatever happens on the way."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from migrator.errors import InputError
from migrator.rendering import write
from migrator.rendering.render import FileChange, Replacement
from migrator.rendering.write import recover, write_in_place
from migrator.sources.files import JOURNAL_NAME, find_journals

AS_ROOT = os.geteuid() == 0
Tree = dict[str, bytes]


@pytest.fixture(autouse=True)
def _without_syncs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unlike a power cut, a kill loses nothing that was written: syncs only cost time here."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    monkeypatch.setattr(os, "sync", lambda: None)


def read_tree(root: Path) -> Tree:
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and not path.is_symlink()
    }


def change_file(path: Path, new: bytes) -> FileChange:
    old = path.read_bytes()
    return FileChange(str(path), old, (Replacement(0, len(old), new),))


def create_file(path: Path, content: bytes) -> FileChange:
    return FileChange(str(path), None, (Replacement(0, 0, content),))


def make_changes(root: Path) -> list[FileChange]:
    """A tree of five files, of which three change, one goes, and one more comes."""
    (root / "base" / "deep").mkdir(parents=True)
    for name in ("one.yaml", "base/two.yaml", "base/deep/three.yaml", "same.yaml", "base/gone.yaml"):
        (root / name).write_bytes(f"old: {name}\n".encode())
    return [
        change_file(root / "one.yaml", b"new: one\n"),
        change_file(root / "base/two.yaml", b"new: two\n"),
        change_file(root / "base/gone.yaml", b""),
        create_file(root / "base/service.yaml", b"new: service\n"),
        change_file(root / "base/deep/three.yaml", b"new: three\n"),
    ]


def new_tree(old: Tree, root: Path, changes: list[FileChange]) -> Tree:
    new = {**old, **{str(Path(change.path).relative_to(root)): change.new_content() for change in changes}}
    return {path: content for path, content in new.items() if content}


def recover_all(root: Path) -> list[write.Recovery]:
    return [recover(journal) for journal in find_journals([str(root)])]


def run_until(step: int, action: Callable[[], object], effect: Callable[[], None]) -> bool:
    """Run an action in a process of its own, with an effect before its `step`th call of the file system.

    Returns whether it came that far.
    """
    child = os.fork()
    if child == 0:
        seen = 0

        def count(event: str, arguments: tuple[object, ...]) -> None:
            nonlocal seen
            if event == "open" or event.startswith(("os.", "fcntl.")):
                seen += 1
                if seen == step:
                    effect()

        code = 1
        try:
            sys.addaudithook(count)
            action()
            code = 0
        except (InputError, KeyboardInterrupt):
            code = 2
        finally:
            os._exit(code if seen < step else 3)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status) or os.waitstatus_to_exitcode(status) == 3


def kill_self() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def test_writes_all_files_and_leaves_nothing_beside_them(tmp_path: Path) -> None:
    changes = make_changes(tmp_path)
    old = read_tree(tmp_path)
    assert write_in_place(changes) == [change.path for change in changes if not change.deleted]
    assert read_tree(tmp_path) == new_tree(old, tmp_path, changes)


def test_without_changes_nothing_is_touched(tmp_path: Path) -> None:
    make_changes(tmp_path)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} | {tmp_path: tmp_path.stat().st_mtime_ns}
    assert write_in_place([]) == []
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_killed_at_any_step_the_tree_is_old_or_new_after_the_next_run(tmp_path: Path) -> None:
    outcomes = []
    for step in range(1, 1000):
        root = tmp_path / str(step)
        changes = make_changes(root)
        old = read_tree(root)
        if not run_until(step, lambda: write_in_place(changes), kill_self):  # noqa: B023 - called at once
            break
        found = recover_all(root)
        now = read_tree(root)
        assert now in (old, new_tree(old, root, changes)), step
        outcomes.append((len(found), now == old))
        if found:
            assert found[0].finished == (now != old), step
        assert recover_all(root) == []
    # Old at first, new at last, and never old again in between; in the middle a journal tells of it.
    ages = [is_old for _, is_old in outcomes]
    assert ages == sorted(ages, reverse=True)
    assert {True, False} == set(ages)
    assert sum(count for count, _ in outcomes) > 30


def test_killed_again_while_it_recovers(tmp_path: Path) -> None:
    for first in range(20, 1000, 4):
        root = tmp_path / str(first)
        changes = make_changes(root)
        old = read_tree(root)
        if not run_until(first, lambda: write_in_place(changes), kill_self):  # noqa: B023
            break
        for second in range(1, 1000, 3):
            if not run_until(second, lambda: recover_all(root), kill_self):  # noqa: B023
                break
        recover_all(root)
        assert read_tree(root) in (old, new_tree(old, root, changes)), first


def test_a_run_that_fails_at_any_step_is_undone_at_once(tmp_path: Path) -> None:
    def fail() -> None:
        raise OSError(28, "No space left on device")

    def interrupt() -> None:
        raise KeyboardInterrupt

    for effect in (fail, interrupt):
        for step in range(1, 1000):
            root = tmp_path / f"{effect.__name__}-{step}"
            changes = make_changes(root)
            old = read_tree(root)
            came = run_until(step, lambda: write_in_place(changes), effect)  # noqa: B023
            now = read_tree(root)
            if not came:
                assert now == new_tree(old, root, changes)
                break
            if JOURNAL_NAME in now:
                recover_all(root)
                now = read_tree(root)
            assert now in (old, new_tree(old, root, changes)), (effect.__name__, step)


@contextmanager
def failing(monkeypatch: pytest.MonkeyPatch, name: str, call: int, error: BaseException) -> Iterator[None]:
    """Let one call of a function of this module fail."""
    original = getattr(write, name)
    seen = 0

    def fail_once(*arguments: object) -> object:
        nonlocal seen
        seen += 1
        if seen == call:
            raise error
        return original(*arguments)

    with monkeypatch.context() as patched:
        patched.setattr(write, name, fail_once)
        yield


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()], ids=["full", "^C"])
@pytest.mark.parametrize(
    ("name", "call"),
    [("_append", 1), ("_stage", 3), ("_refuse_changed", 4), ("_keep", 2), ("_sync", 2), ("_sync", 3)],
)
def test_a_failure_leaves_the_old_tree_and_no_journal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, call: int, error: BaseException
) -> None:
    changes = make_changes(tmp_path)
    old = read_tree(tmp_path)
    with (
        failing(monkeypatch, name, call, error),
        pytest.raises(InputError if isinstance(error, OSError) else KeyboardInterrupt),
    ):
        write_in_place(changes)
    assert read_tree(tmp_path) == old


def test_a_file_that_cannot_be_replaced_undoes_those_that_were(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes = make_changes(tmp_path)
    old = read_tree(tmp_path)
    inodes = {name: (tmp_path / name).stat().st_ino for name in old}
    replace = Path.replace

    def refuse_three(self: Path, target: Path) -> Path:
        if Path(target).name == "three.yaml" and self.name.endswith("-new"):
            raise OSError(16, "Device or resource busy")
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", refuse_three)
    with pytest.raises(InputError, match=r"three\.yaml: cannot be written: device or resource busy"):
        write_in_place(changes)
    assert read_tree(tmp_path) == old
    assert {name: (tmp_path / name).stat().st_ino for name in old} == inodes


@pytest.mark.parametrize("count", [1, 50])
def test_nothing_reaches_the_disk_before_what_undoes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    unsynced: set[str] = set()
    replaced: list[str] = []

    def forget(paths: list[Path] | None = None) -> None:
        unsynced.difference_update(map(str, paths) if paths else set(unsynced))

    def note(event: str, arguments: tuple[object, ...]) -> None:
        if event == "open" and str(arguments[0]).startswith(str(tmp_path)) and int(str(arguments[2])) & os.O_CREAT:
            unsynced.update((str(arguments[0]), str(Path(str(arguments[0])).parent)))
        elif event == "os.link" and str(arguments[0]).startswith(str(tmp_path)):
            unsynced.add(str(Path(str(arguments[1])).parent))
        elif event == "os.rename" and str(arguments[0]).startswith(str(tmp_path)):
            assert not unsynced or replaced
            replaced.append(str(arguments[1]))
            unsynced.add(str(Path(str(arguments[1])).parent))
        elif event == "os.remove" and str(arguments[0]).startswith(str(tmp_path)) and replaced:
            assert not unsynced

    def synced(descriptor: int) -> None:
        forget([Path(f"/proc/self/fd/{descriptor}").readlink()])

    changes = []
    for number in range(count):
        path = tmp_path / f"{number}.yaml"
        path.write_bytes(b"old\n")
        changes.append(change_file(path, b"new\n"))
    child = os.fork()
    if child == 0:
        try:
            os.fsync, os.sync = synced, forget
            sys.addaudithook(note)
            write_in_place(changes)
            os._exit(0 if len(replaced) == count else 4)
        finally:
            os._exit(5)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0


def test_a_file_system_without_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: object, **options: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    changes = make_changes(tmp_path)
    old = read_tree(tmp_path)
    with failing(monkeypatch, "_append", 2, OSError(5, "Input/output error")), pytest.raises(InputError):
        write_in_place(changes)
    assert read_tree(tmp_path) == old
    write_in_place(changes)
    assert read_tree(tmp_path) == new_tree(old, tmp_path, changes)


def leave_interrupted(root: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[list[FileChange], Tree]:
    """Leave a tree as a run does that is killed when all files are replaced but not committed."""
    changes = make_changes(root)
    old = read_tree(root)
    with (
        failing(monkeypatch, "_append", 2, OSError(5, "Input/output error")),
        failing(monkeypatch, "_settle", 1, SystemExit()),
        pytest.raises(SystemExit),
    ):
        write_in_place(changes)
    assert (root / "one.yaml").read_bytes() == b"new: one\n"
    return changes, old


def test_what_was_not_committed_is_put_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, old = leave_interrupted(tmp_path, monkeypatch)
    assert recover_all(tmp_path) == [write.Recovery(tmp_path, False, 5)]
    assert read_tree(tmp_path) == old


def test_a_moved_tree_recovers_where_it_is_now(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, old = leave_interrupted(tmp_path / "here", monkeypatch)
    (tmp_path / "here").rename(tmp_path / "there")
    recover_all(tmp_path / "there")
    assert read_tree(tmp_path / "there") == old


def test_a_file_that_a_person_edited_since_is_not_put_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, old = leave_interrupted(tmp_path, monkeypatch)
    (tmp_path / "base/two.yaml").write_bytes(b"mine: two\n")
    before = read_tree(tmp_path)
    with pytest.raises(InputError, match=r"base/two\.yaml: has been edited since a run here was interrupted"):
        recover_all(tmp_path)
    assert read_tree(tmp_path) == before
    (tmp_path / "base/.two.yaml.migrator-old").replace(tmp_path / "base/two.yaml")
    recover_all(tmp_path)
    assert read_tree(tmp_path) == old


def test_a_file_that_a_person_made_where_one_went_is_not_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave_interrupted(tmp_path, monkeypatch)
    (tmp_path / "base/gone.yaml").write_bytes(b"mine: gone\n")
    before = read_tree(tmp_path)
    with pytest.raises(InputError, match=r"base/gone\.yaml: has been edited since a run here was interrupted"):
        recover_all(tmp_path)
    assert read_tree(tmp_path) == before


def test_a_tree_that_a_person_put_back_is_only_tidied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, old = leave_interrupted(tmp_path, monkeypatch)
    for name, content in old.items():
        (tmp_path / name).write_bytes(content)
    recover_all(tmp_path)
    assert read_tree(tmp_path) == old


def test_an_old_file_without_its_journal_is_not_overwritten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    leave_interrupted(tmp_path, monkeypatch)
    (tmp_path / JOURNAL_NAME).unlink()
    before = read_tree(tmp_path)
    with pytest.raises(InputError, match=r"\.one\.yaml\.migrator-old: is the old file of an interrupted run"):
        write_in_place([change_file(tmp_path / "one.yaml", b"newer: one\n")])
    assert read_tree(tmp_path) == before


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\0" * 4096,
        b"not a journal\n",
        b"[]\n",
        b"[" * 100_000 + b"\n",
        b'{"formatVersion": "1.0"}\ncommitted\n',
        b'{"formatVersion": "1.0", "files": [1, null]}\n',
        b'{"formatVersion": "1.0", "files": [{"path": "a\\u0000b", "old": null, "new": ""}]}\n',
    ],
)
def test_a_journal_that_says_nothing_is_removed(tmp_path: Path, content: bytes) -> None:
    make_changes(tmp_path)
    old = read_tree(tmp_path)
    (tmp_path / JOURNAL_NAME).write_bytes(content)
    assert [found.files for found in recover_all(tmp_path)] == [0]
    assert read_tree(tmp_path) == old


@pytest.mark.parametrize("name", ["../outside.yaml", "base/../../outside.yaml", "link/outside.yaml", "", ".", ".."])
@pytest.mark.parametrize("absolute", [False, True])
@pytest.mark.parametrize("tail", ["", "committed\n"])
def test_a_journal_does_not_lead_out_of_its_folder(tmp_path: Path, name: str, absolute: bool, tail: str) -> None:
    inside = tmp_path / "inside"
    make_changes(inside)
    (inside / "link").symlink_to(tmp_path)
    for suffix in ("new", "old"):
        (tmp_path / f".outside.yaml.migrator-{suffix}").write_bytes(b"planted\n")
    (tmp_path / "outside.yaml").write_bytes(b"mine\n")
    before = read_tree(tmp_path)
    path = os.path.normpath(inside / name) if absolute else name
    if path == str(inside):
        path = "/"
    entry = {"path": path, "old": write.hash_content(b"planted\n"), "new": write.hash_content(b"mine\n")}
    (inside / JOURNAL_NAME).write_text(json.dumps({"formatVersion": "1.0", "files": [entry]}) + "\n" + tail)
    with pytest.raises(InputError, match="names what is no file of its folder"):
        recover_all(inside)
    (inside / JOURNAL_NAME).unlink()
    assert read_tree(tmp_path) == before


def test_a_journal_of_a_later_format_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / JOURNAL_NAME).write_text('{"formatVersion": "2.0", "files": []}\n')
    with pytest.raises(InputError, match=r"another format, 2\.0"):
        recover_all(tmp_path)
    assert (tmp_path / JOURNAL_NAME).exists()


@pytest.mark.parametrize("place", [".", "..", "base"])
def test_a_second_run_here_above_or_below_is_refused(tmp_path: Path, place: str) -> None:
    root = tmp_path / "root"
    changes = make_changes(root)
    old = read_tree(root)
    journal = (root / place / JOURNAL_NAME).resolve()
    with journal.open("wb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(InputError, match="another run is writing here"):
            write_in_place(changes)
        with pytest.raises(InputError, match="another run is writing here"):
            recover_all(root)
    journal.unlink()
    assert read_tree(root) == old


def test_runs_side_by_side_do_not_hinder_each_other(tmp_path: Path) -> None:
    changes = make_changes(tmp_path / "left")
    (tmp_path / "right").mkdir()
    with (tmp_path / "right" / JOURNAL_NAME).open("wb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert len(write_in_place(changes)) == 4


def test_a_file_that_changed_underneath(tmp_path: Path) -> None:
    changes = make_changes(tmp_path)
    (tmp_path / "base/two.yaml").write_bytes(b"mine: two\n")
    before = read_tree(tmp_path)
    with pytest.raises(InputError, match=r"two\.yaml: has changed since it was read"):
        write_in_place(changes)
    (tmp_path / "base/two.yaml").unlink()
    with pytest.raises(InputError, match=r"two\.yaml: is gone since it was read"):
        write_in_place(changes)
    assert read_tree(tmp_path) == {name: content for name, content in before.items() if name != "base/two.yaml"}


def test_a_new_file_that_appeared(tmp_path: Path) -> None:
    changes = make_changes(tmp_path)
    (tmp_path / "base/service.yaml").write_bytes(b"mine: service\n")
    before = read_tree(tmp_path)
    with pytest.raises(InputError, match=r"service\.yaml: has appeared since"):
        write_in_place(changes)
    assert read_tree(tmp_path) == before


def test_a_file_that_nobody_may_write_is_refused(tmp_path: Path) -> None:
    changes = make_changes(tmp_path)
    (tmp_path / "base/two.yaml").chmod(0o444)
    before = read_tree(tmp_path)
    with pytest.raises(InputError, match=r"two\.yaml: is read-only"):
        write_in_place(changes)
    assert read_tree(tmp_path) == before


@pytest.mark.skipif(AS_ROOT, reason="root writes into read-only folders")
def test_a_read_only_folder_is_refused(tmp_path: Path) -> None:
    changes = make_changes(tmp_path)
    (tmp_path / "base/deep").chmod(0o555)
    before = read_tree(tmp_path)
    with pytest.raises(InputError, match=r"three\.yaml: cannot be written: permission denied"):
        write_in_place(changes)
    assert read_tree(tmp_path) == before


@pytest.mark.parametrize("mode", [0o600, 0o644, 0o664, 0o755])
def test_the_mode_of_a_file_stays(tmp_path: Path, mode: int) -> None:
    changes = make_changes(tmp_path)
    (tmp_path / "one.yaml").chmod(mode)
    write_in_place(changes)
    assert stat.S_IMODE((tmp_path / "one.yaml").stat().st_mode) == mode


@pytest.mark.skipif(not AS_ROOT, reason="only root gives files away")
def test_the_owner_of_a_file_stays(tmp_path: Path) -> None:
    changes = make_changes(tmp_path)
    os.chown(tmp_path / "one.yaml", 4321, 8765)
    write_in_place(changes)
    status = (tmp_path / "one.yaml").stat()
    assert (status.st_uid, status.st_gid) == (4321, 8765)


def test_extended_attributes_stay(tmp_path: Path) -> None:
    changes = make_changes(tmp_path)
    try:
        os.setxattr(tmp_path / "one.yaml", "user.origin", b"fleet")
    except OSError:
        pytest.skip("no extended attributes on this file system")
    write_in_place(changes)
    assert os.getxattr(tmp_path / "one.yaml", "user.origin") == b"fleet"


def test_a_link_keeps_pointing_at_its_file(tmp_path: Path) -> None:
    (tmp_path / "real.yaml").write_bytes(b"old: real\n")
    (tmp_path / "link.yaml").symlink_to("real.yaml")
    write_in_place([change_file(tmp_path / "link.yaml", b"new: real\n")])
    assert (tmp_path / "link.yaml").readlink() == Path("real.yaml")
    assert (tmp_path / "real.yaml").read_bytes() == b"new: real\n"


def test_a_link_to_a_file_that_goes_is_refused(tmp_path: Path) -> None:
    (tmp_path / "real.yaml").write_bytes(b"old: real\n")
    (tmp_path / "link.yaml").symlink_to("real.yaml")
    with pytest.raises(InputError, match="is a link to a file that goes"):
        write_in_place([change_file(tmp_path / "link.yaml", b"")])
    assert (tmp_path / "real.yaml").read_bytes() == b"old: real\n"


def test_one_file_under_two_paths_is_refused(tmp_path: Path) -> None:
    (tmp_path / "real.yaml").write_bytes(b"old: real\n")
    (tmp_path / "link.yaml").symlink_to("real.yaml")
    changes = [change_file(tmp_path / name, name.encode()) for name in ("link.yaml", "real.yaml")]
    with pytest.raises(InputError, match="is the same file as"):
        write_in_place(changes)
    assert read_tree(tmp_path) == {"real.yaml": b"old: real\n"}


def test_other_hard_links_keep_the_old_content(tmp_path: Path) -> None:
    changes = make_changes(tmp_path / "tree")
    os.link(tmp_path / "tree/one.yaml", tmp_path / "elsewhere.yaml")
    write_in_place(changes)
    assert (tmp_path / "tree/one.yaml").read_bytes() == b"new: one\n"
    assert (tmp_path / "elsewhere.yaml").read_bytes() == b"old: one.yaml\n"


@contextmanager
def mounted(path: Path, options: str) -> Iterator[None]:
    path.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", path], capture_output=True).returncode:
        pytest.skip("a file system cannot be mounted here")
    try:
        yield
    finally:
        subprocess.run(["umount", path], check=True)


@pytest.mark.skipif(not AS_ROOT, reason="only root mounts file systems")
@pytest.mark.parametrize("free", range(0, 220_000, 20_000))
def test_a_full_disk_leaves_the_old_tree(tmp_path: Path, free: int) -> None:
    root = tmp_path / "disk"
    with mounted(root, "size=512k"):
        changes = make_changes(root)
        changes.append(create_file(root / "large.yaml", b"#" * 220_000))
        old = read_tree(root)
        ballast = os.statvfs(root)
        (tmp_path / "disk/ballast").write_bytes(b"\0" * (ballast.f_bavail * ballast.f_bsize - free))
        with pytest.raises(InputError, match="no space left on device"):
            write_in_place(changes)
        (root / "ballast").unlink()
        assert read_tree(root) == old


@pytest.mark.skipif(not AS_ROOT, reason="only root mounts file systems")
def test_a_read_only_disk_is_refused(tmp_path: Path) -> None:
    root = tmp_path / "disk"
    with mounted(root, "size=1m"):
        changes = make_changes(root)
        old = read_tree(root)
        subprocess.run(["mount", "-o", "remount,ro", root], check=True)
        with pytest.raises(InputError, match=r"read-only file system|is read-only"):
            write_in_place(changes)
        assert read_tree(root) == old


@pytest.mark.skipif(not AS_ROOT, reason="only root mounts files")
def test_a_file_that_is_a_mount_point_undoes_the_run(tmp_path: Path) -> None:
    changes = make_changes(tmp_path / "tree")
    old = read_tree(tmp_path / "tree")
    (tmp_path / "mounted.yaml").write_bytes(b"old: base/deep/three.yaml\n")
    target = tmp_path / "tree/base/deep/three.yaml"
    if subprocess.run(["mount", "--bind", tmp_path / "mounted.yaml", target], capture_output=True).returncode:
        pytest.skip("a file cannot be mounted here")
    try:
        with pytest.raises(InputError, match=r"three\.yaml: cannot be written: device or resource busy"):
            write_in_place(changes)
        assert read_tree(tmp_path / "tree") == old
    finally:
        subprocess.run(["umount", target], check=True)
