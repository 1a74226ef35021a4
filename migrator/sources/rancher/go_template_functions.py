"""The functions that catalog templates may call: Go's own, sprig's pure ones, and Rancher's `splitPreserveQuotes`.

After Go's text/template/funcs.go, Masterminds/sprig v2 and rancher-compose-executor template/funcs. What sprig
offers beyond computing (the environment, the clock, random numbers, keys) is refused with the reason.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import unicodedata
from collections.abc import Callable, Mapping
from typing import Any

from migrator.sources.rancher.answers import format_answer

MAX_ITEMS = 100_000
"""Longest list and longest repeated text that a function gives."""


class GoError(ValueError):
    """An error that a function returns."""


def is_true(value: Any) -> bool:
    """Tell whether Go takes a value for true: not zero, not empty, not nil."""
    return bool(value)


def format_value(value: Any) -> str:
    """Write a value as Go's %v does."""
    if value is None:
        return "<no value>"
    if isinstance(value, Mapping):
        return "map[" + " ".join(f"{key}:{format_value(item)}" for key, item in sorted(value.items())) + "]"
    if isinstance(value, list | tuple):
        return "[" + " ".join(map(format_value, value)) + "]"
    return value if isinstance(value, str) else format_answer(value)


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int | float | str):
        return type(value).__name__
    raise GoError("invalid type for comparison")


def _equal(first: Any, *others: Any) -> bool:
    if not others:
        raise GoError("missing argument for comparison")
    for other in others:
        if _kind(first) != _kind(other):
            raise GoError("incompatible types for comparison")
        if first == other:
            return True
    return False


def _less(first: Any, second: Any) -> bool:
    if _kind(first) != _kind(second):
        raise GoError("incompatible types for comparison")
    if isinstance(first, bool):
        raise GoError("invalid type for comparison")
    return bool(first < second)


def _index(item: Any, *keys: Any) -> Any:
    for key in keys:
        if isinstance(item, Mapping):
            item = item.get(key)
        elif isinstance(item, list | str) and isinstance(key, int):
            if not 0 <= key < len(item):
                raise GoError(f"index out of range: {key}")
            item = item[key] if isinstance(item, list) else ord(item[key])
        else:
            raise GoError(f"can't index item of type {type(item).__name__}")
    return item


def _length(item: Any) -> int:
    if isinstance(item, str):
        return len(item.encode())
    if isinstance(item, Mapping | list):
        return len(item)
    raise GoError(f"len of type {type(item).__name__}")


_VERB = re.compile(r"%(?P<flags>[-+# 0]*)(?P<width>\d*)(?:\.(?P<precision>\d*))?(?P<verb>[a-zA-Z%])")


def _format(text: Any, *values: Any) -> str:
    """Format as Go's Sprintf does, mismatches and missing values included."""
    if not isinstance(text, str):
        raise GoError("wrong type for value; expected string")
    given = list(values)

    def replace(match: re.Match[str]) -> str:
        if match["verb"] == "%":
            return "%"
        if not given:
            return f"%!{match['verb']}(MISSING)"
        return _format_verb(match, given.pop(0))

    result = _VERB.sub(replace, text)
    if given:
        extra = ", ".join(f"{_go_type(value)}={format_value(value)}" for value in given)
        result += f"%!(EXTRA {extra})"
    return result


def _go_type(value: Any) -> str:
    kinds = {"str": "string", "float": "float64", "list": "[]interface {}", "NoneType": "<nil>"}
    name = type(value).__name__
    return kinds.get(name, name)


def _format_verb(match: re.Match[str], value: Any) -> str:
    verb, flags = match["verb"], match["flags"]
    width = min(int(match["width"] or 0), MAX_ITEMS)
    number = isinstance(value, int) and not isinstance(value, bool)
    if verb == "v" or (verb == "s" and isinstance(value, str)) or (verb == "t" and isinstance(value, bool)):
        text = format_value(value)
    elif verb == "q" and isinstance(value, str):
        text = json.dumps(value, ensure_ascii=False)
    elif verb in "dxXobc" and number:
        text = chr(value) if verb == "c" else format(value, verb)
        if "+" in flags and value >= 0:
            text = "+" + text
    elif verb in "feg" and isinstance(value, float):
        text = format(value, f".{min(int(match['precision'] or 6), 100)}{verb}")
    elif verb in "xX" and isinstance(value, str):
        text = value.encode().hex()
    else:
        text = f"%!{verb}({_go_type(value)}={format_value(value)})"
    if isinstance(value, str) and verb in "vs" and match["precision"] is not None:
        text = text[: int(match["precision"] or 0)]
    if "-" in flags:
        return text.ljust(width)
    return text.zfill(width) if "0" in flags and number else text.rjust(width)


