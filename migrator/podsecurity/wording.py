"""Phrases that the details of several checks share; their wording is upstream's (policy/helpers.go)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from migrator.podsecurity.pod import Container

_GO_ESCAPES = {
    '"': '\\"',
    "\\": "\\\\",
    "\a": "\\a",
    "\b": "\\b",
    "\f": "\\f",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\v": "\\v",
}


def choose_number(singular: str, plural: str, count: int) -> str:
    """Return the singular for a count of one."""
    return singular if count == 1 else plural


def join_quoted(items: Iterable[str]) -> str:
    """List texts in quotes, as they are: nothing inside them is escaped."""
    return ", ".join(f'"{item}"' for item in items)


def name_containers(containers: Sequence[Container]) -> str:
    """Write `container "a"` or `containers "a", "b"`."""
    noun = choose_number("container", "containers", len(containers))
    return f"{noun} {join_quoted(container.name for container in containers)}"


def name_setters(pod: bool, containers: Sequence[Container]) -> str:
    """Write who sets a field: `pod`, containers by name, or both."""
    setters = ["pod"] if pod else []
    if containers:
        setters.append(name_containers(containers))
    return " and ".join(setters)


def quote_go(text: str) -> str:
    """Quote a text as Go's %q does (strconv.Quote)."""
    return f'"{"".join(map(_escape_go, text))}"'


def _escape_go(character: str) -> str:
    if character in _GO_ESCAPES:
        return _GO_ESCAPES[character]
    if character.isprintable():
        return character
    code = ord(character)
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
