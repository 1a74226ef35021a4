"""Answer at every node's address through a Service of type NodePort."""

from __future__ import annotations

import dataclasses

from migrator.publishing.proposal import Group, Proposal
from migrator.publishing.publish import NODE_PORT_FORM, publish
from migrator.strategies.anti_affinity import spread_pods


def propose(group: Group) -> Proposal:
    """Propose a NodePort Service, and anti-affinity where the host port kept replicas apart."""
    form = dataclasses.replace(NODE_PORT_FORM, external_traffic_policy=group.options.get("externalTrafficPolicy"))
    proposal = publish(group, form)
    if group.options.get("spread", "none") != "none":
        proposal.changes.extend(spread_pods(group, group.options["spread"]))
    return proposal
