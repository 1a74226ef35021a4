"""Services have the node ports that the tree says, in the type that it says."""

from __future__ import annotations

from collections.abc import Iterator

from migrator.model.objects import Service, ServicePort
from migrator.verification.claim import Claim
from migrator.verification.comparison import Comparison
from migrator.verification.live import find_live

ID = "live-node-port"


def find_claims(comparison: Comparison) -> Iterator[Claim]:
    """Claim of each port of a published Service that the cluster offers it under the number that was planned."""
    for service in comparison.before.inventory.services:
        live = find_live(comparison, service)
        if live is None or service.type not in ("NodePort", "LoadBalancer"):
            continue
        for port in service.ports:
            holds, because = _judge(service, live, port)
            text = f"port {port.port}/{port.protocol}: {because}"
            yield Claim(ID, holds, service.ref, service.location, live.location, text)


def _judge(service: Service, live: Service, port: ServicePort) -> tuple[bool, str]:
    if live.type != service.type:
        return False, f"the Service is of type {live.type} in the cluster, not {service.type}"
    found = next((item for item in live.ports if (item.port, item.protocol) == (port.port, port.protocol)), None)
    if found is None:
        return False, "the cluster’s Service does not have it"
    if port.node_port is None:
        return True, f"the cluster chose node port {found.node_port}"
    if found.node_port != port.node_port:
        return False, f"node port {found.node_port}, planned was {port.node_port}"
    return True, f"node port {found.node_port}"
