"""Variables in compose values, exactly as Rancher v1.6 replaced them.

After rancher/rancher-compose-executor parser/interpolation/interpolation.go: `$NAME`, `${NAME}` and `$$`, nothing
else. There is no `${NAME:-default}`; a variable without an answer becomes a blank string.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_EXPRESSION = re.compile(r"\$(?:(?P<dollar>\$)|(?P<name>[A-Za-z_][A-Za-z0-9_]*)|\{(?P<braced>[A-Za-z0-9_]+)\}|)")


class InterpolationError(ValueError):
    """A `$` that starts no variable."""


def interpolate_text(text: str, answers: Mapping[str, str], unset: list[str]) -> str:
    """Replace the variables of one string; names without an answer are added to `unset`.

    Raises InterpolationError where a `$` is followed by anything but a name, `{name}` or `$`.
    """
    if "$" not in text:
        return text

    def replace(match: re.Match[str]) -> str:
        if match["dollar"]:
            return "$"
        name = match["name"] or match["braced"]
        if not name:
            raise InterpolationError(text)
        if name not in answers:
            unset.append(name)
            return ""
        return answers[name]

    return _EXPRESSION.sub(replace, text)


def interpolate_value(value: Any, answers: Mapping[str, str], unset: list[str]) -> Any:
    """Replace the variables in all strings of a value; keys stay as they are.

    Raises InterpolationError as `interpolate_text` does.
    """
    if isinstance(value, str):
        return interpolate_text(value, answers, unset)
    if isinstance(value, dict):
        return {key: interpolate_value(item, answers, unset) for key, item in value.items()}
    if isinstance(value, list):
        return [interpolate_value(item, answers, unset) for item in value]
    return value
