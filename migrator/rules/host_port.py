"""The host-port rule: the facts about each host port, and what the decision table says about them."""

from __future__ import annotations

import dataclasses
import ipaddress
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache, lru_cache
from typing import Any

from migrator.errors import InputError
from migrator.model.inventory import Finding
from migrator.model.objects import Service
from migrator.model.plan import Decision, Reason
from migrator.model.policy import STRATEGIES, Alternative, DecisionRow, Policy
from migrator.model.workload import ANY_ADDRESS, HostPort, Workload
from migrator.model.world import World, find_targeting_ports
from migrator.policy.load import built_in_rows
from migrator.rules.match import match_facts
from migrator.sources.tables import load_table
from migrator.templates import render_text

ID = "host-port"
STRATEGY_ANNOTATION = "migrator.dev/strategy"
CLIENTS_ANNOTATION = "migrator.dev/clients"
IGNORE_PREFIX = "ignore-rule.migrator.dev/"
CLIENTS = ("external", "node", "cluster", "none")

_APP_LABELS = (
    "app.kubernetes.io/name",
    "app.kubernetes.io/component",
    "k8s-app",
    "app",
    "name",
    "component",
    "istio",
)
_PER_NODE = "perNode"
_POD_HASHES = frozenset(("pod-template-hash", "controller-revision-hash", "pod-template-generation"))
_FIRST_ROWS = frozenset(("follows-owner", "owner-elsewhere", "zero", "ignored"))
_MOST_NAMES = 5
_SERVED = ["container", "sidecar"]
_LABEL_VALUE = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?\Z")
_LABEL_KEY = re.compile(r"(?:[a-z0-9.-]{1,253}/)?[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?\Z")


def decide_host_ports(world: World) -> tuple[tuple[Decision, ...], tuple[Finding, ...]]:
    """Decide about every host port of the inventory, in the inventory's order.

    Raises InputError for an annotation that says nothing known.
    """
    rows = _order_rows(world.policy)
    unasked = tuple(row for row in rows if "requested" not in row.match)
    decisions: list[Decision] = []
    findings: list[Finding] = []
    for workload in world.inventory.workloads:
        if not workload.host_ports:
            if workload.host_network and read_ignore_reason(workload, "host-network") is None:
                findings.append(_find_host_network(workload))
            continue
        shared = _workload_facts(world, workload)
        for port in workload.host_ports:
            facts = _port_facts(world, workload, port, shared)
            candidates = unasked if facts["requested"] is None else rows
            row = next(row for row in candidates if match_facts(row.match, facts))
            decision, finding = _decide(workload, port, row, facts)
            decisions.append(decision)
            if finding is not None:
                findings.append(finding)
    return tuple(decisions), tuple(findings)


def _find_host_network(workload: Workload) -> Finding:
    message = f"{workload.ref.kind}/{workload.ref.name} shares its node's network: all its ports are the node's"
    return Finding("host-network", "info", message, workload.ref, workload.location)


def _order_rows(policy: Policy) -> tuple[DecisionRow, ...]:
    """Put the rows in order: what the workload itself says, the policy's rows, the built-in ones."""
    built_in = built_in_rows()
    said = tuple(row for row in built_in if row.id in _FIRST_ROWS)
    requested = tuple(_requested_row(strategy) for strategy in STRATEGIES)
    given = tuple(_only_served(row) for row in (*requested, *policy.host_ports))
    return (*said, *given, *(row for row in built_in if row.id not in _FIRST_ROWS))


def _only_served(row: DecisionRow) -> DecisionRow:
    """Keep a row that asks for a Service from init containers, which nobody can reach, unless it names them."""
    if row.strategy in ("keep", "remove") or "containerRoles" in row.match:
        return row
    return dataclasses.replace(row, match={**row.match, "containerRoles": _SERVED})


