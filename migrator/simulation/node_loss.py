"""What the loss of a node does: which replicas find no other place, and which ports nobody offers any more."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from migrator.model.record import record
from migrator.simulation.placement import Placed, group_reasons
from migrator.simulation.pods import Form
from migrator.simulation.schedule import Scheduler, Trial
from migrator.simulation.services import Answering, NodePort, find_hosts

BARE = "a pod that nothing makes anew"


@record
class Loss:
    """What goes with a node: replicas that find no other place with the reason, ports that no other node offers.

    `host_ports` are (hostIP, hostPort, protocol).
    """

    index: int
    pending: tuple[tuple[Form, int, str], ...]
    host_ports: tuple[tuple[str, int, str], ...]
    node_ports: tuple[NodePort, ...]


def lose_nodes(placed: Sequence[Placed], answering: Sequence[Answering], scheduler: Scheduler) -> Iterator[Loss]:
    """Lose one node after the other, each alone, and have its pods placed anew where their owners make them."""
    there: dict[int, dict[int, list[int]]] = defaultdict(lambda: defaultdict(list))
    for number, item in enumerate(placed):
        for position, index in enumerate(item.nodes):
            if index is not None:
                there[index][number].append(position)
    alone: dict[int, list[Answering]] = defaultdict(list)
    for entry in answering:
        if len(entry.hosts) == 1:
            alone[next(iter(entry.hosts))].append(entry)
    for index in range(len(scheduler.cluster.nodes)):
        yield _lose_node(index, placed, there[index], alone[index], scheduler)


def _lose_node(
    index: int,
    placed: Sequence[Placed],
    there: Mapping[int, Sequence[int]],
    alone: Sequence[Answering],
    scheduler: Scheduler,
) -> Loss:
    cluster, trial = scheduler.cluster, Trial(scheduler)
    for number, positions in there.items():
        for _ in positions:
            trial.remove(placed[number].form.shape, index)
    cluster.lose(index)
    moved: dict[int, Placed] = {}
    pending: list[tuple[Form, str]] = []
    for number, positions in there.items():
        item = placed[number]
        if item.wanted:
            continue
        nodes = list(item.nodes)
        reason = BARE if item.form.workload.ref.kind == "Pod" else None
        for position in positions:
            nodes[position] = None if reason else trial.place(item.request(position))
            if nodes[position] is None:
                reason = reason or scheduler.explain(item.request(position))
                pending.append((item.form, reason))
        moved[number] = dataclasses.replace(item, nodes=tuple(nodes))
    gone = {port for number in there for port in placed[number].form.shape.ports}
    lost_ports = tuple(sorted(port for port in gone if not _is_offered(port, scheduler)))
    node_ports = [
        port for entry in alone if not find_hosts(entry.service, _at_home(entry, moved)) for port in entry.ports
    ]
    cluster.recover()
    trial.undo()
    return Loss(index, tuple(group_reasons(pending)), lost_ports, tuple(node_ports))


def _at_home(entry: Answering, moved: Mapping[int, Placed]) -> Iterator[Placed]:
    """List the workloads of a Service's namespace that were placed anew."""
    for item in moved.values():
        if item.form.workload.ref.namespace == entry.service.ref.namespace:
            yield item


def _is_offered(port: tuple[str, int, str], scheduler: Scheduler) -> bool:
    address, number, protocol = port
    return any(
        (number, protocol) in holders and holders[number, protocol][address] for holders in scheduler.cluster.ports
    )
