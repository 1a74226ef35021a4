"""Give each member of a StatefulSet its own Service of type NodePort."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from migrator.model.objects import Service
from migrator.model.world import find_targeting_ports
from migrator.publishing.node_ports import Number
from migrator.publishing.proposal import Group, Proposal, remove_host_ports
from migrator.publishing.publish import (
    PublishedPort,
    ServiceForm,
    create_service,
    map_port,
    name_ports,
)
from migrator.rules.host_port import find_selector

POD_NAME_LABEL = "statefulset.kubernetes.io/pod-name"


def propose(group: Group) -> Proposal:
    """Propose a NodePort Service per ordinal."""
    form = ServiceForm(
        type="NodePort",
        template="node_port_per_pod",
        suffix="node-port",
        external_traffic_policy=group.options.get("externalTrafficPolicy"),
        node_ports=True,
    )
    proposal = Proposal()
    first = group.workload.first_ordinal
    for position in range(group.workload.replicas or 1):
        pod = f"{group.workload.ref.name}-{first + position}"
        _publish_pod(group, form, pod, position, proposal)
    proposal.changes.extend(remove_host_ports(group))
    return proposal


def _publish_pod(group: Group, form: ServiceForm, pod: str, position: int, proposal: Proposal) -> None:
    ports = [_number_for(port, position) for port in name_ports(group, form)]
    existing = _find_services(group, pod)
    wanted = []
    for port in ports:
        found = next(
            (
                (service, entry)
                for service in existing
                for entry in find_targeting_ports(service, group.workload, port.decision.port)
            ),
            None,
        )
        if found is None:
            wanted.append(port)
            continue
        service, entry = found
        number = entry.node_port or group.world.live_node_ports.get((service.ref, entry.protocol, entry.port))
        proposal.port_map.append(map_port(group, port.decision, service.ref, entry.port, number, pod))
    if not wanted:
        return
    now = wanted if group.phase == "all" else [port for port in wanted if port.phase == "expand"] or wanted
    selector = {**dict(find_selector(group.workload)), POD_NAME_LABEL: pod}
    name = group.names.choose(group.workload.ref.namespace, f"{pod}-{form.suffix}")
    changes = list(create_service(group, form, name, now, selector))
    proposal.changes.extend(changes)
    proposal.port_map.extend(
        map_port(group, port.decision, changes[0].resource, port.port, port.node_port, pod) for port in wanted
    )


def _number_for(port: PublishedPort, position: int) -> PublishedPort:
    """Give a member its number: the first, plus its place in the row."""
    if port.number is None or port.number.node_port is None:
        return port
    number = Number(port.number.node_port + position, port.number.how, port.number.because)
    return dataclasses.replace(port, number=number)


def _find_services(group: Group, pod: str) -> Sequence[Service]:
    return [
        service
        for service in group.world.services_of_pod(group.workload.ref.namespace, POD_NAME_LABEL, pod)
        if service.type in ("NodePort", "LoadBalancer")
    ]
