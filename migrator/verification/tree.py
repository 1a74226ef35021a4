"""A tree as data: every object of its files with its places, and what is no object."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from migrator.errors import InputError, TextError
from migrator.model.field import FieldPath
from migrator.model.inventory import Inventory, SourceFile
from migrator.model.reference import Location, ResourceRef
from migrator.model.workload import Workload
from migrator.sources.files import display_path, read_bytes
from migrator.sources.kustomize import FILE_NAMES, find_roots
from migrator.sources.manifests import Lines, Place, is_json, list_json_lines
from migrator.yaml.data import construct
from migrator.yaml.json_text import load_json
from migrator.yaml.nodes import compose
from migrator.yaml.scan import cut_documents, decode, line_of

Key = tuple[str, str, str | None, str]
"""What tells an object from all others, whatever version of its API group it is written in."""

_KINDS_OF_THE_CLUSTER: Final = frozenset(
    (
        "Namespace",
        "PodSecurityPolicy",
        "ClusterRole",
        "ClusterRoleBinding",
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
    )
)


def key_of(ref: ResourceRef) -> Key:
    """Give an object's key: API group, kind, namespace, name."""
    return ref.api_version.rpartition("/")[0], ref.kind, ref.namespace, ref.name


@dataclass(frozen=True, eq=False, slots=True)
class Document:
    """An object: whose it is, where it stands (`file` is relative to its source), and what it says.

    `at` leads to it from the top of its document.
    """

    ref: ResourceRef
    location: Location
    file: str
    data: Mapping[str, Any]
    lines: Lines
    at: FieldPath = ()

    @property
    def key(self) -> Key:
        """Give what the other tree knows it by."""
        return key_of(self.ref)

    def place_of(self, path: FieldPath = ()) -> Location:
        """Give the place of a field, or of the nearest one above it."""
        line = self.lines.line_of((*self.at, *path))
        return Location(self.location.path, self.location.document, self.location.item, line)


@dataclass(frozen=True, eq=False, slots=True)
class Piece:
    """What is no object: a kustomization, a patch, values of a chart; as data where it is YAML, else as text."""

    file: str
    location: Location
    content: Any


@dataclass(frozen=True)
class Tree:
    """What a SOURCE holds. `is_stream` tells whether it is one file rather than a folder of them."""

    inventory: Inventory
    documents: tuple[Document, ...]
    pieces: tuple[Piece, ...]
    is_stream: bool

    def document_of(self, item: Any) -> Document:
        """Give the document of an object of the inventory, which was read from files."""
        return self._by_place[_place_of(item.location)]

    def find_document(self, item: Any) -> Document | None:
        """Give the document of an object of the inventory; None where only its facts are known."""
        return self._by_place.get(_place_of(item.location))

    def __post_init__(self) -> None:
        by_place = {_place_of(document.location): document for document in self.documents}
        object.__setattr__(self, "_by_place", by_place)

    _by_place: Mapping[tuple[str, int, int | None], Document] = None  # type: ignore[assignment]


def _place_of(location: Location) -> tuple[str, int, int | None]:
    return location.path, location.document, location.item


def read_tree(inventory: Inventory) -> Tree:
    """Read the documents of the files that an inventory was read from.

    Raises InputError where a file is there no more.
    """
    known = {_place_of(item.location): item.ref for item in _list_objects(inventory)}
    namespaces = dict(_find_namespaces(inventory))
    documents: list[Document] = []
    pieces: list[Piece] = []
    for file in inventory.files:
        name = name_file(file)
        content = file.content if file.content is not None else read_bytes(file.path)
        whole = file.documents > 0 and posixpath.basename(file.path) not in FILE_NAMES
        for found in _read_documents(file.path, name, content):
            if isinstance(found, Piece) or not whole:
                if file.documents:
                    pieces.append(found if isinstance(found, Piece) else Piece(name, found.location, found.data))
                continue
            ref = known.get(_place_of(found.location)) or _place_into(found.ref, namespaces.get(file.path))
            documents.append(Document(ref, found.location, name, found.data, found.lines, found.at))
    pieces.extend(_read_unread(inventory))
    is_stream = all(file.root == file.path for file in inventory.files)
    return Tree(inventory, tuple(documents), tuple(pieces), is_stream)


def name_file(file: SourceFile) -> str:
    """Name a file relative to its source."""
    if file.translated:
        return file.path
    return posixpath.relpath(file.path, file.root) if file.path != file.root else posixpath.basename(file.path)


