"""Scheduling: which nodes can take a pod, which of them is best, and why the others cannot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from migrator.model.record import record
from migrator.simulation.cluster import Cluster
from migrator.simulation.plugins import (
    node_affinity,
    node_ports,
    node_resources_fit,
    node_unschedulable,
    taint_toleration,
)
from migrator.simulation.plugins.inter_pod_affinity import WEIGHT as COMPANY_WEIGHT
from migrator.simulation.plugins.inter_pod_affinity import Company, Preferences
from migrator.simulation.plugins.pod_topology_spread import WEIGHT as SPREAD_WEIGHT
from migrator.simulation.plugins.pod_topology_spread import HardSpread, SoftSpread
from migrator.simulation.shape import PodShape
from migrator.simulation.status import GATED, NO_NODES, Status, describe_pending

_FIXED_FILTERS = (
    node_unschedulable.filter_node,
    taint_toleration.filter_node,
    node_affinity.filter_node,
)
_FIXED_SCORES = (
    (taint_toleration.count_repelling, -taint_toleration.WEIGHT),
    (node_affinity.sum_preferences, node_affinity.WEIGHT),
)


LOST = Status(())
"""Of a node that is away nothing is said."""


class View:
    """The nodes as pods of one shape meet them; what only a change of a node changes is kept until then."""

    def __init__(self, shape: PodShape, cluster: Cluster) -> None:
        self.shape = shape
        self.cluster = cluster
        self.fixed = [
            next((status for judge in _FIXED_FILTERS if (status := judge(shape, node)) is not None), None)
            for node in cluster.nodes
        ]
        self.raw = [
            (values, weight)
            for count, weight in _FIXED_SCORES
            if any(values := [count(shape, node) for node in cluster.nodes])
        ]
        self.hard = HardSpread(shape, cluster)
        self.soft = SoftSpread(shape, cluster)
        self.company = Company(shape, cluster)
        self.preferences = Preferences(shape, cluster)
        self.local: list[Status | None] = list(self.fixed)
        self.scores = [0] * len(cluster.nodes)
        self.open: list[int] = []
        self._look(range(len(cluster.nodes)))
        self.open = [index for index, status in enumerate(self.local) if status is None]
        self.stamps = list(cluster.stamps)

    def _look(self, nodes: Sequence[int]) -> bool:
        """Look again at nodes; tell whether one that was open is shut, or the other way round."""
        moved = False
        for index in nodes:
            if self.fixed[index] is not None:
                continue
            status = LOST if index == self.cluster.lost else None
            status = status or node_ports.filter_node(self.shape, self.cluster, index)
            status = status or node_resources_fit.filter_node(self.shape, self.cluster, index)
            moved = moved or (status is None) != (self.local[index] is None)
            self.local[index] = status
            if status is None:
                self.scores[index] = node_resources_fit.score_node(self.shape, self.cluster, index)
        return moved

    def _refresh(self) -> None:
        stamps = self.cluster.stamps
        if self.stamps != stamps:
            changed = [index for index, seen in enumerate(self.stamps) if seen != stamps[index]]
            if self._look(changed):
                self.open = [index for index, status in enumerate(self.local) if status is None]
            self.stamps = list(stamps)

    def judge_node(self, index: int) -> Status | None:
        """Say why a node cannot take another pod now; None where it can."""
        self._refresh()
        return self.local[index] or self.hard.filter_node(index) or self.company.filter_node(index)

    def list_fitting(self) -> Sequence[int]:
        """List the nodes that can take another pod now."""
        self._refresh()
        return self.company.keep_fitting(self.hard.keep_fitting(self.open))

    def list_best(self) -> Sequence[int]:
        """List the nodes that score highest for another pod: among several, the scheduler takes any."""
        nodes = self.list_fitting()
        if len(nodes) < 2:
            return nodes
        totals = [self.scores[index] for index in nodes]
        for values, weight in self.raw:
            found = [values[index] for index in nodes]
            if most := max(found):
                factor = abs(weight)
                totals = [
                    total + factor * (100 - 100 * value // most if weight < 0 else 100 * value // most)
                    for total, value in zip(totals, found, strict=True)
                ]
        if self.soft.rules:
            spread = self.soft.score_nodes(nodes)
            totals = [total + SPREAD_WEIGHT * score for total, score in zip(totals, spread, strict=True)]
        preferred = self.preferences.score_nodes(nodes)
        if preferred is not None:
            totals = [total + COMPANY_WEIGHT * score for total, score in zip(totals, preferred, strict=True)]
        best = max(totals)
        return [index for index, total in zip(nodes, totals, strict=True) if total == best]


@record
class Request:
    """A pod that waits for a node: its shape, and the only node that a daemon's pod may go to."""

    shape: PodShape
    only: int | None = None


