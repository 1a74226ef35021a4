"""Pods must not choose an SELinux user or role, nor a type other than those made for containers.

Restricted fields:
    spec.securityContext.seLinuxOptions.type, .user, .role
    spec.{containers,initContainers,ephemeralContainers}[*].securityContext.seLinuxOptions.type, .user, .role
Allowed values:
    type: undefined, empty, container_t, container_init_t, container_kvm_t, and from v1.31 container_engine_t
    user, role: undefined, empty
Policy versions:
    v1.0 and later
Sources:
    https://kubernetes.io/docs/concepts/security/pod-security-standards/#baseline
    https://github.com/kubernetes/pod-security-admission/blob/v0.37.2/policy/check_seLinuxOptions.go
"""

from __future__ import annotations

from functools import partial

from migrator.podsecurity.check import Check, Forbidden, from_version
from migrator.podsecurity.level import BASELINE
from migrator.podsecurity.pod import Object, Pod
from migrator.podsecurity.wording import choose_number, join_quoted, name_setters

TYPES_1_0 = frozenset((None, "", "container_t", "container_init_t", "container_kvm_t"))
TYPES_1_31 = TYPES_1_0 | {"container_engine_t"}


def forbid_se_linux_options(pod: Pod, types: frozenset[str | None]) -> Forbidden | None:
    """Forbid a user, a role, and each type that is not in `types`."""
    pod_fields = _find_bad_fields(pod.security_context, types)
    bad = [
        (container, fields)
        for container in pod.containers
        if (fields := _find_bad_fields(container.security_context, types))
    ]
    if not pod_fields and not bad:
        return None
    containers = [container for container, _ in bad]
    setters = name_setters(bool(pod_fields), containers)
    settings = _describe_settings([pod_fields, *(fields for _, fields in bad)])
    return Forbidden(
        "seLinuxOptions",
        f"{setters} set forbidden securityContext.seLinuxOptions: {settings}",
        tuple(("spec", "securityContext", "seLinuxOptions", field) for field in pod_fields)
        + tuple(
            container.field("securityContext", "seLinuxOptions", field)
            for container, fields in bad
            for field in fields
        ),
    )


def _find_bad_fields(security_context: Object, types: frozenset[str | None]) -> dict[str, str]:
    options = security_context.get("seLinuxOptions")
    if not options:
        return {}
    bad = {field: options[field] for field in ("user", "role") if options.get(field)}
    if options.get("type") not in types:
        bad["type"] = options["type"]
    return bad


def _describe_settings(settings: list[dict[str, str]]) -> str:
    types = sorted({fields["type"] for fields in settings if "type" in fields})
    phrases = [f"{choose_number('type', 'types', len(types))} {join_quoted(types)}"] if types else []
    phrases += [
        f"{field} may not be set" for field in ("user", "role") if any(field in fields for fields in settings)
    ]
    return "; ".join(phrases)


CHECK = Check(
    "seLinuxOptions",
    BASELINE,
    (
        from_version(0, partial(forbid_se_linux_options, types=TYPES_1_0)),
        from_version(31, partial(forbid_se_linux_options, types=TYPES_1_31)),
    ),
)
