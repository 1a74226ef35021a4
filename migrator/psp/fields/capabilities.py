"""`defaultAddCapabilities`, `requiredDropCapabilities`, `allowedCapabilities`.

Source: pkg/security/podsecuritypolicy/capabilities.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from migrator.model.field import FieldPath
from migrator.podsecurity.checks import capabilities_baseline, capabilities_restricted
from migrator.podsecurity.level import BASELINE, RESTRICTED
from migrator.psp.demand import Demand, Enforced, write_texts
from migrator.psp.field_rule import Default, FieldRule
from migrator.psp.messages import write_capabilities, write_invalid, write_value
from migrator.psp.model import PodSecurityPolicy
from migrator.psp.pod import Object, get_security_context


def concerns(policy: PodSecurityPolicy) -> bool:
    """Every policy has a say."""
    return True


def default_container(
    policy: PodSecurityPolicy, pod: Object, container: Object, path: FieldPath
) -> Iterator[Default]:
    """What is added by default joins unless the container drops it; what must be dropped joins always.

    The lists are sorted and freed of repetitions, but only where one of them grows.
    """
    if not policy.default_add_capabilities and not policy.required_drop_capabilities:
        return
    own = get_security_context(container).get("capabilities") or {}
    add, drop = set(own.get("add") or ()), set(own.get("drop") or ())
    new_add = add | (set(policy.default_add_capabilities) - drop)
    new_drop = drop | set(policy.required_drop_capabilities)
    if (new_add, new_drop) == (add, drop):
        return
    lists = {"add": sorted(new_add), "drop": sorted(new_drop)}
    yield (
        (*path, "securityContext", "capabilities"),
        {name: names for name, names in lists.items() if names},
    )


def validate_container(policy: PodSecurityPolicy, pod: Object, container: Object, path: FieldPath) -> Iterator[str]:
    """Every addition must be allowed or a default; every required drop must be there."""
    own = get_security_context(container).get("capabilities")
    place = (*path, "securityContext", "capabilities")
    if own is None:
        if policy.default_add_capabilities or policy.required_drop_capabilities:
            text = "required capabilities are not set on the securityContext"
            yield write_invalid(place, "null", text)
        return
    if "*" in policy.allowed_capabilities:
        return
    for name in own.get("add") or ():
        if name not in policy.default_add_capabilities and name not in policy.allowed_capabilities:
            yield write_invalid((*place, "add"), write_value(name), "capability may not be added")
    drop = own.get("drop")
    for name in policy.required_drop_capabilities:
        if name not in (drop or ()):
            text = f"{name} is required to be dropped but was not found"
            yield write_invalid((*place, "drop"), write_capabilities(drop), text)


_OWN: Final = "c.?securityContext.?capabilities"


def demand(policy: PodSecurityPolicy, enforced: Enforced) -> Iterator[Demand]:
    """No addition beyond those allowed, and the required drops; ALL stands for each of them.

    What is added by default is no demand: a container without it can do less.
    """
    if "*" in policy.allowed_capabilities:
        return
    allowed = sorted({*policy.allowed_capabilities, *policy.default_add_capabilities})
    if not _is_addition_covered(allowed, enforced):
        yield Demand(
            f"variables.containers.all(c, {_OWN}.?add.orValue([])"
            + (f".all(a, a in {write_texts(allowed)}))" if allowed else ".size() == 0)"),
            "capabilities.add must hold " + (f"only {', '.join(allowed)}" if allowed else "nothing"),
        )
    required = sorted(set(policy.required_drop_capabilities))
    if not required or enforced.covers(RESTRICTED, since=22):
        return
    dropped = f"{_OWN}.?drop.orValue([])"
    if "ALL" in required:
        yield Demand(f"variables.containers.all(c, 'ALL' in {dropped})", "capabilities.drop must hold ALL")
    else:
        yield Demand(
            f"variables.containers.all(c, {write_texts(required)}.all(d, d in {dropped}) || 'ALL' in {dropped})",
            f"capabilities.drop must hold {', '.join(required)} (or ALL)",
        )


def _is_addition_covered(allowed: Sequence[str], enforced: Enforced) -> bool:
    return (enforced.covers(BASELINE) and capabilities_baseline.ALLOWED.issubset(allowed)) or (
        enforced.covers(RESTRICTED, since=22) and capabilities_restricted.ALLOWED.issubset(allowed)
    )


RULE = FieldRule(
    "capabilities",
    concerns,
    default_container=default_container,
    validate_container=validate_container,
    demand=demand,
)
