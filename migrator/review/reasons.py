"""What the changes of one decision have in common, which a review says once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from migrator.model.plan import Change
from migrator.model.policy import Alternative
from migrator.model.record import record


@record
class CommonReason:
    """What a workload's changes of one decision have in common, besides what each of them says."""

    rule: str
    strategy: str
    decision: str
    considered: tuple[Alternative, ...]
    way_back: tuple[str, ...]
    caveats: tuple[str, ...]
    sources: tuple[str, ...]


def list_reasons(changes: Iterable[Change]) -> list[CommonReason]:
    """List the decisions behind a workload's changes, each with all that goes with it; nothing is said twice."""
    groups: dict[tuple[str, str], list[Change]] = {}
    for change in changes:
        groups.setdefault((change.strategy, change.decision), []).append(change)
    said: set[Any] = set()

    def say_new(group: Sequence[Change], name: str) -> tuple[Any, ...]:
        values = (getattr(change.reason, name) for change in group)
        items = (item for value in values for item in ((value,) if isinstance(value, str) else value))
        found = dict.fromkeys(item for item in items if item and item not in said)
        said.update(found)
        return tuple(found)

    reasons = []
    for (strategy, decision), group in groups.items():
        found = [say_new(group, name) for name in ("considered", "way_back", "caveats", "sources")]
        if any(map(any, found)):
            reasons.append(CommonReason(group[0].rule, strategy, decision, *found))
    return reasons
