"""What the scheduler says of a pod that fits no node, in its own words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from migrator.model.record import record

NO_NODES = "no nodes available to schedule pods"
GATED = "Scheduling is blocked due to non-empty scheduling gates"
NO_VICTIMS = ("No preemption victims found for incoming pod",)
NOT_HELPFUL = ("Preemption is not helpful for scheduling",)


@record
class Status:
    """Why a node cannot take a pod; `unresolvable` where evicting other pods would not help."""

    reasons: tuple[str, ...]
    unresolvable: bool = False


def describe_misfit(count: int, reasons: Iterable[Sequence[str]]) -> str:
    """Write the reasons of all nodes as the scheduler's FitError does (pkg/scheduler/framework/types.go)."""
    numbers = Counter(reason for each in reasons for reason in each)
    said = ", ".join(sorted(f"{number} {reason}" for reason, number in numbers.items()))
    return f"0/{count} nodes are available: {said}."


def describe_pending(statuses: Mapping[int, Status], preemption: Mapping[int, Sequence[str]] | None) -> str:
    """Write why a pod stays Pending: each node's reason, then what preemption found on it.

    `preemption` maps the nodes that have pods of lower priority to why the pod does not fit without them either;
    None for a pod that may not preempt.
    """
    said = describe_misfit(len(statuses), (status.reasons for status in statuses.values()))
    if preemption is None:
        after = "not eligible due to preemptionPolicy=Never."
    else:
        found = (
            NOT_HELPFUL if status.unresolvable else preemption.get(index, NO_VICTIMS)
            for index, status in statuses.items()
        )
        after = describe_misfit(len(statuses), found)
    return f"{said} no new claims to deallocate, preemption: {after}"
