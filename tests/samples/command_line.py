"""Runs the command line in a folder, as cheaply as a fork; what it prints is text."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tests import forks


@dataclass(frozen=True)
class Result:
    returncode: int
    stdout: str
    stderr: str


def run_migrator(folder: Path, *arguments: str) -> Result:
    """Run migrator in a folder."""
    ran = forks.run(arguments, folder)
    return Result(ran.code, ran.out.decode(), ran.err)
