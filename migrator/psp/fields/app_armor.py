"""AppArmor profiles: annotations of the policy and of the pod.

Source: pkg/security/podsecuritypolicy/apparmor.
"""

from __future__ import annotations

from collections.abc import Iterator

from migrator.model.field import FieldPath
from migrator.psp.demand import Demand, Enforced, write_effective
from migrator.psp.field_rule import Default, FieldRule
from migrator.psp.messages import write_annotation_path, write_forbidden, write_value
from migrator.psp.model import PodSecurityPolicy
from migrator.psp.pod import APPARMOR_CONTAINER_PREFIX, Object, get_annotations
from migrator.psp.profiles import describe_profiles, write_is_allowed


def concerns(policy: PodSecurityPolicy) -> bool:
    """Without annotations profiles are left alone."""
    return bool(policy.app_armor.default) or policy.app_armor.allowed is not None


def default_container(
    policy: PodSecurityPolicy, pod: Object, container: Object, path: FieldPath
) -> Iterator[Default]:
    """A container without a profile gets the policy's default."""
    key = APPARMOR_CONTAINER_PREFIX + str(container.get("name"))
    if policy.app_armor.default and not get_annotations(pod).get(key):
        yield ("metadata", "annotations", key), policy.app_armor.default


def validate_container(policy: PodSecurityPolicy, pod: Object, container: Object, path: FieldPath) -> Iterator[str]:
    """Where the policy lists profiles, one must be set, and be of the list."""
    profiles = policy.app_armor
    if profiles.allowed is None:
        return
    key = APPARMOR_CONTAINER_PREFIX + str(container.get("name"))
    profile = get_annotations(pod).get(key)
    if not profile:
        yield write_forbidden(write_annotation_path(key), "AppArmor profile must be set")
    elif profile not in profiles.allowed:
        text = f"{profile} is not an allowed profile. Allowed values: {write_value(profiles.allowed_text)}"
        yield write_forbidden(write_annotation_path(key), text)


def demand(policy: PodSecurityPolicy, enforced: Enforced) -> Iterator[Demand]:
    """A listed profile; the API server keeps annotations and fields in line."""
    if policy.app_armor.allowed is not None:
        allowed = write_is_allowed(policy.app_armor.allowed)
        yield Demand(
            f"variables.containers.all(c, {write_effective('appArmorProfile')}.optMap(p, {allowed}).orValue(false))",
            f"appArmorProfile must be set to {describe_profiles(policy.app_armor.allowed)}",
        )


RULE = FieldRule(
    "appArmor",
    concerns,
    default_container=default_container,
    validate_container=validate_container,
    demand=demand,
)
