"""`runAsUser`: the user that a container's process runs as.

Source: pkg/security/podsecuritypolicy/user, and mutateContainer in provider.go for runAsNonRoot.
"""

from __future__ import annotations

from collections.abc import Iterator

from migrator.model.field import FieldPath
from migrator.podsecurity.level import RESTRICTED
from migrator.psp.demand import Demand, Enforced, write_effective
from migrator.psp.field_rule import Default, FieldRule
from migrator.psp.groups import demand_group
from migrator.psp.messages import write_invalid, write_required, write_value
from migrator.psp.model import PodSecurityPolicy
from migrator.psp.pod import Object, get_effective


def concerns(policy: PodSecurityPolicy) -> bool:
    """RunAsAny leaves users alone."""
    return policy.run_as_user.rule != "RunAsAny"


def default_container(
    policy: PodSecurityPolicy, pod: Object, container: Object, path: FieldPath
) -> Iterator[Default]:
    """MustRunAs gives the first range's minimum, MustRunAsNonRoot the marker that the kubelet checks."""
    if get_effective(pod, container, "runAsUser") is not None:
        return
    strategy = policy.run_as_user
    if strategy.rule == "MustRunAs":
        yield (*path, "securityContext", "runAsUser"), strategy.ranges[0].min
    elif strategy.rule == "MustRunAsNonRoot" and get_effective(pod, container, "runAsNonRoot") is None:
        yield (*path, "securityContext", "runAsNonRoot"), True


def validate_container(policy: PodSecurityPolicy, pod: Object, container: Object, path: FieldPath) -> Iterator[str]:
    """The user must lie in a range, or must not be root."""
    user = get_effective(pod, container, "runAsUser")
    place = (*path, "securityContext")
    if policy.run_as_user.rule == "MustRunAs":
        yield from _validate_range(policy, user, (*place, "runAsUser"))
    elif policy.run_as_user.rule == "MustRunAsNonRoot":
        yield from _validate_non_root(get_effective(pod, container, "runAsNonRoot"), user, place)


def _validate_range(policy: PodSecurityPolicy, user: int | None, place: FieldPath) -> Iterator[str]:
    strategy = policy.run_as_user
    if user is None:
        yield write_required(place)
    elif not any(user in item for item in strategy.ranges):
        yield write_invalid(place, write_value(user), f"must be in the ranges: {strategy.ranges_text}")


def _validate_non_root(non_root: bool | None, user: int | None, place: FieldPath) -> Iterator[str]:
    if non_root is None and user is None:
        yield write_required((*place, "runAsNonRoot"), "must be true")
    elif non_root is False:
        yield write_invalid((*place, "runAsNonRoot"), "false", "must be true")
    elif user == 0:
        yield write_invalid((*place, "runAsUser"), "0", "running with the root UID is forbidden")


def demand(policy: PodSecurityPolicy, enforced: Enforced) -> Iterator[Demand]:
    """A user of the ranges, or one that is not root."""
    if policy.run_as_user.rule != "MustRunAsNonRoot":
        yield from demand_group(policy.run_as_user, "runAsUser", of_container=True)
    elif not enforced.covers(RESTRICTED, since=23, before=35):
        user, non_root = write_effective("runAsUser"), write_effective("runAsNonRoot")
        yield Demand(
            f"variables.containers.all(c, {user}.orValue(1) != 0 && {non_root}.orValue({user}.hasValue()))",
            "containers must not run as root: set securityContext.runAsNonRoot: true or a runAsUser above 0",
        )


RULE = FieldRule(
    "runAsUser",
    concerns,
    default_container=default_container,
    validate_container=validate_container,
    demand=demand,
)
