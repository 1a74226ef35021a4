"""`runAsGroup`: the primary group of a container's process."""

from __future__ import annotations

from collections.abc import Iterator

from migrator.model.field import FieldPath
from migrator.psp.demand import Demand, Enforced
from migrator.psp.field_rule import Default, FieldRule
from migrator.psp.groups import demand_group, get_default_group, validate_groups
from migrator.psp.model import PodSecurityPolicy
from migrator.psp.pod import Object, get_effective


def concerns(policy: PodSecurityPolicy) -> bool:
    """No strategy and RunAsAny leave groups alone."""
    return policy.run_as_group is not None and policy.run_as_group.rule != "RunAsAny"


def default_container(
    policy: PodSecurityPolicy, pod: Object, container: Object, path: FieldPath
) -> Iterator[Default]:
    """MustRunAs gives the first range's minimum."""
    group = get_default_group(policy.run_as_group)
    if group is not None and get_effective(pod, container, "runAsGroup") is None:
        yield (*path, "securityContext", "runAsGroup"), group


def validate_container(policy: PodSecurityPolicy, pod: Object, container: Object, path: FieldPath) -> Iterator[str]:
    """The group must lie in a range; upstream names the security context, not the field."""
    group = get_effective(pod, container, "runAsGroup")
    groups = None if group is None else [group]
    yield from validate_groups(policy.run_as_group, groups, (*path, "securityContext"))


def demand(policy: PodSecurityPolicy, enforced: Enforced) -> Iterator[Demand]:
    """A group in a range, of every container."""
    yield from demand_group(policy.run_as_group, "runAsGroup", of_container=True)


RULE = FieldRule(
    "runAsGroup",
    concerns,
    default_container=default_container,
    validate_container=validate_container,
    demand=demand,
)
