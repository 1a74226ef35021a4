"""Writing a copy of the sources: all of it, with the changes, in its own place, or nothing."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
from pathlib import Path

import pytest

from migrator.errors import InputError
from migrator.rendering.copy import write_out
from migrator.rendering.render import FileChange, Replacement

AS_ROOT = os.geteuid() == 0


def make_source(root: Path) -> Path:
    for name in ("kustomization.yaml", "base/web.yaml", "base/.env", ".hidden/notes.txt", "run.sh", ".git/config"):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(f"old: {name}\n".encode())
    (root / "run.sh").chmod(0o755)
    return root


def change_file(path: Path, new: bytes) -> FileChange:
    old = path.read_bytes()
    return FileChange(str(path), old, (Replacement(0, len(old), new),))


def create_file(path: Path, content: bytes) -> FileChange:
    return FileChange(str(path), None, (Replacement(0, 0, content),))


def read_tree(root: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): os.fsencode(path.readlink()) if path.is_symlink() else path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() or path.is_symlink()
    }


def test_copies_everything_but_git_and_makes_the_changes(tmp_path: Path) -> None:
    source = make_source(tmp_path / "source")
    before = read_tree(source)
    changes = [
        change_file(source / "base/web.yaml", b"new: web\n"),
        create_file(source / "base/web-service.yaml", b"new: service\n"),
    ]
    out = tmp_path / "made/by/this/out"
    written = write_out(changes, [str(source)], out, None)
    assert written == [str(out / "base/web.yaml"), str(out / "base/web-service.yaml")]
    expected = {name: content for name, content in before.items() if not name.startswith(".git/")}
    expected |= {"base/web.yaml": b"new: web\n", "base/web-service.yaml": b"new: service\n"}
    assert read_tree(out) == expected
    assert read_tree(source) == before
    assert sorted(path.name for path in out.parent.iterdir()) == ["out"]


def test_without_changes_the_copy_is_the_source(tmp_path: Path) -> None:
    source = make_source(tmp_path / "source")
    (source / ".git/config").unlink()
    assert write_out([], [str(source)], tmp_path / "out", None) == []
    assert read_tree(tmp_path / "out") == read_tree(source)


def test_an_empty_folder_is_taken_over_with_its_mode(tmp_path: Path) -> None:
    source = make_source(tmp_path / "source")
    (tmp_path / "out").mkdir()
    (tmp_path / "out").chmod(0o750)
    write_out([], [str(source)], tmp_path / "out", None)
    assert (tmp_path / "out/run.sh").exists()
    assert stat.S_IMODE((tmp_path / "out").stat().st_mode) == 0o750


def test_modes_are_copied_also_of_read_only_files_and_folders(tmp_path: Path) -> None:
    source = make_source(tmp_path / "source")
    (source / "base/web.yaml").chmod(0o440)
    (source / "base").chmod(0o550)
    try:
        write_out([change_file(source / "base/web.yaml", b"new: web\n")], [str(source)], tmp_path / "out", None)
    finally:
        (source / "base").chmod(0o755)
    modes = {
        name: stat.S_IMODE((tmp_path / "out" / name).stat().st_mode) for name in ("base", "base/web.yaml", "run.sh")
    }
    (tmp_path / "out/base").chmod(0o755)
    assert modes == {"base": 0o550, "base/web.yaml": 0o440, "run.sh": 0o755}
    assert (tmp_path / "out/base/web.yaml").read_bytes() == b"new: web\n"


@pytest.mark.parametrize(
    ("link", "aim", "copied"),
    [
        ("link.yaml", "base/web.yaml", "base/web.yaml"),
        ("base/up.yaml", "../kustomization.yaml", "../kustomization.yaml"),
        ("folder", "base", "base"),
        ("dangling.yaml", "nowhere.yaml", "nowhere.yaml"),
        ("absolute.yaml", "{source}/base/web.yaml", "base/web.yaml"),
        ("base/absolute", "{source}/.hidden", "../.hidden"),
        ("roundabout.yaml", "../source/base/web.yaml", "base/web.yaml"),
        ("outside.yaml", "../outside.yaml", "{tmp}/outside.yaml"),
        ("outside", "{tmp}", "{tmp}"),
    ],
)
def test_links_stay_links_that_mean_the_same(tmp_path: Path, link: str, aim: str, copied: str) -> None:
    source = make_source(tmp_path / "source")
    (tmp_path / "outside.yaml").write_bytes(b"outside\n")
    (source / link).symlink_to(aim.format(source=source, tmp=tmp_path))
    write_out([change_file(source / "base/web.yaml", b"new: web\n")], [str(source)], tmp_path / "out", None)
    made = tmp_path / "out" / link
    assert str(made.readlink()) == copied.format(tmp=tmp_path)
    if link == "link.yaml":
        assert made.read_bytes() == b"new: web\n"


def test_several_sources_are_laid_over_each_other(tmp_path: Path) -> None:
    for name in ("one/base/a.yaml", "two/base/b.yaml", "three.yaml"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(name.encode())
    changes = [
        change_file(tmp_path / "two/base/b.yaml", b"new: b"),
        change_file(tmp_path / "three.yaml", b"new: three"),
        create_file(tmp_path / "three-service.yaml", b"new: service"),
    ]
    sources = [str(tmp_path / name) for name in ("one", "two", "three.yaml")]
    write_out(changes, sources, tmp_path / "out", None)
    assert read_tree(tmp_path / "out") == {
        "base/a.yaml": b"one/base/a.yaml",
        "base/b.yaml": b"new: b",
        "three.yaml": b"new: three",
        "three-service.yaml": b"new: service",
    }


@pytest.mark.parametrize("sources", [["."], [".", "base"], ["base", "."], [".", "."], ["base/web.yaml", "."]])
def test_a_source_inside_another_is_copied_with_it(tmp_path: Path, sources: list[str]) -> None:
    source = make_source(tmp_path / "source")
    change = change_file(source / "base/web.yaml", b"new: web\n")
    write_out([change], [os.path.join(source, name) for name in sources], tmp_path / "out", None)  # noqa: PTH118
    copied = read_tree(tmp_path / "out")
    assert copied["base/web.yaml"] == b"new: web\n"
    assert "web.yaml" not in copied


def test_a_source_that_is_a_link_is_copied_as_its_file(tmp_path: Path) -> None:
    (tmp_path / "real.yaml").write_bytes(b"real\n")
    (tmp_path / "link.yaml").symlink_to("real.yaml")
    write_out([], [str(tmp_path / "link.yaml")], tmp_path / "out", None)
    assert not (tmp_path / "out/link.yaml").is_symlink()
    assert read_tree(tmp_path / "out") == {"link.yaml": b"real\n"}


@pytest.mark.parametrize("changed", [False, True])
def test_standard_input_becomes_a_file(tmp_path: Path, changed: bool) -> None:
    changes = [FileChange("-", b"old\n", (Replacement(0, 4, b"new\n"),))] if changed else []
    write_out(changes, ["-"], tmp_path / "out", b"old\n")
    assert read_tree(tmp_path / "out") == {"stdin.yaml": b"new\n" if changed else b"old\n"}


def check_refused(tmp_path: Path, changes: list[FileChange], sources: list[Path], out: Path, match: str) -> None:
    before = read_tree(tmp_path)
    folders = sorted(path for path in tmp_path.rglob("*") if path.is_dir())
    with pytest.raises(InputError, match=match):
        write_out(changes, [str(source) for source in sources], out, None)
    assert read_tree(tmp_path) == before
    assert sorted(path for path in tmp_path.rglob("*") if path.is_dir()) == folders


def test_a_folder_that_holds_something_is_refused(tmp_path: Path) -> None:
    source = make_source(tmp_path / "source")
    (tmp_path / "out").mkdir()
    (tmp_path / "out/.keep").touch()
    check_refused(tmp_path, [], [source], tmp_path / "out", "is not empty")
    check_refused(tmp_path, [], [source], tmp_path / "out/.keep", "is a file")


@pytest.mark.parametrize("out", ["source/out", "source", "source/base/deep/out", "link/out"])
def test_a_folder_inside_a_source_is_refused(tmp_path: Path, out: str) -> None:
    source = make_source(tmp_path / "source")
    (tmp_path / "link").symlink_to("source")
    check_refused(tmp_path, [], [source], tmp_path / out, "lies inside the source|is not empty")


def test_two_files_of_one_path_are_refused(tmp_path: Path) -> None:
    one, two = make_source(tmp_path / "one"), make_source(tmp_path / "two")
    check_refused(tmp_path, [], [one, two], tmp_path / "out", "stands in two sources")


def test_a_new_file_over_the_file_of_another_source_is_refused(tmp_path: Path) -> None:
    for name in ("one/web.yaml", "two/web-service.yaml"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).touch()
    changes = [create_file(tmp_path / "one/web-service.yaml", b"new\n")]
    check_refused(tmp_path, changes, [tmp_path / "one", tmp_path / "two"], tmp_path / "out", "would be a second")


@pytest.mark.parametrize("path", ["elsewhere.yaml", "source/../elsewhere.yaml", "source/../../elsewhere.yaml"])
def test_a_change_outside_of_the_sources_is_refused(tmp_path: Path, path: str) -> None:
    source = make_source(tmp_path / "source")
    changes = [create_file(tmp_path / path, b"new\n")]
    check_refused(tmp_path, changes, [source], tmp_path / "out", "lies in none of the sources")


@pytest.mark.parametrize("fail_at", ["copy2", "copymode"])
def test_a_failure_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fail_at: str) -> None:
    source = make_source(tmp_path / "source")
    (source / "base").chmod(0o555)

    def fail(origin: Path, target: Path) -> None:
        if "base" in str(target):
            raise OSError(errno.ENOSPC, "No space left on device", str(target))

    monkeypatch.setattr(f"shutil.{fail_at}", fail)
    check_refused(
        tmp_path, [], [source], tmp_path / "new/out", r"new/out: cannot be copied .*: no space left on device"
    )


def test_what_a_killed_run_left_is_cleared_away(tmp_path: Path) -> None:
    source = make_source(tmp_path / "source")
    litter = tmp_path / ".out.migrator-new/base"
    litter.mkdir(parents=True)
    (litter / "half.yaml").touch()
    (tmp_path / ".out.migrator-new/link").symlink_to(source)
    write_out([], [str(source)], tmp_path / "out", None)
    assert not (tmp_path / "out/base/half.yaml").exists()
    assert not litter.exists()
    assert (source / "run.sh").exists()


def test_a_second_run_into_one_folder_is_refused(tmp_path: Path) -> None:
    source = make_source(tmp_path / "source")

    def start_second() -> None:
        with pytest.raises(InputError, match="another run is writing here"):
            write_out([], [str(source)], tmp_path / "out", None)

    write_out([], [str(source)], tmp_path / "out", None, start_second)
    assert "run.sh" in read_tree(tmp_path / "out")


def test_an_interrupt_leaves_nothing_behind(tmp_path: Path) -> None:
    source = make_source(tmp_path / "source")

    def interrupt() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_out([], [str(source)], tmp_path / "new/out", None, interrupt)
    assert [path.name for path in tmp_path.iterdir()] == ["source"]


@pytest.mark.skipif(AS_ROOT, reason="root reads everything")
def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    source = make_source(tmp_path / "source")
    (source / "base/.env").chmod(0)
    with pytest.raises(InputError, match=r"source/base/\.env: cannot be copied .* permission denied"):
        write_out([], [str(source)], tmp_path / "out", None)
    (source / ".hidden").chmod(0)
    with pytest.raises(InputError, match=r"source/\.hidden: cannot be copied: permission denied"):
        write_out([], [str(source)], tmp_path / "out", None)
    (source / ".hidden").chmod(0o755)


@pytest.mark.skipif(not AS_ROOT, reason="only root mounts file systems")
def test_a_full_disk_and_a_mount_point(tmp_path: Path) -> None:
    source = make_source(tmp_path / "source")
    (source / "large.bin").write_bytes(b"\1" * 2_000_000)
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", disk], capture_output=True).returncode:
        pytest.skip("a file system cannot be mounted here")
    try:
        check_refused(disk, [], [source], disk / "some/out", "no space left on device")
        check_refused(disk, [], [source], disk, "is a mount point")
    finally:
        subprocess.run(["umount", disk], check=True)
