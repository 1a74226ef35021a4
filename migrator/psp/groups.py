"""The three fields for groups share their strategies.

Source: pkg/security/podsecuritypolicy/group.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from migrator.model.field import FieldPath
from migrator.psp.demand import POD_CONTEXT, Demand, describe_ranges, write_effective, write_in_ranges
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


def demand_group(strategy: IDStrategy | None, field: str, of_container: bool = False) -> Iterator[Demand]:
    """Demand a group of the ranges in a field of the pod's, or each container's, security context.

    MustRunAs wants one to be set.
    """
    if strategy is None or strategy.rule == "RunAsAny":
        return
    must = strategy.rule == "MustRunAs"
    value = write_effective(field) if of_container else f"{POD_CONTEXT}.?{field}"
    inside = f"{value}.optMap(g, {write_in_ranges('g', strategy.ranges)}).orValue({'false' if must else 'true'})"
    yield Demand(
        f"variables.containers.all(c, {inside})" if of_container else inside,
        f"securityContext.{field} must be {'set to ' if must else ''}{describe_ranges(strategy.ranges)}",
    )
