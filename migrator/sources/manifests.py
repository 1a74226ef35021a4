"""Kubernetes manifests: a stream of YAML documents, Lists, or JSON, read into facts."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from migrator.errors import InputError, TextError
from migrator.model import node
from migrator.model.field import FieldPath, format_path
from migrator.model.inventory import Unread
from migrator.model.objects import (
    AdmissionObject,
    ClusterInventory,
    HorizontalPodAutoscaler,
    Namespace,
    NetworkPolicy,
    PodSecurityPolicyObject,
    PriorityClass,
    Role,
    RoleBinding,
    Service,
    ServiceAccount,
)
from migrator.model.record import record
from migrator.model.reference import Location
from migrator.model.workload import Workload, WorkloadKind
from migrator.podsecurity.version import PolicyVersion
from migrator.sources.extract import (
    FieldError,
    ObjectReader,
    read_admission_object,
    read_autoscaler,
    read_cluster_inventory,
    read_namespace,
    read_network_policy,
    read_priority_class,
    read_service,
    read_workload,
)
from migrator.sources.nodes import read_node
from migrator.sources.rbac import read_pod_security_policy, read_role, read_role_binding, read_service_account
from migrator.yaml.data import TagError, TemplateKeyError, construct, find_nearest, find_node, load_text
from migrator.yaml.json_text import compose_json, load_json
from migrator.yaml.nodes import Node, ScalarNode, SequenceNode, check_syntax, compose, find_too_deep
from migrator.yaml.scan import (
    BYTE_ORDER_MARK,
    CutList,
    Span,
    column_of,
    cut_dense_json_list,
    cut_documents,
    cut_json,
    cut_json_list,
    cut_list,
    decode,
    line_of,
)

HELM_HINT = "render it first: helm template RELEASE CHART | migrator apply -"

_ADMISSION = "admissionregistration.k8s.io"
_AROUND = {
    ("", "Service"): (read_service, "services"),
    ("", "Namespace"): (read_namespace, "namespaces"),
    ("networking.k8s.io", "NetworkPolicy"): (read_network_policy, "network_policies"),
    ("extensions", "NetworkPolicy"): (read_network_policy, "network_policies"),
    ("autoscaling", "HorizontalPodAutoscaler"): (read_autoscaler, "autoscalers"),
    ("extensions", "HorizontalPodAutoscaler"): (read_autoscaler, "autoscalers"),
    ("policy", "PodSecurityPolicy"): (read_pod_security_policy, "pod_security_policies"),
    ("extensions", "PodSecurityPolicy"): (read_pod_security_policy, "pod_security_policies"),
    ("rbac.authorization.k8s.io", "Role"): (read_role, "roles"),
    ("rbac.authorization.k8s.io", "ClusterRole"): (read_role, "roles"),
    ("rbac.authorization.k8s.io", "RoleBinding"): (read_role_binding, "role_bindings"),
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"): (read_role_binding, "role_bindings"),
    ("", "ServiceAccount"): (read_service_account, "service_accounts"),
    ("scheduling.k8s.io", "PriorityClass"): (read_priority_class, "priority_classes"),
    (_ADMISSION, "ValidatingAdmissionPolicy"): (read_admission_object, "admission_objects"),
    (_ADMISSION, "ValidatingAdmissionPolicyBinding"): (read_admission_object, "admission_objects"),
    ("", "Node"): (read_node, "nodes"),
    ("migrator.dev", "ClusterInventory"): (read_cluster_inventory, "clusters"),
}
_KIND = re.compile(rb"kind:[ \t]*[\"']?([A-Za-z0-9]+)")
_ALIAS = re.compile(rb"[\s\[,]\*[A-Za-z0-9_-]")

T = TypeVar("T")


@record
class ReadSettings:
    """What reading a file depends on besides its bytes.

    The kinds that make pods, by (API group, kind), and the version of the Pod Security Standards that pods are
    judged by; None leaves that out.
    """

    kinds: Mapping[tuple[str, str], WorkloadKind]
    pod_security: PolicyVersion | None = None

    def wanted(self) -> frozenset[bytes]:
        """Give the kinds that are looked at."""
        names = {kind for _, kind in self.kinds} | {kind for _, kind in _AROUND}
        return frozenset(name.encode() for name in names)


@dataclass(slots=True)
class ManifestRead:
    """What a file, or a range of it, holds."""

    documents: int = 0
    workloads: list[Workload] = field(default_factory=list)
    services: list[Service] = field(default_factory=list)
    namespaces: list[Namespace] = field(default_factory=list)
    network_policies: list[NetworkPolicy] = field(default_factory=list)
    autoscalers: list[HorizontalPodAutoscaler] = field(default_factory=list)
    pod_security_policies: list[PodSecurityPolicyObject] = field(default_factory=list)
    roles: list[Role] = field(default_factory=list)
    role_bindings: list[RoleBinding] = field(default_factory=list)
    service_accounts: list[ServiceAccount] = field(default_factory=list)
    priority_classes: list[PriorityClass] = field(default_factory=list)
    admission_objects: list[AdmissionObject] = field(default_factory=list)
    nodes: list[node.Node] = field(default_factory=list)
    clusters: list[ClusterInventory] = field(default_factory=list)
    others: dict[str, int] = field(default_factory=dict)
    unread: list[Unread] = field(default_factory=list)
    errors: list[InputError] = field(default_factory=list)

    def count_objects(self) -> int:
        """Count the objects, those that nobody looks at and those that could not be read included."""
        looked_at = sum(len(getattr(self, name)) for name in {name for _, name in _AROUND.values()})
        return looked_at + len(self.workloads) + sum(self.others.values()) + len(self.unread) + len(self.errors)


@record
class Place:
    """Where a piece of text starts: its file, document, item, and the lines before it."""

    path: str
    document: int
    item: int | None
    lines_before: int


class Lines:
    """Lines of an object's fields; the text is composed only where one is asked for."""

    def __init__(self, place: Place, text: str, find_root: Callable[[], Node], start: int | None = None) -> None:
        self.place = place
        self.text = text
        self.find_root = find_root
        self.start = start
        self.root: Node | None = None

    def nearest(self, path: FieldPath) -> int:
        """Give the position of a field, or of the nearest place above it."""
        if not path and self.start is not None:
            return self.start
        return find_nearest(self.give_root(), path).start_mark.index

    def give_root(self) -> Node:
        """Give the node that paths start from, found once: a List's items all ask the same document for it."""
        if self.root is None:
            self.root = self.find_root()
        return self.root

    def line_of(self, path: FieldPath) -> int:
        """Give the line of a field, or of the nearest place above it."""
        return self.place.lines_before + line_of(self.text, self.nearest(path))

    def input_error(self, error: FieldError) -> InputError:
        """Give a field's error its place in the file."""
        index = self.nearest(error.path)
        return InputError(
            self.place.path,
            f"{format_path(error.path)}: {error.problem}",
            line=self.place.lines_before + line_of(self.text, index),
            column=column_of(self.text, index),
            hint="the Kubernetes API would refuse this object; correct the field",
        )


