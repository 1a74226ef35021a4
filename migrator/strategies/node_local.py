"""Lead pods to the agent of their own node through a Service inside the cluster."""

from __future__ import annotations

from migrator.planning.proposal import Group, Proposal
from migrator.planning.publish import ServiceForm, publish

PREFER_SAME_NODE = (1, 35)


def propose(group: Group) -> Proposal:
    """Propose a Service whose traffic stays on the client's node."""
    prefers = group.world.policy.cluster.version >= PREFER_SAME_NODE
    form = ServiceForm(
        type="ClusterIP",
        template="node_local",
        suffix="node-local",
        internal_traffic_policy=None if prefers else "Local",
        traffic_distribution="PreferSameNode" if prefers else None,
    )
    return publish(group, form)
