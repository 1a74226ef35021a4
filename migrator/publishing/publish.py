"""Publishing a workload's ports through a Service: one that is there already, one that is extended, or a new one."""

from __future__ import annotations

import dataclasses
import itertools
import re
import string
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from migrator.model.edit import APPEND, FieldEdit
from migrator.model.field import FieldPath
from migrator.model.objects import Service, ServicePort
from migrator.model.plan import Change, Decision, NewObject, Phase, PortMapEntry
from migrator.model.record import record
from migrator.model.reference import ResourceRef
from migrator.model.workload import Workload
from migrator.model.world import World, find_targeting_ports
from migrator.publishing.node_ports import Number
from migrator.publishing.placement import list_new_file
from migrator.publishing.proposal import Group, Proposal, list_names, remove_host_ports, strategy_text
from migrator.rules.host_port import find_selector, is_label
from migrator.templates import render_text

_NOT_COPIED = frozenset(
    (
        "helm.sh/chart",
        "chart",
        "heritage",
        "app.kubernetes.io/managed-by",
        "argocd.argoproj.io/instance",
        "kustomize.toolkit.fluxcd.io/name",
        "kustomize.toolkit.fluxcd.io/namespace",
        "helm.toolkit.fluxcd.io/name",
        "helm.toolkit.fluxcd.io/namespace",
        # Whoever tracks its objects by these deletes what it did not make itself.
        "objectset.rio.cattle.io/hash",
        "applyset.kubernetes.io/part-of",
        "olm.owner",
        "olm.owner.kind",
        "olm.owner.namespace",
        "olm.managed",
        "pod-template-hash",
        "controller-revision-hash",
    )
)
_PORT_NAME = re.compile(r"(?=.*[a-z])[a-z0-9](?:[a-z0-9]|-(?!-)){0,13}[a-z0-9]\Z|[a-z]\Z")


@record
class PublishedPort:
    """A port of a Service to be: with the decision that asks for it, and its number where it has one."""

    decision: Decision
    name: str
    protocol: str
    port: int
    target_port: int | str
    number: Number | None

    @property
    def node_port(self) -> int | None:
        """Give the node port; None for the cluster's choice and for Services without node ports."""
        return self.number.node_port if self.number else None

    @property
    def origin(self) -> str:
        """Name what it answers for."""
        return f"hostPort {self.port}" if self.decision.port.host_port else f"the random port to {self.port}"

    @property
    def key(self) -> tuple[int, str]:
        """Give what tells a Service's ports apart: number and protocol."""
        return self.port, self.protocol

    @property
    def phase(self) -> Phase:
        """Give the phase: a number equal to the host port cannot stand beside it, any other comes first."""
        return "contract" if self.node_port is not None and self.node_port == self.port else "expand"

    def entry(self) -> dict[str, Any]:
        """Give the Service's `ports` entry."""
        entry: dict[str, Any] = {
            "name": self.name,
            "protocol": self.protocol,
            "port": self.port,
            "targetPort": self.target_port,
        }
        return entry if self.node_port is None else {**entry, "nodePort": self.node_port}


@record
class ServiceForm:
    """What a strategy's Services look like: their type and policies, and how the strategy's template is named."""

    type: str
    template: str
    suffix: str
    external_traffic_policy: str | None = None
    internal_traffic_policy: str | None = None
    traffic_distribution: str | None = None
    node_ports: bool = False

    def traffic(self) -> dict[str, str]:
        """Give the fields that say where traffic goes, as the Service spells them."""
        fields = {
            "externalTrafficPolicy": self.external_traffic_policy,
            "internalTrafficPolicy": self.internal_traffic_policy,
            "trafficDistribution": self.traffic_distribution,
        }
        return {name: value for name, value in fields.items() if value is not None}

    def fits(self, service: Service) -> bool:
        """Tell whether an existing Service already does what this form is for."""
        if self.node_ports:
            return service.type in ("NodePort", "LoadBalancer")
        if self.type == "LoadBalancer":
            return service.type == "LoadBalancer"
        if self.internal_traffic_policy or self.traffic_distribution:
            return service.internal_traffic_policy == "Local" or service.traffic_distribution == "PreferSameNode"
        return not service.headless


NODE_PORT_FORM = ServiceForm(type="NodePort", template="node_port", suffix="node-port", node_ports=True)


@record
class Target:
    """Whom a Service leads to: the pods of a workload, or one member of a StatefulSet; and how it would be named."""

    name: str
    selector: tuple[tuple[str, str], ...]
    member: str | None = None


def publish(group: Group, form: ServiceForm) -> Proposal:
    """Publish a group's ports through one Service and take the host ports out."""
    proposal = Proposal()
    target = Target(f"{group.workload.ref.name}-{form.suffix}", find_selector(group.workload))
    lead_to(group, form, target, name_ports(group, form), proposal)
    proposal.changes.extend(remove_host_ports(group))
    return proposal


