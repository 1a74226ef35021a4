"""Running the command line in a child process that is ended after some seconds, as cheaply as a fork."""

from __future__ import annotations

import importlib
import os
import signal
import sys
import tempfile
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from migrator.cli import main
from migrator.policy.load import load_policy

# Done here once, so that no child pays for it.
for _room in (
    "planning.plan",
    "planning.plan_file",
    "policy.schema",
    "rendering.copy",
    "rendering.diff",
    "review.document",
    "review.text",
    "sources.read",
):
    importlib.import_module(f"migrator.{_room}")
load_policy(None, ())

NOBODY = 65534


@dataclass(frozen=True)
class Ran:
    """How a run ended: `code` is negative where a signal ended it, as SIGALRM does after the time is over."""

    code: int
    out: bytes
    err: str


def run(arguments: Sequence[str], folder: Path, seconds: int, stdin: bytes = b"", nobody: bool = False) -> Ran:
    """Run `migrator` in a folder; `nobody` drops root's rights."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err, tempfile.TemporaryFile() as given:
        given.write(stdin)
        given.seek(0)
        child = os.fork()
        if child == 0:
            _become_migrator(arguments, folder, seconds, (given.fileno(), out.fileno(), err.fileno()), nobody)
        _, status = os.waitpid(child, 0)
        out.seek(0)
        err.seek(0)
        return Ran(os.waitstatus_to_exitcode(status), out.read(), err.read().decode("utf-8", "replace"))


def _become_migrator(
    arguments: Sequence[str], folder: Path, seconds: int, streams: tuple[int, int, int], nobody: bool
) -> None:
    code = 99
    try:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(seconds)
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
        sys.stdin, sys.stdout, sys.stderr = (os.fdopen(number, "rw"[number > 0]) for number in range(3))
        os.chdir(folder)
        if nobody:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
        sys.argv = ["migrator", *arguments]
        main()
        code = 0
    except SystemExit as stop:
        code = stop.code if isinstance(stop.code, int) else 0 if stop.code is None else 1
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
