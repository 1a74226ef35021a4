"""NodeUnschedulable: a cordoned node takes only pods that tolerate that."""

from __future__ import annotations

from migrator.model.node import Node
from migrator.simulation.shape import PodShape
from migrator.simulation.status import Status

TAINT = "node.kubernetes.io/unschedulable"
REFUSED = Status(("node(s) were unschedulable",), unresolvable=True)


def filter_node(shape: PodShape, node: Node) -> Status | None:
    """Say why a node cannot take pods of a shape."""
    return REFUSED if node.unschedulable and not shape.tolerates(TAINT, "", "NoSchedule") else None