@cache
def _requested_row(strategy: str) -> DecisionRow:
    return DecisionRow(
        id="annotation",
        strategy=strategy,
        match={"requested": strategy},
        because=f"the workload's annotation {STRATEGY_ANNOTATION} asks for it.",
    )


def _decide(
    workload: Workload, port: HostPort, row: DecisionRow, facts: Mapping[str, Any]
) -> tuple[Decision, Finding | None]:
    because = render_text(row.because, facts).strip()
    finding = None
    strategy = row.strategy
    if strategy == "keep" and facts["stack"] and not port.host_port:
        # Docker's word for a random port; Kubernetes has nothing that could stay.
        strategy = "remove"
    refusal = say_why_impossible(strategy, facts)
    if refusal is not None:
        message = f"{port.host_port}/{port.protocol}: {row.strategy} was asked for, but {refusal}; kept"
        finding = Finding(ID, "error", message, workload.ref, workload.location)
        strategy, because = "keep", f"{row.strategy} was asked for, but {refusal}."
    elif row.finding is not None and not (
        row.finding == "host-network" and read_ignore_reason(workload, "host-network") is not None
    ):
        severity: Any = "error" if row.finding in ("selector", "port") else "info"
        message = f"{port.host_port}/{port.protocol} of {workload.ref.kind}/{workload.ref.name} is kept: {because}"
        rule = row.finding if row.finding == "host-network" else ID
        finding = Finding(rule, severity, message, workload.ref, workload.location)
    reason = Reason(
        message=because,
        considered=tuple(
            Alternative(item.strategy, render_text(item.because, facts).strip()) for item in row.considered
        ),
        caveats=row.caveats,
        sources=row.sources,
    )
    options = row.options or find_options(strategy, facts)
    return Decision(workload, port, ID, row.id, strategy, options, reason, facts), finding


def find_options(strategy: str, facts: Mapping[str, Any]) -> Mapping[str, Any]:
    """Find the options that the built-in table gives a strategy in this place, for somebody who asked for it only."""
    rows = (row for row in built_in_rows() if row.strategy == strategy and match_facts(row.match, facts))
    return next((row.options for row in rows), {})


_OUTSIDE = ("NodePort", "LoadBalancer")
_NEEDS_SERVICE = frozenset(("node_port", "node_port_per_pod", "node_local", "cluster_ip", "load_balancer"))


def say_why_impossible(strategy: str, facts: Mapping[str, Any]) -> str | None:
    """Say why a strategy that somebody asked for cannot work; None where it can."""
    if strategy == "keep":
        return None
    if facts["hostNetwork"] and facts["ports"]:
        return "the pod shares its node's network, so the API server would write the hostPort back"
    if strategy in _NEEDS_SERVICE and not facts["containerPorts"] and not facts["stack"]:
        return "its entry names no containerPort, so nothing says where a Service would lead"
    if strategy in _NEEDS_SERVICE and facts["selectors"] == "missing":
        return "the pod template has no labels that a Service could select by"
    if strategy in _NEEDS_SERVICE and facts["selectors"] == "illegal":
        return "its labels are not legal, so no Service can select by them"
    if strategy in _NEEDS_SERVICE and facts["selectors"] == "shared":
        return f"a Service with this workload's selector would also send traffic to {facts['sharedWith']}"
    if strategy in _NEEDS_SERVICE and facts["ambiguous"]:
        return "at another address the same number leads to another container port, and a Service's port leads to one"
    if strategy == "node_port_per_pod" and facts["kinds"] != "StatefulSet":
        return "only the pods of a StatefulSet have lasting names"
    if strategy == "anti_affinity" and facts["replicas"] == _PER_NODE:
        return "a DaemonSet runs one pod per node anyway"
    return None


