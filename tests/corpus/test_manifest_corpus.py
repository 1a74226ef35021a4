"""Real manifests: all are read, each changed file differs in intended lines only, git and patch take the diff."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.forks import Ran, run

REPOSITORY = Path(__file__).parents[2]
CORPUS = REPOSITORY.parent / "shared" / "corpora" / "manifests"
FULL = bool(os.environ.get("FULL"))
SAMPLED = 1 if FULL else 6
VALIDATED = 10_000 if FULL else 6

pytestmark = pytest.mark.skipif(not CORPUS.is_dir(), reason="no corpus of manifests beside the repository")

CONTAINER_PORT = re.compile(r"^(\s*(?:- )?)containerPort:\s*[\"']?(\d+)[\"']?\s*(?:#.*)?$")
REPEATED_KEY = re.compile(r"error: (?P<path>[^:]+):(?P<line>\d+): cannot be edited .*`(?P<key>\w+)` is given twice")
HOST_PORT_LINE = re.compile(r"\s*(?:- )?(?:hostPort|hostIP):")


@dataclass(frozen=True)
class Tree:
    """A copy of the corpus: its texts, what they were before host ports were written in, and what came out."""

    folder: Path
    originals: dict[str, str]
    before: dict[str, str]
    patch: bytes
    after: dict[str, str]


def migrate(folder: Path, *arguments: str) -> Ran:
    return run(arguments, folder, seconds=300)


def diff(folder: Path) -> bytes:
    """Make the diff; files with a key given twice are refused, rightly, and left out."""
    ran = migrate(folder, "diff", ".", "--only", "host-port", "-q")
    refused = REPEATED_KEY.match(ran.err)
    if refused:
        lines = (folder / refused["path"]).read_text().split("\n")
        assert refused["key"] in lines[int(refused["line"]) - 1]
        (folder / refused["path"]).unlink()
        return diff(folder)
    assert ran.code in (0, 1), ran.err[-2000:]
    assert "Traceback" not in ran.err
    return ran.out


def insert_host_ports(text: str) -> str:
    """Write a hostPort below each containerPort line, in a text that has none."""
    if "hostPort" in text:
        return text
    lines = []
    for line in text.split("\n"):
        lines.append(line)
        match = CONTAINER_PORT.match(line.rstrip("\r"))
        if match:
            end = "\r" if line.endswith("\r") else ""
            lines.append(f"{' ' * len(match[1])}hostPort: {match[2]}{end}")
    return "\n".join(lines)


def build_tree(folder: Path, with_host_ports: bool) -> Tree:
    originals, before = {}, {}
    for path in sorted(CORPUS.iterdir())[::SAMPLED]:
        text = path.read_bytes().decode()
        originals[path.name] = text
        before[path.name] = insert_host_ports(text) if with_host_ports else text
        (folder / path.name).write_bytes(before[path.name].encode())
    subprocess.run(["git", "init", "-q", "."], cwd=folder, check=True)
    patch = diff(folder)
    left = {path.name for path in folder.iterdir()}
    originals = {name: text for name, text in originals.items() if name in left}
    before = {name: text for name, text in before.items() if name in left}
    if patch:
        subprocess.run(["git", "apply", "--whitespace=nowarn", "-"], cwd=folder, input=patch, check=True)
    after = {path.name: path.read_bytes().decode() for path in folder.iterdir() if path.is_file()}
    return Tree(folder, originals, before, patch, after)


@pytest.fixture(scope="module", params=["as it is", "with host ports"])
def tree(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Tree:
    return build_tree(tmp_path_factory.mktemp("corpus"), request.param == "with host ports")


@pytest.mark.parametrize("output", ["text", "json"])
def test_every_file_is_read(output: str) -> None:
    ran = migrate(REPOSITORY, "audit", str(CORPUS), "-o", output)
    assert (ran.code, "Traceback" in ran.err) == (0, False), ran.err
    if output == "json":
        document = json.loads(ran.out)
        assert len(document["workloads"]) > 300
        assert len(document["unread"]) < 10


def test_changed_files_differ_in_intended_lines_only(tree: Tree) -> None:
    for name, before in tree.before.items():
        for gone, come in list_changed_lines(before, tree.after[name]):
            for line in gone:
                moved = any(
                    line.replace("- ", "  ", 1).strip() == other.replace("- ", "  ", 1).strip() for other in come
                )
                known = (
                    HOST_PORT_LINE.match(line) or moved or re.match(r"\s*(?:type: ClusterIP|- name: \S+)\s*$", line)
                )
                assert known, (name, gone, come)


def test_original_lines_stand_in_order(tree: Tree) -> None:
    """Without the host ports that were written in, nothing is gone but what a Service's type was."""
    for name, original in tree.originals.items():
        lines = [line for line in tree.after[name].split("\n") if "hostPort:" not in line]
        rest = iter(lines)
        for line in original.split("\n"):
            if not HOST_PORT_LINE.match(line) and "type: ClusterIP" not in line and line.strip():
                unchanged = any(other == line for other in rest)
                assert unchanged or "containerPort" in line, (name, line)


def list_changed_lines(before: str, after: str) -> Iterator[tuple[list[str], list[str]]]:
    """List the runs of lines that differ, found by difflib."""
    old, new = before.split("\n"), after.split("\n")
    for tag, start, end, new_start, new_end in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if tag != "equal":
            yield old[start:end], new[new_start:new_end]


def test_patch_takes_the_same_diff(tree: Tree, tmp_path: Path) -> None:
    for name, text in tree.before.items():
        (tmp_path / name).write_bytes(text.encode())
    if tree.patch:
        command = ["patch", "-p1", "--binary", "--quiet", "--fuzz=0"]
        subprocess.run(command, cwd=tmp_path, input=tree.patch, check=True)
    assert {path.name: path.read_bytes().decode() for path in tmp_path.iterdir()} == tree.after


def test_second_run_is_empty(tree: Tree) -> None:
    assert diff(tree.folder) == b""


def test_what_was_valid_is_valid(tree: Tree) -> None:
    import kubernetes_validate

    changed = [name for name, text in tree.after.items() if text != tree.before.get(name)]
    checked = 0
    for name in changed[:: max(len(changed) // VALIDATED, 1)]:
        known = [is_valid(kubernetes_validate, document) for document in load(tree.before.get(name, ""))]
        for index, document in enumerate(load(tree.after[name])):
            if index >= len(known) or known[index]:
                assert is_valid(kubernetes_validate, document), (name, index)
                checked += 1
    assert checked > 0 or not changed


def load(text: str) -> list[Any]:
    return [document for document in YAML(typ="safe", pure=True).load_all(text) if document]


def is_valid(kubernetes_validate: Any, document: Any) -> bool:
    try:
        kubernetes_validate.validate(document, "1.34", strict=True)
    except Exception:
        return False
    return True