class Scheduler:
    """Places pods on a cluster's nodes, one after the other."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self._views: dict[PodShape, View] = {}
        self._keys = cluster.term_keys

    def view(self, shape: PodShape) -> View:
        """Give the view of a shape, made anew once other shapes brought topologies that matter to it."""
        self.cluster.know(shape)
        if self._keys != self.cluster.term_keys:
            self._keys = self.cluster.term_keys
            self._views.clear()
        view = self._views.get(shape)
        if view is None:
            view = self._views[shape] = View(shape, self.cluster)
        return view

    def place(self, request: Request) -> int | None:
        """Place a pod, and give its node; None where it stays Pending.

        Among nodes that are equally good it is the one with the fewest pods, then the first.
        """
        index = self._choose(request)
        if index is not None:
            self.cluster.add(request.shape, index)
        return index

    def _choose(self, request: Request) -> int | None:
        shape = request.shape
        if shape.node_name is not None:
            # Whoever names a node has passed the scheduler by.
            index = self.cluster.index.get(shape.node_name)
            return None if index == self.cluster.lost else index
        if shape.gated:
            return None
        if request.only is not None:
            return (
                request.only
                if request.only != self.cluster.lost and self.view(shape).judge_node(request.only) is None
                else None
            )
        best = self.view(shape).list_best()
        return min(best, key=self.cluster.pod_count.__getitem__) if best else None

    def explain(self, request: Request) -> str:
        """Say why a pod stays Pending, in the scheduler's words."""
        shape = request.shape
        if shape.node_name is not None:
            return f"spec.nodeName is {shape.node_name}, and there is no such node"
        if shape.gated:
            return GATED
        nodes = [index for index in range(len(self.cluster.nodes)) if index != self.cluster.lost]
        if not nodes:
            return NO_NODES
        statuses = {index: self._judge(request, index) or Status(()) for index in nodes}
        preemption = self._search_victims(request, statuses) if shape.may_preempt else None
        return describe_pending(statuses, preemption)

    def _judge(self, request: Request, index: int) -> Status | None:
        if request.only is not None and index != request.only:
            return node_affinity.ELSEWHERE
        return self.view(request.shape).judge_node(index)

    def _search_victims(self, request: Request, statuses: Mapping[int, Status]) -> dict[int, Sequence[str]]:
        """Find what keeps a pod from the nodes that have pods of lower priority, once those were gone."""
        found: dict[int, Sequence[str]] = {}
        for index, status in statuses.items():
            victims = [
                (shape, count)
                for shape, count in self.cluster.pods[index].items()
                if count > 0 and shape.priority < request.shape.priority
            ]
            if status.unresolvable or not victims:
                continue
            for shape, count in victims:
                for _ in range(count):
                    self.cluster.remove(shape, index)
            left = self._judge(request, index)
            for shape, count in victims:
                for _ in range(count):
                    self.cluster.add(shape, index)
            found[index] = (
                left.reasons if left is not None else ("node(s) would do once pods of lower priority left",)
            )
        return found


class Trial:
    """Moves of pods that are taken back in the end."""

    def __init__(self, scheduler: Scheduler) -> None:
        self.scheduler = scheduler
        self._moves: list[tuple[PodShape, int, bool]] = []
        self._stamps = list(scheduler.cluster.stamps)

    def place(self, request: Request) -> int | None:
        """Place a pod, and give its node; None where it stays Pending."""
        index = self.scheduler.place(request)
        if index is not None:
            self._moves.append((request.shape, index, True))
        return index

    def remove(self, shape: PodShape, index: int) -> None:
        """Take a pod from a node."""
        self.scheduler.cluster.remove(shape, index)
        self._moves.append((shape, index, False))

    def undo(self) -> None:
        """Take back every move; each node is then as it was, and looks so."""
        for shape, index, placed in reversed(self._moves):
            if placed:
                self.scheduler.cluster.remove(shape, index)
            else:
                self.scheduler.cluster.add(shape, index)
        self._moves.clear()
        self.scheduler.cluster.stamps[:] = self._stamps
