"""Telling plan files from sources, before anything else is loaded."""

from __future__ import annotations

from migrator.sources.files import read_head


def is_plan_file(path: str) -> bool:
    """Tell by its first bytes whether a file is a plan."""
    head = read_head(path, 256)
    return b"formatVersion" in head and b"migratorVersion" in head