def is_json(path: str, content: bytes) -> bool:
    """Tell whether a file is meant as JSON: by its first character and, where that is `{` or `[`, by parsing."""
    if content[:64].removeprefix(BYTE_ORDER_MARK).lstrip()[:1] not in (b"{", b"["):
        return False
    if path.endswith(".json"):
        return True
    return content.rstrip()[-1:] in (b"}", b"]") and b'"' in content[:256]


def read_manifests(path: str, content: bytes, settings: ReadSettings) -> ManifestRead:
    """Read all that a file holds; what is wrong with it stands in `errors`."""
    read = ManifestRead()
    try:
        decode(content)
    except TextError as error:
        read.errors.append(_place_error(error, Place(path, 0, None, 0), content.decode("utf-8", "replace")))
        return read
    if is_json(path, content) and _read_json(path, content, settings, read):
        return read
    _read_stream(content, Place(path, 0, None, 0), settings, read)
    return read


def read_stream_range(content: bytes, place: Place, settings: ReadSettings) -> ManifestRead:
    """Read a range of a YAML stream that was cut at document markers; `place` says where it starts."""
    read = ManifestRead()
    _read_stream(content, place, settings, read)
    return read


def _read_stream(content: bytes, start: Place, settings: ReadSettings, read: ManifestRead) -> None:
    wanted = settings.wanted()
    counted, lines = 0, start.lines_before
    for index, span in enumerate(cut_documents(content)):
        lines += content.count(b"\n", counted, span.start)
        counted = span.start
        _read_document(
            content, span, Place(start.path, start.document + index, start.item, lines), settings, wanted, read
        )