def _to_integer(value: Any) -> int:
    try:
        return int(value) if not isinstance(value, str) else int(value, 0) if value[:2] == "0x" else int(value)
    except (TypeError, ValueError, OverflowError):
        return 0


def _to_float(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        return 0.0


def _sequence(count: Any) -> list[int]:
    limit = _to_integer(count)
    return _sequence_step(0, limit, 1 if limit >= 0 else -1)


def _sequence_step(start: Any, stop: Any, step: Any) -> list[int]:
    if not _to_integer(step):
        return []
    numbers = range(_to_integer(start), _to_integer(stop), _to_integer(step))
    if len(numbers) > MAX_ITEMS:
        raise GoError(f"a list of {len(numbers)} numbers is too long")
    return list(numbers)


def _repeat(count: Any, text: str) -> str:
    if _to_integer(count) * len(text) > MAX_ITEMS:
        raise GoError(f"text of {_to_integer(count) * len(text)} characters is too long")
    return text * _to_integer(count)


def _divide(first: Any, second: Any) -> int:
    dividend, divisor = _to_integer(first), _to_integer(second)
    if not divisor:
        raise GoError("runtime error: integer divide by zero")
    quotient = abs(dividend) // abs(divisor)
    return quotient if (dividend < 0) == (divisor < 0) else -quotient


def _remainder(first: Any, second: Any) -> int:
    return _to_integer(first) - _divide(first, second) * _to_integer(second)


def _multiply(first: Any, *others: Any) -> int:
    product = _to_integer(first)
    for other in others:
        product *= _to_integer(other)
    # Go's int64 wraps around.
    return (product + 2**63) % 2**64 - 2**63


def _split(separator: str, text: str) -> dict[str, str]:
    return {f"_{position}": part for position, part in enumerate(text.split(separator))}


def _split_preserving_quotes(text: str) -> list[str]:
    """Split at spaces outside of quotes; the quotes stay, a last separator stays too, as upstream leaves it."""
    pieces: list[str] = []
    buffer = ""
    quoted = False
    for position, character in enumerate(text):
        if unicodedata.category(character) in ("Pi", "Pf") or character in "\"'":
            quoted = not quoted
        last = position == len(text) - 1
        if (character.isspace() and not quoted) or last:
            pieces.append(buffer + character if last else buffer)
            buffer = ""
        else:
            buffer += character
    return pieces


def _indent(count: Any, text: str) -> str:
    padding = " " * min(_to_integer(count), 1000)
    return padding + text.replace("\n", "\n" + padding)


def _make_dict(*pairs: Any) -> dict[str, Any]:
    keys, values = pairs[::2], list(pairs[1::2])
    values += [""] * (len(keys) - len(values))
    return {format_value(key): value for key, value in zip(keys, values, strict=True)}


def _substring(start: Any, end: Any, text: str) -> str:
    first, last = _to_integer(start), _to_integer(end)
    return text[:last] if first < 0 else text[first:] if last < 0 else text[first:last]


def _join(separator: str, items: Any) -> str:
    return separator.join(map(format_value, items)) if isinstance(items, list | tuple) else format_value(items)


def _quote(*values: Any) -> str:
    return " ".join(json.dumps(format_value(value), ensure_ascii=False) for value in values if value is not None)


FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "eq": _equal,
    "ne": lambda first, second: not _equal(first, second),
    "lt": _less,
    "le": lambda first, second: _less(first, second) or _equal(first, second),
    "gt": lambda first, second: not (_less(first, second) or _equal(first, second)),
    "ge": lambda first, second: not _less(first, second),
    "not": lambda value: not is_true(value),
    "index": _index,
    "len": _length,
    "print": lambda *values: "".join(map(format_value, values)),
    "println": lambda *values: " ".join(map(format_value, values)) + "\n",
    "printf": _format,
    "default": lambda fallback, value=None: value if is_true(value) else fallback,
    "empty": lambda value: not is_true(value),
    "coalesce": lambda *values: next(filter(is_true, values), None),
    "ternary": lambda first, second, condition: first if condition else second,
    "upper": lambda text: text.upper(),
    "lower": lambda text: text.lower(),
    "title": lambda text: re.sub(r"\b\w", lambda match: match[0].upper(), text),
    "untitle": lambda text: re.sub(r"\b\w", lambda match: match[0].lower(), text),
    "trim": lambda text: text.strip(),
    "trimAll": lambda characters, text: text.strip(characters),
    "trimall": lambda characters, text: text.strip(characters),
    "trimPrefix": lambda prefix, text: text.removeprefix(prefix),
    "trimSuffix": lambda suffix, text: text.removesuffix(suffix),
    "nospace": lambda text: re.sub(r"\s", "", text),
    "replace": lambda old, new, text: text.replace(old, new),
    "repeat": _repeat,
    "substr": _substring,
    "trunc": lambda count, text: text[:count] if count >= 0 else text,
    "contains": lambda part, text: part in text,
    "hasPrefix": lambda prefix, text: text.startswith(prefix),
    "hasSuffix": lambda suffix, text: text.endswith(suffix),
    "quote": _quote,
    "squote": lambda *values: " ".join(f"'{format_value(value)}'" for value in values if value is not None),
    "cat": lambda *values: " ".join(map(format_value, values)),
    "indent": _indent,
    "nindent": lambda count, text: "\n" + _indent(count, text),
    "split": _split,
    "splitList": lambda separator, text: text.split(separator),
    "splitPreserveQuotes": _split_preserving_quotes,
    "join": _join,
    "toString": format_value,
    "toStrings": lambda items: list(map(format_value, items)),
    "sortAlpha": lambda items: sorted(map(format_value, items)),
    "atoi": lambda text: _to_integer(text) if isinstance(text, str) else 0,
    "int": _to_integer,
    "int64": _to_integer,
    "float64": _to_float,
    "add": lambda *values: sum(map(_to_integer, values)),
    "add1": lambda value: _to_integer(value) + 1,
    "sub": lambda first, second: _to_integer(first) - _to_integer(second),
    "mul": _multiply,
    "div": _divide,
    "mod": _remainder,
    "max": lambda *values: max(map(_to_integer, values)),
    "biggest": lambda *values: max(map(_to_integer, values)),
    "min": lambda *values: min(map(_to_integer, values)),
    "until": _sequence,
    "untilStep": _sequence_step,
    "list": lambda *items: list(items),
    "tuple": lambda *items: list(items),
    "dict": _make_dict,
    "first": lambda items: items[0] if items else None,
    "last": lambda items: items[-1] if items else None,
    "rest": lambda items: items[1:],
    "initial": lambda items: items[:-1],
    "reverse": lambda items: items[::-1],
    "uniq": lambda items: list(dict.fromkeys(items)),
    "has": lambda item, items: item in items,
    "keys": lambda mapping: sorted(mapping),
    "hasKey": lambda mapping, key: key in mapping,
    "b64enc": lambda text: base64.b64encode(text.encode()).decode(),
    "b64dec": lambda text: base64.b64decode(text, validate=True).decode(),
    "sha256sum": lambda text: hashlib.sha256(text.encode()).hexdigest(),
}

_MACHINE = "it reads the machine that the template is rendered on"
_CHANCE = "it gives another result every time; answer the question instead"
UNSAFE_FUNCTIONS: Mapping[str, str] = {
    **dict.fromkeys(("env", "expandenv", "getHostByName"), _MACHINE),
    **dict.fromkeys(("now", "date", "dateInZone", "date_in_zone", "htmlDate", "ago"), _CHANCE),
    **dict.fromkeys(("randAlphaNum", "randAlpha", "randAscii", "randNumeric", "uuidv4", "shuffle"), _CHANCE),
    **dict.fromkeys(("genPrivateKey", "genCA", "genSelfSignedCert", "genSignedCert", "derivePassword"), _CHANCE),
}
