"""Numbers as Rancher's files write them: strings that hold one, sizes with a unit."""

from __future__ import annotations

import math
import re
from typing import Any

_SIZE = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?)\s*([bkmgt]?)(?:i?b)?\s*\Z", re.IGNORECASE)
_UNITS = {"": 1, "b": 1, "k": 1024, "m": 1024**2, "g": 1024**3, "t": 1024**4}
_DURATION = re.compile(r"([0-9]+(?:\.[0-9]+)?)(us|ms|s|m|h)")
_DURATIONS = {"us": 0.001, "ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000}
_SUFFIXES = (("Gi", 1024**3), ("Mi", 1024**2), ("Ki", 1024))


def read_integer(value: Any) -> int | None:
    """Read an integer, or text that holds one; None for anything else, and for what 63 bits do not hold."""
    if isinstance(value, bool):
        return None
    if isinstance(value, float) and not value.is_integer():
        return None
    try:
        number = int(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if abs(number) < 2**63 else None


def read_count(value: Any) -> int | None:
    """Read an integer that fits into the API's 32 bits; None for anything else."""
    number = read_integer(value)
    return number if number is not None and abs(number) < 2**31 else None


def read_boolean(value: Any) -> bool:
    """Read a boolean, or text that holds one."""
    return value is True or str(value).strip().lower() in ("true", "yes", "on", "1")


def read_size(value: Any) -> int | None:
    """Read a size in bytes with Docker's units (powers of 1024); None for anything else."""
    match = _SIZE.match(str(value))
    return int(float(match[1]) * _UNITS[match[2].lower()]) if match else None


def write_size(size: int) -> str:
    """Write bytes as a Kubernetes quantity."""
    for suffix, unit in _SUFFIXES:
        if size and size % unit == 0:
            return f"{size // unit}{suffix}"
    return str(size)


def round_up_seconds(milliseconds: int) -> int:
    """Give whole seconds, at least one."""
    return max(1, math.ceil(milliseconds / 1000))


def read_duration(value: Any) -> int | None:
    """Read a duration as Go writes it (`1m30s`) in whole seconds, rounded up; None for anything else."""
    text = str(value).strip()
    parts = _DURATION.findall(text)
    if not parts or _DURATION.sub("", text):
        return None
    return math.ceil(sum(float(number) * _DURATIONS[unit] for number, unit in parts) / 1000)
