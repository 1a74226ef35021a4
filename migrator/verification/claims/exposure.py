"""Nothing forbidden became possible: no new privileges of pods, no port opened that was closed, no weaker level."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from migrator.model.field import FieldPath
from migrator.model.objects import Service, ServicePort
from migrator.model.workload import ANY_ADDRESS, Workload
from migrator.podsecurity.evaluate import evaluate_pod
from migrator.podsecurity.level import is_stricter
from migrator.podsecurity.pod import MalformedPodError
from migrator.podsecurity.version import NEWEST
from migrator.verification.asked import find_asked, list_lasting
from migrator.verification.claim import Claim
from migrator.verification.comparison import Comparison, Pair, WorkloadPair, label_pods
from migrator.verification.pods import CONTAINER_LISTS, get_value
from migrator.verification.reach import EXTERNAL, resolve_target
from migrator.verification.selectors import selects

ID = "exposure"

_ANY: Final = (ANY_ADDRESS, "::", "")
_PUBLISHING: Final = frozenset({"node_port", "node_port_per_pod", "load_balancer"})

Fact = tuple[str, str, str]
"""A check of Pod Security that a pod fails, the container at fault, and the value."""


def find_claims(comparison: Comparison) -> Iterator[Claim]:
    """Claim of each workload, new or changed Service, and Namespace that it opens nothing."""
    for item in comparison.workloads:
        problem = _find_new_ports(item) or _find_new_facts(comparison, item)
        yield Claim(ID, problem is None, item.ref, *item.pair.places(), problem or "its pods may do nothing more")
    for old, service in comparison.services:
        yield from _judge_service(comparison, old, service)
    for pair in comparison.pairs:
        if pair.ref.kind == "Namespace" and pair.before is not None:
            problem = _find_weaker_level(comparison, pair)
            yield Claim(ID, problem is None, pair.ref, *pair.places(), problem or "no level is weaker than it was")


def _find_new_ports(item: WorkloadPair) -> str | None:
    then = {(port.host_port, port.protocol, port.host_ip) for port in item.before.used_ports()}
    for port in item.after.used_ports():
        wide = (port.host_port, port.protocol, ANY_ADDRESS) in then
        if not wide and (port.host_port, port.protocol, port.host_ip) not in then:
            return f"takes host port {port.host_port}/{port.protocol} at {port.host_ip}, which it did not"
    return None


def _find_new_facts(comparison: Comparison, item: WorkloadPair) -> str | None:
    pod, pod_after = item.pods
    new = _list_facts(pod_after) - _list_facts(pod)
    if new and (decision := comparison.before.admission.decide(item.before, pod)) is not None:
        # What a PodSecurityPolicy wrote into the pods was there, whether or not the template said so.
        new -= _list_facts(decision.selection.pod)
    if not new:
        return None
    check, where, value = min(new)
    return f"{check}: {where} says {value}, which it did not" if value else f"{check}: {where} says it no more"


def _list_facts(pod: Any) -> set[Fact]:
    """List what a pod does that the Pod Security Standards forbid; a missing field counts once for the pod."""
    try:
        violations = evaluate_pod(pod["metadata"], pod["spec"], NEWEST).violations
    except MalformedPodError:
        return set()
    facts = set()
    for violation in violations:
        for path in violation.fields:
            value = get_value(pod, path)
            facts.add((violation.check, "the pod" if value is None else _name_place(pod, path), _write(value)))
    return facts


def _name_place(pod: Any, path: FieldPath) -> str:
    if len(path) > 2 and path[1] in CONTAINER_LISTS:
        return f"container {get_value(pod, (*path[:3], 'name'))}"
    return "the pod"


def _write(value: Any) -> str:
    return "" if value is None else str(value)


def _judge_service(comparison: Comparison, old: Service | None, service: Service) -> Iterator[Claim]:
    """Claim of each port that a Service newly offers that it stands for a host port."""
    document = comparison.after.tree.document_of(service)
    before = comparison.before.tree.document_of(old).location if old else None
    for index, entry in enumerate(service.ports):
        if old is not None and (_has(old, entry) and (old.type in EXTERNAL or service.type not in EXTERNAL)):
            continue
        problem = _find_unasked(comparison, service, entry)
        because = f"port {entry.port}/{entry.protocol} " + (problem or "stands for a host port")
        yield Claim(ID, problem is None, service.ref, before, document.place_of(("spec", "ports", index)), because)


def _has(service: Service, entry: ServicePort) -> bool:
    wanted = (entry.port, entry.protocol, entry.target_port)
    return any((other.port, other.protocol, other.target_port) == wanted for other in service.ports)


def _find_unasked(comparison: Comparison, service: Service, entry: ServicePort) -> str | None:
    selector = {"matchLabels": dict(service.selector)}
    led_to = [
        (workload, port)
        for workload in comparison.before.inventory.workloads
        if workload.ref.namespace == service.ref.namespace and selects(selector, label_pods(workload, selector))
        for port in list_lasting(workload)
        if port.protocol == entry.protocol and resolve_target(entry, workload) == port.container_port
    ]
    if not led_to:
        return f"leads to {entry.target_port}, where no host port led"
    if service.type not in EXTERNAL or any(port.host_ip in _ANY for _, port in led_to):
        return None
    if any(_PUBLISHING & find_asked(comparison.policy, workload, port) for workload, port in led_to):
        return None
    workload: Workload = led_to[0][0]
    return f"opens at every address what {workload.ref.kind}/{workload.ref.name} had at {led_to[0][1].host_ip} alone"


def _find_weaker_level(comparison: Comparison, pair: Pair) -> str | None:
    name = pair.ref.name
    if name not in comparison.before.namespaces or name not in comparison.after.namespaces:
        return None
    then, now = comparison.before.namespaces[name][0], comparison.after.namespaces[name][0]
    for mode in ("enforce", "audit", "warn"):
        old, new = getattr(then, mode), getattr(now, mode)
        if is_stricter(old.level, new.level):
            return f"{mode} is {new}, was {old}"
        if old.level == new.level != "privileged" and new.version.is_older(old.version):
            return f"{mode} is judged by {new.version}, was by {old.version}"
    return None
