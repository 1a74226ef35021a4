"""Placing all pods of a cluster, in the order of the scheduler's queue."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from migrator.model.record import record
from migrator.simulation.pods import Form
from migrator.simulation.schedule import Request, Scheduler


@record
class Placed:
    """Where a workload's pods are, by index of the node, None for those that stay Pending.

    `wanted` lists the nodes of a DaemonSet in the same order; () for pods that may go to any node.
    """

    form: Form
    nodes: tuple[int | None, ...]
    wanted: tuple[int, ...] = ()

    def request(self, position: int) -> Request:
        """Give the request of one of the pods."""
        return Request(self.form.shape, self.wanted[position] if self.wanted else None)

    @property
    def pending(self) -> list[int]:
        """Give the positions of the pods that stay Pending."""
        return [position for position, index in enumerate(self.nodes) if index is None]


def place_pods(forms: Iterable[Form], scheduler: Scheduler) -> tuple[Placed, ...]:
    """Place the pods of workloads, in the order of `forms`; those that found no node try again behind the last."""
    waiting = [_list_requests(form, scheduler) for form in forms]
    placed = [_place(item, scheduler) for item in waiting]
    # Company may have come, or other domains filled up, since a pod was refused.
    moved = True
    while moved:
        moved = False
        for position, item in enumerate(placed):
            if item.pending and (item.form.shape.affinity or item.form.shape.spreads):
                again = _place(item, scheduler)
                moved = moved or len(again.pending) < len(item.pending)
                placed[position] = again
    return tuple(placed)


def _list_requests(form: Form, scheduler: Scheduler) -> Placed:
    scheduler.cluster.know(form.shape)
    if form.replicas is not None:
        return Placed(form, (None,) * form.replicas)
    wanted = tuple(form.list_nodes(scheduler.cluster.nodes))
    return Placed(form, (None,) * len(wanted), wanted)


def _place(item: Placed, scheduler: Scheduler) -> Placed:
    """Place the pods that wait; where any node would do, the first that finds none speaks for the rest."""
    nodes: list[int | None] = list(item.nodes)
    for position in item.pending:
        nodes[position] = scheduler.place(item.request(position))
        if nodes[position] is None and not item.wanted:
            break
    return Placed(item.form, tuple(nodes), item.wanted)


def group_reasons(reasons: Sequence[tuple[Form, str]]) -> list[tuple[Form, int, str]]:
    """Count the pods of a workload that wait for the same reason, in the order of their first."""
    counts: dict[tuple[int, str], int] = {}
    forms: dict[int, Form] = {}
    for form, reason in reasons:
        forms[id(form)] = form
        counts[id(form), reason] = counts.get((id(form), reason), 0) + 1
    return [(forms[key], count, reason) for (key, reason), count in counts.items()]


def explain_pending(item: Placed, scheduler: Scheduler) -> list[tuple[Form, int, str]]:
    """Say how many of a workload's pods stay Pending, and why."""
    pending = item.pending
    if not pending:
        return []
    if not item.wanted:
        return [(item.form, len(pending), scheduler.explain(item.request(pending[0])))]
    return group_reasons([(item.form, scheduler.explain(item.request(position))) for position in pending])
