"""Lead pods to the agent of their own node through a Service inside the cluster."""

from __future__ import annotations

from migrator.publishing.proposal import Group, Proposal
from migrator.publishing.publish import ServiceForm, publish


def propose(group: Group) -> Proposal:
    """Propose a Service whose traffic stays on the client's node."""
    prefers = group.decisions[0].facts["preferSameNode"]
    form = ServiceForm(
        type="ClusterIP",
        template="node_local",
        suffix="node-local",
        internal_traffic_policy=None if prefers else "Local",
        traffic_distribution="PreferSameNode" if prefers else None,
    )
    return publish(group, form)
