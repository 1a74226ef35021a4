"""No object vanished but PodSecurityPolicies and their RBAC; what is new is what a migration adds, and once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

from migrator.sources.tables import load_table
from migrator.verification.claim import Claim
from migrator.verification.comparison import Comparison, Pair, label_pods
from migrator.verification.grants import ACCESS
from migrator.verification.selectors import selects
from migrator.verification.tree import Document

ID = "object"

_REMOVABLE: Final = frozenset({("policy", "PodSecurityPolicy"), ("extensions", "PodSecurityPolicy")}) | ACCESS


def find_claims(comparison: Comparison) -> Iterator[Claim]:
    """Claim of each object that it is there, once. What RBAC may lose is the claim `access`."""
    seen = Counter(pair.after.key for pair in comparison.pairs if pair.before and pair.after)
    for pair in comparison.pairs:
        too_many = False
        if pair.before is None and pair.after is not None:
            too_many = seen[pair.after.key] >= _count_allowed(comparison, pair.after)
            seen[pair.after.key] += 1
        holds, because = _judge(pair, too_many)
        yield Claim(ID, holds, pair.ref, *pair.places(), because)


def _count_allowed(comparison: Comparison, document: Document) -> int:
    """Count how often a new object may stand: a Service as often as the workload that it leads to."""
    selector = {"matchLabels": (document.data.get("spec") or {}).get("selector") or {}}
    copies = Counter(
        workload.ref
        for workload in comparison.after.inventory.workloads
        if workload.ref.namespace == document.ref.namespace and selects(selector, label_pods(workload, selector))
    )
    return max(copies.values(), default=1) if document.ref.kind == "Service" else 1


def _judge(pair: Pair, too_many: bool) -> tuple[bool, str]:
    table = load_table("verification/changes.yaml")
    group, kind, _, name = pair.key
    if pair.after is None:
        holds = (group, kind) in _REMOVABLE
        return holds, "deleted" if holds else "vanished: nothing but PodSecurityPolicies and their RBAC may go"
    if pair.before is not None:
        return True, "there"
    if too_many and not name.endswith("*"):
        return False, "stands in one place more than before"
    added = next((row for row in table["added"] if row["group"] == group and row["kind"] == kind), None)
    if added is None:
        return False, f"new: a migration adds no {kind}"
    stray = sorted(set(_list_fields(pair)) - set(added["fields"]))
    if stray:
        return False, f"new, with {', '.join(stray)}, which a migration does not write"
    return True, "new"


def _list_fields(pair: Pair) -> Iterator[str]:
    """List the fields that a new object has: those of its top, its metadata and its spec."""
    data = pair.after.data if pair.after else {}
    for key, value in data.items():
        if key in ("metadata", "spec") and isinstance(value, dict):
            yield from (f"{key}.{name}" for name in value)
        else:
            yield key
