"""The command: exit codes, JSON, streams, stacks, and what is trouble rather than a failed proof."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.cli.command_line import run
from tests.verification.trees import BEFORE, ROOT, make_policy, migrate

FIELDS = {"claim", "holds", "resourceRef", "before", "after", "because"}
COMPLETE = ("--set", "podSecurity.complete=true")


@pytest.fixture
def trees(tmp_path: Path) -> Path:
    shutil.copytree(BEFORE, tmp_path / "before")
    migrate(BEFORE, tmp_path / "after", make_policy({"podSecurity": {"complete": True}}))
    return tmp_path


def test_proven_is_short_and_zero(trees: Path) -> None:
    ended = run("verify", "before", "after", *COMPLETE, cwd=trees)
    assert (ended.code, ended.stderr) == (0, "")
    lines = ended.stdout.decode().splitlines()
    assert lines[0].startswith("proven: ")
    assert len(lines) < 20
    assert "host port 8080/TCP" in run("verify", "before", "after", "-v", cwd=trees).stdout.decode()


def test_a_failure_names_both_lines(trees: Path) -> None:
    path = trees / "after" / "cart.yaml"
    path.write_text(path.read_text().replace("cart:1.4", "cart:1.5"))
    ended = run("verify", "before", "after", "-o", "json", *COMPLETE, cwd=trees)
    document = json.loads(ended.stdout)
    assert ended.code == 1
    assert document["proven"] is False
    assert all(claim.keys() == FIELDS for claim in document["claims"])
    (failed,) = (claim for claim in document["claims"] if not claim["holds"])
    assert failed["claim"] == "field"
    assert failed["resourceRef"] == {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "namespace": "shop",
        "name": "cart",
    }
    for side in ("before", "after"):
        place = failed[side]
        assert (
            "image: registry.example.com/cart" in (trees / place["path"]).read_text().split("\n")[place["line"] - 1]
        )
    text = run("verify", "before", "after", *COMPLETE, cwd=trees).stdout.decode()
    assert f"{failed['before']['path']}:{failed['before']['line']}" in text
    assert f"{failed['after']['path']}:{failed['after']['line']}" in text


def test_yaml_says_the_same(trees: Path) -> None:
    ended = run("verify", "before", "after", "-o", "yaml", *COMPLETE, cwd=trees)
    assert (ended.code, b"proven: true" in ended.stdout) == (0, True)


def test_a_stream_can_be_either(trees: Path) -> None:
    stream = run("apply", "-", "-q", cwd=trees, stdin=(BEFORE / "cart.yaml").read_bytes())
    assert run("verify", "before/cart.yaml", "-", cwd=trees, stdin=stream.stdout).code == 0
    (trees / "cart.yaml").write_bytes(stream.stdout)
    assert run("verify", "-", "cart.yaml", cwd=trees, stdin=(BEFORE / "cart.yaml").read_bytes()).code == 0
    ended = run("verify", "-", "-", cwd=trees)
    assert (ended.code, "one of the two" in ended.stderr) == (2, True)


def test_a_tree_is_no_migration_of_another(trees: Path) -> None:
    ended = run("verify", "before", str(ROOT / "samples" / "host-port"), cwd=trees)
    assert (ended.code, "vanished" in ended.stdout.decode()) == (1, True)


def test_an_unreadable_tree_is_trouble(trees: Path) -> None:
    for after, word in (("nowhere", "no such file"), ("after", "not YAML")):
        if after == "after":
            (trees / after / "cart.yaml").write_text("a: [\n")
        ended = run("verify", "before", after, cwd=trees)
        assert (ended.code, ended.stdout) == (2, b"")
        assert word in ended.stderr
    assert run("verify", "before", "before", "-o", "html", cwd=trees).code == 2


def test_a_stack_and_what_became_of_it(tmp_path: Path) -> None:
    source, answers = ROOT / "samples" / "rancher-v1.6", ROOT / "samples" / "rancher-v1.6" / "answers.txt"
    options = ("--answers", answers)
    assert run("apply", source, *options, "--out", "out", "--exit-zero", "-q", cwd=tmp_path).code == 0
    ended = run("verify", source, "out", *options, cwd=tmp_path)
    assert ended.code == 0, ended.stdout
    path = next(path for path in (tmp_path / "out").rglob("*.yaml") if "kind: Deployment" in path.read_text())
    path.write_text(path.read_text().replace("kind: Deployment", "kind: DaemonSet"))
    assert run("verify", source, "out", *options, cwd=tmp_path).code == 1
