"""A word on stderr while something lasts: on a terminal only, and only after a second."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

DELAY = 1.0
"""Seconds of silence first: most runs are over by then."""

INTERVAL = 0.5


@contextmanager
def show_progress(what: str, quiet: bool) -> Iterator[None]:
    """Show what is being done, and for how long, until it is done; then leave no trace."""
    if quiet or not sys.stderr.isatty():
        yield
        return
    done = threading.Event()
    thread = threading.Thread(target=_count_seconds, args=(what, done), daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _count_seconds(what: str, done: threading.Event) -> None:
    started = time.monotonic()
    if done.wait(DELAY):
        return
    while not done.wait(INTERVAL):
        sys.stderr.write(f"\r{what} … {time.monotonic() - started:.0f} s")
        sys.stderr.flush()
    sys.stderr.write("\r\033[K")
    sys.stderr.flush()
