"""Versions of the Pod Security Standards: `latest` or `v1.N`, N being a Kubernetes minor."""

from __future__ import annotations

import re

from migrator.model.record import record

_VERSION = re.compile(r"v1\.(0|[1-9][0-9]*)")
_LARGEST_MINOR = 2**63 - 1


@record
class PolicyVersion:
    """A policy version; `minor` is None for `latest`, which is newer than every other."""

    minor: int | None

    def __str__(self) -> str:
        return "latest" if self.minor is None else f"v1.{self.minor}"

    def is_older(self, other: PolicyVersion) -> bool:
        """Tell whether this version comes before the other."""
        if self.minor is None:
            return False
        return other.minor is None or self.minor < other.minor


LATEST = PolicyVersion(None)
OLDEST = PolicyVersion(0)
NEWEST = PolicyVersion(37)
"""The newest version that the checks know: that of kubernetes/pod-security-admission v0.37.2."""


def parse_version(text: str) -> PolicyVersion:
    """Read a version as a namespace label writes it.

    Raises ValueError in upstream's words (kubernetes/pod-security-admission, api/helpers.go), which refuses
    `1.25` and `v1.25.3`.
    """
    if text == "latest":
        return LATEST
    match = _VERSION.fullmatch(text)
    if match is None or int(match[1]) > _LARGEST_MINOR:
        raise ValueError('must be "latest" or "v1.x"')
    return PolicyVersion(int(match[1]))


def clamp_version(version: PolicyVersion) -> PolicyVersion:
    """Return the version that decides: NEWEST for `latest` and for every version newer than the checks know."""
    return NEWEST if NEWEST.is_older(version) else version
