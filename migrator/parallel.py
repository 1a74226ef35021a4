"""Sharing work among processes.

The calling process does its share itself, so with two processes half of the results need not travel. Children are
forked: they find what is in memory as it is, and nothing has to be sent to them.
"""

from __future__ import annotations

import os
import pickle
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from migrator.errors import MigratorError

T = TypeVar("T")
R = TypeVar("R")


def can_fork() -> bool:
    """Tell whether work can be shared on this system."""
    return hasattr(os, "fork") and sys.platform != "darwin"


def map_in_processes(function: Callable[[T], R], tasks: Sequence[T], jobs: int) -> list[R]:
    """Apply a function to each task in up to `jobs` processes; results come in the tasks' order.

    Tasks are dealt out in turn, so they should be of about one size. What a function raises in another process is
    raised here; MigratorError where a process ends without a word.
    """
    count = min(jobs, len(tasks))
    if count <= 1 or not can_fork():
        return [function(task) for task in tasks]
    children = [_Child(function, tasks[index::count]) for index in range(1, count)]
    try:
        shares: list[list[R]] = [[function(task) for task in tasks[0::count]]]
    except BaseException:
        for child in children:
            child.stop()
        raise
    shares += [child.collect() for child in children]
    return [shares[index % count][index // count] for index in range(len(tasks))]


class _Child:
    """A forked process that works through its tasks and sends their results back."""

    def __init__(self, function: Callable[[Any], Any], tasks: Sequence[Any]) -> None:
        reading, writing = os.pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(reading)
            _work(function, tasks, writing)
        os.close(writing)
        self.content = b""
        self.reader = threading.Thread(target=self._read, args=(reading,), daemon=True)
        self.reader.start()

    def _read(self, descriptor: int) -> None:
        with os.fdopen(descriptor, "rb") as pipe:
            self.content = pipe.read()

    def stop(self) -> None:
        """End the process before its time."""
        os.kill(self.pid, 9)
        os.waitpid(self.pid, 0)

    def collect(self) -> list[Any]:
        """Wait for the results; raises what the process raised."""
        self.reader.join()
        os.waitpid(self.pid, 0)
        if not self.content:
            raise MigratorError("a process ended before its work was done: out of memory?")
        error, results = pickle.loads(self.content)
        if error is not None:
            raise error
        return list(results)


def _work(function: Callable[[Any], Any], tasks: Sequence[Any], writing: int) -> None:
    """Do a child's work and leave, past everything that the parent would do at its own end."""
    # An interrupt reaches every process of a terminal; the one that the others work for answers it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        try:
            outcome = (None, [function(task) for task in tasks])
        except BaseException as error:
            outcome = (error, [])  # type: ignore[assignment]
        with os.fdopen(writing, "wb") as pipe:
            pipe.write(pickle.dumps(outcome, pickle.HIGHEST_PROTOCOL))
    finally:
        os._exit(0)
