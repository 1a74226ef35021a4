"""NodeResourcesFit and NodeResourcesBalancedAllocation: what is requested against what a node holds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from migrator.simulation.cluster import Cluster
from migrator.simulation.shape import PodShape
from migrator.simulation.status import Status

_FIRST = ("cpu", "memory", "ephemeral-storage")


def filter_node(shape: PodShape, cluster: Cluster, index: int) -> Status | None:
    """Say what a node, as it is now, has too little of for another pod of a shape."""
    holds = cluster.nodes[index].allocatable
    if holds is None:
        return None
    reasons = list(_list_short(shape, holds, cluster, index))
    if not reasons:
        return None
    unresolvable = any(amount > holds.get(name, 0) for name, amount in shape.requests.items())
    return Status(tuple(reasons), unresolvable)


def _list_short(shape: PodShape, holds: Mapping[str, int], cluster: Cluster, index: int) -> Iterator[str]:
    if cluster.pod_count[index] + 1 > holds.get("pods", 0):
        yield "Too many pods"
    requested = cluster.requested[index]
    for name, amount in shape.requests.items():
        if amount > holds.get(name, 0) - requested[name]:
            yield f"Insufficient {name}"


def score_node(shape: PodShape, cluster: Cluster, index: int) -> int:
    """Score a node by what would be left on it, and by how evenly, each of 100 (weights 1 and 1).

    LeastAllocated and BalancedAllocation of pkg/scheduler/framework/plugins/noderesources, for cpu and memory.
    """
    holds = cluster.nodes[index].allocatable
    if holds is None:
        return 0
    free, fractions = [], []
    for position, name in enumerate(("cpu", "memory")):
        held = holds.get(name, 0)
        if held:
            asked = cluster.scored[index][position] + shape.scored[position]
            free.append((held - asked) * 100 // held if asked <= held else 0)
            requested = cluster.requested[index][name] + shape.requests.get(name, 0)
            fractions.append(min(requested / held, 1.0))
    least = sum(free) // len(free) if free else 0
    if not ("cpu" in shape.requests or "memory" in shape.requests):
        return least
    deviation = abs((fractions[0] - fractions[1]) / 2) if len(fractions) == 2 else 0.0
    return least + int((1 - deviation) * 100.0)
