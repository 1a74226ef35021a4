"""Which values are secrets: by the name of the variable that holds them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache

from migrator.sources.tables import load_table

SHORTEST = 4
"""Shortest secret that is looked for inside of other values: shorter ones are in too many."""

_PARTS = re.compile(r"[A-Z]?[a-z0-9]+|[A-Z]+(?![a-z])|[0-9]+")
_PLACE = re.compile(r"(?:/[\w.-]+)+/?|[a-z]+://[^@\s]+")


@cache
def _words(name: str) -> frozenset[str]:
    return frozenset(load_table("sources/rancher/secret_words.yaml")[name])


def is_secret(name: str, value: str) -> bool:
    """Tell whether a variable's name says that its value is a secret; paths and addresses lead to one at most."""
    parts = [part.lower() for part in _PARTS.findall(name)]
    if not parts or not value or value.lower() in _words("harmlessValues") or _PLACE.fullmatch(value):
        return False
    if parts[-1] in _words("harmlessEndings"):
        return False
    return any(part in _words("words") or part.endswith(("password", "passwd")) for part in parts)


def find_secret(text: str, secrets: Mapping[str, str]) -> str | None:
    """Find the longest secret that stands in a text; None where there is none."""
    found = [value for value in secrets if value in text]
    return max(found, key=len) if found else None
