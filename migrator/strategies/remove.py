"""Take a host port out where nobody used it, or where a Service already leads to the port."""

from __future__ import annotations

from migrator.publishing.proposal import Group, Proposal, remove_host_ports


def propose(group: Group) -> Proposal:
    """Propose to remove the host ports of the group."""
    return Proposal(remove_host_ports(group))
