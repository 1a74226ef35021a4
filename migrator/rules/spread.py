"""Whether the pods of a workload keep their distance from each other already."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

HOSTNAME = "kubernetes.io/hostname"
REVISION_LABEL = "pod-template-hash"
"""The label by which pods of one revision of a Deployment are told from those of another."""


def is_spread(spec: Mapping[str, Any], labels: Mapping[str, str], spread: str) -> bool:
    """Tell whether a pod already keeps its distance from its like.

    By anti-affinity; where a preference is enough, also by a preferred term or a topology spread constraint.
    """
    affinity = ((spec.get("affinity") or {}).get("podAntiAffinity")) or {}
    terms = [*(affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or ())]
    if spread == "preferred":
        preferred = affinity.get("preferredDuringSchedulingIgnoredDuringExecution") or ()
        terms += [item.get("podAffinityTerm") or {} for item in preferred]
        terms += spec.get("topologySpreadConstraints") or ()
    return any(
        term.get("topologyKey") == HOSTNAME
        and not term.get("namespaces")
        and term.get("namespaceSelector") is None
        and _selects(term.get("labelSelector"), labels)
        for term in terms
    )


def blocks_updates(spec: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Tell whether a new pod needs a node without an old one: a required term that does not know revisions apart."""
    affinity = (spec.get("affinity") or {}).get("podAntiAffinity") or {}
    terms = affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or ()
    lasting = [term for term in terms if REVISION_LABEL not in (term.get("matchLabelKeys") or ())]
    return is_spread(
        {"affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": lasting}}},
        labels,
        "required",
    )


def _selects(selector: Any, labels: Mapping[str, str]) -> bool:
    """Tell whether a label selector surely selects pods with these labels."""
    if not isinstance(selector, dict):
        return False
    wanted = dict(selector.get("matchLabels") or {})
    for expression in selector.get("matchExpressions") or ():
        values = expression.get("values") or ()
        if expression.get("operator") != "In" or labels.get(expression.get("key")) not in values:
            return False
        wanted[expression["key"]] = labels[expression["key"]]
    return bool(wanted) and all(labels.get(key) == value for key, value in wanted.items())
