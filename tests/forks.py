"""The command line in forks of this process: one of its own costs more than the work."""

from __future__ import annotations

import importlib
import os
import signal
import sys
import tempfile
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NoReturn

from migrator.cli import main
from migrator.rendering.diff import write_diff
from migrator.run import Request, Run

SAMPLE = Path(__file__).resolve().parents[1] / "samples" / "host-port"
ROOMS = ("policy.schema", "rendering.copy", "rendering.write", "review.document", "review.explain", "review.text")
CRASHED = 99
NOBODY = 65534


@dataclass(frozen=True, slots=True)
class Ran:
    """How a run ended: `code` is negative where a signal ended it, as SIGALRM does after the time is over."""

    code: int
    out: bytes
    err: str


def run(
    arguments: Sequence[str | Path],
    folder: Path,
    stdin: bytes = b"",
    environment: Mapping[str, str] | None = None,
    seconds: int = 0,
    nobody: bool = False,
) -> Ran:
    """Run `migrator` in a folder, for so many seconds at most; `nobody` drops root's rights."""
    load_once()
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        given.write(stdin)
        given.seek(0)
        child = os.fork()
        if child == 0:
            streams = (given.fileno(), out.fileno(), err.fileno())
            _become_migrator(arguments, folder, streams, environment or {}, seconds, nobody)
        _, status = os.waitpid(child, 0)
        out.seek(0)
        err.seek(0)
        return Ran(os.waitstatus_to_exitcode(status), out.read(), err.read().decode("utf-8", "replace"))


@cache
def load_once() -> None:
    """Load here what the commands load when they run: modules, tables, checks, templates."""
    for room in (
        "policy.schema",
        "rendering.copy",
        "rendering.write",
        "review.document",
        "review.explain",
        "review.text",
    ):
        importlib.import_module(f"migrator.{room}")
    run = Run(Request([str(SAMPLE)], quiet=True, jobs=1))
    plan, inventory = run.make_plan("all")
    write_diff(run.render(plan, inventory))
    run.describe(plan)


def _become_migrator(
    arguments: Sequence[str | Path],
    folder: Path,
    streams: tuple[int, int, int],
    environment: Mapping[str, str],
    seconds: int,
    nobody: bool,
) -> NoReturn:
    code = CRASHED
    try:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(seconds)
        os.chdir(folder)
        os.environ.update(environment)
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
        sys.stdin, sys.stdout, sys.stderr = (
            os.fdopen(number, "rw"[number > 0], encoding="utf-8", errors="backslashreplace") for number in range(3)
        )
        if nobody:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
        sys.argv = ["migrator", *map(str, arguments)]
        main()
        code = 0
    except SystemExit as ended:
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
