"""What a namespace's Pod Security labels ask for, and what invalid ones do.

The semantics are those of kubernetes/pod-security-admission, api/helpers.go (PolicyToEvaluate).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from migrator.model.record import record
from migrator.podsecurity.level import LEVELS, PRIVILEGED, RESTRICTED, Level, is_stricter, parse_level
from migrator.podsecurity.version import LATEST, PolicyVersion, parse_version
from migrator.podsecurity.wording import quote_go

PREFIX = "pod-security.kubernetes.io/"
ENFORCE = f"{PREFIX}enforce"
AUDIT = f"{PREFIX}audit"
WARN = f"{PREFIX}warn"
ENFORCE_VERSION = f"{ENFORCE}-version"
AUDIT_VERSION = f"{AUDIT}-version"
WARN_VERSION = f"{WARN}-version"

_T = TypeVar("_T")


@record
class LevelVersion:
    """A level at a policy version, written `restricted:v1.34`."""

    level: Level
    version: PolicyVersion

    def __str__(self) -> str:
        return f"{self.level}:{self.version}"


@record
class NamespacePolicy:
    """What a namespace enforces, audits and warns of."""

    enforce: LevelVersion
    audit: LevelVersion
    warn: LevelVersion


UNSET = LevelVersion(PRIVILEGED, LATEST)
DEFAULT_POLICY = NamespacePolicy(UNSET, UNSET, UNSET)
"""What a server without a PodSecurityConfiguration takes for labels that are not there."""


@record
class InvalidLabel:
    """A label whose value is not valid; as text it is the API's own error."""

    label: str
    value: str
    detail: str

    def __str__(self) -> str:
        return f"metadata.labels[{self.label}]: Invalid value: {quote_go(self.value)}: {self.detail}"


def read_labels(
    labels: Mapping[str, str], defaults: NamespacePolicy = DEFAULT_POLICY
) -> tuple[NamespacePolicy, tuple[InvalidLabel, ...]]:
    """Resolve the labels of a namespace to the policy that an API server applies, and list the invalid ones.

    An invalid enforce level counts as restricted, an invalid audit or warn level as privileged, an invalid version
    as latest. Without a warn label a stricter (valid) enforce level warns too.
    """
    enforce, *enforce_invalid = _read_mode(labels, ENFORCE, defaults.enforce, RESTRICTED)
    audit, *audit_invalid = _read_mode(labels, AUDIT, defaults.audit, PRIVILEGED)
    warn, *warn_invalid = _read_mode(labels, WARN, defaults.warn, PRIVILEGED)
    if WARN not in labels and labels.get(ENFORCE) in LEVELS and is_stricter(enforce.level, warn.level):
        warn = LevelVersion(enforce.level, warn.version if WARN_VERSION in labels else enforce.version)
    invalid = (*enforce_invalid, *audit_invalid, *warn_invalid)
    return NamespacePolicy(enforce, audit, warn), tuple(label for label in invalid if label is not None)


def _read_mode(
    labels: Mapping[str, str], label: str, default: LevelVersion, fallback: Level
) -> tuple[LevelVersion, InvalidLabel | None, InvalidLabel | None]:
    level, invalid_level = _read(labels, label, parse_level, default.level, fallback)
    version, invalid_version = _read(labels, f"{label}-version", parse_version, default.version, LATEST)
    return LevelVersion(level, version), invalid_level, invalid_version


def _read(
    labels: Mapping[str, str], label: str, parse: Callable[[str], _T], default: _T, fallback: _T
) -> tuple[_T, InvalidLabel | None]:
    if label not in labels:
        return default, None
    try:
        return parse(labels[label]), None
    except ValueError as error:
        return fallback, InvalidLabel(label, labels[label], str(error))
