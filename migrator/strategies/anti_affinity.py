"""Keep the pods of a workload on different nodes, as its host port did."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from migrator.model.edit import APPEND, FieldEdit
from migrator.model.plan import Change
from migrator.publishing.proposal import Group, Proposal, find_effect, remove_host_ports
from migrator.rules.host_port import find_selector
from migrator.rules.spread import is_spread
from migrator.strategies.rollout import replace_before_adding
from migrator.templates import render_template
from migrator.yaml.data import load_text

MATCH_LABEL_KEYS = (1, 33)


def propose(group: Group) -> Proposal:
    """Propose anti-affinity instead of the host port."""
    proposal = Proposal(remove_host_ports(group))
    proposal.changes.extend(spread_pods(group, group.options.get("spread", "required")))
    return proposal


def spread_pods(group: Group, spread: str) -> Iterator[Change]:
    """Add anti-affinity on the node's name where nothing of the kind is there yet.

    `spread` is required or preferred. A required term comes with what keeps a rolling update from locking itself
    out: matchLabelKeys, or a rollout without surge.
    """
    workload = group.workload
    decision = group.decisions[0]
    labels = dict(find_selector(workload))
    if not labels or is_spread(workload, spread):
        return
    by_revision = (
        spread == "required"
        and group.world.policy.cluster.version >= MATCH_LABEL_KEYS
        and workload.ref.kind == "Deployment"
    )
    term = _fill_in(_load_term(spread == "required", by_revision), labels)
    key = f"{spread}DuringSchedulingIgnoredDuringExecution"
    path = (*workload.kind.template, "spec", "affinity", "podAntiAffinity", key, APPEND)
    what = "two replicas stay on different nodes" if spread == "required" else "replicas prefer different nodes"
    yield Change(
        rule=decision.rule,
        decision=decision.row,
        strategy="anti_affinity",
        phase="contract",
        action="update",
        resource=workload.ref,
        location=workload.location,
        workload=workload.ref,
        reason=group.reason(decision, what),
        effect=find_effect(workload),
        edit=FieldEdit("add", path, term, before=("initContainers", "containers", "volumes")),
    )
    if spread == "required" and not by_revision:
        yield from replace_before_adding(group.workload, decision, group.reason)


@cache
def _load_term(required: bool, by_revision: bool) -> Any:
    """Load the term that the template makes, for labels that are yet to come."""
    text = render_template("anti_affinity.yaml.j2", labels={"app": "any"}, required=required, by_revision=by_revision)
    return load_text(text)


def _fill_in(term: Any, labels: Mapping[str, str]) -> Any:
    """Give a copy of a term with these labels: rendering and reading it for every workload would be dear."""
    if isinstance(term, dict):
        return {key: dict(labels) if key == "matchLabels" else _fill_in(item, labels) for key, item in term.items()}
    return [_fill_in(item, labels) for item in term] if isinstance(term, list) else term
