"""The sample cluster of samples/psp, taken from its policies to the day when they are gone."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path

import pytest

from tests.samples.command_line import run_migrator
from tests.samples.test_host_port_sample import build, read_tree, run_git

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "samples" / "psp"
WHERE = "samples/psp"
OFF = ("--phase", "cleanup", "--set", "cluster.podSecurityPolicyAdmission=off")
SELECTED = {
    "build/nightly": "baseline",
    "nodes/log-agent": "privileged",
    "payments/ledger": "house-rules",
    "shop/cart": "host-ports",
    "shop/cart-worker": "host-ports",
    "shop/storefront": "restricted",
}


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    shutil.copytree(SAMPLE, tmp_path / WHERE)
    run_git(tmp_path, "init", "-q")
    run_git(tmp_path, "add", "-A")
    return tmp_path


def test_workloads_run_under_what_the_story_says(repository: Path) -> None:
    audit = json.loads(run_migrator(repository, "audit", WHERE, "-o", "json").stdout)
    selected = {
        f"{item['resourceRef']['namespace']}/{item['resourceRef']['name']}": item["podSecurityPolicy"]["selected"]
        for item in audit["workloads"]
    }
    assert selected == SELECTED
    told = re.findall(r"^\| `(\S+)` \| `(\S+)` \|", (SAMPLE / "README.md").read_text(), re.MULTILINE)
    assert dict(told) == SELECTED


def expect_diff(name: str, repository: Path, *arguments: str) -> str:
    """Take a diff of the sample, which changes nothing in it and is the expected one."""
    before = read_tree(repository)
    result = run_migrator(repository, "diff", WHERE, *arguments)
    assert (result.returncode, result.stderr) == (1, "")
    expected = Path(__file__).parent / f"{name}.diff"
    if os.environ.get("UPDATE_GOLDEN"):
        expected.write_text(result.stdout)
    assert result.stdout == expected.read_text()
    assert read_tree(repository) == before
    return result.stdout


def test_clean_up_waits_for_what_policies_inject(repository: Path) -> None:
    refused = run_migrator(repository, "diff", WHERE, *OFF)
    assert refused.returncode == 2
    assert "phase cleanup before contract" in refused.stderr


def test_the_plan_says_who_gains_and_who_loses(repository: Path) -> None:
    plan = run_migrator(repository, "plan", WHERE).stdout
    told = plan[plan.index("Who could run what") :].split("\n\n")[0] + "\n"
    expected = Path(__file__).parent / "psp-permissions.txt"
    if os.environ.get("UPDATE_GOLDEN"):
        expected.write_text(told)
    assert told == expected.read_text()


def test_four_steps_leave_nothing_to_do(repository: Path) -> None:
    run_git(repository, "apply", "-", text=expect_diff("psp", repository))
    again = run_migrator(repository, "diff", WHERE)
    assert (again.returncode, again.stdout) == (0, "")

    refused = run_migrator(repository, "apply", WHERE, "--in-place", "--phase", "cleanup")
    assert refused.returncode == 2
    assert "--set cluster.podSecurityPolicyAdmission=off" in refused.stderr

    cleaned = expect_diff("psp-cleanup", repository, *OFF)
    assert run_migrator(repository, "apply", WHERE, "--out", "cleaned", *OFF).returncode == 0
    run_git(repository, "apply", "-", text=cleaned)
    assert read_tree(repository / "cleaned") == read_tree(repository / WHERE)
    again = run_migrator(repository, "diff", WHERE, *OFF)
    assert (again.returncode, again.stdout) == (0, "")
    kinds = {item["kind"] for item in build(repository / WHERE)}
    assert "PodSecurityPolicy" not in kinds
    assert {"Deployment", "ClusterRole", "Namespace"} <= kinds
    rest = "".join(path.read_text() for path in (repository / WHERE).rglob("*.yaml"))
    assert "podsecuritypolicies" not in rest
