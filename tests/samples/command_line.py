"""The command line in forks of this process: one of its own costs more than the work.

What the commands import when they run is imported here once, for all forks.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import migrator.planning.plan_file
import migrator.policy.schema
import migrator.rendering.diff
import migrator.rendering.render
import migrator.rendering.write
import migrator.review.document
import migrator.review.text  # noqa: F401
from migrator.cli import main


@dataclass(frozen=True)
class Result:
    returncode: int
    stdout: str
    stderr: str


def run_migrator(folder: Path, *arguments: str) -> Result:
    """Run migrator in a folder."""
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        child = os.fork()
        if child == 0:
            _run_command_line(folder, arguments, output.fileno(), errors.fileno())
        _, status = os.waitpid(child, 0)
        output.seek(0)
        errors.seek(0)
        return Result(os.waitstatus_to_exitcode(status), output.read().decode(), errors.read().decode())


def _run_command_line(folder: Path, arguments: Sequence[str], output: int, errors: int) -> NoReturn:
    code = 70
    try:
        os.chdir(folder)
        os.dup2(output, 1)
        os.dup2(errors, 2)
        sys.argv = ["migrator", *arguments]
        with open(1, "w", closefd=False) as sys.stdout, open(2, "w", closefd=False) as sys.stderr:
            main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 70
    finally:
        os._exit(code)
