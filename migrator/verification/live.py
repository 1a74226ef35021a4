"""A tree beside a cluster: which object there is which object here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from migrator.model.inventory import Inventory
from migrator.verification.comparison import Comparison
from migrator.verification.tree import key_of


def list_reachable(inventory: Inventory) -> Sequence[Any]:
    """List what is looked for in a cluster: workloads and Services."""
    return [*inventory.workloads, *inventory.services]


def find_live(comparison: Comparison, item: Any) -> Any:
    """Find a workload or Service of the tree in the cluster; None where it is not there.

    One that names no namespace is found where its name is the only one.
    """
    group, kind, namespace, name = key_of(item.ref)
    inventory = comparison.after.inventory
    candidates: list[Any] = [
        other
        for other in list_reachable(inventory)
        if (other.ref.kind, other.ref.name) == (kind, name) and key_of(other.ref)[0] == group
    ]
    fitting = [other for other in candidates if namespace is None or other.ref.namespace == namespace]
    return fitting[0] if len(fitting) == 1 else None
