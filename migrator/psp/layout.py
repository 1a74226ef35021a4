"""Long expressions over several lines, as a person would break them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

_OPENING: Final = ("(", "[", "{")
_CLOSING: Final = (")", "]", "}")
_TOKEN: Final = re.compile(r"'(?:[^'\\]|\\.)*'|[()\[\]{}]| \|\| | && |, ")


# Policies ask for the same of many namespaces.
@lru_cache(maxsize=8192)
def fold_expression(text: str, width: int = 100) -> str:
    """Break an expression longer than `width` at its operators, else inside its brackets, the longest first."""
    if len(text) <= width:
        return text
    for operator in (" || ", " && "):
        parts = _split(text, operator)
        if len(parts) > 1:
            return _fill([fold_expression(part, width) for part in parts], width, "", operator[1:])
    start, end = max(_find_brackets(text), key=lambda pair: pair[1] - pair[0], default=(0, 0))
    if end - start < 2:
        return text
    head, inside, tail = fold_expression(text[:start], width), text[start + 1 : end], text[end + 1 :]
    head, tail = f"{head}{text[start]}", f"{text[end]}{fold_expression(tail, width)}"
    if text[start] == "(":
        name, comma, body = inside.partition(", ")
        if comma and name.isidentifier():
            head, inside = f"{head}{name},", body
        lines = fold_expression(inside, width - 2)
    else:
        items = [fold_expression(item, width - 2) for item in _split(inside, ", ")]
        lines = _fill(items, width - 2, ",", "")
    return f"{head}\n{_indent(lines)}\n{tail}"


def _indent(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.split("\n"))


def _fill(items: list[str], width: int, end: str, start: str) -> str:
    """Put items on lines, as many as fit; between two of them a line ends with `end`, and the next has `start`."""
    lines = [items[0]]
    for item in items[1:]:
        joined = f"{lines[-1]}{end} {start}{item}"
        if "\n" in joined or len(joined) > width:
            lines[-1] += end
            lines.append(start + item)
        else:
            lines[-1] = joined
    return "\n".join(lines)


def _split(text: str, separator: str) -> list[str]:
    """Split where the separator stands in no brackets and no string."""
    parts, start = [], 0
    for token, depth in _walk(text):
        if depth == 0 and token[0] == separator:
            parts.append(text[start : token.start()])
            start = token.end()
    return [*parts, text[start:]]


def _find_brackets(text: str) -> Iterator[tuple[int, int]]:
    """Find the outermost pairs of brackets."""
    start = 0
    for token, depth in _walk(text):
        if depth == 1 and token[0] in _OPENING:
            start = token.start()
        elif depth == 0 and token[0] in _CLOSING:
            yield start, token.start()


def _walk(text: str) -> Iterator[tuple[re.Match[str], int]]:
    """Give the brackets and separators outside of strings with the brackets around them; a bracket's own counts."""
    depth = 0
    for token in _TOKEN.finditer(text):
        if token[0] in _OPENING:
            depth += 1
        elif token[0] in _CLOSING:
            depth -= 1
        if token[0][0] != "'":
            yield token, depth