def lead_to(
    group: Group, form: ServiceForm, target: Target, ports: Sequence[PublishedPort], proposal: Proposal
) -> None:
    """Lead a Service to ports of a target.

    An existing Service that leads to a port already is left as it is; one that the decision table allows to be
    extended is (row 27); else a Service is added.
    """
    wanted: dict[tuple[int, str], PublishedPort] = {}
    for port in ports:
        decision = port.decision
        found = find_published(group.world, group.workload, decision, form, target.member)
        if found is not None:
            service, entry = found
            known = _known_number(group, service, entry, port) if form.node_ports else None
            proposal.changes.extend(_pin_number(group, decision, service, entry, port, form))
            proposal.port_map.append(
                map_port(group, decision, service.type, service.ref, entry.port, known, target.member)
            )
        else:
            wanted.setdefault(port.key, port)
    if wanted:
        ordered = sorted(wanted.values(), key=lambda port: port.phase == "contract")
        proposal.changes.extend(_add_ports(group, form, target, ordered, proposal))


def find_published(
    world: World, workload: Workload, decision: Decision, form: ServiceForm, member: str | None = None
) -> tuple[Service, ServicePort] | None:
    """Find a Service that leads to a port, and to no other workload's pods, in the way that `form` does."""
    port = decision.port
    candidates: list[tuple[bool, str, Service, ServicePort]] = []
    for service in world.services_selecting(workload, member):
        if form.fits(service) and not world.others_selected(workload, service.selector):
            candidates.extend(
                (entry.port != port.known_port, service.ref.name, service, entry)
                for entry in find_targeting_ports(service, workload, port)
            )
    if not candidates:
        return None
    _, _, service, entry = min(candidates, key=lambda item: item[:2])
    return service, entry


def _known_number(group: Group, service: Service, entry: ServicePort, port: PublishedPort) -> int | None:
    if entry.node_port is not None:
        return entry.node_port
    balanced = group.numbers.get((service.ref, entry.port))
    if balanced is not None:
        return balanced.node_port
    live = group.world.live_node_ports.get((service.ref, entry.protocol, entry.port))
    if live is not None:
        return live
    return port.node_port if port.number is not None and port.number.how == "pinned" else None


def _pin_number(
    group: Group, decision: Decision, service: Service, entry: ServicePort, port: PublishedPort, form: ServiceForm
) -> Iterator[Change]:
    """Write a number that somebody fixed into a Service that has none yet."""
    if not form.node_ports or entry.node_port is not None or port.number is None or port.number.how != "pinned":
        return
    if service.location.path in group.world.excluded or (service.ref, entry.port) in group.numbers:
        return
    # The Service answers already, under whatever number: this one can come with the contract.
    path = ("spec", "ports", service.ports.index(entry), "nodePort")
    current = 0 if entry.has_node_port else None
    yield _update_service(group, decision, service, path, port.node_port, current, "contract", "nodePort is fixed")


def _add_ports(
    group: Group, form: ServiceForm, target: Target, ports: Sequence[PublishedPort], proposal: Proposal
) -> Iterator[Change]:
    own = _find_own_service(group, form, target)
    extended = own or _find_extensible(group, form, target, ports)
    if extended is not None:
        yield from _extend(group, form, target, extended, ports, proposal, is_own=own is not None)
        return
    name = group.names.choose(group.workload, target.name)
    # Where phases are run one by one, ports whose number equals their host port join the Service in `contract`.
    now = ports if group.phase == "all" else [port for port in ports if port.phase == "expand"] or ports
    yield from _create_service(group, form, name, now, dict(target.selector))
    service_ref = ResourceRef("v1", "Service", group.workload.ref.namespace, name)
    for port in ports:
        entry = map_port(group, port.decision, form.type, service_ref, port.port, port.node_port, target.member)
        proposal.port_map.append(entry)


def _find_own_service(group: Group, form: ServiceForm, target: Target) -> Service | None:
    """Find the Service of the target's own name that an earlier phase added."""
    policy = form.external_traffic_policy or "Cluster"
    return next(
        (
            service
            for service in _find_changeable(group, target)
            if service.type == form.type
            and (service.external_traffic_policy or "Cluster") == policy
            and service.ref.name in itertools.islice(list_names(target.name), 9)
        ),
        None,
    )


def _find_changeable(group: Group, target: Target) -> Iterator[Service]:
    """Find the Services with exactly the target's selector that stand where they may be changed."""
    selector = tuple(sorted(target.selector))
    for service in group.world.services_selecting(group.workload, target.member):
        if service.selector == selector and service.location.path not in group.world.excluded:
            yield service


