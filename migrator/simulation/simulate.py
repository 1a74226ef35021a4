"""Simulating a cluster before and after a plan: where its pods are, what answers, what hangs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from migrator.model.node import Node
from migrator.model.plan import Plan
from migrator.model.record import record
from migrator.model.reference import ResourceRef, sort_key
from migrator.model.world import World
from migrator.rules.pod_security import collect_edits
from migrator.simulation.cluster import Cluster
from migrator.simulation.node_loss import Loss, lose_nodes
from migrator.simulation.placement import Placed, explain_pending, place_pods
from migrator.simulation.pods import list_forms
from migrator.simulation.rollout import KINDS, is_easy, roll_out
from migrator.simulation.schedule import Scheduler, Trial
from migrator.simulation.services import Answering, NodePort, find_answering, list_services
from migrator.simulation.shape import Shapes


@record
class Pending:
    """Pods of a workload that find no node, and why, in the scheduler's words."""

    resource: ResourceRef
    count: int
    reason: str


@record
class HostPortUse:
    """A port of a node that a pod holds."""

    resource: ResourceRef
    host_port: int
    host_ip: str
    protocol: str


@record
class NodeState:
    """What is on a node: pods by workload, the host ports that they hold, the node ports that answer."""

    name: str
    pods: tuple[tuple[ResourceRef, int], ...]
    host_ports: tuple[HostPortUse, ...]
    node_ports: tuple[NodePort, ...]


@record
class RolloutVerdict:
    """Whether an update of a workload comes to its end; `reason` says what it hangs on."""

    resource: ResourceRef
    can_finish: bool
    reason: str = ""


@record
class NodeLoss:
    """What the loss of a node takes away: replicas without another place, ports that nobody else offers."""

    node: str
    pending: tuple[Pending, ...]
    host_ports: tuple[tuple[str, int, str], ...]
    node_ports: tuple[NodePort, ...]


@record
class State:
    """A cluster once every pod that can has found its node."""

    pending: tuple[Pending, ...]
    nodes: tuple[NodeState, ...]
    rollouts: tuple[RolloutVerdict, ...]
    node_losses: tuple[NodeLoss, ...]

    @property
    def pod_count(self) -> int:
        """Give how many pods have a node."""
        return sum(count for node in self.nodes for _, count in node.pods)

    @property
    def pending_count(self) -> int:
        """Give how many pods have none."""
        return sum(item.count for item in self.pending)


@record
class Simulation:
    """The same nodes before and after a plan."""

    before: State
    after: State


@record
class _Side:
    """One side of a simulation, as it is computed."""

    scheduler: Scheduler
    placed: tuple[Placed, ...]
    answering: tuple[Answering, ...]


def simulate(world: World, plan: Plan, nodes: Sequence[Node]) -> Simulation:
    """Simulate the workloads of an inventory on nodes, as they stand and as a plan leaves them.

    Both sides start from empty nodes. Raises InputError for pods that the API would refuse.
    """
    shapes = Shapes()
    before = _place_side(world, None, nodes, shapes)
    after = _place_side(world, plan, nodes, shapes)
    state_before = _describe(before, _judge_rollouts(before))
    updates = _judge_rollouts(after)
    hanging = _judge_migration(before, after)
    return Simulation(
        state_before,
        _describe(after, [_join(verdict, hanging) for verdict in updates]),
    )


def _place_side(world: World, plan: Plan | None, nodes: Sequence[Node], shapes: Shapes) -> _Side:
    changes = plan.changes if plan is not None else ()
    edits = collect_edits(changes)
    services = list_services(world.inventory.services, edits, changes)
    forms = list_forms(world, edits, services, shapes)
    scheduler = Scheduler(Cluster(nodes, _label_namespaces(world)))
    for form in forms:
        scheduler.cluster.know(form.shape)
    placed = place_pods(forms, scheduler)
    return _Side(scheduler, placed, find_answering(services, placed, len(nodes)))


