"""What a check is: an id, a level, and one function per span of policy versions."""

from __future__ import annotations

from collections.abc import Callable

from migrator.model.field import FieldPath
from migrator.model.record import record
from migrator.podsecurity.level import Level
from migrator.podsecurity.pod import Pod
from migrator.podsecurity.version import PolicyVersion


@record
class Forbidden:
    """Why a check forbids a pod: upstream's reason and detail, and the fields at fault.

    A field that is missing is named where it belongs.
    """

    reason: str
    detail: str
    fields: tuple[FieldPath, ...]


CheckPod = Callable[[Pod], Forbidden | None]


@record
class VersionedCheck:
    """What a check does from one policy version on."""

    minimum_version: PolicyVersion
    check_pod: CheckPod


@record
class Check:
    """One check of the Pod Security Standards (policy/checks.go).

    `versions` are in increasing order; before the first the check does not exist. `overrides` names the baseline
    checks that a restricted check replaces wherever it exists.
    """

    id: str
    level: Level
    versions: tuple[VersionedCheck, ...]
    overrides: tuple[str, ...] = ()


def from_version(minor: int, check_pod: CheckPod) -> VersionedCheck:
    """Write one line of a check's versions: what it does from v1.`minor` on."""
    return VersionedCheck(PolicyVersion(minor), check_pod)


def except_windows(check_pod: CheckPod) -> CheckPod:
    """Let pods pass whose operating system is Windows, where the API refuses the field that the check wants."""
    return lambda pod: None if pod.is_windows else check_pod(pod)


def except_user_namespaces(check_pod: CheckPod) -> CheckPod:
    """Let pods pass that have a user namespace, where root is not the node's root (KEP-127)."""
    return lambda pod: None if pod.has_user_namespace else check_pod(pod)