def _find_extensible(
    group: Group, form: ServiceForm, target: Target, ports: Sequence[PublishedPort]
) -> Service | None:
    """Find a ClusterIP Service with exactly the target's selector, all of whose ports are to be published.

    None where what it lacks could not be added under its ports' names and numbers.
    """
    if not form.node_ports or any(port.phase == "contract" for port in ports):
        return None
    for service in _find_changeable(group, target):
        if service.type != "ClusterIP" or service.headless or not service.ports:
            continue
        led_to = match_entries(service, group.workload, ports)
        if set(led_to.values()) != set(service.ports):
            continue
        added = [port for port in ports if port.key not in led_to]
        numbers = [(entry.port, entry.protocol) for entry in service.ports] + [port.key for port in added]
        names = [entry.name for entry in service.ports] + [port.name for port in added]
        if not added or (len(set(numbers)) == len(numbers) and None not in names and len(set(names)) == len(names)):
            return service
    return None


def match_entries(
    service: Service, workload: Workload, ports: Sequence[PublishedPort]
) -> Mapping[tuple[int, str], ServicePort]:
    """Find the Service's entry for each port that it leads to: none for two ports, one of the same number first."""
    matched: dict[tuple[int, str], ServicePort] = {}
    for same_number in (True, False):
        for port in ports:
            for entry in find_targeting_ports(service, workload, port.decision.port):
                fits = entry.port == port.port or not same_number
                if fits and port.key not in matched and entry not in matched.values():
                    matched[port.key] = entry
    return matched


def _extend(
    group: Group,
    form: ServiceForm,
    target: Target,
    service: Service,
    ports: Sequence[PublishedPort],
    proposal: Proposal,
    is_own: bool,
) -> Iterator[Change]:
    entries = match_entries(service, group.workload, ports)
    # What is there first, then what is added behind it, then the keys behind the list: insertions at one place of
    # the text stand in this order.
    for port in sorted(ports, key=lambda port: port.key not in entries):
        entry = entries.get(port.key)
        if entry is not None:
            place: FieldPath = ("spec", "ports", service.ports.index(entry), "nodePort")
            message = f"node port {port.node_port} answers for {port.origin}"
            value: Any = port.node_port
        else:
            message = f"a port of the Service answers for {port.origin}"
            place, value = ("spec", "ports", APPEND), port.entry()
        if entry is None or port.node_port is not None:
            known = 0 if entry is not None and entry.has_node_port else None
            change = _update_service(group, port.decision, service, place, value, known, port.phase, message)
            reason = dataclasses.replace(change.reason, message=f"{change.reason.message}{_say_numbers([port])}")
            yield dataclasses.replace(change, reason=reason)
        number = entry.port if entry is not None else port.port
        mapped = map_port(group, port.decision, form.type, service.ref, number, port.node_port, target.member)
        proposal.port_map.append(mapped)
    if is_own:
        return
    first, path = ports[0].decision, ("spec", "type")
    yield _update_service(group, first, service, path, form.type, service.type, "expand", "the Service is extended")
    policy, current = form.external_traffic_policy, service.external_traffic_policy
    if policy is not None and policy != (current or "Cluster"):
        path = ("spec", "externalTrafficPolicy")
        message = f"nodes answer as the policy {policy} says"
        yield _update_service(group, first, service, path, policy, current, "expand", message)


def _update_service(
    group: Group,
    decision: Decision,
    service: Service,
    path: FieldPath,
    value: Any,
    current: Any,
    phase: Phase,
    message: str,
) -> Change:
    written = service.type_written if path[-1] == "type" else current is not None
    return Change(
        rule=decision.rule,
        decision=decision.row,
        strategy=group.strategy,
        phase=phase,
        action="update",
        resource=service.ref,
        location=service.location,
        workload=group.workload.ref,
        reason=group.reason(decision, f"{message} ({service.ref.name})"),
        edit=FieldEdit("replace" if written else "add", path, value, before=("selector", "ports")),
        current=current,
        ports=(decision.port,),
    )


