"""Two trees side by side: which object became which, whom selectors select, how policies admit pods."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from migrator.model.objects import Service
from migrator.model.policy import Policy
from migrator.model.reference import Location, ResourceRef
from migrator.model.workload import Workload
from migrator.podsecurity.labels import NamespacePolicy, read_labels
from migrator.podsecurity.level import is_stricter
from migrator.psp.authorize import Identity
from migrator.verification.admission import PolicyAdmission
from migrator.verification.differences import Difference, compare
from migrator.verification.pods import get_pod
from migrator.verification.selectors import selects
from migrator.verification.tree import Document, Key, Tree

POD_NAME_LABEL: Final = "statefulset.kubernetes.io/pod-name"
_MADE_BY: Final = {"ReplicaSet": "Deployment", "Job": "CronJob"}


@dataclass(frozen=True, eq=False)
class Pair:
    """An object before and after; None where it is not there."""

    before: Document | None
    after: Document | None

    @property
    def _known(self) -> Document:
        found = self.after or self.before
        assert found is not None
        return found

    @property
    def ref(self) -> ResourceRef:
        """Give the object's identity."""
        return self._known.ref

    @property
    def key(self) -> Key:
        """Give what both trees know it by."""
        return self._known.key

    @cached_property
    def differences(self) -> tuple[Difference, ...]:
        """Give the fields that differ."""
        if self.before is None or self.after is None:
            return ()
        return compare(self.before.data, self.after.data)

    def places(self, difference: Difference | None = None) -> tuple[Location | None, Location | None]:
        """Give the object's places in both trees, or those of a field."""
        at, then = (difference.path_before, difference.path_after) if difference else ((), ())
        before = self.before.place_of(at) if self.before is not None else None
        return before, self.after.place_of(then) if self.after is not None else None


@dataclass(frozen=True, eq=False)
class WorkloadPair:
    """A workload before and after, in both forms: what was read of it, and all that it says."""

    pair: Pair
    before: Workload
    after: Workload

    @property
    def ref(self) -> ResourceRef:
        """Give the workload's identity."""
        return self.after.ref

    @cached_property
    def pods(self) -> tuple[Any, Any]:
        """Give its pods before and after, as metadata and spec."""
        assert self.pair.before is not None
        assert self.pair.after is not None
        return get_pod(self.pair.before.data, self.before), get_pod(self.pair.after.data, self.after)


class Side:
    """One of the two trees, with the indexes that claims ask."""

    def __init__(self, tree: Tree, requester: Identity | None = None) -> None:
        self.tree = tree
        self.inventory = tree.inventory
        self.admission = PolicyAdmission(tree.inventory, requester)

    @cached_property
    def workloads(self) -> Mapping[tuple[str | None, str, str], Workload]:
        """Give the workloads by namespace, kind and name; of several the last."""
        known = self.inventory.known_workloads
        return {(item.ref.namespace, item.ref.kind, item.ref.name): item for item in known}

    @cached_property
    def _by_namespace(self) -> Mapping[str | None, tuple[Workload, ...]]:
        index: dict[str | None, list[Workload]] = defaultdict(list)
        for workload in self.inventory.workloads:
            index[workload.ref.namespace].append(workload)
        return {name: tuple(items) for name, items in index.items()}

    @cached_property
    def services(self) -> Mapping[str | None, tuple[Service, ...]]:
        """Give the Services by namespace."""
        index: dict[str | None, list[Service]] = defaultdict(list)
        for service in self.inventory.services:
            index[service.ref.namespace].append(service)
        return {name: tuple(items) for name, items in index.items()}

    def find_origin(self, workload: Workload) -> str:
        """Name who makes a workload's pods in the end: a Deployment for the Pods of its ReplicaSets."""
        for _ in range(8):
            kind, _, name = workload.owners[0].partition("/") if workload.owners else ("", "", "")
            owner = self.workloads.get((workload.ref.namespace, kind, name))
            if owner is None and kind in _MADE_BY:
                above = name.rpartition("-")[0]
                owner = self.workloads.get((workload.ref.namespace, _MADE_BY[kind], above))
            if owner is None:
                return f"{kind}/{name}" if kind else f"{workload.ref.kind}/{workload.ref.name}"
            workload = owner
        return f"{workload.ref.kind}/{workload.ref.name}"

    def find_selected(self, namespace: str | None, selector: Any) -> frozenset[str]:
        """Find whose pods a label selector selects, by name: KIND/NAME, with the pod's own where one is asked for."""
        return frozenset(
            self.find_origin(workload)
            for workload in self._by_namespace.get(namespace, ())
            if selects(selector, label_pods(workload, selector))
        )

    def find_leading(self, workload: Workload) -> Iterator[Service]:
        """Find the Services whose selector selects a workload's pods, or one of them."""
        for service in self.services.get(workload.ref.namespace, ()):
            selector = {"matchLabels": dict(service.selector)}
            if service.selector and selects(selector, label_pods(workload, selector)):
                yield service

    @cached_property
    def namespaces(self) -> Mapping[str, tuple[NamespacePolicy, Document]]:
        """Give what each namespace asks of its pods; of several manifests the one that enforces most."""
        found: dict[str, tuple[NamespacePolicy, Document]] = {}
        for item in self.inventory.namespaces:
            asked, _ = read_labels(item.labels)
            known = found.get(item.ref.name)
            if known is None or is_stricter(asked.enforce.level, known[0].enforce.level):
                found[item.ref.name] = asked, self.tree.document_of(item)
        return found

    def find_documents(self, *kinds: str) -> Iterator[Document]:
        """Find the objects of some kinds."""
        return (document for document in self.tree.documents if document.ref.kind in kinds)


