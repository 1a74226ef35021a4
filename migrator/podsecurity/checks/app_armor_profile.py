"""Pods must not turn AppArmor off, nor confine themselves with a profile that is neither default nor local.

The profile stands in fields, and before Kubernetes 1.30 in annotations; both are read at every policy version.

Restricted fields:
    spec.securityContext.appArmorProfile.type
    spec.{containers,initContainers,ephemeralContainers}[*].securityContext.appArmorProfile.type
    metadata.annotations["container.apparmor.security.beta.kubernetes.io/*"]
Allowed values:
    type: undefined (without the whole profile), RuntimeDefault, Localhost
    annotation: undefined, empty, runtime/default, localhost/*
Policy versions:
    v1.0 and later
Sources:
    https://kubernetes.io/docs/concepts/security/pod-security-standards/#baseline
    https://github.com/kubernetes/pod-security-admission/blob/v0.37.2/policy/check_appArmorProfile.go
"""

from __future__ import annotations

from migrator.podsecurity.check import Check, Forbidden, from_version
from migrator.podsecurity.level import BASELINE
from migrator.podsecurity.pod import Object, Pod
from migrator.podsecurity.wording import choose_number, join_quoted, name_setters, quote_go

ANNOTATION_PREFIX = "container.apparmor.security.beta.kubernetes.io/"
ALLOWED_TYPES = frozenset(("RuntimeDefault", "Localhost"))


def forbid_app_armor_profiles(pod: Pod) -> Forbidden | None:
    """Forbid profiles of other types, in fields and in annotations."""
    pod_is_bad = _has_bad_profile(pod.security_context)
    containers = [container for container in pod.containers if _has_bad_profile(container.security_context)]
    annotations = _find_bad_annotations(pod.annotations) if pod.annotations else []
    if not (pod_is_bad or containers or annotations):
        return None
    contexts = [pod.security_context] * pod_is_bad + [container.security_context for container in containers]
    values = sorted({context["appArmorProfile"].get("type") or "" for context in contexts})
    values += sorted(f"{key}={quote_go(pod.annotations[key])}" for key in annotations)
    setters = [name_setters(pod_is_bad, containers)] if contexts else []
    setters += [choose_number("annotation", "annotations", len(annotations))] if annotations else []
    return Forbidden(
        choose_number("forbidden AppArmor profile", "forbidden AppArmor profiles", len(values)),
        f"{' and '.join(setters)} must not set AppArmor profile type to {join_quoted(values)}",
        (("spec", "securityContext", "appArmorProfile", "type"),) * pod_is_bad
        + tuple(container.field("securityContext", "appArmorProfile", "type") for container in containers)
        + tuple(("metadata", "annotations", key) for key in annotations),
    )


def _has_bad_profile(security_context: Object) -> bool:
    profile = security_context.get("appArmorProfile")
    return profile is not None and profile.get("type") not in ALLOWED_TYPES


def _find_bad_annotations(annotations: Object) -> list[str]:
    return [
        key
        for key, value in annotations.items()
        if key.startswith(ANNOTATION_PREFIX)
        and value
        and value != "runtime/default"
        and not value.startswith("localhost/")
    ]


CHECK = Check("appArmorProfile", BASELINE, (from_version(0, forbid_app_armor_profiles),))