def _workload_facts(world: World, workload: Workload) -> dict[str, Any]:
    ignore_reason = read_ignore_reason(workload)
    roles = find_roles(workload)
    selector = find_selector(workload)
    owner, absent_owner = world.owner_of(workload), world.absent_owner_of(workload)
    # Whose template stands elsewhere gets no Service here, so nobody asks whom one would select.
    decides = owner is None and absent_owner is None
    others = world.others_selected(workload, selector) if selector and decides else ()
    most = world.max_replicas(workload)
    replicas = _PER_NODE if workload.ref.kind == "DaemonSet" else "none" if most == 0 else "one"
    if most is not None and most > 1:
        replicas = "many"
    version = world.policy.cluster.version
    return {
        "kind": workload.ref.kind,
        "kinds": workload.ref.kind,
        "namespace": workload.ref.namespace or "an unknown namespace",
        "namespaces": workload.ref.namespace,
        "names": workload.ref.name,
        "labels": workload.pod_labels,
        "follows": owner is not None,
        "ownerElsewhere": absent_owner is not None,
        "ownerName": f"{owner.ref.kind}/{owner.ref.name}" if owner is not None else absent_owner or "",
        "hostNetwork": workload.host_network,
        "ignored": ignore_reason is not None,
        "ignoreReason": ignore_reason or "",
        "requested": _read_choice(workload, STRATEGY_ANNOTATION, STRATEGIES),
        "roles": roles,
        "staticPod": _is_static(workload),
        "replicas": replicas,
        "stack": workload.location.path in world.translated,
        "said clients": _read_choice(workload, CLIENTS_ANNOTATION, CLIENTS),
        "clientAddresses": world.policy.client_addresses,
        "selectors": _judge_selector(selector, bool(others)),
        "sharedWith": _name_some(others),
        "loadBalancer": world.policy.cluster.load_balancer,
        "preferSameNode": version >= (1, 35),
    }


def _name_some(workloads: Sequence[Workload]) -> str:
    names = [f"{item.ref.kind}/{item.ref.name}" for item in workloads[:_MOST_NAMES]]
    more = len(workloads) - len(names)
    return ", ".join(names) + (f" and {more} more" if more else "")


def _judge_selector(selector: Sequence[tuple[str, str]], shared: bool) -> str:
    if not selector:
        return "missing"
    if not all(is_label(key, value) for key, value in selector):
        return "illegal"
    return "shared" if shared else "usable"


def _port_facts(world: World, workload: Workload, port: HostPort, shared: Mapping[str, Any]) -> dict[str, Any]:
    facts = {
        **shared,
        "containers": port.container,
        "containerRoles": port.role,
        "port": port.host_port,
        "ports": port.host_port,
        "containerPorts": port.container_port,
        "protocols": port.protocol,
        "hostIP": port.host_ip,
        "hostIPs": classify_address(port.host_ip),
        "ambiguous": any(
            (other.host_port if port.host_port else other.known_port, other.protocol)
            == (port.known_port, port.protocol)
            and other.container_port != port.container_port
            and other.role in _SERVED
            for other in workload.host_ports
        ),
    }
    facts["clients"] = shared["said clients"] or next(
        row["clients"] for row in load_table("rules/host_port.yaml")["clients"] if match_facts(row["match"], facts)
    )
    services = [
        service.ref.name
        for service in world.services_selecting(workload)
        if (service.type in _OUTSIDE if facts["clients"] == "external" else not service.headless)
        and not world.others_selected(workload, service.selector)
        and _leads_to(service, workload, port)
    ]
    return {**facts, "hasService": bool(services), "service": services[0] if services else ""}


def _leads_to(service: Service, workload: Workload, port: HostPort) -> bool:
    """Tell whether a Service leads the clients of a host port to it, under whatever number.

    One that a plan has published answers for the host ports that it was made for, whose numbers it carries; it was
    not there when the others were decided.
    """
    published = service.ref.name in {f"{workload.ref.name}-{strategy.replace('_', '-')}" for strategy in STRATEGIES}
    entries = find_targeting_ports(service, workload, port)
    return any(entry.port == port.known_port or not published for entry in entries)


