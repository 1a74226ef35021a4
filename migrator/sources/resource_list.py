"""A KRM function's input: a ResourceList, the configuration in it, and the files that its items come from.

Source: https://github.com/kubernetes-sigs/kustomize/blob/master/cmd/config/docs/api-conventions/functions-spec.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from migrator.errors import InputError, TextError
from migrator.model.record import record
from migrator.model.reference import STDIN
from migrator.yaml.data import construct, find_child
from migrator.yaml.nodes import SequenceNode, compose
from migrator.yaml.scan import decode, line_of

GROUP = "config.kubernetes.io"
KIND = "ResourceList"
PATH_KEYS = ("internal.config.kubernetes.io/path", "config.kubernetes.io/path")
INDEX_KEYS = ("internal.config.kubernetes.io/index", "config.kubernetes.io/index")
"""The annotations that name an item's place; the older form last."""


@record
class Item:
    """An item of a ResourceList: the line that it starts in, its file and place there, and who says so.

    `path` and `keys` are empty where no annotation names a file.
    """

    line: int
    path: str
    index: int
    keys: tuple[str, ...]


@record
class ResourceList:
    """A ResourceList's configuration and items."""

    function_config: Mapping[str, Any]
    items: tuple[Item, ...]

    def find_item(self, line: int) -> Item | None:
        """Find the item that stands in a line."""
        return next((item for item in reversed(self.items) if item.line <= line), None)


def read_resource_list(content: bytes) -> ResourceList:
    """Read a ResourceList.

    Raises InputError where the text is none.
    """
    text = ""
    try:
        text = decode(content)
        root = compose(text)
        data = construct(root) if root is not None else None
    except TextError as error:
        raise InputError(STDIN, error.problem, line=line_of(text, error.index)) from None
    if root is None or data is None or not _is_resource_list(data):
        hint = "kustomize and kpt run `migrator fn`; a plain stream goes through `migrator apply -`"
        raise InputError(STDIN, f"not a {KIND} of {GROUP}", hint=hint)
    nodes = find_child(root, "items") or root
    starts = [node.start_mark.index for node in nodes.value] if type(nodes) is SequenceNode else []
    items = zip(data["items"] or (), starts, strict=True)
    config = data.get("functionConfig")
    return ResourceList(
        config if isinstance(config, dict) else {},
        tuple(_read_item(item, line_of(text, start)) for item, start in items),
    )


def _is_resource_list(data: Any) -> bool:
    if not isinstance(data, dict) or not isinstance(data.setdefault("items", []) or [], list):
        return False
    return data.get("kind") == KIND and str(data.get("apiVersion")).partition("/")[0] == GROUP


def _read_item(item: Any, line: int) -> Item:
    metadata = item.get("metadata") if isinstance(item, dict) else None
    annotations = metadata.get("annotations") if isinstance(metadata, dict) else None
    known = annotations if isinstance(annotations, dict) else {}
    path = next((str(known[key]) for key in PATH_KEYS if known.get(key)), "")
    index = next((str(known[key]) for key in INDEX_KEYS if known.get(key)), "0")
    keys = tuple(key for key in (*PATH_KEYS, *INDEX_KEYS) if known.get(key))
    return Item(line, path, int(index) if index.isdecimal() else 0, keys)
