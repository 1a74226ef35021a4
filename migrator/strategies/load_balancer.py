"""Answer at a load balancer's address, under the same port number."""

from __future__ import annotations

from migrator.publishing.proposal import Group, Proposal
from migrator.publishing.publish import ServiceForm, publish


def propose(group: Group) -> Proposal:
    """Propose a Service of type LoadBalancer."""
    policy = group.options.get("externalTrafficPolicy", "Local")
    form = ServiceForm(
        type="LoadBalancer", template="load_balancer", suffix="load-balancer", external_traffic_policy=policy
    )
    return publish(group, form)