def label_pods(workload: Workload, selector: Any) -> Mapping[str, str]:
    """Give the labels of a workload's pods, with the name of the member of a StatefulSet that is asked for."""
    wanted = (selector.get("matchLabels") or {}).get(POD_NAME_LABEL) if isinstance(selector, dict) else None
    if wanted is None or workload.ref.kind != "StatefulSet":
        return workload.pod_labels
    name, _, ordinal = str(wanted).rpartition("-")
    is_member = name == workload.ref.name and ordinal.isdigit() and int(ordinal) >= workload.first_ordinal
    return {**workload.pod_labels, POD_NAME_LABEL: wanted} if is_member else workload.pod_labels


class Comparison:
    """Two trees and the policy under which one should have become the other.

    `requester` is who applies bare pods, None for an administrator.
    """

    def __init__(self, before: Tree, after: Tree, policy: Policy, requester: Identity | None = None) -> None:
        self.policy = policy
        self.before = Side(before, requester)
        self.after = Side(after, requester)

    @cached_property
    def pairs(self) -> tuple[Pair, ...]:
        """Give the objects of both trees: one that stands in several files is matched file by file."""
        old, new = _group(self.before.tree.documents), _group(self.after.tree.documents)
        return tuple(pair for key in {**old, **new} for pair in _match(old.get(key, []), new.get(key, [])))

    @cached_property
    def workloads(self) -> tuple[WorkloadPair, ...]:
        """Give the workloads that are in both trees."""
        old = {id(self.before.tree.document_of(item)): item for item in self.before.inventory.workloads}
        new = {id(self.after.tree.document_of(item)): item for item in self.after.inventory.workloads}
        return tuple(
            WorkloadPair(pair, old[id(pair.before)], new[id(pair.after)])
            for pair in self.pairs
            if id(pair.before) in old and id(pair.after) in new
        )

    @cached_property
    def services(self) -> tuple[tuple[Service | None, Service], ...]:
        """Give the Services as they are, each with what it was; None for a new one."""
        old = {id(self.before.tree.document_of(item)): item for item in self.before.inventory.services}
        new = {id(self.after.tree.document_of(item)): item for item in self.after.inventory.services}
        return tuple((old.get(id(pair.before)), new[id(pair.after)]) for pair in self.pairs if id(pair.after) in new)


def _group(documents: Iterable[Document]) -> dict[Key, list[Document]]:
    groups: dict[Key, list[Document]] = {}
    for document in documents:
        groups.setdefault(document.key, []).append(document)
    return groups


def _match(old: list[Document], new: list[Document]) -> Iterator[Pair]:
    """Match the copies of one object: those in files of one name, then the rest in order."""
    rest = list(new)
    waiting = []
    for document in old:
        same = next((other for other in rest if other.file == document.file), None)
        if same is None:
            waiting.append(document)
        else:
            rest.remove(same)
            yield Pair(document, same)
    for document in waiting:
        yield Pair(document, rest.pop(0) if rest else None)
    for document in rest:
        yield Pair(None, document)
