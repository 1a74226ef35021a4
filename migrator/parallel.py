"""Sharing work among processes.

The calling process does its share itself, so with two processes half of the results need not travel. Children are
forked: they find what is in memory as it is, and nothing has to be sent to them.
"""

from __future__ import annotations

import os
import pickle
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from operator import itemgetter
from typing import IO, Any, TypeVar

from migrator.errors import MigratorError

T = TypeVar("T")
R = TypeVar("R")


def can_fork() -> bool:
    """Tell whether work can be shared on this system."""
    return hasattr(os, "fork") and sys.platform != "darwin"


def map_in_processes(function: Callable[[T], R], tasks: Sequence[T], jobs: int) -> list[R]:
    """Apply a function to each task in up to `jobs` processes; results come in the tasks' order.

    Who is done with a task takes the next. What a function raises in any process is raised here, for the first of the
    tasks where it does; MigratorError where a process ends without a word.
    """
    count = min(jobs, len(tasks))
    if count <= 1 or not can_fork():
        return [function(task) for task in tasks]
    queue = _Queue(len(tasks))
    children = [_Child(function, tasks, queue) for _ in range(1, count)]
    try:
        done = list(_work_through(function, tasks, queue))
    except BaseException:
        for child in children:
            child.stop()
        raise
    finally:
        queue.close()
    outcomes = sorted([*done, *(outcome for child in children for outcome in child.collect())], key=itemgetter(0))
    for _, error, _ in outcomes:
        if error is not None:
            raise error
    return [result for _, _, result in outcomes]


_Outcome = tuple[int, BaseException | None, Any]
"""What came of a task: its index, and either what it raised or what it gave."""


def _work_through(function: Callable[[Any], Any], tasks: Sequence[Any], queue: _Queue) -> Iterator[_Outcome]:
    """Take tasks until none is left, or one fails; then nobody takes another."""
    for index in queue:
        try:
            yield index, None, function(tasks[index])
        except Exception as error:
            yield index, error, None
            for _ in queue:
                pass


class _Queue:
    """The indexes of tasks in a pipe, from which processes take one after the other, each index once."""

    _MOST = 10_000
    """Tokens that a pipe surely holds; where there are more tasks, one stands for several."""

    def __init__(self, count: int) -> None:
        self.step = count // self._MOST + 1
        self.count = count
        self.reading, writing = os.pipe()
        with os.fdopen(writing, "wb") as pipe:
            pipe.writelines(start.to_bytes(4, "big") for start in range(0, count, self.step))

    def __iter__(self) -> Iterator[int]:
        while token := os.read(self.reading, 4):
            start = int.from_bytes(token, "big")
            yield from range(start, min(start + self.step, self.count))

    def close(self) -> None:
        """Give the pipe back."""
        os.close(self.reading)


class _Child:
    """A forked process that takes tasks from the queue and writes down what came of each."""

    def __init__(self, function: Callable[[Any], Any], tasks: Sequence[Any], queue: _Queue) -> None:
        self.outcomes = _open_memory()
        sys.stdout.flush()
        sys.stderr.flush()
        self.pid = os.fork()
        if self.pid == 0:
            _work(function, tasks, queue, self.outcomes)

    def stop(self) -> None:
        """End the process before its time."""
        os.kill(self.pid, 9)
        os.waitpid(self.pid, 0)

    def collect(self) -> Iterator[_Outcome]:
        """Wait until the process has ended, and read what came of the tasks that it took."""
        _, status = os.waitpid(self.pid, 0)
        if status:
            raise MigratorError("a process ended before its work was done: out of memory?")
        with self.outcomes as written:
            written.seek(0)
            try:
                while True:
                    yield pickle.load(written)
            except EOFError:
                return


def _open_memory() -> IO[bytes]:
    """Open a file without a name, in memory where the system has such files: nobody waits for its reader."""
    if sys.platform == "linux":
        return os.fdopen(os.memfd_create("outcomes"), "w+b")
    import tempfile

    return tempfile.TemporaryFile()


def _work(function: Callable[[Any], Any], tasks: Sequence[Any], queue: _Queue, outcomes: IO[bytes]) -> None:
    """Do a child's work and leave, past everything that the parent would do at its own end."""
    # An interrupt reaches every process of a terminal; the one that the others work for answers it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    code = 1
    try:
        for outcome in _work_through(function, tasks, queue):
            pickle.dump(outcome, outcomes, pickle.HIGHEST_PROTOCOL)
        outcomes.flush()
        code = 0
    finally:
        os._exit(code)
