"""`fsGroup`: the group that owns a pod's volumes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from migrator.model.field import FieldPath
from migrator.psp.demand import Demand, Enforced
from migrator.psp.field_rule import Default, FieldRule
from migrator.psp.groups import demand_group, get_default_group, validate_groups
from migrator.psp.model import PodSecurityPolicy
from migrator.psp.pod import Object, get_security_context, get_spec

_PATH: Final[FieldPath] = ("spec", "securityContext", "fsGroup")


def concerns(policy: PodSecurityPolicy) -> bool:
    """RunAsAny leaves groups alone."""
    return policy.fs_group.rule != "RunAsAny"


def default_pod(policy: PodSecurityPolicy, pod: Object) -> Iterator[Default]:
    """MustRunAs gives the first range's minimum."""
    group = get_default_group(policy.fs_group)
    if group is not None and get_security_context(get_spec(pod)).get("fsGroup") is None:
        yield _PATH, group


def validate_pod(policy: PodSecurityPolicy, pod: Object) -> Iterator[str]:
    """The group must lie in a range."""
    group = get_security_context(get_spec(pod)).get("fsGroup")
    yield from validate_groups(policy.fs_group, None if group is None else [group], _PATH)


def demand(policy: PodSecurityPolicy, enforced: Enforced) -> Iterator[Demand]:
    """A group in a range."""
    yield from demand_group(policy.fs_group, "fsGroup")


RULE = FieldRule("fsGroup", concerns, default_pod=default_pod, validate_pod=validate_pod, demand=demand)
