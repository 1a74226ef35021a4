"""`seLinux`: the SELinux context of the pod and of its containers.

Source: pkg/security/podsecuritypolicy/selinux.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from migrator.model.field import FieldPath
from migrator.psp.demand import POD_CONTEXT, Demand, Enforced, write_text, write_texts
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


def demand(policy: PodSecurityPolicy, enforced: Enforced) -> Iterator[Demand]:
    """The policy's options for the pod, and for the containers that have their own."""
    required = _get_required_options(policy)
    if required is None:
        return
    equal = " && ".join(_write_is_equal(part, getattr(required, part)) for part in ("level", "role", "type", "user"))
    pod = f"{POD_CONTEXT}.?seLinuxOptions.optMap(o, {equal}).orValue(false)"
    container = f"c.?securityContext.?seLinuxOptions.optMap(o, {equal}).orValue(true)"
    options = ", ".join(f"{name} {value}" for name, value in required.to_object().items())
    yield Demand(
        f"{pod} && variables.containers.all(c, {container})",
        f"securityContext.seLinuxOptions of the pod must be set to {options or 'no values'}, and not otherwise below",
    )


def _write_is_equal(part: str, wanted: str) -> str:
    value = f"o.?{part}.orValue('')"
    sensitivity, colon, categories = wanted.partition(":")
    if part != "level" or not colon or "," not in categories:
        return f"{value} == {write_text(wanted)}"
    # The order of the categories does not matter.
    return (
        f"{value}.startsWith({write_text(sensitivity + colon)})"
        f" && sets.equivalent({value}.split(':', 2)[1].split(','), {write_texts(categories.split(','))})"
    )


RULE = FieldRule(
    "seLinux",
    concerns,
    default_pod=default_pod,
    validate_pod=validate_pod,
    validate_container=validate_container,
    demand=demand,
)
