"""Nodes, as the scheduler looks at them."""

from __future__ import annotations

from collections.abc import Mapping

from migrator.model.record import record

HOSTNAME = "kubernetes.io/hostname"

_KUBELET_LABELS = {
    f"{domain}/{name}": value
    for domain in ("kubernetes.io", "beta.kubernetes.io")
    for name, value in (("os", "linux"), ("arch", "amd64"))
}


@record
class Taint:
    """A taint of a node: pods that do not tolerate it stay away, or are only asked to (PreferNoSchedule)."""

    key: str
    value: str
    effect: str


@record
class Node:
    """A node: what pods select it by, and what it holds.

    `allocatable` maps a resource to its amount: cpu in millicores, memory and ephemeral-storage in bytes, others in
    pieces; None where nothing is said about it, so that nothing is short.
    """

    name: str
    labels: Mapping[str, str]
    taints: tuple[Taint, ...] = ()
    unschedulable: bool = False
    allocatable: Mapping[str, int] | None = None


def make_nodes(count: int) -> tuple[Node, ...]:
    """Make identical empty nodes, node-1, node-2 and so on: Linux on amd64, without taints, nothing short on them."""
    names = (f"node-{number}" for number in range(1, count + 1))
    return tuple(Node(name, {HOSTNAME: name, **_KUBELET_LABELS}) for name in names)
