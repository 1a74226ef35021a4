"""Plain data out of nodes: what Kubernetes would decode."""

from __future__ import annotations

from typing import Any

from migrator.errors import TextError
from migrator.model.field import FieldPath
from migrator.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode, compose
from migrator.yaml.scalars import RESOLVED, resolve_plain, write_key

_MERGE = "<<"
_STRING_TAG = "tag:yaml.org,2002:str"
_BINARY_TAG = "tag:yaml.org,2002:binary"
_PLAIN_TAGS = frozenset(
    f"tag:yaml.org,2002:{name}" for name in ("int", "float", "bool", "null", "map", "seq", "timestamp", "merge")
)


class TemplateKeyError(TextError):
    """A mapping stands where a key belongs, as in an unrendered `{{ }}`."""


class TagError(TextError):
    """A tag that Kubernetes has no use for: some other program's file, or an attempt to have code run."""


def construct(node: Node, duplicates: list[ScalarNode] | None = None) -> Any:
    """Give a node's plain data: dict, list, str, int, float, bool, None.

    Keys become strings as sigs.k8s.io/yaml makes them. Of keys given twice the last counts, as there; each
    such key is added to `duplicates`. Merge keys are followed. Raises TagError for tags that would construct
    anything else, TextError for keys that are no scalars.
    """
    if type(node) is ScalarNode:
        return _construct_scalar(node)
    tag, items, _, _, _ = node.args
    if tag is not None and tag not in _PLAIN_TAGS:
        raise _refuse_tag(node)
    if type(node) is MappingNode:
        return _construct_mapping(node, duplicates)
    return [construct(item, duplicates) for item in items]  # type: ignore[arg-type]


def load_text(text: str) -> Any:
    """Give the plain data of a text's one document; None where it is empty."""
    root = compose(text)
    return construct(root) if root is not None else None


def _construct_mapping(node: MappingNode, duplicates: list[ScalarNode] | None) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, value in node.args[1]:
        try:
            name = _plain_keys[key.args[1]]
        except (KeyError, TypeError):
            if type(key) is not ScalarNode:
                raise TemplateKeyError(
                    "a mapping or a list stands where a key belongs", key.start_mark.index
                ) from None
            if _is_merge(key):
                return _construct_merged(node, duplicates)
            name = _construct_key(key)
        if duplicates is not None and name in result:
            duplicates.append(key)
        # What `construct` and `resolve_plain` do is repeated here: most values are scalars, and calls are dear.
        if type(value) is ScalarNode:
            tag, text, _, _, style = value.args
            if tag is None:
                if style != "":
                    result[name] = text
                elif text in RESOLVED:
                    result[name] = RESOLVED[text]
                else:
                    result[name] = resolve_plain(text)
                continue
        result[name] = construct(value, duplicates)
    return result


def _is_merge(key: Node) -> bool:
    tagged_otherwise = key.tag is not None and key.tag != "tag:yaml.org,2002:merge"
    return type(key) is ScalarNode and key.value == _MERGE and key.style == "" and not tagged_otherwise


def _construct_merged(node: MappingNode, duplicates: list[ScalarNode] | None) -> dict[str, Any]:
    """Construct a mapping with merge keys in the order written, as go-yaml v2 does.

    What a merge key brings wins over keys above it, and loses against keys below it.
    """
    result: dict[str, Any] = {}
    given: set[str] = set()
    for pair in node.value:
        if _is_merge(pair[0]):
            for source in _list_merged(pair[1], duplicates):
                result.update(source)
            continue
        alone = MappingNode(None, [pair], node.start_mark, None, node.flow_style)
        for name, value in _construct_mapping(alone, duplicates).items():
            if name in given and duplicates is not None:
                duplicates.append(pair[0])  # type: ignore[arg-type]
            given.add(name)
            result[name] = value
    return result


def _list_merged(node: Node, duplicates: list[ScalarNode] | None) -> list[dict[str, Any]]:
    """List the mappings that a merge key names, those that win last."""
    merged = construct(node, duplicates)
    sources = list(reversed(merged)) if isinstance(merged, list) else [merged]
    if not all(isinstance(source, dict) for source in sources):
        raise TextError("a merge key `<<` without a mapping", node.start_mark.index)
    return sources


def _construct_scalar(node: ScalarNode) -> Any:
    tag, value, _, _, style = node.args
    if tag is not None:
        if tag == _STRING_TAG:
            return value
        if tag == _BINARY_TAG:
            return _decode_binary(node)
        if tag not in _PLAIN_TAGS:
            raise _refuse_tag(node)
        return resolve_plain(value)
    return resolve_plain(value) if style == "" else value


def _refuse_tag(node: Node) -> TagError:
    return TagError(f"the tag {node.tag} means nothing to Kubernetes; remove it", node.start_mark.index)


def _decode_binary(node: ScalarNode) -> str:
    import base64
    import binascii

    try:
        return base64.b64decode("".join(node.value.split()), validate=True).decode("utf-8", "replace")
    except (binascii.Error, ValueError):
        raise TextError("a !!binary value that is not base64", node.start_mark.index) from None


_plain_keys: dict[str, str] = {}
"""Keys that mean themselves however they are written: one that thousands of objects share stands in memory once."""


def _construct_key(key: ScalarNode) -> str:
    text = key.value
    written = write_key(text)
    if written != text:
        return written if key.style == "" and key.tag is None else text
    if text != _MERGE:
        if len(_plain_keys) > 100_000:
            _plain_keys.clear()
        _plain_keys[text] = text
    return text


def find_node(root: Node, path: FieldPath) -> Node | None:
    """Find the node at a path; None where the path ends before it does."""
    node: Node | None = root
    for step in path:
        node = find_child(node, step) if node is not None else None
    return node


def find_child(node: Node, step: str | int) -> Node | None:
    """Find a mapping's value by key (of duplicates the last) or a sequence's item by index."""
    if type(node) is MappingNode:
        # The properties of nodes cost more than the comparison.
        for key, value in reversed(node.args[1]):
            if type(key) is ScalarNode and key.args[1] == step:
                return value  # type: ignore[no-any-return]
    elif type(node) is SequenceNode and isinstance(step, int) and step < len(node.value):
        return node.value[step]
    return None


def find_nearest(root: Node, path: FieldPath) -> Node:
    """Find the deepest existing node on a path; for a mapping's entry, the node of its key."""
    node = nearest = root
    for step in path:
        if type(node) is MappingNode:
            for key, value in reversed(node.args[1]):
                if key.args[1] == step and type(key) is ScalarNode:
                    nearest, node = key, value
                    break
            else:
                return nearest
        else:
            child = find_child(node, step)
            if child is None:
                return nearest
            nearest = node = child
    return nearest
