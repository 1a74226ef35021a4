"""What a policy demands of a pod, as expressions of ValidatingAdmissionPolicy.

A demand is what the policy's validation wanted of a pod with all its values in place; what the policy would have
written into a pod is not written any more, and is demanded. The expressions read `object`, and the variables
`containers` (init containers among them) and `volumes`.

Source: https://kubernetes.io/docs/reference/using-api/cel/
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from migrator.model.record import record
from migrator.podsecurity.level import PRIVILEGED, Level, is_stricter
from migrator.podsecurity.version import OLDEST, PolicyVersion
from migrator.psp.model import IDRange

POD_CONTEXT: Final = "object.spec.?securityContext"
_UNSAFE: Final = re.compile(r"[^ -&(-\[\]-~]")


@record
class Demand:
    """Something that a policy wants of every pod.

    `expression` is CEL, true where the pod has it; `message` says what is wanted, after the word "pod:".
    """

    expression: str
    message: str


@record
class Enforced:
    """What Pod Security refuses in a namespace already: its enforced level, of which version."""

    level: Level = PRIVILEGED
    version: PolicyVersion = OLDEST

    def covers(self, level: Level, since: int = 0, before: int | None = None) -> bool:
        """Tell whether a check is enforced that a level has in the versions v1.`since` up to v1.`before`."""
        return not (
            is_stricter(level, self.level)
            or self.version.is_older(PolicyVersion(since))
            or (before is not None and not self.version.is_older(PolicyVersion(before)))
        )


def write_text(text: str) -> str:
    """Write a string literal of CEL, in printable ASCII."""
    return "'" + _UNSAFE.sub(lambda match: _escape(match[0]), text) + "'"


def _escape(character: str) -> str:
    if character in "'\\":
        return f"\\{character}"
    return f"\\U{ord(character):08x}"


def write_texts(texts: Iterable[str]) -> str:
    """Write a list of string literals."""
    return "[" + ", ".join(map(write_text, texts)) + "]"


def write_in_ranges(name: str, ranges: Iterable[IDRange]) -> str:
    """Write that a number lies in one of some ranges."""
    return " || ".join(_write_in_range(name, item) for item in ranges) or "false"


def _write_in_range(name: str, item: IDRange) -> str:
    return f"{name} == {item.min}" if item.min == item.max else f"{name} >= {item.min} && {name} <= {item.max}"


def describe_ranges(ranges: Iterable[IDRange]) -> str:
    """Say ranges in words."""
    return " or ".join(str(item.min) if item.min == item.max else f"{item.min}-{item.max}" for item in ranges)


def write_effective(field: str) -> str:
    """Write a field of the container `c`'s security context, else of its pod's: an optional value."""
    return f"c.?securityContext.?{field}.or({POD_CONTEXT}.?{field})"
