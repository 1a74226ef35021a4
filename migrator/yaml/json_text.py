"""JSON as Kubernetes decodes it: what Go's encoding/json refuses is refused, what it replaces is replaced."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, NoReturn

from migrator.errors import TextError
from migrator.yaml.nodes import Node, compose, find_too_deep

_SURROGATES = re.compile(
    r"(?<!\\)((?:\\\\)*)"
    r"(\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[dD][89a-fA-F][0-9a-fA-F]{2})"
)
_PAIR_LENGTH = 12


def load_json(text: str) -> Any:
    """Give the data of a JSON text; half of a surrogate pair becomes U+FFFD.

    Raises TextError for what is not JSON, for numbers that none can hold, and for what nests too deeply.
    """
    text = _replace_surrogates(_replace_half, text)
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        raise TextError(f"not JSON: {error.msg}", error.pos) from None
    except RecursionError:
        raise find_too_deep(text) from None
    except ValueError as error:
        # Python counts the digits of numbers; JSON has no other constants than true, false and null.
        raise TextError(f"not JSON: {str(error).partition(';')[0]}") from None


def _replace_surrogates(replace: Callable[[re.Match[str]], str], text: str) -> str:
    return _SURROGATES.sub(replace, text) if "\\ud" in text or "\\uD" in text else text


def _replace_half(match: re.Match[str]) -> str:
    return match[0] if len(match[2]) == _PAIR_LENGTH else f"{match[1]}\\ufffd"


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")


def compose_json(text: str) -> Node:
    """Compose JSON text for its places; escapes that YAML does not know are covered by others as long.

    Raises TextError where that fails.
    """
    root = compose(_replace_surrogates(lambda match: match[1] + "x" * len(match[2]), text))
    if root is None:
        raise TextError("empty JSON")
    return root
