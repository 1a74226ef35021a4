"""Names in text that only Rancher resolves, or that changed."""

from __future__ import annotations

import re
from functools import lru_cache

from migrator.sources.rancher.translate.survey import Context, words


def find_references(context: Context, text: str) -> tuple[str, ...]:
    """Say what in a value relies on Rancher's metadata, DNS or API, and which service names in it changed."""
    if not text:
        return ()
    found = list(find_rancher_names(text))
    for old, new in context.names.items():
        if old.lower() != new and context.has_pods(old) and _word(old).search(text):
            found.append(f"{old} is named {new} now: change it here.")
    return tuple(found)


def find_rancher_names(text: str) -> tuple[str, ...]:
    """Say what in a text relies on Rancher's metadata, DNS or API."""
    known = words()["rancherReferences"].items()
    return tuple(f"{name}: {reason}." for name, reason in known if name.lower() in text.lower())


@lru_cache(maxsize=4096)
def _word(name: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![A-Za-z0-9_-]){re.escape(name)}(?![A-Za-z0-9_-])")
