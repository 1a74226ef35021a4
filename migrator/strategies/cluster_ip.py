"""Lead pods of the cluster to a port through a Service inside the cluster."""

from __future__ import annotations

from migrator.publishing.proposal import Group, Proposal
from migrator.publishing.publish import ServiceForm, publish


def propose(group: Group) -> Proposal:
    """Propose a ClusterIP Service."""
    return publish(group, ServiceForm(type="ClusterIP", template="cluster_ip", suffix="cluster-ip"))
