"""TaintToleration: taints keep pods away that do not tolerate them."""

from __future__ import annotations

from migrator.model.node import Node
from migrator.simulation.shape import PodShape
from migrator.simulation.status import Status

WEIGHT = 3
REFUSED = Status(("node(s) had untolerated taint(s)",), unresolvable=True)


def filter_node(shape: PodShape, node: Node) -> Status | None:
    """Say why a node cannot take pods of a shape."""
    return None if tolerates_node(shape, node) else REFUSED


def tolerates_node(shape: PodShape, node: Node) -> bool:
    """Tell whether no taint that forbids keeps a shape's pods away."""
    return all(
        taint.effect not in ("NoSchedule", "NoExecute") or shape.tolerates(taint.key, taint.value, taint.effect)
        for taint in node.taints
    )


def count_repelling(shape: PodShape, node: Node) -> int:
    """Count the taints that ask a shape's pods to stay away."""
    return sum(
        taint.effect == "PreferNoSchedule" and not shape.tolerates(taint.key, taint.value, taint.effect)
        for taint in node.taints
    )
