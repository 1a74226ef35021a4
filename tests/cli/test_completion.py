"""Completion of ids on the command line."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    ("words", "ids"),
    [
        pytest.param(("explain", "node_"), ["node_local", "node_port", "node_port_per_pod"], id="strategies"),
        pytest.param(("explain", "hostPo"), ["hostPorts"], id="checks"),
        pytest.param(("plan", "deploy/", "--only", "ro"), ["rollout"], id="rules"),
    ],
)
def test_ids_are_completed(words: tuple[str, ...], ids: list[str]) -> None:
    """In a process of its own, as a shell asks for it."""
    given = {"COMP_WORDS": "\n".join(("migrator", *words)), "COMP_CWORD": str(len(words))}
    program = "import sys; sys.argv = ['migrator']; from migrator.cli import main; main()"
    environment = {**os.environ, "_MIGRATOR_COMPLETE": "complete_bash", **given}
    ended = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False
    )
    assert ended.stdout.split() == ids
