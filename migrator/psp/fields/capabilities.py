"""`defaultAddCapabilities`, `requiredDropCapabilities`, `allowedCapabilities`.

Source: pkg/security/podsecuritypolicy/capabilities.
"""

from __future__ import annotations

from collections.abc import Iterator

from migrator.model.field import FieldPath
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


RULE = FieldRule("capabilities", concerns, default_container=default_container, validate_container=validate_container)
