"""What a pod violates: all checks of one policy version, run once."""

from __future__ import annotations

import marshal
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from migrator.model.field import FieldPath
from migrator.model.record import record
from migrator.podsecurity.level import BASELINE, PRIVILEGED, RESTRICTED, Level
from migrator.podsecurity.pod import MalformedPodError, Pod, pack_seen, read_pod
from migrator.podsecurity.registry import ActiveCheck, list_active_checks
from migrator.podsecurity.version import PolicyVersion

KNOWN_PODS = 4096
"""Verdicts that are kept: the pods of a cluster are many of few sorts."""


@record
class Violation:
    """What one check forbids in a pod, in upstream's words.

    `level` is the check's. `fields` lead from the pod to each value at fault; a missing one is named where it
    belongs, under parents that may be missing too. An `overridden` violation counts for baseline alone, since a
    restricted check judges the same fields for restricted.
    """

    level: Level
    check: str
    reason: str
    detail: str
    fields: tuple[FieldPath, ...]
    overridden: bool = False


@record
class Evaluation:
    """The strictest level that a pod satisfies, and everything it violates at either level in upstream's order."""

    level: Level
    violations: tuple[Violation, ...]

    def violations_at(self, level: Level) -> tuple[Violation, ...]:
        """Return what upstream's evaluator yields for a level."""
        return tuple(violation for violation in self.violations if _counts(violation, level))


def evaluate_pod(metadata: Mapping[str, Any], spec: Mapping[str, Any], version: PolicyVersion) -> Evaluation:
    """Run every check of a policy version once and say which level the pod satisfies.

    `metadata` and `spec` are those of a pod, or of a pod template, as the API takes them in JSON. A version newer
    than the checks know is judged as the newest.
    Raises MalformedPodError where a field has not the type that the API gives it.
    """
    return _evaluate_seen(pack_seen(metadata, spec), version)


@lru_cache(KNOWN_PODS)
def _evaluate_seen(seen: bytes, version: PolicyVersion) -> Evaluation:
    violations = tuple(_run_checks(read_pod(*marshal.loads(seen)), list_active_checks(version)))
    return Evaluation(_find_level(violations), violations)


def evaluate_level(
    metadata: Mapping[str, Any], spec: Mapping[str, Any], level: Level, version: PolicyVersion
) -> tuple[Violation, ...]:
    """Run the checks of one level: what an API server says that enforces it.

    Restricted runs the baseline checks too, but for those that its own checks override.
    Raises MalformedPodError as `evaluate_pod` does.
    """
    checks = tuple(check for check in list_active_checks(version) if _counts(check, level))
    return tuple(_run_checks(read_pod(metadata, spec), checks))


def _run_checks(pod: Pod, checks: tuple[ActiveCheck, ...]) -> Iterator[Violation]:
    for check in checks:
        try:
            forbidden = check.check_pod(pod)
        except (AttributeError, TypeError) as error:
            # Checking the type of every field would cost each sound pod more than the checks themselves.
            raise MalformedPodError(f"check {check.id} cannot read the pod: {error}") from error
        if forbidden is not None:
            yield Violation(
                check.level, check.id, forbidden.reason, forbidden.detail, forbidden.fields, check.overridden
            )


def _counts(subject: ActiveCheck | Violation, level: Level) -> bool:
    if level == RESTRICTED:
        return not subject.overridden
    return level == subject.level == BASELINE


def _find_level(violations: tuple[Violation, ...]) -> Level:
    for level in (RESTRICTED, BASELINE):
        if not any(_counts(violation, level) for violation in violations):
            return level
    return PRIVILEGED
