"""Reading the nodes of a cluster: Node objects, or what `kubectl get nodes -o yaml|json` prints."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from migrator.errors import InputError, TextError
from migrator.model.node import Node, Taint, make_nodes
from migrator.model.quantity import parse_quantity
from migrator.model.reference import Location, is_cluster
from migrator.sources.extract import FieldError, ObjectReader, read_ref
from migrator.sources.files import read_bytes
from migrator.yaml.data import construct, find_nearest
from migrator.yaml.nodes import compose
from migrator.yaml.scan import column_of, cut_documents, cut_json, decode, line_of

MOST = 15_000
"""Nodes that a number may ask for: three times what Kubernetes supports."""


def find_nodes(option: str) -> tuple[Node, ...]:
    """Give the nodes that `--nodes` means: a number of identical ones, or those of a file.

    Raises InputError for a number out of reach, and for files that hold no nodes.
    """
    if option.isascii() and option.lstrip("-").isdigit():
        count = int(option)
        if not 1 <= count <= MOST:
            raise InputError("--nodes", f"{count} is no number of nodes", hint=f"1-{MOST}, or a file of Node objects")
        return make_nodes(count)
    if is_cluster(option):
        hint = f"give it as a source besides, and leave --nodes out: migrator simulate SOURCE {option}"
        raise InputError("--nodes", "takes a number or a file, not a cluster", hint=hint)
    return read_nodes(option)


def read_nodes(path: str) -> tuple[Node, ...]:
    """Read the Node objects of a file; objects of other kinds are passed over.

    Raises InputError where there are none, or one cannot be read.
    """
    nodes: dict[str, Node] = {}
    for data, line in _list_objects(path):
        if data.get("kind") != "Node":
            continue
        try:
            node = read_node(data, Location(path, 0, None, line), ObjectReader(data, lambda _: 0))
        except FieldError as error:
            raise InputError(path, str(error), line=line, hint="correct the node") from None
        if node.name in nodes:
            raise InputError(path, f"the node {node.name!r} stands there twice", line=line, hint="remove one")
        nodes[node.name] = node
    if not nodes:
        hint = "write Node objects, or save `kubectl get nodes -o yaml`; a number makes identical nodes"
        raise InputError(path, "holds no Node objects", hint=hint)
    return tuple(nodes.values())


def _list_objects(path: str) -> Iterator[tuple[Mapping[str, Any], int]]:
    content = read_bytes(path)
    text = ""
    before = 0
    try:
        values = cut_json(content)
        for span in values if len(values) > 1 else cut_documents(content):
            before = content.count(b"\n", 0, span.start)
            text = decode(content[span.start : span.end])
            # JSON is YAML, but for tabs between its tokens.
            root = compose(text.replace("\t", " ") if text.lstrip()[:1] in ("{", "[") else text)
            if root is None:
                continue
            data = construct(root)
            first = before + line_of(text, root.start_mark.index)
            if not isinstance(data, dict):
                raise TextError("no Kubernetes object", root.start_mark.index)
            if not str(data.get("kind", "")).endswith("List"):
                yield data, first
                continue
            for index, item in enumerate(data.get("items") or ()):
                node = find_nearest(root, ("items", index))
                if isinstance(item, dict):
                    # `kubectl get nodes -o json` of an old server leaves the kind of items to the List.
                    whole = item if item.get("kind") else {**item, "kind": str(data["kind"]).removesuffix("List")}
                    yield whole, before + line_of(text, node.start_mark.index)
    except TextError as error:
        raise InputError(
            path,
            error.problem,
            line=before + line_of(text, error.index),
            column=column_of(text, error.index),
            hint="correct the file",
        ) from None


def read_node(data: Mapping[str, Any], location: Location, reader: ObjectReader) -> Node:
    """Read what the scheduler looks at of a Node.

    Raises FieldError for fields that the API would not decode.
    """
    ref, metadata = read_ref(data, reader)
    if not ref.name:
        raise FieldError(("metadata", "name"), "is missing")
    spec = reader.mapping(data, "spec", ())
    status = reader.mapping(data, "status", ())
    taints = []
    for index, taint in enumerate(reader.sequence(spec, "taints", ("spec",))):
        here = ("spec", "taints", index)
        if not isinstance(taint, dict):
            raise FieldError(here, "must be a map")
        values = (reader.text(taint, key, here) or "" for key in ("key", "value", "effect"))
        taints.append(Taint(*values))
    return Node(
        name=ref.name,
        labels=reader.texts(metadata, "labels", ("metadata",)),
        taints=tuple(taints),
        unschedulable=spec.get("unschedulable") is True,
        allocatable=_read_allocatable(status, reader),
    )


def _read_allocatable(status: Mapping[str, Any], reader: ObjectReader) -> Mapping[str, int] | None:
    """Read what a node holds; its capacity where it does not say what of it can be used."""
    key = "allocatable" if status.get("allocatable") else "capacity"
    given = reader.mapping(status, key, ("status",))
    amounts = {}
    for name, value in given.items():
        try:
            amounts[name] = parse_quantity(value, 1000 if name == "cpu" else 1)
        except ValueError as error:
            raise FieldError(("status", key, name), str(error)) from None
    return amounts or None