def _read_document(
    content: bytes, span: Span, place: Place, settings: ReadSettings, wanted: frozenset[bytes], read: ManifestRead
) -> None:
    kinds = _find_kinds(content, span)
    read.documents += 1
    text = ""
    try:
        text = decode(content[span.start : span.end])
        if kinds and not any(kind in wanted or kind.endswith(b"List") for kind in kinds) and _has_version(text):
            if _ALIAS.search(content, span.start, span.end):
                compose(text)
            else:
                check_syntax(text)
            _count_other(read, kinds[0].decode())
            return
        is_list = len(kinds) == 1 and kinds[0].endswith(b"List")
        if is_list and _read_list(place.path, content, span, place, settings, read):
            return
        root = compose(text)
        if root is None:
            read.documents -= 1
            return
        duplicates: list[ScalarNode] = []
        data = construct(root, duplicates)
        lines = Lines(place, text, lambda: root)
        repeated = tuple((key.value, place.lines_before + line_of(text, key.start_mark.index)) for key in duplicates)
        _read_data(data, lines, (), repeated, settings, read)
    except TemplateKeyError:
        read.unread.append(Unread(place.path, place.document, f"a Go template, not a manifest; {HELM_HINT}"))
    except TagError as error:
        if kinds:
            read.errors.append(_place_error(error, place, text))
        else:
            read.unread.append(Unread(place.path, place.document, f"not a Kubernetes object: {error.problem}"))
    except TextError as error:
        if "{{" in text or b"{{" in content[span.start : span.end]:
            read.unread.append(Unread(place.path, place.document, f"a Go template, not a manifest; {HELM_HINT}"))
        else:
            read.errors.append(_place_error(error, place, text))
    except RecursionError:
        read.errors.append(_place_error(find_too_deep(text), place, text))


def _find_kinds(content: bytes, span: Span) -> list[bytes]:
    """Find the kinds that a document may be of: those named at the start of a line."""
    kinds = []
    position = (
        span.start if content.startswith(b"kind:", span.start) else content.find(b"\nkind:", span.start, span.end)
    )
    while position >= 0:
        match = _KIND.match(content, position + (content[position] == 10), span.end)
        if match:
            kinds.append(match[1])
        position = content.find(b"\nkind:", position + 1, span.end)
    return kinds


def _has_version(text: str) -> bool:
    return text.startswith("apiVersion:") or "\napiVersion:" in text


def _place_error(error: TextError, place: Place, text: str) -> InputError:
    return InputError(
        place.path,
        error.problem,
        line=place.lines_before + line_of(text, error.index),
        column=column_of(text, error.index),
        hint="correct the file, leave it out, or read on past it with --keep-going",
    )


def _count_other(read: ManifestRead, kind: str) -> None:
    read.others[kind] = read.others.get(kind, 0) + 1


@record
class LargeList:
    """A List that can be read item by item: its own fields, and where its items are."""

    outer: Mapping[str, Any]
    cut: CutList
    json: bool


def find_list(path: str, content: bytes, span: Span, dense: bool = False) -> LargeList | None:
    """Find the List that a document is, laid out so that its items can be cut apart; None for anything else.

    With `dense`, JSON of any layout is cut, which costs decoding it.
    """
    try:
        if is_json(path, content):
            cut = cut_json_list(content) or (cut_dense_json_list(content) if dense else None)
            if cut is None:
                return None
            outer = load_json(decode(_without_items(content, cut)))
            empty: Any = []
        else:
            cut = cut_list(content, span)
            if cut is None:
                return None
            frame = content[cut.header.start : cut.header.end] + content[cut.footer.start : cut.footer.end]
            outer, empty = load_text(decode(frame)), None
    except (TextError, RecursionError):
        return None
    if not isinstance(outer, dict) or outer.get("items", ()) != empty or not isinstance(outer.get("apiVersion"), str):
        return None
    return LargeList(outer, cut, is_json(path, content))