def _label_namespaces(world: World) -> Mapping[str, Mapping[str, str]]:
    return {
        item.ref.name: {**item.labels, "kubernetes.io/metadata.name": item.ref.name}
        for item in world.inventory.namespaces
    }


def _judge_rollouts(side: _Side) -> list[RolloutVerdict]:
    """Judge the next update of each workload, to pods like those that run, with everything else in its place."""
    verdicts = []
    for item in side.placed:
        if item.form.workload.ref.kind not in KINDS or not item.nodes:
            continue
        hangs = None
        if item.pending or not is_easy(item.form):
            trial = Trial(side.scheduler)
            hangs = roll_out(item, item.form, item.form.make_shape("2"), trial)
            trial.undo()
        verdicts.append(RolloutVerdict(item.form.workload.ref, hangs is None, hangs or ""))
    return verdicts


def _judge_migration(before: _Side, after: _Side) -> dict[ResourceRef, str]:
    """Say which updates hang that the plan itself brings about, all of them under way on the cluster as it was.

    One that waits for another's port goes on when that one is through.
    """
    forms = {item.form.workload.ref: item.form for item in after.placed}
    waiting = [
        (item, form)
        for item in before.placed
        if item.form.workload.ref.kind in KINDS
        and (form := forms[item.form.workload.ref]).shape is not item.form.shape
    ]
    hanging: dict[ResourceRef, str] = {}
    moved = True
    while moved:
        moved, left = False, []
        for item, form in waiting:
            trial = Trial(before.scheduler)
            hangs = roll_out(item, form, form.make_shape("2"), trial)
            if hangs is None:
                moved = True
                hanging.pop(form.workload.ref, None)
            else:
                trial.undo()
                hanging[form.workload.ref] = hangs
                left.append((item, form))
        waiting = left
    return hanging


def _join(verdict: RolloutVerdict, hanging: Mapping[ResourceRef, str]) -> RolloutVerdict:
    """Put the update that the plan brings about before the next one."""
    reason = hanging.get(verdict.resource)
    return verdict if reason is None else RolloutVerdict(verdict.resource, False, f"the change itself: {reason}")


def _describe(side: _Side, verdicts: Sequence[RolloutVerdict]) -> State:
    names = [node.name for node in side.scheduler.cluster.nodes]
    pods: list[Counter[ResourceRef]] = [Counter() for _ in names]
    host_ports: list[set[HostPortUse]] = [set() for _ in names]
    for item in side.placed:
        ref = item.form.workload.ref
        uses = [HostPortUse(ref, number, address, protocol) for address, number, protocol in item.form.shape.ports]
        for index in item.nodes:
            if index is not None:
                pods[index][ref] += 1
                host_ports[index].update(uses)
    node_ports: list[list[NodePort]] = [[] for _ in names]
    for entry in side.answering:
        for index in entry.nodes:
            node_ports[index].extend(entry.ports)
    return State(
        pending=tuple(
            Pending(form.workload.ref, count, reason)
            for item in side.placed
            for form, count, reason in explain_pending(item, side.scheduler)
        ),
        nodes=tuple(
            NodeState(
                name,
                tuple(sorted(pods[index].items(), key=lambda pair: sort_key(pair[0]))),
                tuple(sorted(host_ports[index], key=lambda use: (use.host_port, use.protocol, use.host_ip))),
                tuple(sorted(node_ports[index], key=lambda port: (port.node_port or 0, port.protocol, port.port))),
            )
            for index, name in enumerate(names)
        ),
        rollouts=tuple(sorted(verdicts, key=lambda verdict: sort_key(verdict.resource))),
        node_losses=tuple(
            _name_loss(loss, names) for loss in lose_nodes(side.placed, side.answering, side.scheduler)
        ),
    )


def _name_loss(loss: Loss, names: Sequence[str]) -> NodeLoss:
    pending = tuple(Pending(form.workload.ref, count, reason) for form, count, reason in loss.pending)
    return NodeLoss(names[loss.index], pending, loss.host_ports, loss.node_ports)
