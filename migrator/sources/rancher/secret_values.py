"""Which values of a stack are secrets: by the name of the variable that holds them."""

from __future__ import annotations

import re
from collections.abc import Mapping

from migrator.sources.secret_names import names_secret
from migrator.sources.tables import load_table

SHORTEST = 4
"""Shortest secret that is looked for inside of other values: shorter ones are in too many."""

_PLACE = re.compile(r"(?:/[\w.-]+)+/?|[a-z]+://[^@\s]+")


def is_secret(name: str, value: str) -> bool:
    """Tell whether a variable's name says that its value is a secret; paths and addresses lead to one at most."""
    harmless = load_table("sources/secret_words.yaml")["harmlessValues"]
    if not value or value.lower() in harmless or _PLACE.fullmatch(value):
        return False
    return names_secret(name)


def find_secret(text: str, secrets: Mapping[str, str]) -> str | None:
    """Find the longest secret that stands in a text; None where there is none."""
    found = [value for value in secrets if value in text]
    return max(found, key=len) if found else None
