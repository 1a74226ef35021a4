"""Runs the command line in a folder, as cheaply as a fork."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tests import forks


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run ended: its exit code and what it said."""

    code: int
    stdout: bytes
    stderr: str


def run(*arguments: str | Path, cwd: Path, stdin: bytes = b"", environment: dict[str, str] | None = None) -> Ended:
    """Run `migrator` with arguments in a folder."""
    ran = forks.run(arguments, cwd, stdin, environment)
    return Ended(ran.code, ran.out, ran.err)
