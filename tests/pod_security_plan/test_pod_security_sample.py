"""The sample of samples/pod-security: its diff, its phases, and the levels that its story tells."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from test_hardening import run_migrator

ROOT = Path(__file__).resolve().parents[2]
WHERE = "samples/pod-security"
EXPECTED = Path(__file__).parent / "sample.diff"
LEVELS = {
    "edge": ("privileged", "privileged"),
    "payments": ("privileged", "restricted"),
    "shop": ("baseline", "baseline"),
}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / WHERE, tmp_path / WHERE)
    return tmp_path


def read_tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_diff_is_the_expected_one(tree: Path) -> None:
    result = run_migrator(tree, "diff", WHERE)
    assert (result.returncode, result.stderr) == (1, "")
    if os.environ.get("UPDATE_GOLDEN"):
        EXPECTED.write_text(result.stdout)
    assert result.stdout == EXPECTED.read_text()


def test_the_namespaces_end_where_the_story_says(tree: Path) -> None:
    plan = json.loads(run_migrator(tree, "plan", WHERE, "-o", "json").stdout)
    assert {item["name"]: (item["needed"], item["after"]) for item in plan["namespaces"]} == LEVELS
    story = (ROOT / WHERE / "README.md").read_text()
    for name, (before, after) in LEVELS.items():
        assert f"| `{name}` | {before} | {after} |" in story
    told = " ".join(item["message"] for item in plan["findings"])
    assert "nothing but host ports 80, 443 of DaemonSet/ingress, which the plan keeps, holds namespace edge" in told
    assert "it leaves restricted to the 1 other workload(s) here" in told


def test_phases_meet_where_the_whole_goes_and_nothing_is_left(tree: Path) -> None:
    early = run_migrator(tree, "apply", WHERE, "--in-place", "--phase", "enforce")
    assert early.returncode == 2
    assert "phase enforce before contract" in early.stderr
    assert run_migrator(tree, "apply", WHERE, "--out", "whole").returncode == 0
    for phase in ("expand", "contract", "enforce"):
        result = run_migrator(tree, "apply", WHERE, "--in-place", "--phase", phase)
        assert result.returncode == 0, result.stderr
    assert read_tree(tree / WHERE) == read_tree(tree / "whole")
    again = run_migrator(tree, "diff", WHERE)
    assert (again.returncode, again.stdout) == (0, "")
