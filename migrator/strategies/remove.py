"""Take a host port out where nobody used it, or where a Service already leads to the port."""

from __future__ import annotations

from migrator.publishing.proposal import Group, Proposal, remove_host_ports
from migrator.publishing.publish import keep_port


def propose(group: Group) -> Proposal:
    """Propose to remove the host ports of the group; of a stack all published ports are in the port map."""
    port_map = [keep_port(group, decision) for decision in group.decisions if decision.facts["stack"]]
    return Proposal(remove_host_ports(group), port_map)