class _Roles(frozenset[str]):
    """Roles that read as words in a sentence."""

    def __str__(self) -> str:
        return ", ".join(sorted(self))


def find_roles(workload: Workload) -> frozenset[str]:
    """Find who a workload is: ingress-controller, cni, node-agent … (roles.yaml)."""
    apps = frozenset(
        value
        for labels in (workload.labels, workload.pod_labels)
        for key in _APP_LABELS
        if (value := labels.get(key)) is not None
    )
    roles: set[str] = set()
    for container in workload.containers:
        if container.role in ("container", "sidecar"):
            roles |= _roles_of_image(container.image)
    by_app = _roles_by_app()
    for app in apps:
        roles |= by_app.get(app, frozenset())
    return _Roles(roles)


@cache
def _roles_by_app() -> Mapping[str, frozenset[str]]:
    index: dict[str, set[str]] = {}
    for row in load_table("rules/roles.yaml"):
        for app in row["apps"]:
            index.setdefault(app, set()).add(row["role"])
    return {app: frozenset(roles) for app, roles in index.items()}


@lru_cache(maxsize=4096)
def _roles_of_image(image: str) -> frozenset[str]:
    repository = image.split("@")[0]
    head, separator, tail = repository.rpartition("/")
    repository = head + separator + tail.split(":")[0]
    return frozenset(
        row["role"]
        for row in load_table("rules/roles.yaml")
        for known in row["images"]
        if repository == known or repository.endswith("/" + known) or _is_mirror(repository, known)
    )


def _is_mirror(repository: str, known: str) -> bool:
    """Tell whether a repository is a mirror of a known one, as rancher/mirrored-calico-node is of calico/node."""
    name = repository.rpartition("/")[2]
    return name.startswith("mirrored-") and name.endswith("-" + known.replace("/", "-"))


def find_selector(workload: Workload) -> tuple[tuple[str, str], ...]:
    """Find the labels that a Service for this workload selects by; () where there are none.

    The workload's own matchLabels; the pod template's labels where it has only expressions, or no selector. Never
    those that tell one revision's pods from the next's.
    """
    labels: Iterable[tuple[str, str]] = sorted(workload.pod_labels.items())
    if workload.selector is not None and workload.selector.match_labels:
        labels = workload.selector.match_labels
    return tuple((key, value) for key, value in labels if key not in _POD_HASHES)


def is_label(key: str, value: str) -> bool:
    """Tell whether a label is legal.

    https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set
    """
    return _LABEL_KEY.match(key) is not None and _LABEL_VALUE.match(value) is not None


def classify_address(address: str) -> str:
    """Tell what a hostIP is: any, loopback or address."""
    if address in (ANY_ADDRESS, "", "::"):
        return "any"
    try:
        return "loopback" if ipaddress.ip_address(address).is_loopback else "address"
    except ValueError:
        return "address"


def _is_static(workload: Workload) -> bool:
    return "kubernetes.io/config.mirror" in workload.annotations or (
        workload.annotations.get("kubernetes.io/config.source") == "file"
    )


def _read_choice(workload: Workload, annotation: str, choices: Sequence[str]) -> str | None:
    value = workload.annotations.get(annotation)
    if value is None or value in choices:
        return value
    raise InputError(
        workload.location.path,
        f"{workload.ref}: annotation {annotation} is {value!r}",
        line=workload.location.line,
        hint=f"give one of {', '.join(choices)}",
    )


def read_ignore_reason(workload: Workload, rule: str = ID) -> str | None:
    """Read why a workload is to be left alone by a rule; None where it does not say so.

    Raises InputError where it gives no reason.
    """
    annotation = f"{IGNORE_PREFIX}{rule}"
    reason = workload.annotations.get(annotation)
    if reason is not None and not reason.strip():
        raise InputError(
            workload.location.path,
            f"{workload.ref}: annotation {annotation} gives no reason",
            line=workload.location.line,
            hint="say why it is to be left as it is",
        )
    return reason
