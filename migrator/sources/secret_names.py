"""Which names say that a value is a secret."""

from __future__ import annotations

import re
from functools import lru_cache

from migrator.sources.tables import load_table

SHORTEST_INSIDE = 5
"""Shortest word that is looked for inside of others: `key` is in `monkey`, `token` in `ACCESSTOKEN`."""

_PARTS = re.compile(r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])|[0-9]+")


@lru_cache(maxsize=65536)
def names_secret(name: str, more: frozenset[str] = frozenset()) -> bool:
    """Tell whether a variable's or an annotation's name says that its value is a secret.

    `more` are words besides the built-in ones, as a policy gives them.
    """
    table = load_table("sources/secret_words.yaml")
    parts = [part.lower() for part in _PARTS.findall(name)]
    if not parts or parts[-1] in table["harmlessEndings"]:
        return False
    words = {*table["words"], *more}
    long = [word for word in words if len(word) >= SHORTEST_INSIDE]
    return any(part in words or any(word in part for word in long) for part in parts)
