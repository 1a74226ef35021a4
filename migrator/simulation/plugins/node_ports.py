"""NodePorts: a host port can be had once on a node."""

from __future__ import annotations

from migrator.simulation.cluster import Cluster
from migrator.simulation.shape import PodShape
from migrator.simulation.status import Status

REFUSED = Status(("node(s) didn't have free ports for the requested pod ports",))


def filter_node(shape: PodShape, cluster: Cluster, index: int) -> Status | None:
    """Say why a node, as it is now, cannot take another pod of a shape."""
    return REFUSED if any(cluster.has_port(index, *port) for port in shape.ports) else None
