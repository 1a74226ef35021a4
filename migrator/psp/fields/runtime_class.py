"""`runtimeClass`: the runtime class of a pod."""

from __future__ import annotations

from collections.abc import Iterator

from migrator.psp.demand import Demand, Enforced, write_texts
from migrator.psp.field_rule import Default, FieldRule
from migrator.psp.messages import write_invalid, write_value
from migrator.psp.model import PodSecurityPolicy
from migrator.psp.pod import Object, get_spec


def concerns(policy: PodSecurityPolicy) -> bool:
    """Most policies do not speak of runtime classes."""
    return policy.runtime_class is not None


def default_pod(policy: PodSecurityPolicy, pod: Object) -> Iterator[Default]:
    """A pod that names none gets the policy's default, if it has one."""
    strategy = policy.runtime_class
    if strategy is not None and strategy.default_name is not None and get_spec(pod).get("runtimeClassName") is None:
        yield ("spec", "runtimeClassName"), strategy.default_name


def validate_pod(policy: PodSecurityPolicy, pod: Object) -> Iterator[str]:
    """No name is always allowed; a name must be listed, where the policy speaks of them at all."""
    name = get_spec(pod).get("runtimeClassName")
    strategy = policy.runtime_class
    if name is None or strategy is None or "*" in strategy.allowed_names or name in strategy.allowed_names:
        return
    yield write_invalid("spec.runtimeClassName", write_value(name))


def demand(policy: PodSecurityPolicy, enforced: Enforced) -> Iterator[Demand]:
    """No runtime class that is not listed."""
    if policy.runtime_class is None or "*" in policy.runtime_class.allowed_names:
        return
    names = policy.runtime_class.allowed_names
    yield Demand(
        f"!has(object.spec.runtimeClassName) || object.spec.runtimeClassName in {write_texts(names)}"
        if names
        else "!has(object.spec.runtimeClassName)",
        f"runtimeClassName must be {' or '.join(names)}" if names else "runtimeClassName must not be set",
    )


RULE = FieldRule("runtimeClass", concerns, default_pod=default_pod, validate_pod=validate_pod, demand=demand)
