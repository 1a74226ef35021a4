"""What a YAML scalar means to Kubernetes, and how to write one so that it means the same everywhere.

Kubernetes reads YAML through sigs.k8s.io/yaml, which keeps the YAML 1.1 rules of go-yaml v2 (resolve.go
there): `yes`, `on` and `y` are booleans, `0777` is octal, `1:30` is a string.
"""

from __future__ import annotations

import json
import math
import re
import struct
from functools import lru_cache
from typing import Final

Scalar = str | int | float | bool | None

_CONSTANTS: Final[dict[str, Scalar]] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE", "y", "Y", "yes", "Yes", "YES", "on", "On", "ON"), True),
    **dict.fromkeys(("false", "False", "FALSE", "n", "N", "no", "No", "NO", "off", "Off", "OFF"), False),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), math.nan),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), math.inf),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), -math.inf),
}
_INTEGER = re.compile(r"[-+]?(?:0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO]?[0-7]+|0|[1-9][0-9]*)\Z")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?\Z")
_NUMBER_START = frozenset("+-.0123456789")

LONGEST_INTEGER = 100
"""Digits beyond which a number is no integer: 64 bits written in binary need 67."""

RESOLVED: Final[dict[str, Scalar]] = dict(_CONSTANTS)
"""Values of plain scalars that are known already, by their text."""


def resolve_plain(text: str) -> Scalar:
    """Give the value of a plain scalar."""
    try:
        return RESOLVED[text]
    except KeyError:
        pass
    value: Scalar = text
    if text[0] in _NUMBER_START:
        value = _resolve_number(text)
    if len(text) <= 64:
        if len(RESOLVED) > 100_000:
            RESOLVED.clear()
            RESOLVED.update(_CONSTANTS)
        RESOLVED[text] = value
    return value


def _resolve_number(text: str) -> Scalar:
    # As go-yaml v2: a first `.` leaves underscores in place, a whole number that 64 bits do not hold becomes a
    # float if it is decimal, and what a float does not hold stays text.
    digits = text if text[0] == "." else text.replace("_", "")
    if len(digits) <= LONGEST_INTEGER and _INTEGER.match(digits):
        magnitude = digits.lstrip("+-")
        octal = len(magnitude) > 1 and magnitude[0] == "0" and magnitude[1].isdigit()
        value = int(magnitude, 8 if octal else 0)
        if digits[0] == "-":
            value = -value
        if -(2**63) <= value < (2**63 if digits[0] == "+" else 2**64):
            return value
    if _FLOAT.match(digits):
        number = float(digits)
        return text if math.isinf(number) else number
    return text


def write_key(text: str) -> str:
    """Give the key that Kubernetes reads where a mapping's plain key is `text`: `0x50` is "80", `yes` is "true".

    JSON has no other keys than strings, so sigs.k8s.io/yaml writes numbers and booleans out (convertToJSONableObject
    there), floats with single precision.
    """
    value = resolve_plain(text)
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, float):
        return _write_float_key(value)
    return str(value)


def _write_float_key(value: float) -> str:
    """Write a float as Go's strconv.FormatFloat(value, 'g', -1, 32) does."""
    try:
        single = struct.unpack("f", struct.pack("f", value))[0]
    except OverflowError:
        single = math.copysign(math.inf, value)
    if not math.isfinite(single):
        return ".nan" if math.isnan(single) else ".inf" if single > 0 else "-.inf"
    shortest = next(
        text
        for text in (f"{single:.{digits}e}" for digits in range(9))
        if struct.unpack("f", struct.pack("f", float(text)))[0] == single
    )
    digits, _, exponent = shortest.partition("e")
    if -4 <= int(exponent) < 6:
        return f"{single:.{max(len(digits.partition('.')[2]) - int(exponent), 0)}f}"
    return shortest


_PLAIN_SAFE = re.compile(r"[A-Za-z0-9_./][A-Za-z0-9_./@%+=-]*(?: [A-Za-z0-9_./@%+=-]+)*\Z")
_LOOKS_LIKE_NUMBER = re.compile(r"[-+.]?[0-9][0-9_.:xXoObBeE+-]*\Z|[0-9]{4}-")


# Most of what is written are a few keys and words, over and over; 1, 1.0 and true are equal, and not the same.
@lru_cache(maxsize=4096, typed=True)
def write_scalar(value: Scalar) -> str:
    """Write a scalar on one line so that YAML 1.1, YAML 1.2 and JSON-minded readers agree on its value.

    Text is left plain where no reader can take it for something else, and is double-quoted otherwise.
    """
    if isinstance(value, str):
        if (
            _PLAIN_SAFE.match(value)
            and not _LOOKS_LIKE_NUMBER.match(value)
            and isinstance(resolve_plain(value), str)
            and value not in ("=", "<<")
        ):
            return value
        return json.dumps(value, ensure_ascii=not value.isprintable())
    return json.dumps(value)