def _list_objects(inventory: Inventory) -> Iterator[Any]:
    for name in Inventory.__dataclass_fields__:
        for item in getattr(inventory, name):
            if hasattr(item, "ref") and hasattr(item, "location"):
                yield item


def _find_namespaces(inventory: Inventory) -> Iterator[tuple[str, str | None]]:
    """Find the namespace that each file's objects are put into where they name none."""
    for path, builds in find_roots(inventory.kustomizations).items():
        given = {namespace for _, namespace in builds}
        if len(given) == 1:
            yield path, given.pop()
    for item in _list_objects(inventory):
        if getattr(item, "own_namespace", item.ref.namespace) is None and item.ref.namespace is not None:
            yield item.location.path, item.ref.namespace


def _place_into(ref: ResourceRef, namespace: str | None) -> ResourceRef:
    if ref.kind in _KINDS_OF_THE_CLUSTER:
        return ResourceRef(ref.api_version, ref.kind, None, ref.name)
    return ResourceRef(ref.api_version, ref.kind, ref.namespace or namespace, ref.name)


def _read_unread(inventory: Inventory) -> Iterator[Piece]:
    """Read the files that hold no manifests, as bytes: templates and values of charts, kustomize patches."""
    known = {file.path for file in inventory.files}
    for unread in inventory.unread:
        if unread.document is None and unread.path not in known and not unread.reason.startswith("a link"):
            try:
                content = read_bytes(unread.path)
            except InputError:
                continue
            name = _relative_to_source(unread.path, inventory.sources)
            yield Piece(name, Location(unread.path, 0, None, 1), content)


def _relative_to_source(path: str, sources: Sequence[str]) -> str:
    for source in sources:
        root = display_path(source)
        if root == "." or path.startswith(f"{root}/"):
            return posixpath.relpath(path, root)
    return posixpath.basename(path)


def _read_documents(path: str, name: str, content: bytes) -> Iterator[Document | Piece]:
    if is_json(path, content):
        try:
            values = [(lines, load_json(lines.text)) for lines in list_json_lines(path, content)]
        except TextError:
            if path.endswith(".json"):
                raise
        else:
            for lines, data in values:
                yield from _take_apart(name, data, lines)
            return
    counted = before = 0
    for index, span in enumerate(cut_documents(content)):
        before += content.count(b"\n", counted, span.start)
        counted = span.start
        text = decode(content[span.start : span.end])
        place = Place(path, index, None, before)
        try:
            root = compose(text)
            data = construct(root) if root is not None else None
        except (TextError, RecursionError):
            # What reading took for a template: it can only be compared as text.
            yield Piece(name, Location(path, index, None, before + 1), text)
            continue
        if root is not None:
            yield from _take_apart(name, data, Lines(place, text, lambda root=root: root))  # type: ignore[misc]


def _take_apart(name: str, data: Any, lines: Lines) -> Iterator[Document | Piece]:
    place = lines.place
    if not _is_object(data):
        first = place.lines_before + line_of(lines.text, lines.start or 0)
        yield Piece(name, Location(place.path, place.document, None, first), data)
    elif data["kind"].endswith("List") and isinstance(data.get("items"), list):
        for index, item in enumerate(data["items"]):
            if isinstance(item, dict) and "kind" not in item and data["kind"] != "List":
                item = {"apiVersion": data["apiVersion"], "kind": data["kind"].removesuffix("List"), **item}
            if _is_object(item):
                yield _make_document(name, item, lines, ("items", index), index)
    else:
        yield _make_document(name, data, lines, (), None)


def _is_object(data: Any) -> bool:
    return isinstance(data, dict) and isinstance(data.get("kind"), str) and isinstance(data.get("apiVersion"), str)


def _make_document(name: str, data: Any, lines: Lines, at: FieldPath, item: int | None) -> Document:
    metadata = data.get("metadata") if isinstance(data.get("metadata"), dict) else {}
    named = metadata.get("name") or f"{metadata.get('generateName') or ''}*"
    ref = ResourceRef(data["apiVersion"], data["kind"], metadata.get("namespace") or None, str(named))
    place = lines.place
    location = Location(place.path, place.document, item, lines.line_of(at))
    return Document(ref, location, name, data, lines, at)


def list_workloads(tree: Tree) -> Iterator[tuple[Workload, Document]]:
    """List the workloads with their documents."""
    for workload in tree.inventory.workloads:
        yield workload, tree.document_of(workload)
