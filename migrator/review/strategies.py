"""What strategies are called, for people."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from migrator.sources.tables import load_table

_PACKAGE = Path(__file__).parent.parent


@cache
def name_strategy(name: str) -> str:
    """Give a strategy's title from its table; the id where it has none."""
    for folder in ("strategies", "strategies/hardening"):
        if (_PACKAGE / folder / f"{name}.yaml").is_file():
            return str(load_table(f"{folder}/{name}.yaml")["title"])
    return name
