"""Scheduling labels: affinity.

Cattle lower-cased keys and values, expanded macros and skipped empty values (AllocationHelperImpl.java); a comma
joins conditions. Global services kept to hard host rules only.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from migrator.model.record import record
from migrator.sources.rancher.compose import KeyOrigin
from migrator.sources.rancher.stack import StackService
from migrator.sources.rancher.translate.model import KeyFate, Part, mark, report
from migrator.sources.rancher.translate.names import is_label_key, is_label_value, make_name
from migrator.sources.rancher.translate.survey import (
    INSTANCE_LABEL,
    NAME_LABEL,
    PART_OF_LABEL,
    Context,
    is_global,
)

AFFINITY_LABEL = "io.rancher.scheduler.affinity:"
HOST_TOPOLOGY = "kubernetes.io/hostname"
_SUFFIX = re.compile(r"(?P<kind>host_label|container_label|container)(?P<soft>_soft)?(?P<not>_ne)?\Z")
_WEIGHT = 100


@record
class Rule:
    """A scheduling rule: host_label, container_label or container; all `pairs` must hold, or none (`negated`)."""

    kind: str
    soft: bool
    negated: bool
    pairs: tuple[tuple[str, str], ...]
    origin: KeyOrigin


def expand_macros(text: str, service: StackService, context: Context) -> str:
    """Expand `${stack_name}` and `${service_name}` as Cattle did when it scheduled."""
    values = {
        "stack_name": context.stack.name,
        "project_name": context.stack.name,
        "service_name": service.name,
        "environment_name": "",
    }
    return re.sub(r"\$\{(\w+)\}", lambda match: values.get(match[1], match[0]), text)


def read_rules(service: StackService, context: Context, fates: list[KeyFate]) -> Iterator[Rule]:
    """Read the rules of a service's labels; unknown ones are reported."""
    for pair in service.pairs("labels"):
        if not pair.name.startswith(AFFINITY_LABEL):
            continue
        match = _SUFFIX.match(pair.name.removeprefix(AFFINITY_LABEL))
        if match is None:
            fates.append(report(pair.origin, "Cattle did not know this rule and ignored it."))
            continue
        pairs = []
        for condition in expand_macros(pair.value or "", service, context).split(","):
            name, _, value = condition.strip().partition("=")
            if name and value:
                pairs.append((name.strip().lower(), value.strip().lower()))
        if match["kind"] == "container" and pair.value:
            pairs = [("container", pair.value)]
        if not pairs:
            fates.append(mark(pair.origin, "ignored", "A rule without a value, which Cattle skipped."))
            continue
        yield Rule(match["kind"], bool(match["soft"]), bool(match["not"]), tuple(pairs), pair.origin)


def build_affinity(service: StackService, context: Context) -> Part:
    """Build the pod's `affinity`."""
    fates: list[KeyFate] = []
    comments: list[str] = []
    hard_nodes: list[dict[str, Any]] = []
    soft_nodes: list[dict[str, Any]] = []
    pods: dict[tuple[bool, bool], list[dict[str, Any]]] = {}
    everywhere = is_global(context.service(context.primary(service.name)))
    for rule in read_rules(service, context, fates):
        if everywhere and (rule.kind != "host_label" or rule.soft):
            fates.append(mark(rule.origin, "ignored", "Cattle ignored this rule for global services."))
        elif rule.kind == "host_label":
            expressions = _read_host_rule(rule, context, fates, comments)
            if rule.soft:
                soft_nodes.append({"weight": _WEIGHT, "preference": {"matchExpressions": expressions}})
            else:
                hard_nodes.extend(expressions)
        elif rule.kind == "container":
            fates.append(
                report(rule.origin, "Pods have no lasting names: name the service instead (container_label).")
            )
        else:
            terms = list(_read_container_rule(rule, context, fates))
            pods.setdefault((rule.negated, rule.soft), []).extend(terms)
    affinity: dict[str, Any] = {}
    if hard_nodes or soft_nodes:
        affinity["nodeAffinity"] = _join_node_rules(hard_nodes, soft_nodes)
    for negated, field in ((False, "podAffinity"), (True, "podAntiAffinity")):
        terms_by_kind = _join_pod_rules(pods.get((negated, False), []), pods.get((negated, True), []))
        if terms_by_kind:
            affinity[field] = terms_by_kind
    return Part(pod={"affinity": affinity}, fates=tuple(fates), comments=tuple(comments))


