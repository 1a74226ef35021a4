"""Rollouts: whether an update of a workload comes to its end, as the controllers go about it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from migrator.model.workload import Rollout
from migrator.simulation.placement import Placed
from migrator.simulation.pods import Form
from migrator.simulation.schedule import Request, Trial
from migrator.simulation.shape import PodShape

KINDS = ("Deployment", "StatefulSet", "DaemonSet")


@dataclass(slots=True)
class Fleet:
    """The pods of an update under way: the nodes of those that run, how many wait."""

    shape: PodShape
    nodes: list[int] = field(default_factory=list)
    waiting: int = 0

    @property
    def size(self) -> int:
        """Give the number of pods."""
        return len(self.nodes) + self.waiting


def roll_out(old: Placed, form: Form, shape: PodShape, trial: Trial) -> str | None:
    """Update a workload's pods to a shape; give what it hangs on, None where it comes to its end.

    The moves stay in `trial`: the update stands, or what there is of it.
    """
    update = {"Deployment": _update_deployment, "DaemonSet": _update_daemon_set}.get(
        form.workload.ref.kind, _update_stateful_set
    )
    return update(old, form, shape, trial)


def resolve_numbers(rollout: Rollout, replicas: int) -> tuple[int, int]:
    """Give maxSurge and maxUnavailable of a Deployment as numbers of pods.

    pkg/controller/deployment/util ResolveFenceposts: 25 % each where unset, surge rounded up, the other down, and
    not both 0.
    """
    surge = _scale(rollout.max_surge, "25%", replicas, up=True)
    unavailable = _scale(rollout.max_unavailable, "25%", replicas, up=False)
    return surge, unavailable if surge or unavailable else 1


def _scale(value: int | str | None, default: int | str, replicas: int, up: bool) -> int:
    value = default if value is None else value
    if isinstance(value, int):
        return value
    try:
        percent = int(value.removesuffix("%"))
    except ValueError:
        return 0
    return -(-percent * replicas // 100) if up else percent * replicas // 100


def _update_deployment(old: Placed, form: Form, shape: PodShape, trial: Trial) -> str | None:
    before = Fleet(old.form.shape, [index for index in old.nodes if index is not None], len(old.pending))
    after = Fleet(shape)
    replicas = form.replicas or 0
    request = Request(shape)
    if form.rollout.type == "Recreate":
        _take_away(before, after, len(before.nodes), trial)
        before.waiting, after.waiting = 0, replicas
        _start(after, request, trial)
    else:
        surge, unavailable = resolve_numbers(form.rollout, replicas)
        while _step(before, after, replicas, surge, replicas - unavailable, trial):
            pass
    if before.size == 0 and len(after.nodes) == replicas:
        return None
    return _describe(len(after.nodes), replicas, trial.scheduler.explain(request))


def _step(before: Fleet, after: Fleet, replicas: int, surge: int, least: int, trial: Trial) -> bool:
    """Make one round of the deployment controller's rolling update; tell whether anything moved.

    pkg/controller/deployment/rolling.go: the new ReplicaSet grows up to the surge; of the old one, pods that wait go
    first, then as many as may be missing.
    """
    grown = max(0, min(replicas + surge - before.size - after.size, replicas - after.size))
    after.waiting += grown
    started = _start(after, Request(after.shape), trial)
    spare = before.size + after.size - least - after.waiting
    if spare <= 0:
        return grown + started > 0
    cleaned = min(before.waiting, spare)
    before.waiting -= cleaned
    taken = max(0, min(len(before.nodes) + len(after.nodes) - least, len(before.nodes)))
    _take_away(before, after, taken, trial)
    return grown + started + cleaned + taken > 0


def _start(fleet: Fleet, request: Request, trial: Trial) -> int:
    started = 0
    while fleet.waiting and (index := trial.place(request)) is not None:
        fleet.nodes.append(index)
        fleet.waiting -= 1
        started += 1
    return started


def _take_away(before: Fleet, after: Fleet, count: int, trial: Trial) -> None:
    """Take old pods away as a ReplicaSet does: first from the nodes with most of them, then the youngest."""
    together = Counter((*before.nodes, *after.nodes))
    for _ in range(count):
        position = max(range(len(before.nodes)), key=lambda item: (together[before.nodes[item]], item))
        index = before.nodes.pop(position)
        together[index] -= 1
        trial.remove(before.shape, index)


def _update_daemon_set(old: Placed, form: Form, shape: PodShape, trial: Trial) -> str | None:
    """Replace a DaemonSet's pods node by node, new before old where it surges (pkg/controller/daemon/update.go)."""
    wanted = form.list_nodes(trial.scheduler.cluster.nodes)
    surge = _scale(form.rollout.max_surge, 0, len(wanted), up=True)
    running = {index for index in old.nodes if index is not None}
    for done, index in enumerate(wanted):
        request = Request(shape, index)
        if surge and index in running:
            if trial.place(request) is None:
                return _describe(done, len(wanted), trial.scheduler.explain(request))
            trial.remove(old.form.shape, index)
            continue
        if index in running:
            trial.remove(old.form.shape, index)
        if trial.place(request) is None:
            return _describe(done, len(wanted), trial.scheduler.explain(request))
    return None


def _update_stateful_set(old: Placed, form: Form, shape: PodShape, trial: Trial) -> str | None:
    """Replace a StatefulSet's pods from the last down to its partition, each once the one before runs."""
    kept = max(0, (form.rollout.partition or 0) - form.workload.first_ordinal)
    request = Request(shape)
    members = old.nodes if form.rollout.type == "OnDelete" else old.nodes[kept:]
    for done, index in enumerate(reversed(members)):
        if index is not None:
            trial.remove(old.form.shape, index)
        if trial.place(request) is None:
            return _describe(done, len(members), trial.scheduler.explain(request))
    return None


def _describe(done: int, count: int, reason: str) -> str:
    return f"{done} of {count} pods are replaced, the next stays Pending: {reason}"


def is_easy(form: Form) -> bool:
    """Tell whether an update to the like of itself cannot hang once all pods run.

    A pod that asks for nothing but resources finds what the one before it left, if one may be taken away first.
    """
    shape = form.shape
    particular = shape.ports or shape.affinity or shape.anti_affinity or any(spread.hard for spread in shape.spreads)
    if particular or shape.node_name is not None:
        return False
    kind, rollout = form.workload.ref.kind, form.rollout
    if kind == "Deployment":
        return rollout.type == "Recreate" or resolve_numbers(rollout, form.replicas or 0)[1] > 0
    return kind == "StatefulSet" or not _scale(rollout.max_surge, 0, 100, up=True)
