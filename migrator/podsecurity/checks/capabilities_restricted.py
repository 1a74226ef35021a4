"""Containers must drop all capabilities, and may add no other than NET_BIND_SERVICE.

Dropping every capability by its name is not enough: the list must hold the word ALL, in capitals.

Restricted fields:
    spec.{containers,initContainers,ephemeralContainers}[*].securityContext.capabilities.drop
    spec.{containers,initContainers,ephemeralContainers}[*].securityContext.capabilities.add
Allowed values:
    drop: any list that holds ALL
    add: undefined, empty, NET_BIND_SERVICE
Policy versions:
    v1.22 and later; from v1.25 pods of Windows (os.name) pass
Sources:
    https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted
    https://github.com/kubernetes/pod-security-admission/blob/v0.37.2/policy/check_capabilities_restricted.go
"""

from __future__ import annotations

from migrator.podsecurity.check import Check, Forbidden, except_windows, from_version
from migrator.podsecurity.checks.capabilities_baseline import (
    describe_forbidden_capabilities,
    find_forbidden_capabilities,
    list_forbidden_capabilities,
)
from migrator.podsecurity.level import RESTRICTED
from migrator.podsecurity.pod import Container, Pod
from migrator.podsecurity.wording import name_containers

ALLOWED = frozenset(("NET_BIND_SERVICE",))


def require_dropped_capabilities(pod: Pod) -> Forbidden | None:
    """Require the drop of ALL and forbid added capabilities that are not in ALLOWED."""
    keeping = [container for container in pod.containers if not _drops_all(container)]
    adding = [
        (container, added)
        for container in pod.containers
        if (added := find_forbidden_capabilities(container, ALLOWED))
    ]
    details = []
    if keeping:
        details.append(f'{name_containers(keeping)} must set securityContext.capabilities.drop=["ALL"]')
    if adding:
        details.append(describe_forbidden_capabilities(adding))
    if not details:
        return None
    return Forbidden(
        "unrestricted capabilities",
        "; ".join(details),
        tuple(container.field("securityContext", "capabilities", "drop") for container in keeping)
        + list_forbidden_capabilities(adding),
    )


def _drops_all(container: Container) -> bool:
    capabilities = container.security_context.get("capabilities")
    return capabilities is not None and "ALL" in (capabilities.get("drop") or ())


CHECK = Check(
    "capabilities_restricted",
    RESTRICTED,
    (
        from_version(22, require_dropped_capabilities),
        from_version(25, except_windows(require_dropped_capabilities)),
    ),
    overrides=("capabilities_baseline",),
)
