"""What the changes of one decision have in common, which a review says once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from migrator.model.plan import Change
from migrator.model.policy import Alternative


@dataclass(frozen=True, slots=True)
class CommonReason:
    """What a workload's changes of one decision have in common, besides what each of them says."""

    rule: str
    strategy: str
    decision: str
    considered: tuple[Alternative, ...]
    way_back: str
    caveats: tuple[str, ...]
    sources: tuple[str, ...]


def list_reasons(changes: Iterable[Change]) -> list[CommonReason]:
    """List the decisions behind a workload's changes, each with all that goes with it; nothing is said twice."""
    groups: dict[tuple[str, str, str], list[Change]] = {}
    for change in changes:
        groups.setdefault((change.strategy, change.decision, change.reason.way_back), []).append(change)
    said: set[Any] = set()

    def say_new(group: Sequence[Change], name: str) -> tuple[Any, ...]:
        found = dict.fromkeys(item for change in group for item in getattr(change.reason, name) if item not in said)
        said.update(found)
        return tuple(found)

    reasons = []
    for (strategy, decision, way_back), group in groups.items():
        considered, caveats, sources = (say_new(group, name) for name in ("considered", "caveats", "sources"))
        if considered or caveats or sources or way_back:
            reasons.append(CommonReason(group[0].rule, strategy, decision, considered, way_back, caveats, sources))
    return reasons
