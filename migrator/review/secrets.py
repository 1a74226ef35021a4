"""Masking secrets in manifests that are shown: line for line, so that places stay what they are."""

from __future__ import annotations

import re
from collections.abc import Iterator

from migrator.errors import TextError
from migrator.sources.secret_names import names_secret
from migrator.sources.tables import load_table
from migrator.yaml.json_text import compose_json
from migrator.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode, compose

MASK = "••••••"

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
"""Holds the whole object once more, secrets included."""

SHORTEST = 8
"""Shortest secret that is looked for outside of its own place: shorter ones are in too many words."""

_LINE = re.compile(r"\S[^\r\n]*")
_PROPERTIES = re.compile(r"(?:[&!]\S*\s+)*")


def mask_secrets(text: str, more: frozenset[str] = frozenset()) -> str:
    """Mask the secrets of one manifest: values of variables and annotations whose name says so, and Secret objects.

    `more` are words of such names besides the built-in ones. Text that is no manifest is masked whole.
    """
    try:
        found = find_secrets(text, more)
    except TextError:
        return _LINE.sub(MASK, text)
    parts: list[str] = []
    position = 0
    for start, end, _ in found:
        if start >= position:
            behind = _PROPERTIES.match(text, start, end)
            start = behind.end() if behind else start
            parts += (text[position:start], _LINE.sub(MASK, text[start:end]))
            position = end
    masked = "".join((*parts, text[position:]))
    for value in {value for _, _, value in found if len(value) >= SHORTEST and "\n" not in value}:
        masked = masked.replace(value, MASK)
    return masked


def find_secrets(text: str, more: frozenset[str] = frozenset()) -> list[tuple[int, int, str]]:
    """Find the secrets of one manifest: where each starts and ends, in code points, and its value.

    Raises TextError for text that is no manifest.
    """
    lowered = text.lower()
    if not any(word in lowered for word in (*load_table("sources/secret_words.yaml")["words"], LAST_APPLIED, *more)):
        return []
    root = compose_json(text) if text.lstrip()[:1] == "{" else compose(text)
    return sorted({(node.start_mark.index, node.end_mark.index, node.value) for node in _find_secrets(root, more)})


def _find_secrets(node: Node | None, more: frozenset[str]) -> Iterator[ScalarNode]:
    if isinstance(node, SequenceNode):
        for item in node.value:
            yield from _find_secrets(item, more)
    elif isinstance(node, MappingNode):
        entries = {key.value: value for key, value in node.value if isinstance(key, ScalarNode)}
        name, value, kind = (_text_of(entries.get(key)) for key in ("name", "value", "kind"))
        if name is not None and value is not None and names_secret(name, more):
            yield from _find_scalars(entries["value"])
        if kind == "Secret":
            yield from _find_scalars(entries.get("data"))
            yield from _find_scalars(entries.get("stringData"))
        annotations = entries.get("annotations")
        if isinstance(annotations, MappingNode):
            for key, entry in annotations.value:
                if isinstance(key, ScalarNode) and (key.value == LAST_APPLIED or names_secret(key.value, more)):
                    yield from _find_scalars(entry)
        for _, below in node.value:
            yield from _find_secrets(below, more)


def _text_of(node: Node | None) -> str | None:
    return node.value if isinstance(node, ScalarNode) else None


def _find_scalars(node: Node | None) -> Iterator[ScalarNode]:
    """Find the scalars that a node holds, those without text left out."""
    if isinstance(node, ScalarNode) and node.start_mark.index < node.end_mark.index and node.value:
        yield node
    elif isinstance(node, SequenceNode):
        for item in node.value:
            yield from _find_scalars(item)
    elif isinstance(node, MappingNode):
        for _, value in node.value:
            yield from _find_scalars(value)
