"""No two Services claim one node port; each lies in the range, and nobody's host port has its number."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Final

from migrator.model.objects import Service, ServicePort
from migrator.verification.claim import Claim
from migrator.verification.comparison import Comparison, Side
from migrator.verification.tree import Key, key_of

ID = "node-port"

Number = tuple[int, str]
_EXTERNAL: Final = ("NodePort", "LoadBalancer")


def find_claims(comparison: Comparison) -> Iterator[Claim]:
    """Claim of each node port that its Service gets it. What was wrong before and is unchanged is no claim."""
    now, then = _find_holders(comparison.after), _find_holders(comparison.before)
    host_ports = _find_host_ports(comparison.after)
    low, high = comparison.policy.cluster.node_ports
    for old, service in comparison.services:
        for index, port in enumerate(service.ports):
            if port.node_port is None:
                continue
            number = (port.node_port, port.protocol)
            others = now[number] - {key_of(service.ref)}
            was = key_of(service.ref) in then[number]
            problem = ""
            if service.type not in _EXTERNAL:
                problem = f"a Service of type {service.type} has no node ports"
            elif not low <= port.node_port <= high:
                problem = f"outside of the range {low}-{high}"
            elif sum((other.node_port, other.protocol) == number for other in service.ports) > 1:
                problem = "two of its own ports claim it"
            elif others:
                problem = f"{', '.join(sorted(f'{key[2]}/{key[3]}' for key in others))} claims it too"
            elif holders := host_ports.get(number):
                problem = f"still the host port of {', '.join(sorted(holders))}"
            elif port.node_port in comparison.policy.cluster.used_node_ports:
                problem = "taken in the cluster, as the policy says"
            if problem and was:
                continue
            document = comparison.after.tree.document_of(service)
            before = comparison.before.tree.document_of(old).location if old else None
            place = document.place_of(("spec", "ports", index, "nodePort"))
            because = f"node port {port.node_port}/{port.protocol}: {problem or 'its own'}"
            yield Claim(ID, not problem, service.ref, before, place, because)


def _find_holders(side: Side) -> dict[Number, set[Key]]:
    holders: dict[Number, set[Key]] = defaultdict(set)
    for service, port in _list_ports(side):
        if port.node_port is not None:
            holders[port.node_port, port.protocol].add(key_of(service.ref))
    return holders


def _list_ports(side: Side) -> Iterator[tuple[Service, ServicePort]]:
    return ((service, port) for service in side.inventory.services for port in service.ports)


def _find_host_ports(side: Side) -> dict[Number, set[str]]:
    holders: dict[Number, set[str]] = defaultdict(set)
    for workload in side.inventory.workloads:
        # Pods that something here makes are made anew once their template is changed.
        if not workload.owners:
            for port in workload.used_ports():
                holders[port.host_port, port.protocol].add(str(workload.ref))
    return holders
