"""Seccomp profiles: annotations of the policy, annotations and fields of the pod.

Source: pkg/security/podsecuritypolicy/seccomp; SeccompAnnotationForField in pkg/api/pod/util.go.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from migrator.model.field import FieldPath
from migrator.psp.demand import POD_CONTEXT, Demand, Enforced
from migrator.psp.field_rule import Default, FieldRule
from migrator.psp.messages import write_annotation_path, write_forbidden
from migrator.psp.model import PodSecurityPolicy
from migrator.psp.pod import (
    SECCOMP_CONTAINER_PREFIX,
    SECCOMP_POD,
    Object,
    get_annotations,
    get_security_context,
    get_spec,
)
from migrator.psp.profiles import describe_profiles, write_is_allowed


def convert_field(profile: Object) -> str:
    """Write a `seccompProfile` as the annotation says it; empty where no annotation can."""
    kind, path = profile.get("type"), profile.get("localhostProfile")
    if kind == "Localhost":
        return "" if path is None else f"localhost/{path}"
    return {"Unconfined": "unconfined", "RuntimeDefault": "runtime/default"}.get(str(kind), "")


def convert_annotation(profile: str) -> dict[str, Any] | None:
    """Write an annotation's profile as a `seccompProfile`; None where no field can."""
    if profile == "unconfined":
        return {"type": "Unconfined"}
    if profile in ("runtime/default", "docker/default"):
        return {"type": "RuntimeDefault"}
    if profile.startswith("localhost/") and profile != "localhost/":
        return {"type": "Localhost", "localhostProfile": profile.removeprefix("localhost/")}
    return None


def concerns(policy: PodSecurityPolicy) -> bool:
    """Every policy has a say."""
    return True


def default_pod(policy: PodSecurityPolicy, pod: Object) -> Iterator[Default]:
    """The annotation follows the pod's field, else the policy's default.

    That a field alone is copied into the annotation makes every policy a mutating one for such a pod.
    """
    if get_annotations(pod).get(SECCOMP_POD):
        return
    field = get_security_context(get_spec(pod)).get("seccompProfile")
    profile = policy.seccomp.default if field is None else convert_field(field)
    if profile:
        yield ("metadata", "annotations", SECCOMP_POD), profile


def validate_pod(policy: PodSecurityPolicy, pod: Object) -> Iterator[str]:
    """The pod's profile must be an allowed one."""
    profile = get_annotations(pod).get(SECCOMP_POD, "")
    field = get_security_context(get_spec(pod)).get("seccompProfile")
    if not profile and field is not None:
        profile = convert_field(field)
    yield from _validate(policy, profile, SECCOMP_POD)


def validate_container(policy: PodSecurityPolicy, pod: Object, container: Object, path: FieldPath) -> Iterator[str]:
    """So must the profile of each container, which is the pod's unless it has its own."""
    key = SECCOMP_CONTAINER_PREFIX + str(container.get("name"))
    yield from _validate(policy, _find_profile(pod, container, key), key)


def _find_profile(pod: Object, container: Object, key: str) -> str:
    annotations = get_annotations(pod)
    own = get_security_context(container).get("seccompProfile")
    if own is not None:
        return convert_field(own)
    if key in annotations:
        return annotations[key]
    inherited = get_security_context(get_spec(pod)).get("seccompProfile")
    return annotations.get(SECCOMP_POD, "") if inherited is None else convert_field(inherited)


def _validate(policy: PodSecurityPolicy, profile: str, key: str) -> Iterator[str]:
    allowed = policy.seccomp.allowed or frozenset()
    if "*" in allowed:
        return
    if not allowed:
        if profile:
            yield write_forbidden(write_annotation_path(key), "seccomp may not be set")
    elif profile not in allowed:
        text = f"{profile} is not an allowed seccomp profile. Valid values are {policy.seccomp.allowed_text}"
        yield write_forbidden(write_annotation_path(key), text)


def demand(policy: PodSecurityPolicy, enforced: Enforced) -> Iterator[Demand]:
    """A listed profile for the pod, and for the containers that have their own; none where none is listed."""
    allowed = policy.seccomp.allowed or frozenset()
    if "*" in allowed:
        return
    if allowed <= {""} and policy.seccomp.default:
        yield Demand("false", "no pod is admitted: the policy writes a seccomp profile that it does not allow")
        return
    if allowed <= {""}:
        yield Demand(
            f"!{POD_CONTEXT}.?seccompProfile.hasValue()"
            " && variables.containers.all(c, !c.?securityContext.?seccompProfile.hasValue())",
            "securityContext.seccompProfile must not be set",
        )
        return
    inside = write_is_allowed(allowed)
    unset = "true" if "" in allowed and not policy.seccomp.default else "false"
    yield Demand(
        f"{POD_CONTEXT}.?seccompProfile.optMap(p, {inside}).orValue({unset})"
        f" && variables.containers.all(c, c.?securityContext.?seccompProfile.optMap(p, {inside}).orValue(true))",
        f"securityContext.seccompProfile of the pod must be set to {describe_profiles(allowed)}, "
        "and not otherwise below",
    )


RULE = FieldRule(
    "seccomp",
    concerns,
    default_pod=default_pod,
    validate_pod=validate_pod,
    validate_container=validate_container,
    demand=demand,
)
