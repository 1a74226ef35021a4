"""Give each member of a StatefulSet its own Service of type NodePort."""

from __future__ import annotations

import dataclasses

from migrator.model.world import POD_NAME_LABEL
from migrator.publishing.node_ports import Number
from migrator.publishing.proposal import Group, Proposal, remove_host_ports
from migrator.publishing.publish import NODE_PORT_FORM, PublishedPort, Target, lead_to, name_ports
from migrator.rules.host_port import find_selector


def propose(group: Group) -> Proposal:
    """Propose a NodePort Service per ordinal."""
    form = dataclasses.replace(
        NODE_PORT_FORM,
        template="node_port_per_pod",
        external_traffic_policy=group.options.get("externalTrafficPolicy"),
    )
    proposal = Proposal()
    for ordinal, pod in enumerate(group.world.list_members(group.workload), group.workload.first_ordinal):
        selector = (*find_selector(group.workload), (POD_NAME_LABEL, pod))
        target = Target(f"{pod}-{form.suffix}", selector, member=pod)
        ports = [_number_for(port, ordinal) for port in name_ports(group, form)]
        lead_to(group, form, target, ports, proposal)
    proposal.changes.extend(remove_host_ports(group))
    return proposal


def _number_for(port: PublishedPort, ordinal: int) -> PublishedPort:
    """Give a member its number: ordinal 0's, plus its own ordinal."""
    if port.number is None or port.number.node_port is None:
        return port
    number = Number(port.number.node_port + ordinal, port.number.how, port.number.because)
    return dataclasses.replace(port, number=number)
