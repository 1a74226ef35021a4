"""The three fields for groups share their strategies.

Source: pkg/security/podsecuritypolicy/group.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from migrator.model.field import FieldPath
from migrator.psp.messages import write_ids, write_invalid
from migrator.psp.model import IDStrategy


def get_default_group(strategy: IDStrategy | None) -> int | None:
    """The group that a strategy gives to those that name none: MustRunAs the first range's minimum."""
    if strategy is None or strategy.rule != "MustRunAs":
        return None
    return strategy.ranges[0].min


def validate_groups(strategy: IDStrategy | None, groups: Sequence[int] | None, place: FieldPath) -> Iterator[str]:
    """Every group must lie in a range; MustRunAs wants at least one. RunAsAny is never asked."""
    if strategy is None:
        return
    value = write_ids(groups)
    if not groups and strategy.rule == "MustRunAs":
        yield write_invalid(place, value, "unable to validate empty groups against required ranges")
    for group in groups or ():
        if not any(group in item for item in strategy.ranges):
            yield write_invalid(place, value, f"group {group} must be in the ranges: {strategy.ranges_text}")
