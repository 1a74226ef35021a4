"""Containers must not add capabilities beyond those that container runtimes give anyway.

NET_RAW is not among the allowed ones. A name counts as it is written: `CAP_CHOWN` and `chown` are not `CHOWN`.

Restricted fields:
    spec.{containers,initContainers,ephemeralContainers}[*].securityContext.capabilities.add
Allowed values:
    undefined, empty, and any of
    AUDIT_WRITE, CHOWN, DAC_OVERRIDE, FOWNER, FSETID, KILL, MKNOD, NET_BIND_SERVICE, SETFCAP, SETGID, SETPCAP,
    SETUID, SYS_CHROOT
Policy versions:
    v1.0 and later; for restricted, capabilities_restricted takes its place from v1.22
Sources:
    https://kubernetes.io/docs/concepts/security/pod-security-standards/#baseline
    https://github.com/kubernetes/pod-security-admission/blob/v0.37.2/policy/check_capabilities_baseline.go
"""

from __future__ import annotations

from migrator.model.field import FieldPath
from migrator.podsecurity.check import Check, Forbidden, from_version
from migrator.podsecurity.level import BASELINE
from migrator.podsecurity.pod import Container, Pod
from migrator.podsecurity.wording import join_quoted, name_containers

ALLOWED = frozenset(
    (
        "AUDIT_WRITE",
        "CHOWN",
        "DAC_OVERRIDE",
        "FOWNER",
        "FSETID",
        "KILL",
        "MKNOD",
        "NET_BIND_SERVICE",
        "SETFCAP",
        "SETGID",
        "SETPCAP",
        "SETUID",
        "SYS_CHROOT",
    )
)


def forbid_capabilities(pod: Pod) -> Forbidden | None:
    """Forbid every added capability that is not in ALLOWED."""
    bad = [
        (container, added)
        for container in pod.containers
        if (added := find_forbidden_capabilities(container, ALLOWED))
    ]
    if not bad:
        return None
    return Forbidden(
        "non-default capabilities",
        describe_forbidden_capabilities(bad),
        list_forbidden_capabilities(bad),
    )


def find_forbidden_capabilities(container: Container, allowed: frozenset[str]) -> dict[int, str]:
    """Find the added capabilities that are not allowed, by their index in the list."""
    capabilities = container.security_context.get("capabilities")
    if not capabilities:
        return {}
    added = capabilities.get("add") or ()
    return {index: name or "" for index, name in enumerate(added) if name not in allowed}


def describe_forbidden_capabilities(bad: list[tuple[Container, dict[int, str]]]) -> str:
    """Write which containers must not add which capabilities."""
    names = {name for _, added in bad for name in added.values()}
    return (
        f"{name_containers([container for container, _ in bad])} must not include {join_quoted(sorted(names))}"
        " in securityContext.capabilities.add"
    )


def list_forbidden_capabilities(bad: list[tuple[Container, dict[int, str]]]) -> tuple[FieldPath, ...]:
    """List the path of every added capability that is not allowed."""
    return tuple(
        container.field("securityContext", "capabilities", "add", index)
        for container, added in bad
        for index in added
    )


CHECK = Check("capabilities_baseline", BASELINE, (from_version(0, forbid_capabilities),))
