"""Services of type NodePort: which ports answer on which node."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from migrator.model.edit import FieldEdit
from migrator.model.objects import Service
from migrator.model.plan import Change
from migrator.model.record import record
from migrator.model.reference import ResourceRef
from migrator.model.world import POD_NAME_LABEL
from migrator.rules.pod_security import find_place
from migrator.simulation.placement import Placed
from migrator.sources.extract import ObjectReader, read_service
from migrator.templates import render_object
from migrator.yaml.data import load_text
from migrator.yaml.edit import apply_to_data


@dataclass(frozen=True, slots=True, order=True)
class NodePort:
    """A port that a Service opens on nodes: `node_port` is None where the cluster will choose it."""

    service: ResourceRef
    port: int
    protocol: str
    node_port: int | None


@record
class Answering:
    """Where a Service's ports answer: `nodes`, which are its pods' `hosts`, or all of them where any pod runs."""

    service: Service
    ports: tuple[NodePort, ...]
    hosts: frozenset[int]
    nodes: frozenset[int]


def list_services(
    services: Sequence[Service], edits: Mapping[Any, Sequence[FieldEdit]], changes: Iterable[Change]
) -> tuple[Service, ...]:
    """List the Services as a plan leaves them: those that are there, edited, and those that it creates."""
    edited = [
        _edit_service(service, own) if (own := edits.get(find_place(service.ref, service.location))) else service
        for service in services
    ]
    created = [
        _read_service(load_text(render_object(change.new)), change.resource, change.location)
        for change in changes
        if change.action == "create" and change.new is not None and change.resource.kind == "Service"
    ]
    return (*edited, *created)


def _edit_service(service: Service, edits: Sequence[FieldEdit]) -> Service:
    spec: dict[str, Any] = {
        "selector": dict(service.selector),
        "ports": [_describe_port(port) for port in service.ports],
        "type": service.type if service.type_written else None,
        "clusterIP": "None" if service.headless else None,
        "externalTrafficPolicy": service.external_traffic_policy,
        "internalTrafficPolicy": service.internal_traffic_policy,
        "trafficDistribution": service.traffic_distribution,
    }
    spec = {name: value for name, value in spec.items() if value is not None}
    inside = [edit for edit in edits if edit.path[:1] == ("spec",)]
    return _read_service(apply_to_data({"spec": spec}, inside), service.ref, service.location)


def _describe_port(port: Any) -> dict[str, Any]:
    values = {
        "name": port.name,
        "protocol": port.protocol,
        "port": port.port,
        "targetPort": port.target_port,
        "nodePort": port.node_port,
    }
    return {name: value for name, value in values.items() if value is not None}


def _read_service(data: Any, ref: ResourceRef, location: Any) -> Service:
    return dataclasses.replace(read_service(data, location, ObjectReader(data, lambda _: location.line)), ref=ref)


def find_answering(services: Iterable[Service], placed: Sequence[Placed], count: int) -> tuple[Answering, ...]:
    """Find on which of `count` nodes the node ports of Services answer.

    https://kubernetes.io/docs/reference/networking/virtual-ips/#external-traffic-policy
    """
    by_namespace: dict[str | None, list[Placed]] = defaultdict(list)
    for item in placed:
        by_namespace[item.form.workload.ref.namespace].append(item)
    found = []
    for service in services:
        if service.type not in ("NodePort", "LoadBalancer") or not service.selector:
            continue
        hosts = find_hosts(service, by_namespace.get(service.ref.namespace, ()))
        local = service.external_traffic_policy == "Local"
        nodes = hosts if local or not hosts else frozenset(range(count))
        ports = tuple(NodePort(service.ref, port.port, port.protocol, port.node_port) for port in service.ports)
        found.append(Answering(service, ports, hosts, nodes))
    return tuple(found)


def find_hosts(service: Service, placed: Iterable[Placed]) -> frozenset[int]:
    """Find the nodes of the pods that a Service selects, among workloads of its namespace."""
    return frozenset(index for item in placed for index in _list_selected(service, item))


def _list_selected(service: Service, placed: Placed) -> Iterable[int]:
    """List the nodes of the pods that a Service selects, of one workload."""
    workload = placed.form.workload
    wanted = dict(service.selector)
    member = wanted.pop(POD_NAME_LABEL, None)
    labels = placed.form.shape.labels
    if any(labels.get(key) != value for key, value in wanted.items()):
        return ()
    nodes: Iterable[int | None] = placed.nodes
    if member is not None:
        first = workload.first_ordinal
        nodes = [
            index for number, index in enumerate(placed.nodes, first) if f"{workload.ref.name}-{number}" == member
        ]
    return [index for index in nodes if index is not None]