def _join_node_rules(hard: list[dict[str, Any]], soft: list[dict[str, Any]]) -> dict[str, Any]:
    rules: dict[str, Any] = {}
    if hard:
        rules["requiredDuringSchedulingIgnoredDuringExecution"] = {"nodeSelectorTerms": [{"matchExpressions": hard}]}
    kept = [item for item in soft if item["preference"]["matchExpressions"]]
    if kept:
        rules["preferredDuringSchedulingIgnoredDuringExecution"] = kept
    return rules


def _join_pod_rules(hard: list[dict[str, Any]], soft: list[dict[str, Any]]) -> dict[str, Any]:
    rules: dict[str, Any] = {}
    if hard:
        rules["requiredDuringSchedulingIgnoredDuringExecution"] = hard
    if soft:
        rules["preferredDuringSchedulingIgnoredDuringExecution"] = [
            {"weight": _WEIGHT, "podAffinityTerm": term} for term in soft
        ]
    return rules


def _read_host_rule(rule: Rule, context: Context, fates: list[KeyFate], comments: list[str]) -> list[dict[str, Any]]:
    expressions = []
    for name, value in rule.pairs:
        key = context.policy.host_labels.get(name, name)
        if not is_label_key(key) or not is_label_value(value):
            message = (
                f"{name}={value} is no legal node label; left out: label the nodes otherwise and name that here."
            )
            fates.append(report(rule.origin, message))
            comments.append(message)
            continue
        if name.startswith("io.rancher.") and key == name:
            message = f"{name} was Rancher's host label; left out: find the node label that says the same."
            fates.append(report(rule.origin, message))
            comments.append(message)
            continue
        operator = "NotIn" if rule.negated else "In"
        expressions.append({"key": key, "operator": operator, "values": [value]})
        if key == name:
            fates.append(report(rule.origin, f"Label the nodes: kubectl label node NODE {key}={value}"))
    return expressions


def _read_container_rule(rule: Rule, context: Context, fates: list[KeyFate]) -> Iterator[dict[str, Any]]:
    for name, value in rule.pairs:
        labels, namespace = _find_pod_labels(name, value, context)
        selector = {"matchLabels": labels} if labels else _select_carriers(name, value, context)
        if selector is None:
            fates.append(report(rule.origin, f"{name}={value} is no legal pod label; left out."))
            continue
        term: dict[str, Any] = {"labelSelector": selector, "topologyKey": HOST_TOPOLOGY}
        if namespace and namespace != context.namespace:
            term["namespaces"] = [namespace]
        yield term


def _find_pod_labels(name: str, value: str, context: Context) -> tuple[dict[str, str] | None, str | None]:
    if name in ("io.rancher.stack_service.name", "io.rancher.project_service.name"):
        stack, separator, service = value.partition("/")
        if not separator:
            stack, service = context.stack.name.lower(), stack
        if stack == context.stack.name.lower():
            own = next((known for known in context.names if known.lower() == service), None)
            return (context.selector(own), None) if own else _name_labels(service, context.instance)
        neighbour = next((item for name, item in context.neighbours.items() if name.lower() == stack), None)
        known = [item for item in neighbour.names if item.lower() == service] if neighbour is not None else []
        if neighbour is not None and known:
            return neighbour.selector(known[0]), neighbour.namespace
        other = make_name(stack, fallback="stack")
        labels, _ = _name_labels(service, other)
        return labels, context.policy.namespace or other
    if name in ("io.rancher.stack.name", "io.rancher.project.name"):
        other = make_name(value, fallback="stack")
        return {PART_OF_LABEL: other}, context.policy.namespace or other
    carriers = _find_carriers(name, value, context)
    if len(carriers) == 1:
        return context.selector(carriers[0]), None
    if name.startswith("io.rancher.") or not is_label_key(name) or not is_label_value(value):
        return None, None
    return {name: value}, None


def _select_carriers(name: str, value: str, context: Context) -> dict[str, Any] | None:
    """Select the pods of the services with a label that pods cannot have, or that goes no further, by their names."""
    carriers = _find_carriers(name, value, context)
    if not carriers:
        return None
    names = [context.names[carrier] for carrier in carriers]
    return {
        "matchLabels": {INSTANCE_LABEL: context.instance},
        "matchExpressions": [{"key": NAME_LABEL, "operator": "In", "values": names}],
    }


def _find_carriers(name: str, value: str, context: Context) -> list[str]:
    """Find the services of this stack with a label: Cattle compared it in lower case."""
    found = [
        context.primary(service.name)
        for service in context.stack.services
        if context.has_pods(service.name)
        and any(pair.name.lower() == name and (pair.value or "").lower() == value for pair in service.pairs("labels"))
    ]
    return list(dict.fromkeys(found))


def _name_labels(service: str, stack: str) -> tuple[dict[str, str], None]:
    return {NAME_LABEL: make_name(service), INSTANCE_LABEL: stack}, None
