"""Completion of ids on the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.command_line import run


def complete(folder: Path, *words: str) -> list[str]:
    given = {"COMP_WORDS": "\n".join(("migrator", *words)), "COMP_CWORD": str(len(words))}
    environment = {"_MIGRATOR_COMPLETE": "complete_bash", **given}
    return run(cwd=folder, environment=environment).stdout.decode().split()


@pytest.mark.parametrize(
    ("words", "ids"),
    [
        (("explain", "node_"), ["node_local", "node_port", "node_port_per_pod"]),
        (("explain", "hostPo"), ["hostPorts"]),
        (("explain", "pod-security"), ["pod-security", "pod-security-policy"]),
        (("plan", "deploy/", "--only", "ro"), ["rollout"]),
        (("plan", "deploy/", "--only", "x"), []),
    ],
    ids=["strategies", "checks", "rules", "only", "none"],
)
def test_ids_are_completed(words: tuple[str, ...], ids: list[str], tmp_path: Path) -> None:
    assert complete(tmp_path, *words) == ids
