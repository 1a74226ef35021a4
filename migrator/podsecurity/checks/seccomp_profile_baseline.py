"""Pods must not turn seccomp off, nor confine themselves with a profile that is neither default nor local.

Up to v1.18 the annotations of that time are read, from v1.19 the fields; each version ignores the other's.

Restricted fields:
    metadata.annotations["seccomp.security.alpha.kubernetes.io/pod"] (v1.0 to v1.18)
    metadata.annotations["container.seccomp.security.alpha.kubernetes.io/*"] (v1.0 to v1.18)
    spec.securityContext.seccompProfile.type (v1.19 and later)
    spec.{containers,initContainers,ephemeralContainers}[*].securityContext.seccompProfile.type (v1.19 and later)
Allowed values:
    annotation: undefined, runtime/default, docker/default, localhost/*
    type: undefined (without the whole profile), RuntimeDefault, Localhost
Policy versions:
    v1.0 and later; for restricted, seccompProfile_restricted takes its place from v1.19
Sources:
    https://kubernetes.io/docs/concepts/security/pod-security-standards/#baseline
    https://github.com/kubernetes/pod-security-admission/blob/v0.37.2/policy/check_seccompProfile_baseline.go
"""

from __future__ import annotations

from migrator.podsecurity.check import Check, Forbidden, from_version
from migrator.podsecurity.level import BASELINE
from migrator.podsecurity.pod import Container, Object, Pod
from migrator.podsecurity.wording import choose_number, join_quoted, name_setters, quote_go

POD_ANNOTATION = "seccomp.security.alpha.kubernetes.io/pod"
CONTAINER_ANNOTATION_PREFIX = "container.seccomp.security.alpha.kubernetes.io/"
ALLOWED_ANNOTATIONS = frozenset(("runtime/default", "docker/default"))
ALLOWED_TYPES = frozenset(("RuntimeDefault", "Localhost"))


def forbid_seccomp_annotations(pod: Pod) -> Forbidden | None:
    """Forbid annotations that name other profiles; one for a container that does not exist counts for nothing."""
    if not pod.annotations:
        return None
    keys = {POD_ANNOTATION, *(f"{CONTAINER_ANNOTATION_PREFIX}{container.name}" for container in pod.containers)}
    bad = sorted(key for key in keys & pod.annotations.keys() if not _is_allowed(pod.annotations[key] or ""))
    if not bad:
        return None
    # Sorted as whole texts: with a name that begins another's, that is not the order of the keys.
    texts = sorted(f"{key}={quote_go(pod.annotations[key] or '')}" for key in bad)
    return Forbidden(
        "seccompProfile",
        f"forbidden {choose_number('annotation', 'annotations', len(texts))} {', '.join(texts)}",
        tuple(("metadata", "annotations", key) for key in bad),
    )


def forbid_seccomp_profiles(pod: Pod) -> Forbidden | None:
    """Forbid profiles of other types."""
    pod_is_bad = is_bad_profile(pod.security_context.get("seccompProfile"))
    containers = [
        container for container in pod.containers if is_bad_profile(container.security_context.get("seccompProfile"))
    ]
    if not pod_is_bad and not containers:
        return None
    contexts = [pod.security_context] * pod_is_bad + [container.security_context for container in containers]
    return _report_bad_profiles(pod_is_bad, containers, contexts)


def is_bad_profile(profile: Object | None) -> bool:
    """Tell whether a profile is given and of a type that is not allowed."""
    return profile is not None and profile.get("type") not in ALLOWED_TYPES


def _is_allowed(annotation: str) -> bool:
    return annotation in ALLOWED_ANNOTATIONS or annotation.startswith("localhost/")


def _report_bad_profiles(pod_is_bad: bool, containers: list[Container], contexts: list[Object]) -> Forbidden:
    types = sorted({context["seccompProfile"].get("type") or "" for context in contexts})
    return Forbidden(
        "seccompProfile",
        f"{name_setters(pod_is_bad, containers)} must not set securityContext.seccompProfile.type"
        f" to {join_quoted(types)}",
        (("spec", "securityContext", "seccompProfile", "type"),) * pod_is_bad
        + tuple(container.field("securityContext", "seccompProfile", "type") for container in containers),
    )


CHECK = Check(
    "seccompProfile_baseline",
    BASELINE,
    (from_version(0, forbid_seccomp_annotations), from_version(19, forbid_seccomp_profiles)),
)
