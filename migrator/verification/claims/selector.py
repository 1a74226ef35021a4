"""Selectors select whom they selected; a new Service selects the pods of one workload."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from migrator.verification.claim import Claim
from migrator.verification.comparison import Comparison
from migrator.verification.tree import Document

ID = "selector"

_SELECTORS = {
    ("", "Service"): ("selector",),
    ("networking.k8s.io", "NetworkPolicy"): ("podSelector",),
    ("policy", "PodDisruptionBudget"): ("selector",),
}


def find_claims(comparison: Comparison) -> Iterator[Claim]:
    """Claim of each Service, NetworkPolicy and PodDisruptionBudget that it selects whom it is meant to."""
    for pair in comparison.pairs:
        group, kind, namespace, _ = pair.key
        path = _SELECTORS.get((group, kind))
        if path is None or pair.after is None:
            continue
        if pair.before is not None and _read(pair.before, path) is _read(pair.after, path) is None:
            continue
        now = comparison.after.find_selected(namespace, _read(pair.after, path))
        if pair.before is not None:
            then = comparison.before.find_selected(pair.before.ref.namespace, _read(pair.before, path))
            holds = then == now
            because = f"selects {_say(now)}" + ("" if holds else f", selected {_say(then)}")
        else:
            holds = len(now) == 1
            because = f"selects {_say(now)}" + ("" if holds else "; a new Service has to select one workload's pods")
        before = pair.before.location if pair.before is not None else None
        yield Claim(ID, holds, pair.ref, before, pair.after.place_of(("spec", *path)), because)


def _read(document: Document, path: tuple[str, ...]) -> Any:
    selector = (document.data.get("spec") or {}).get(path[0])
    if document.ref.kind == "Service":
        return {"matchLabels": selector} if selector else None
    return selector


def _say(names: frozenset[str]) -> str:
    return ", ".join(sorted(names)) if names else "nobody’s pods"
