"""Runs the command line in a process of its own, without paying for its imports each time."""

from __future__ import annotations

import os
import sys
import tempfile
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import migrator.planning.plan
import migrator.planning.plan_file
import migrator.policy.load
import migrator.rendering.copy
import migrator.rendering.diff
import migrator.rendering.write
import migrator.review.document
import migrator.review.explain
import migrator.review.text
import migrator.sources.read  # noqa: F401 - imported here once for all processes
from migrator import cli

CRASHED = 99


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run ended: its exit code and what it said."""

    code: int
    stdout: bytes
    stderr: str


def run(*arguments: str | Path, cwd: Path, stdin: bytes = b"", environment: dict[str, str] | None = None) -> Ended:
    """Run `migrator` with arguments in a folder."""
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as printed, tempfile.TemporaryFile() as said:
        given.write(stdin)
        given.seek(0)
        child = os.fork()
        if child == 0:
            _become_command_line(arguments, cwd, (given.fileno(), printed.fileno(), said.fileno()), environment or {})
        _, status = os.waitpid(child, 0)
        printed.seek(0)
        said.seek(0)
        return Ended(os.waitstatus_to_exitcode(status), printed.read(), said.read().decode())


def _become_command_line(
    arguments: tuple[str | Path, ...], cwd: Path, streams: tuple[int, int, int], environment: dict[str, str]
) -> None:
    code = CRASHED
    try:
        os.chdir(cwd)
        os.environ.update(environment)
        for number, descriptor in enumerate(streams):
            os.dup2(descriptor, number)
        sys.stdin, sys.stdout, sys.stderr = _open(0, "r"), _open(1, "w"), _open(2, "w")
        sys.argv = ["migrator", *map(str, arguments)]
        cli.main()
        code = 0
    except SystemExit as ended:
        code = int(ended.code or 0)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _open(descriptor: int, mode: str) -> TextIO:
    return open(descriptor, mode, encoding="utf-8", errors="backslashreplace")  # type: ignore[return-value]