def _without_items(content: bytes, cut: CutList) -> bytes:
    return content[: cut.header.end].removeprefix(BYTE_ORDER_MARK).rstrip() + content[cut.footer.start :]


def read_list_range(
    content: bytes, items: Sequence[Span], outer: LargeList, place: Place, settings: ReadSettings
) -> ManifestRead:
    """Read items of a List that was cut; `place` is that of the first of them.

    The range that holds the List's first item counts as its document.
    Raises TextError where an item is not alone in its piece: then the List has to be read whole.
    """
    read = ManifestRead(documents=0 if place.item else 1)
    counted, before = items[0].start, place.lines_before
    for index, span in enumerate(items):
        before += content.count(b"\n", counted, span.start)
        counted = span.start
        here = Place(place.path, place.document, (place.item or 0) + index, before)
        text = decode(content[span.start : span.end])
        parse = _parse_json_item if outer.json else _parse_yaml_item
        try:
            lines, data, duplicates = parse(text, here)
            _read_item(outer.outer, data, lines, (), duplicates, settings, read)
        except RecursionError:
            raise find_too_deep(text) from None
    return read


_Item = tuple[Lines, Any, tuple[tuple[str, int], ...]]


def _parse_yaml_item(text: str, place: Place) -> _Item:
    root = compose(text)
    if type(root) is not SequenceNode or len(root.value) != 1:
        raise TextError("not one item", 0)
    duplicates: list[ScalarNode] = []
    item = root.value[0]
    data = construct(item, duplicates)
    repeated = tuple((key.value, place.lines_before + line_of(text, key.start_mark.index)) for key in duplicates)
    return Lines(place, text, lambda: item), data, repeated


def _parse_json_item(text: str, place: Place) -> _Item:
    return Lines(place, text, lambda: compose_json(text), start=0), load_json(text), ()


def _read_list(
    path: str, content: bytes, span: Span, place: Place, settings: ReadSettings, read: ManifestRead
) -> bool:
    """Read a List item by item; False, with nothing read, where its items cannot be cut apart."""
    found = find_list(path, content, span)
    if found is None:
        return False
    lines = place.lines_before + content.count(b"\n", span.start, found.cut.items[0].start)
    first = Place(place.path, place.document, 0, lines)
    try:
        _extend(read, read_list_range(content, found.cut.items, found, first, settings))
    except TextError:
        return False
    return True


def _read_json(path: str, content: bytes, settings: ReadSettings, read: ManifestRead) -> bool:
    """Read a JSON file; False where it is none and may be YAML in flow style."""
    if _read_list(path, content, Span(0, len(content)), Place(path, 0, None, 0), settings, read):
        read.documents += 1
        return True
    for lines in list_json_lines(path, content):
        try:
            data = load_json(lines.text)
        except TextError as error:
            if not lines.place.document and not path.endswith(".json"):
                return False
            read.errors.append(_place_error(error, lines.place, lines.text))
            return True
        read.documents += 1
        try:
            _read_data(data, lines, (), (), settings, read)
        except TextError as error:
            read.errors.append(_place_error(error, lines.place, lines.text))
    return True


def list_json_lines(path: str, content: bytes) -> Iterator[Lines]:
    """List the values of a JSON file, each with its text and the lines of its fields."""
    before = 0
    for index, span in enumerate(cut_json(content)):
        text = decode(content[span.start : span.end])
        yield _make_json_lines(Place(path, index, None, before), text)
        before += text.count("\n")


def _make_json_lines(place: Place, text: str) -> Lines:
    return Lines(place, text, lambda: compose_json(text), start=len(text) - len(text.lstrip()))


def load_json_values(path: str, content: bytes) -> list[tuple[Span, Any]] | None:
    """Load the values of a JSON file, each with its span; None for a file that is none."""
    if not is_json(path, content):
        return None
    try:
        return [(span, load_json(decode(content[span.start : span.end]))) for span in cut_json(content)]
    except TextError:
        return None


