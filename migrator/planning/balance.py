"""Ports that load balancers of Rancher stacks published: numbers for their Services, and lines of the port map."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from migrator.model.edit import FieldEdit
from migrator.model.inventory import BalancedPort
from migrator.model.objects import Service
from migrator.model.plan import Change, PortMapEntry, Reason
from migrator.model.reference import ResourceRef
from migrator.model.world import World
from migrator.publishing.node_ports import Number, NumberRequest
from migrator.publishing.proposal import Proposal
from migrator.publishing.publish import write_query
from migrator.rules.host_port import ID
from migrator.rules.match import match_facts
from migrator.sources.tables import load_table
from migrator.templates import render_text

PortKey = tuple[ResourceRef, str, int]
"""A workload, or a Service without one; a protocol; the number that people know the port by."""


def request_numbers(world: World, pinned: Mapping[PortKey, int]) -> Iterator[NumberRequest]:
    """Ask for a node port for each published port that a NodePort Service answers for."""
    for port, service in _find_services(world):
        if service is not None and service.type == "NodePort":
            number = pinned.get((service.ref, port.protocol, port.host_port))
            yield NumberRequest(service.ref, port.host_port, pinned=number)


def propose_balanced(
    world: World, numbers: Mapping[tuple[ResourceRef, int], Number], allows: Callable[[Service], bool]
) -> Proposal:
    """Write the numbers into the Services, and map every published port to what answers in its place."""
    proposal = Proposal()
    for port, service in _find_services(world):
        number = numbers.get((service.ref, port.host_port)) if service is not None else None
        row = _find_row(port, service)
        if service is not None and not allows(service):
            continue
        if service is not None and number is not None and number.node_port is not None:
            proposal.changes.append(_number_service(port, service, number, row))
        proposal.port_map.append(_map_port(port, service, number.node_port if number else None, row))
    return proposal


def _find_services(world: World) -> Iterator[tuple[BalancedPort, Service | None]]:
    if not world.inventory.balanced:
        return
    services = {service.ref: service for service in world.inventory.services}
    for port in world.inventory.balanced:
        yield port, services.get(port.target) if port.target is not None else None


def _find_row(port: BalancedPort, service: Service | None) -> Mapping[str, Any]:
    facts = {
        "types": service.type if service is not None else port.target.kind if port.target is not None else "none",
        "moved": port.port != port.host_port,
    }
    rows = load_table("rules/host_port.yaml")["balanced"]
    found: Mapping[str, Any] = next(row for row in rows if match_facts(row["match"], facts))
    return found


def _number_service(port: BalancedPort, service: Service, number: Number, row: Mapping[str, Any]) -> Change:
    index = next(
        index
        for index, entry in enumerate(service.ports)
        if (entry.port, entry.protocol) == (port.host_port, port.protocol)
    )
    what = f"node port {number.node_port} answers for port {port.host_port} of the load balancer {port.balancer.name}"
    because = render_text(number.because, {"port": port.host_port})
    return Change(
        rule=ID,
        decision=row["id"],
        strategy="node_port",
        phase="expand",
        action="update",
        resource=service.ref,
        location=service.location,
        workload=service.ref,
        reason=Reason(f"{what}: {because}", what=what, sources=tuple(row.get("sources", ()))),
        edit=FieldEdit("add", ("spec", "ports", index, "nodePort"), number.node_port),
    )


def _map_port(
    port: BalancedPort, service: Service | None, node_port: int | None, row: Mapping[str, Any]
) -> PortMapEntry:
    numbered = service is not None and service.type == "NodePort" and node_port is None
    return PortMapEntry(
        resource=port.target or port.balancer,
        protocol=port.protocol,
        old_ip=port.host_ip,
        old_port=port.host_port,
        container_port=None,
        type=service.type if service is not None else port.target.kind if port.target is not None else None,
        service=service.ref if service is not None else None,
        port=port.port,
        node_port=node_port,
        who_must_change=row["whoMustChange"],
        query=write_query(service.ref, port.host_port, port.protocol) if numbered and service is not None else None,
        hosts=port.hosts,
    )
