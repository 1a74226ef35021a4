"""The three levels of the Pod Security Standards."""

from __future__ import annotations

from typing import Literal

Level = Literal["privileged", "baseline", "restricted"]

PRIVILEGED: Level = "privileged"
BASELINE: Level = "baseline"
RESTRICTED: Level = "restricted"
LEVELS: tuple[Level, ...] = (PRIVILEGED, BASELINE, RESTRICTED)


def parse_level(text: str) -> Level:
    """Read a level as a namespace label writes it.

    Raises ValueError in upstream's words (kubernetes/pod-security-admission, api/helpers.go).
    """
    if text not in LEVELS:
        raise ValueError(f"must be one of {', '.join(LEVELS)}")
    return text


def is_stricter(level: Level, other: Level) -> bool:
    """Tell whether `level` forbids more than `other`."""
    return LEVELS.index(level) > LEVELS.index(other)