def _read_data(
    data: Any,
    lines: Lines,
    at: FieldPath,
    duplicates: tuple[tuple[str, int], ...],
    settings: ReadSettings,
    read: ManifestRead,
) -> None:
    """Read what a document holds: one object, or a List of them."""
    place = lines.place
    kind = data.get("kind") if isinstance(data, dict) else None
    if not isinstance(data, dict) or not isinstance(kind, str) or not isinstance(data.get("apiVersion"), str):
        read.unread.append(Unread(place.path, place.document, _say_why_unread(data)))
    elif kind.endswith("List") and isinstance(data.get("items"), list):
        for index, item in enumerate(data["items"]):
            inner = Lines(
                Place(place.path, place.document, index, place.lines_before),
                lines.text,
                lines.give_root,
            )
            _read_item(data, item, inner, (*at, "items", index), duplicates, settings, read)
    else:
        _read_object(data, lines, at, duplicates, settings, read)


def _say_why_unread(data: Any) -> str:
    if isinstance(data, dict):
        missing = [key for key in ("apiVersion", "kind") if not isinstance(data.get(key), str)]
        return f"not a Kubernetes object: no {' and no '.join(missing)}"
    return f"not a Kubernetes object: {'a list' if isinstance(data, list) else 'a single value'}"


def _read_item(
    outer: Mapping[str, Any],
    item: Any,
    lines: Lines,
    at: FieldPath,
    duplicates: tuple[tuple[str, int], ...],
    settings: ReadSettings,
    read: ManifestRead,
) -> None:
    """Read an item of a List; those of a typed list carry their kind in the list's."""
    if not isinstance(item, dict):
        read.unread.append(Unread(lines.place.path, lines.place.document, _say_why_unread(item)))
        return
    kind = str(outer.get("kind", ""))
    if "kind" not in item and kind not in ("List", ""):
        item = {"apiVersion": outer.get("apiVersion"), "kind": kind.removesuffix("List"), **item}
    if not isinstance(item.get("kind"), str) or not isinstance(item.get("apiVersion"), str):
        read.unread.append(Unread(lines.place.path, lines.place.document, _say_why_unread(item)))
        return
    _read_object(item, lines, at, duplicates, settings, read)


def _read_object(
    data: Mapping[str, Any],
    lines: Lines,
    at: FieldPath,
    duplicates: tuple[tuple[str, int], ...],
    settings: ReadSettings,
    read: ManifestRead,
) -> None:
    group = data["apiVersion"].rpartition("/")[0]
    identity = (group, data["kind"])
    workload_kind = settings.kinds.get(identity)
    around = _AROUND.get(identity)
    if workload_kind is None and around is None:
        _count_other(read, data["kind"])
        return
    place = lines.place
    located = Lines(place, lines.text, lambda: _descend(lines, at), start=None if at else lines.start)
    location = Location(place.path, place.document, place.item, located.line_of(()))
    reader = ObjectReader(data, located.line_of)
    try:
        if workload_kind is not None:
            workload = read_workload(data, workload_kind, location, reader, duplicates, settings.pod_security)
            read.workloads.append(workload)
        elif around is not None:
            getattr(read, around[1]).append(around[0](data, location, reader))
    except FieldError as error:
        read.errors.append(located.input_error(error))


def _descend(lines: Lines, at: FieldPath) -> Node:
    root = lines.give_root()
    return find_node(root, at) or root


def join_reads(reads: Sequence[ManifestRead]) -> ManifestRead:
    """Join what was read of several files or ranges."""
    joined = ManifestRead()
    for read in reads:
        _extend(joined, read)
        joined.documents += read.documents
    return joined


def _extend(read: ManifestRead, part: ManifestRead) -> None:
    read.workloads += part.workloads
    read.services += part.services
    read.namespaces += part.namespaces
    read.network_policies += part.network_policies
    read.autoscalers += part.autoscalers
    read.pod_security_policies += part.pod_security_policies
    read.roles += part.roles
    read.role_bindings += part.role_bindings
    read.service_accounts += part.service_accounts
    read.priority_classes += part.priority_classes
    read.admission_objects += part.admission_objects
    read.nodes += part.nodes
    read.clusters += part.clusters
    read.unread += part.unread
    read.errors += part.errors
    for kind, count in part.others.items():
        read.others[kind] = read.others.get(kind, 0) + count