def _create_service(
    group: Group,
    form: ServiceForm,
    name: str,
    ports: Sequence[PublishedPort],
    selector: Mapping[str, str],
) -> Iterator[Change]:
    """Add a Service where its owner would put it; a kustomization that lists the workload's file lists it too."""
    workload = group.workload
    values = {
        "name": name,
        "namespace": workload.own_namespace,
        "labels": copy_labels(workload),
        "selector": selector,
        "ports": [port.entry() for port in ports],
        "type": form.type,
        "traffic": form.traffic(),
    }
    placement, location = group.places.choose(workload, name)
    first = ports[0].decision
    answers = ", ".join(f"{port.port}/{port.protocol}" for port in ports)
    reason = group.reason(first, f"Service {name} answers for {answers} of {workload.ref.kind}/{workload.ref.name}")
    reason = dataclasses.replace(reason, message=f"{reason.message}{_say_numbers(ports)}")
    phase: Phase = "contract" if all(port.phase == "contract" for port in ports) else "expand"
    ref = ResourceRef("v1", "Service", workload.ref.namespace, name)
    created = Change(
        rule=first.rule,
        decision=first.row,
        strategy=group.strategy,
        phase=phase,
        action="create",
        resource=ref,
        location=location,
        workload=workload.ref,
        reason=reason,
        new=NewObject(f"{form.template}.yaml.j2", values, placement, workload.location),
        ports=tuple(port.decision.port for port in ports),
    )
    yield created
    if placement == "file":
        yield from list_new_file(group.world, created, workload.location)


def _say_numbers(ports: Sequence[PublishedPort]) -> str:
    """Say where the numbers come from, once for all ports that have theirs for the same reason."""
    reasons: dict[str, list[str]] = {}
    for port in ports:
        if port.number is not None and port.number.because:
            reasons.setdefault(port.number.because, []).append(str(port.port))
    sentences = [render_text(because, {"port": " and ".join(numbers)}) for because, numbers in reasons.items()]
    return "".join(f" {sentence[:1].upper()}{sentence[1:]}" for sentence in sentences)


def copy_labels(workload: Workload) -> dict[str, str]:
    """Give a new object the workload's labels, less those that say who renders or tracks it, or are no labels."""
    return {key: value for key, value in workload.labels.items() if key not in _NOT_COPIED and is_label(key, value)}


def name_ports(group: Group, form: ServiceForm) -> list[PublishedPort]:
    """Name a Service's ports after the container's, unique and legal; the same names in every phase."""
    taken: dict[str, tuple[int, str]] = {}
    ports = []
    for decision in group.decisions:
        port = decision.port
        identity = (port.known_port, port.protocol)
        wanted = [port.name] if port.name and _PORT_NAME.match(port.name) else []
        numbered = f"{port.protocol.lower()}-{port.known_port}"
        wanted += [numbered, *(f"{numbered}-{letter}" for letter in string.ascii_lowercase)]
        name = next(name for name in wanted if taken.get(name, identity) == identity)
        taken[name] = identity
        number = group.numbers.get((group.workload.ref, port.known_port)) if form.node_ports else None
        ports.append(
            PublishedPort(
                decision, name, port.protocol, port.known_port, _target_port(group.workload, decision), number
            )
        )
    return ports


def _target_port(workload: Workload, decision: Decision) -> int | str:
    """Give the container port's name where it means one port only, else its number."""
    port = decision.port
    if port.name and _PORT_NAME.match(port.name):
        same_name = {
            (number, protocol)
            for container in workload.containers
            for name, number, protocol in container.ports
            if name == port.name
        }
        if same_name == {(port.container_port, port.protocol)}:
            return port.name
    return port.container_port


def map_port(
    group: Group,
    decision: Decision,
    kind: str,
    service: ResourceRef,
    port: int,
    node_port: int | None,
    pod: str | None = None,
) -> PortMapEntry:
    """Write the port map's entry for a port: where it was, where it will be, who must change.

    `kind` is the type of the Service that answers.
    """
    query = None
    if node_port is None and strategy_text(group.strategy, "numbered"):
        query = write_query(service, port, decision.port.protocol)
    return PortMapEntry(
        resource=group.workload.ref,
        protocol=decision.port.protocol,
        old_ip=decision.port.host_ip,
        old_port=decision.port.host_port or None,
        container_port=decision.port.container_port,
        type=kind,
        service=service,
        port=port,
        node_port=node_port,
        who_must_change=strategy_text(group.strategy, "whoMustChange"),
        query=query,
        pod=pod,
    )


def keep_port(group: Group, decision: Decision) -> PortMapEntry:
    """Write the port map's entry for a port that stays, or that nothing answers for any more."""
    port = decision.port
    kept = group.strategy == "keep"
    return PortMapEntry(
        resource=group.workload.ref,
        protocol=port.protocol,
        old_ip=port.host_ip,
        old_port=port.host_port or None,
        container_port=port.container_port,
        type="hostPort" if kept else None,
        service=None,
        port=port.host_port if kept else None,
        node_port=None,
        who_must_change=strategy_text(group.strategy, "whoMustChange"),
    )


def write_query(service: ResourceRef, port: int, protocol: str) -> str:
    """Write the command that asks the cluster for a node port which it chose."""
    namespace = f" -n {service.namespace}" if service.namespace else ""
    expression = f"{{.spec.ports[?(@.port=={port})].nodePort}}"
    return f"kubectl get service {service.name}{namespace} -o jsonpath='{expression}'"
