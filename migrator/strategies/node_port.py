"""Answer at every node's address through a Service of type NodePort."""

from __future__ import annotations

from migrator.publishing.proposal import Group, Proposal
from migrator.publishing.publish import ServiceForm, publish
from migrator.strategies.anti_affinity import spread_pods


def propose(group: Group) -> Proposal:
    """Propose a NodePort Service, and anti-affinity where the host port kept replicas apart."""
    form = ServiceForm(
        type="NodePort",
        template="node_port",
        suffix="node-port",
        external_traffic_policy=group.options.get("externalTrafficPolicy"),
        node_ports=True,
    )
    proposal = publish(group, form)
    if group.options.get("spread", "none") != "none":
        proposal.changes.extend(spread_pods(group, group.options["spread"]))
    return proposal
