"""Values of Go templates, and how Go writes them: `%v`, `printf`, `%q`; bounded, whatever a template does."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from migrator.sources.rancher.answers import format_answer

MAX_ITEMS = 100_000
"""Longest list and longest repeated text that a function gives."""

MAX_TEXT = 1_000_000
"""Longest text that a function gives."""


class GoError(ValueError):
    """An error that a function returns."""


class Strings(dict[str, str]):
    """A Go map[string]string: a key that is missing reads as a blank."""


class Struct(dict[str, Any]):
    """A Go struct: a field that is missing is an error that names `type`."""

    def __init__(self, type_name: str, fields: Mapping[str, Any]) -> None:
        super().__init__(fields)
        self.type = type_name


def is_true(value: Any) -> bool:
    """Tell whether Go takes a value for true: not zero, not empty, not nil."""
    return bool(value)


def format_value(value: Any) -> str:
    """Write a value as an action does."""
    return "<no value>" if value is None else to_text(value)


def to_text(value: Any) -> str:
    """Write a value as Go's %v does."""
    if value is None:
        return "<nil>"
    if isinstance(value, Mapping):
        return "map[" + join_texts(" ", (f"{key}:{to_text(item)}" for key, item in sorted(value.items()))) + "]"
    if isinstance(value, list | tuple):
        return "[" + join_texts(" ", map(to_text, value)) + "]"
    return value if isinstance(value, str) else format_answer(value)


def join_texts(separator: str, texts: Iterable[str]) -> str:
    """Join texts, but not without end: lists in lists may hold the same one many times."""
    joined: list[str] = []
    length = 0
    for text in texts:
        length += len(text) + len(separator)
        check_length(length)
        joined.append(text)
    return separator.join(joined)


def check_length(length: int) -> None:
    """Refuse text that is too long.

    Raises GoError.
    """
    if length > MAX_TEXT:
        raise GoError(f"text of {length} characters is too long")


_VERB = re.compile(r"%(?P<flags>[-+# 0]*)(?P<width>\d*)(?:\.(?P<precision>\d*))?(?P<verb>[a-zA-Z%])")


def format_text(text: Any, *values: Any) -> str:
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
        extra = ", ".join(f"{name_type(value)}={to_text(value)}" for value in given)
        result += f"%!(EXTRA {extra})"
    return result


def name_type(value: Any) -> str:
    """Name a value's type as Go does."""
    kinds = {
        "str": "string",
        "float": "float64",
        "list": "[]interface {}",
        "dict": "map[string]interface {}",
        "Strings": "map[string]string",
        "NoneType": "<nil>",
    }
    name = value.type if isinstance(value, Struct) else type(value).__name__
    return kinds.get(name, name)


def _format_verb(match: re.Match[str], value: Any) -> str:
    verb, flags = match["verb"], match["flags"]
    width = min(int(match["width"] or 0), MAX_ITEMS)
    number = isinstance(value, int) and not isinstance(value, bool)
    if verb == "v" or (verb == "s" and isinstance(value, str)) or (verb == "t" and isinstance(value, bool)):
        text = to_text(value)
    elif verb == "q" and isinstance(value, str):
        text = quote_text(value)
    elif verb == "q" and number:
        text = f"'{chr(value)}'"
    elif verb in "dxXobc" and number:
        text = chr(value) if verb == "c" else format(value, verb)
        if "+" in flags and value >= 0:
            text = "+" + text
    elif verb in "feg" and isinstance(value, float):
        text = format(value, f".{min(int(match['precision'] or 6), 100)}{verb}")
    elif verb in "xX" and isinstance(value, str):
        text = value.encode().hex()
    else:
        text = f"%!{verb}(<nil>)" if value is None else f"%!{verb}({name_type(value)}={to_text(value)})"
    if isinstance(value, str) and verb in "vs" and match["precision"] is not None:
        text = text[: int(match["precision"] or 0)]
    if "-" in flags:
        return text.ljust(width)
    return text.zfill(width) if "0" in flags and number else text.rjust(width)


_ESCAPES = {"\a": r"\a", "\b": r"\b", "\f": r"\f", "\n": r"\n", "\r": r"\r", "\t": r"\t", "\v": r"\v", '"': r"\"",
            "\\": r"\\"}  # fmt: skip


def quote_text(text: str) -> str:
    """Quote as Go's %q does."""
    return '"' + "".join(map(_escape, text)) + '"'


def _escape(character: str) -> str:
    code = ord(character)
    if character in _ESCAPES:
        return _ESCAPES[character]
    if character == " " or (character.isprintable() and not character.isspace()):
        return character
    return f"\\x{code:02x}" if code < 0x80 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
