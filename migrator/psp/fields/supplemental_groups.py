"""`supplementalGroups`: the further groups of every container's process."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from migrator.model.field import FieldPath
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


RULE = FieldRule("supplementalGroups", concerns, default_pod=default_pod, validate_pod=validate_pod)
