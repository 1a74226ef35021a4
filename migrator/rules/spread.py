"""Whether the pods of a workload keep their distance from each other already."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from migrator.model.workload import Workload

HOSTNAME = "kubernetes.io/hostname"
REVISION_LABEL = "pod-template-hash"
"""The label by which pods of one revision of a Deployment are told from those of another."""


def is_spread(workload: Workload, spread: str) -> bool:
    """Tell whether a workload's pods already keep their distance from each other.

    By anti-affinity; where a preference is enough, also by a preferred term or a topology spread constraint.
    """
    if not workload.pod.may_have("podAntiAffinity", "topologySpreadConstraints"):
        return False
    return _keeps_distance(workload.pod.unpack()["spec"], workload.pod_labels, spread)


def _keeps_distance(spec: Mapping[str, Any], labels: Mapping[str, str], spread: str) -> bool:
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


def blocks_updates(workload: Workload) -> bool:
    """Tell whether a new pod needs a node without an old one: a required term that does not know revisions apart."""
    if not workload.pod.may_have("podAntiAffinity"):
        return False
    affinity = (workload.pod.unpack()["spec"].get("affinity") or {}).get("podAntiAffinity") or {}
    terms = affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or ()
    lasting = [term for term in terms if REVISION_LABEL not in (term.get("matchLabelKeys") or ())]
    spec = {"affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": lasting}}}
    return _keeps_distance(spec, workload.pod_labels, "required")


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
