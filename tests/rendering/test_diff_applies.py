"""Diffs of any edits of any bytes, as the real `git apply` and `patch -p1` take them."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from migrator.rendering.diff import write_diff
from migrator.rendering.render import FileChange, Replacement

SEEDS = range(200 if os.environ.get("FULL") else 8)
LINES = [
    "",
    "a",
    "  b: c",
    "-- x",
    "++ y",
    "--- a/z",
    "+++ b/z",
    "@@ -1 +1 @@",
    "\\ No newline",
    "é😀",
    "\t",
    "x\fy",
    "b ",
]
FIRST = "# first\n"
NAMES = ["plain.yaml", "with blank.yaml", 'quo"te.yaml', "back\\slash.yaml", "ünï.yaml", "😀 x.yaml", "a/b.yaml",
         "-dash.yaml", "tab\tx.yaml", "a'b.yaml", "#x.yaml", "%41.yaml", "$(x).yaml"]  # fmt: skip
TOOLS = [
    pytest.param(["git", "apply", "--whitespace=nowarn", "-"], id="git apply"),
    pytest.param(["patch", "-p1", "--binary", "--quiet", "--fuzz=0"], id="patch -p1"),
]


def write_lines(rng: random.Random, most: int = 12) -> str:
    return "".join(rng.choice(LINES) + rng.choice(["\n", "\n", "\n", "\r\n"]) for _ in range(rng.randrange(most)))


def change_file(rng: random.Random, path: str) -> FileChange:
    """Make a file and edits of it: anywhere, of whole lines or of parts of them."""
    if rng.randrange(6) == 0:
        content = FIRST + write_lines(rng) + rng.choice(["", "end"])
        return FileChange(path, None, (Replacement(0, 0, content.encode()),))
    text = FIRST + write_lines(rng) + write_lines(rng) + rng.choice(["", "", "end", "é"])
    cuts = sorted({rng.randint(len(FIRST), len(text)) for _ in range(rng.randrange(7))})
    if rng.random() < 0.5:
        cuts = sorted({text.rfind("\n", 0, cut) + 1 for cut in cuts})
    replacements = []
    for start, end in zip(cuts[::2], cuts[1::2], strict=False):
        stop = rng.choice([start, end])
        new = rng.choice(["", write_lines(rng, 4), rng.choice(LINES)])
        replacements.append(Replacement(len(text[:start].encode()), len(text[:stop].encode()), new.encode()))
    return FileChange(path, text.encode(), tuple(replacements))


def change_files(seed: int) -> list[FileChange]:
    """Make changes of many files, each under a name of another sort and in several folders."""
    rng = random.Random(seed)
    return [change_file(rng, f"{folder}{name}") for folder in ("", "d e/", "f/g/") for name in NAMES]


def apply_patch(tool: list[str], changes: list[FileChange], patch: bytes) -> dict[str, bytes]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        subprocess.run(["git", "init", "-q", name], check=True)
        for change in changes:
            (folder / change.path).parent.mkdir(parents=True, exist_ok=True)
            if change.old is not None:
                (folder / change.path).write_bytes(change.old)
        if patch:
            ran = subprocess.run(tool, cwd=folder, input=patch, capture_output=True, check=False)
            assert ran.returncode == 0, (ran.stdout + ran.stderr).decode()
        shutil.rmtree(folder / ".git")
        return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("tool", TOOLS)
@pytest.mark.parametrize("seed", SEEDS)
def test_patch_gives_the_new_bytes_exactly(tool: list[str], seed: int) -> None:
    if shutil.which(tool[0]) is None:
        pytest.skip(f"{tool[0]} is not here")
    changes = change_files(seed)
    expected = {change.path: change.new_content() for change in changes}
    assert apply_patch(tool, changes, write_diff(changes)) == expected


@pytest.mark.parametrize("seed", SEEDS)
def test_unchanged_files_stand_in_no_patch(seed: int) -> None:
    for change in change_files(seed):
        patch = write_diff([change])
        assert (patch == b"") == (change.new_content() == change.old)
        if patch:
            removed = [line for line in patch.split(b"\n")[2:] if line.startswith(b"-")]
            assert len(removed) <= (change.old or b"").count(b"\n") + 1


def test_only_the_lines_of_an_edit_stand_in_the_patch() -> None:
    old = b"".join(b"line %d\n" % number for number in range(100))
    cut = Replacement(old.index(b"line 50\n"), old.index(b"line 51\n"), b"")
    added = Replacement(old.index(b"line 80\n"), old.index(b"line 80\n"), b"new\n")
    patch = write_diff([FileChange("x", old, (cut, added))]).decode()
    assert [line for line in patch.splitlines()[2:] if line[:1] in "+-"] == ["-line 50", "+new"]
    assert [line for line in patch.splitlines() if line.startswith("@@")] == [
        "@@ -48,7 +48,6 @@",
        "@@ -78,6 +77,7 @@",
    ]


def test_the_last_line_without_end_is_not_touched_by_an_edit_above() -> None:
    patch = write_diff([FileChange("x", b"a\nb\nc", (Replacement(0, 2, b""),))])
    assert patch == b"--- a/x\n+++ b/x\n@@ -1,3 +1,2 @@\n-a\n b\n c\n\\ No newline at end of file\n"
