"""Host ports that keep pods off each other's nodes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from migrator.model.record import record
from migrator.model.reference import ResourceRef, sort_key
from migrator.model.workload import ANY_ADDRESS, Workload


@record
class Conflict:
    """A port that two pods cannot both have on one node, and the workloads that make such pods."""

    host_port: int
    host_ip: str
    protocol: str
    workloads: tuple[ResourceRef, ...]


def find_conflicts(workloads: Iterable[Workload]) -> tuple[Conflict, ...]:
    """Find the ports of which no two pods can share a node, within a workload and between them.

    As kube-scheduler judges it: 0.0.0.0 collides with every address. A workload that never has two pods on the
    cluster, or has one per node anyway, does not collide with itself.
    """
    users: dict[tuple[int, str], dict[str, dict[ResourceRef, bool]]] = defaultdict(lambda: defaultdict(dict))
    for workload in workloads:
        several = (workload.replicas or 0) > 1
        for port in workload.used_ports():
            users[(port.host_port, port.protocol)][port.host_ip][workload.ref] = several
    found: list[Conflict] = []
    for (number, protocol), by_address in users.items():
        for address, refs in by_address.items():
            rivals = dict(refs)
            if address == ANY_ADDRESS:
                for other in by_address.values():
                    rivals.update(other)
            if len(rivals) > 1 or any(refs.values()):
                ordered = tuple(sorted(rivals, key=sort_key))
                found.append(Conflict(number, address, protocol, ordered))
    return tuple(sorted(found, key=lambda item: (item.host_port, item.protocol, item.host_ip)))
