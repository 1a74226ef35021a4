"""What an anchor, alias or merge key shares is never changed for one who did not ask: refused, with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.samples.command_line import Result, run_migrator

HEAD = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
"""
FIRST = "      - name: a\n        ports: &p\n        - containerPort: 80\n          hostPort: 80\n"
SHARED = {
    "list behind an alias": HEAD + FIRST + "      - name: b\n        ports: *p\n",
    "entry behind an alias": HEAD
    + "      - name: a\n        ports:\n        - &p {containerPort: 80, hostPort: 80}\n"
    + "      - name: b\n        ports:\n        - *p\n",
    "entry behind a merge key": HEAD
    + "      - name: a\n        ports:\n        - &p {containerPort: 80, hostPort: 80}\n        "
    + "- {<<: *p, name: b}\n",
    "number with an anchor": HEAD
    + "      - name: a\n        ports:\n"
    + "        - containerPort: 81\n          hostPort: &n 80\n"
    + "        x: *n\n",
    "shared with a field beside": HEAD + FIRST + "x: *p\n",
}
ALONE = {
    "anchor without alias": HEAD + FIRST,
    "alias elsewhere": HEAD + FIRST.replace("&p", "") + "x: &x {a: b}\ny: *x\n",
    "anchor in a comment": HEAD + FIRST.replace("&p", "# *p"),
}


def diff(folder: Path, text: str) -> Result:
    (folder / "x.yaml").write_text(text)
    return run_migrator(folder, "diff", "x.yaml", "--only", "host-port", "-q")


@pytest.mark.parametrize("name", SHARED)
def test_shared_fields_are_refused(name: str, tmp_path: Path) -> None:
    ran = diff(tmp_path, SHARED[name])
    assert (ran.returncode, ran.stdout) == (2, "")
    assert "x.yaml:" in ran.stderr
    assert "cannot be edited safely" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_an_anchor_that_would_go_is_named_by_its_line(tmp_path: Path) -> None:
    text = SHARED["number with an anchor"]
    line = next(number for number, line in enumerate(text.split("\n"), 1) if "&n" in line)
    assert f"x.yaml:{line}: " in diff(tmp_path, text).stderr


@pytest.mark.parametrize("name", ALONE)
def test_fields_of_ones_own_are_edited(name: str, tmp_path: Path) -> None:
    ran = diff(tmp_path, ALONE[name])
    assert ran.returncode == 1, ran.stderr
    gone = [line for line in ran.stdout.splitlines() if line.startswith("-") and not line.startswith("---")]
    assert gone == ["-          hostPort: 80"]
