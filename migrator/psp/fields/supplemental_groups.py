"""`supplementalGroups`: the further groups of every container's process."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from migrator.model.field import FieldPath
from migrator.psp.demand import POD_CONTEXT, Demand, Enforced, describe_ranges, write_in_ranges
from migrator.psp.field_rule import Default, FieldRule
from migrator.psp.groups import get_default_group, validate_groups
from migrator.psp.model import PodSecurityPolicy
from migrator.psp.pod import Object, get_security_context, get_spec

_PATH: Final[FieldPath] = ("spec", "securityContext", "supplementalGroups")


def concerns(policy: PodSecurityPolicy) -> bool:
    """RunAsAny leaves groups alone."""
    return policy.supplemental_groups.rule != "RunAsAny"


def default_pod(policy: PodSecurityPolicy, pod: Object) -> Iterator[Default]:
    """MustRunAs gives the first range's minimum; an empty list is a choice that is left."""
    group = get_default_group(policy.supplemental_groups)
    if group is not None and get_security_context(get_spec(pod)).get("supplementalGroups") is None:
        yield _PATH, [group]


def validate_pod(policy: PodSecurityPolicy, pod: Object) -> Iterator[str]:
    """Every group must lie in a range."""
    groups = get_security_context(get_spec(pod)).get("supplementalGroups")
    yield from validate_groups(policy.supplemental_groups, groups, _PATH)


def demand(policy: PodSecurityPolicy, enforced: Enforced) -> Iterator[Demand]:
    """Groups in the ranges; MustRunAs wants one at least."""
    strategy = policy.supplemental_groups
    if strategy.rule == "RunAsAny":
        return
    groups = f"{POD_CONTEXT}.?supplementalGroups.orValue([])"
    inside = f"{groups}.all(g, {write_in_ranges('g', strategy.ranges)})"
    ranges = describe_ranges(strategy.ranges)
    if strategy.rule == "MustRunAs":
        message = f"securityContext.supplementalGroups must be set, all in {ranges}"
        yield Demand(f"{groups}.size() > 0 && {inside}", message)
    else:
        yield Demand(inside, f"securityContext.supplementalGroups must all be in {ranges}")


RULE = FieldRule("supplementalGroups", concerns, default_pod=default_pod, validate_pod=validate_pod, demand=demand)
