"""NodeAffinity: nodeSelector and affinity to nodes."""

from __future__ import annotations

from migrator.model.node import Node
from migrator.simulation.shape import PodShape
from migrator.simulation.status import Status

WEIGHT = 2
REFUSED = Status(("node(s) didn't match Pod's node affinity/selector",), unresolvable=True)
ELSEWHERE = Status(("node(s) didn't satisfy plugin(s) [NodeAffinity]",), unresolvable=True)
"""What is said of nodes that a pod's affinity to one node by its name leaves out."""


def filter_node(shape: PodShape, node: Node) -> Status | None:
    """Say why a node cannot take pods of a shape."""
    return None if shape.wants_node(node.name, node.labels) else REFUSED


def sum_preferences(shape: PodShape, node: Node) -> int:
    """Sum the weights of the preferences that a node meets."""
    return sum(term.weight for term in shape.preferred_nodes if term.selects(node.name, node.labels))
