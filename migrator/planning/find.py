"""Telling plan files from sources, before anything else is loaded."""

from __future__ import annotations

from pathlib import Path


def is_plan_file(path: str) -> bool:
    """Tell by its first bytes whether a file is a plan."""
    try:
        with Path(path).open("rb") as file:
            head = file.read(256)
    except OSError:
        return False
    return b"formatVersion" in head and b"migratorVersion" in head
