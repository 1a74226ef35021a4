"""`seLinux`: the SELinux context of the pod and of its containers.

Source: pkg/security/podsecuritypolicy/selinux.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from migrator.model.field import FieldPath
from migrator.psp.field_rule import Default, FieldRule
from migrator.psp.messages import write_invalid, write_required, write_value
from migrator.psp.model import PodSecurityPolicy, SELinuxOptions
from migrator.psp.pod import Object, get_effective, get_security_context, get_spec

_PATH: Final[FieldPath] = ("spec", "securityContext", "seLinuxOptions")


def concerns(policy: PodSecurityPolicy) -> bool:
    """RunAsAny leaves contexts alone."""
    return policy.se_linux.rule == "MustRunAs"


def default_pod(policy: PodSecurityPolicy, pod: Object) -> Iterator[Default]:
    """MustRunAs gives its options to the pod; containers then inherit them."""
    options = _get_required_options(policy)
    if options is not None and get_security_context(get_spec(pod)).get("seLinuxOptions") is None:
        yield _PATH, options.to_object()


def validate_pod(policy: PodSecurityPolicy, pod: Object) -> Iterator[str]:
    """The pod's options must be the policy's."""
    yield from _validate(policy, get_security_context(get_spec(pod)).get("seLinuxOptions"), _PATH)


def validate_container(policy: PodSecurityPolicy, pod: Object, container: Object, path: FieldPath) -> Iterator[str]:
    """So must the container's."""
    actual = get_effective(pod, container, "seLinuxOptions")
    yield from _validate(policy, actual, (*path, "securityContext", "seLinuxOptions"))


def _get_required_options(policy: PodSecurityPolicy) -> SELinuxOptions | None:
    return policy.se_linux.options if policy.se_linux.rule == "MustRunAs" else None


def _validate(policy: PodSecurityPolicy, actual: Object | None, place: FieldPath) -> Iterator[str]:
    required = _get_required_options(policy)
    if required is None:
        return
    if actual is None:
        yield write_required(place)
        return
    for part in ("level", "role", "type", "user"):
        wanted, found = getattr(required, part), actual.get(part) or ""
        if wanted != found and not (part == "level" and are_levels_equal(wanted, found)):
            yield write_invalid((*place, part), write_value(found), f"must be {wanted}")


def are_levels_equal(one: str, other: str) -> bool:
    """Compare two levels, such as `s0:c6,c0`; the order of the categories does not matter."""
    if one == other:
        return True
    sensitivity, colon, categories = one.partition(":")
    other_sensitivity, other_colon, other_categories = other.partition(":")
    return bool(
        colon
        and other_colon
        and sensitivity == other_sensitivity
        and sorted(categories.split(",")) == sorted(other_categories.split(","))
    )


RULE = FieldRule(
    "seLinux", concerns, default_pod=default_pod, validate_pod=validate_pod, validate_container=validate_container
)
