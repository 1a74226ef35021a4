"""Plain data out of nodes: what Kubernetes would decode."""

from __future__ import annotations

from typing import Any

from migrator.errors import TextError
from migrator.model.field import FieldPath
from migrator.yaml.nodes import MAX_SCALAR, MappingNode, Node, ScalarNode, SequenceNode
from migrator.yaml.scalars import resolve_plain

_MERGE = "<<"
_STRING_TAGS = frozenset({"tag:yaml.org,2002:str", "!"})
_PLAIN_TAGS = frozenset(
    f"tag:yaml.org,2002:{name}" for name in ("int", "float", "bool", "null", "map", "seq", "timestamp", "merge")
)


class TemplateKeyError(TextError):
    """A mapping stands where a key belongs, as in an unrendered `{{ }}`."""


def construct(node: Node, duplicates: list[ScalarNode] | None = None) -> Any:
    """Give a node's plain data: dict, list, str, int, float, bool, None.

    Keys become strings as sigs.k8s.io/yaml makes them. Of keys given twice the last counts, as there; each
    such key is added to `duplicates`. Merge keys are followed. Raises TextError for tags that would construct
    anything else, for keys that are no scalars, and for scalars over MAX_SCALAR.
    """
    if type(node) is ScalarNode:
        return _construct_scalar(node)
    if type(node.tag) is str and node.tag not in _PLAIN_TAGS:
        raise TextError(f"tag {node.tag} is not allowed", node.start_mark.index)
    if type(node) is MappingNode:
        return _construct_mapping(node, duplicates)
    return [construct(item, duplicates) for item in node.value]  # type: ignore[arg-type]


def _construct_mapping(node: MappingNode, duplicates: list[ScalarNode] | None) -> dict[str, Any]:
    result: dict[str, Any] = {}
    merges = False
    for key, value in node.value:
        if type(key) is not ScalarNode:
            raise TemplateKeyError("a mapping or a list stands where a key belongs", key.start_mark.index)
        name = key.value
        written = _key_texts.get(name) or _write_key(name)
        if written != name and key.style == "":
            name = written
        if name in result:
            if duplicates is not None:
                duplicates.append(key)
        elif name == _MERGE and key.style == "":
            merges = True
        # The scalar branch of `construct` is repeated here: most values are scalars, and a call each is dear.
        if type(value) is ScalarNode and type(value.tag) is not str and len(value.value) < MAX_SCALAR:
            result[name] = resolve_plain(value.value) if value.style == "" else value.value
        else:
            result[name] = construct(value, duplicates)
    if merges:
        _merge(result, node)
    return result


def _construct_scalar(node: ScalarNode) -> Any:
    value = node.value
    if len(value) >= MAX_SCALAR:
        raise TextError(f"a scalar of {len(value)} characters", node.start_mark.index)
    tag = node.tag
    if type(tag) is str:
        if tag in _STRING_TAGS:
            return value
        if tag == "tag:yaml.org,2002:binary":
            return value
        if tag not in _PLAIN_TAGS:
            raise TextError(f"tag {tag} is not allowed", node.start_mark.index)
        return resolve_plain(value)
    return resolve_plain(value) if node.style == "" else value


def _merge(result: dict[str, Any], node: Node) -> None:
    merged = result.pop(_MERGE)
    sources = merged if isinstance(merged, list) else [merged]
    for source in sources:
        if not isinstance(source, dict):
            raise TextError("a merge key `<<` without a mapping", node.start_mark.index)
        for key, value in source.items():
            result.setdefault(key, value)


_key_texts: dict[str, str] = {}


def _write_key(text: str) -> str:
    """Write a key that YAML takes for a number or a boolean as sigs.k8s.io/yaml does: `80`, `true`."""
    value = resolve_plain(text)
    if value is None or isinstance(value, bool):
        written = {None: "null", True: "true", False: "false"}[value]
    elif isinstance(value, float) and value.is_integer() and abs(value) < 1e21:
        written = str(int(value))
    else:
        written = str(value)
    if len(_key_texts) > 100_000:
        _key_texts.clear()
    _key_texts[text] = written
    return written


def find_node(root: Node, path: FieldPath) -> Node | None:
    """Find the node at a path; None where the path ends before it does."""
    node: Node | None = root
    for step in path:
        node = find_child(node, step) if node is not None else None
    return node


def find_child(node: Node, step: str | int) -> Node | None:
    """Find a mapping's value by key (of duplicates the last) or a sequence's item by index."""
    if type(node) is MappingNode:
        for key, value in reversed(node.value):
            if type(key) is ScalarNode and key.value == step:
                return value
    elif type(node) is SequenceNode and isinstance(step, int) and step < len(node.value):
        return node.value[step]
    return None


def find_nearest(root: Node, path: FieldPath) -> Node:
    """Find the deepest existing node on a path; for a mapping's entry, the node of its key."""
    node = root
    nearest: Node = root
    for step in path:
        if type(node) is MappingNode:
            pair = next(((k, v) for k, v in reversed(node.value) if type(k) is ScalarNode and k.value == step), None)
            if pair is None:
                break
            nearest, node = pair
        else:
            child = find_child(node, step)
            if child is None:
                break
            nearest = node = child
    return nearest
