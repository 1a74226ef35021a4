"""Paths of fields inside an object, as Kubernetes' own messages write them."""

from __future__ import annotations

import re
from functools import lru_cache

FieldPath = tuple[str | int, ...]

_PLAIN_STEP = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*\Z")
_STEP = re.compile(r"""\.?(?P<plain>[A-Za-z_][A-Za-z0-9_-]*)|\[(?P<index>\d+)\]|\["(?P<quoted>(?:[^"\\]|\\.)*)"\]""")


@lru_cache(maxsize=65536)
def format_path(path: FieldPath) -> str:
    """Write a path as text: `spec.containers[0].ports[1].hostPort`, odd keys as `["a.b/c"]`.

    The notation is that of the KRM functions specification's `field.path`.
    """
    text = ""
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        elif _PLAIN_STEP.match(step):
            text += f".{step}" if text else step
        else:
            escaped = step.replace("\\", "\\\\").replace('"', '\\"')
            text += f'["{escaped}"]'
    return text


def parse_path(text: str) -> FieldPath:
    """Read back what `format_path` wrote.

    Raises ValueError for anything else.
    """
    steps: list[str | int] = []
    position = 0
    while position < len(text):
        match = _STEP.match(text, position)
        if match is None:
            raise ValueError(f"not a field path: {text!r}")
        if match["index"] is not None:
            steps.append(int(match["index"]))
        elif match["quoted"] is not None:
            steps.append(re.sub(r"\\(.)", r"\1", match["quoted"]))
        else:
            steps.append(match["plain"])
        position = match.end()
    return tuple(steps)
