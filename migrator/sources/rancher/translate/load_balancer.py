"""Load balancer services: an Ingress for HTTP on 80 and 443 or by host and path, Services for everything else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from migrator.errors import InputError
from migrator.model.inventory import BalancedPort
from migrator.model.reference import Location, ResourceRef
from migrator.model.workload import ANY_ADDRESS
from migrator.sources.rancher.compose import KeyOrigin
from migrator.sources.rancher.policy import RancherPolicy
from migrator.sources.rancher.stack import Stack, StackService
from migrator.sources.rancher.translate.labels import find_label_row
from migrator.sources.rancher.translate.load_balancer_rules import (
    PROXY_LABEL,
    SSL_LABEL,
    TARGET_LABEL,
    PortRule,
    read_rules,
)
from migrator.sources.rancher.translate.model import Draft, KeyFate, Part, mark, report
from migrator.sources.rancher.translate.names import is_hostname, make_distinct, make_name
from migrator.sources.rancher.translate.ports import PublishedPort, read_published
from migrator.sources.rancher.translate.survey import (
    INSTANCE_LABEL,
    NAME_LABEL,
    PART_OF_LABEL,
    Context,
    find_host,
    find_refusal,
    survey_stack,
)

GROUP_PREFIX = "migrator.dev/"
_INGRESS_PORTS = (80, 443)
_HTTP = ("http", "https")
_OF_CONTAINER = ("io.rancher.scheduler", "io.rancher.container.")
_API_VERSIONS = {"Ingress": "networking.k8s.io/v1", "Service": "v1"}


@dataclass(frozen=True, slots=True)
class Backend:
    """What answers: a Service's name and port; `selector` is None where it has no pods here."""

    name: str
    port: int
    selector: tuple[tuple[str, str], ...] | None


@dataclass(frozen=True, slots=True)
class Route:
    """Rules of one load balancer with equal source, host and path, and the services that they reach."""

    source_port: int
    protocol: str
    host: str
    path: str
    targets: tuple[tuple[str, int], ...]
    origin: KeyOrigin
    published: bool


@dataclass(frozen=True, slots=True)
class Balancer:
    """A load balancer service with its routes; `fates` tells of rules that lead nowhere."""

    service: StackService
    published: tuple[PublishedPort, ...]
    routes: tuple[Route, ...]
    fates: tuple[KeyFate, ...]


def read_balancers(context: Context) -> tuple[Balancer, ...]:
    """Read the stack's load balancers."""
    return tuple(
        _read_balancer(service, context)
        for service in context.stack.services
        if context.roles[service.name] == "load_balancer"
    )


def _read_balancer(service: StackService, context: Context) -> Balancer:
    published: dict[int, int] = {}
    ports = read_published(service)
    for port in ports:
        if port.spec.host_ip is not None:
            continue
        outside = port.spec.host_port or port.spec.container_port
        published[outside] = outside
        published.setdefault(port.spec.container_port, outside)
    routes: dict[tuple[int, str, str, str], Route] = {}
    fates: list[KeyFate] = []
    for rule in read_rules(service, context):
        problem = _find_problem(rule, context)
        if problem:
            fates.append(report(rule.origin, problem))
            continue
        target = (rule.service, rule.target_port or rule.source_port)
        source = published.get(rule.source_port, rule.source_port)
        key = (source, rule.protocol, rule.host, rule.path)
        known = routes.get(key)
        if known is None:
            routes[key] = Route(*key, (target,), rule.origin, rule.source_port in published)
        elif target not in known.targets:
            routes[key] = replace(known, targets=(*known.targets, target))
    return Balancer(service, ports, tuple(routes.values()), tuple(fates))


def _find_problem(rule: PortRule, context: Context) -> str | None:
    if not rule.service:
        wanted = f"selects {rule.selector!r}" if rule.selector else "names no service"
        return (
            f"The rule {wanted}, which nothing in this stack answers to; other stacks' services cannot be seen here."
        )
    if not rule.source_port:
        return "The rule has no source port; left out."
    if rule.host and not is_hostname(rule.host):
        return f"{rule.host!r} is no host that an Ingress takes (only *.domain is a wildcard); the rule is left out."
    stack, slash, name = rule.service.rpartition("/")
    owner = context.neighbour(stack) if slash else context
    if owner is None:
        return None
    if owner.stack.service(name) is None:
        return f"Failed to find existing service: {rule.service}; the rule is left out."
    if owner.roles[name] == "blocked":
        return f"{rule.service} is left out, and this rule with it."
    return None


def extend_context(context: Context, balancers: tuple[Balancer, ...]) -> Context:
    """Add to the context what load balancers ask of other services: ports, and labels where they share a Service."""
    ports: dict[str, set[int]] = {name: set(known) for name, known in context.balanced.items()}
    grouped = {name: dict(labels) for name, labels in context.grouped.items()}
    for balancer in balancers:
        for number, route in enumerate(balancer.routes):
            own = [(name, port) for name, port in route.targets if context.has_pods(name)]
            for name, port in own:
                ports.setdefault(name, set()).add(port)
            if len(route.targets) > 1:
                label = GROUP_PREFIX + group_name(context, balancer, number)
                for name, _ in own:
                    grouped.setdefault(context.primary(name), {})[label] = "true"
    return replace(context, balanced={name: frozenset(found) for name, found in ports.items()}, grouped=grouped)


def survey_stacks(stacks: Iterable[Stack], policy: RancherPolicy) -> Mapping[str, Context]:
    """Survey the stacks of a run, so that each knows the others, and the ports that their load balancers reach.

    Stacks that are refused are left out: whoever asks for their services learns that nobody has them.
    """
    contexts: dict[str, Context] = {}
    for stack in stacks:
        if stack.name not in contexts and find_refusal(stack) is None:
            contexts[stack.name] = survey_stack(stack, policy)
    reached: dict[tuple[str, str], set[int]] = {}
    for context in contexts.values():
        for name, port in _reach_neighbours(replace(context, neighbours=contexts)):
            stack_name, _, service = name.rpartition("/")
            reached.setdefault((stack_name, service), set()).add(port)
    for (stack_name, service), ports in reached.items():
        context = contexts[stack_name]
        balanced = {**context.balanced, service: context.balanced.get(service, frozenset()) | ports}
        contexts[stack_name] = replace(context, balanced=balanced)
    return contexts


def _reach_neighbours(context: Context) -> Iterator[tuple[str, int]]:
    try:
        balancers = read_balancers(context)
    except InputError:  # said where the stack itself is translated
        return
    for balancer in balancers:
        for route in balancer.routes:
            for name, port in route.targets:
                if "/" in name and context.neighbour(name.rpartition("/")[0]) is not None:
                    yield name, port


def group_name(context: Context, balancer: Balancer, number: int) -> str:
    """Give the name of the Service that a route's several targets share."""
    return f"{context.names[balancer.service.name]}-targets-{number + 1}"


def draft_balancer(context: Context, balancer: Balancer, taken: frozenset[str]) -> Part:
    """Draft the objects that take a load balancer's place."""
    drafter = _Drafter(context, balancer, set(taken))
    return drafter.draft()


class _Drafter:
    """Gathers the Ingress paths and the Service ports of one load balancer."""

    def __init__(self, context: Context, balancer: Balancer, taken: set[str]) -> None:
        self.context = context
        self.balancer = balancer
        self.taken = taken
        self.name = context.names[balancer.service.name]
        self.fates: list[KeyFate] = list(balancer.fates)
        self.comments: list[str] = []
        self.drafts: list[Draft] = []
        self.paths: dict[tuple[str, str], tuple[Backend, Route]] = {}
        self.ports: dict[tuple[bool, Backend], list[Route]] = {}
        self.foreign: dict[str, list[dict[str, Any]]] = {}
        self.answers: dict[int, dict[tuple[ResourceRef, int], list[str]]] = {}

    def draft(self) -> Part:
        for number, route in enumerate(self.balancer.routes):
            balanced = route.protocol in _HTTP and route.published and self._wants_ingress(route)
            backend = self._find_backend(route, number, balanced)
            if balanced:
                self._add_path(route, backend)
            else:
                self.ports.setdefault((route.published, replace(backend, port=0)), []).append(route)
                self._report_port(route, backend)
        self._draft_ports()
        if self.paths:
            self._draft_ingress()
        self._name_itself()
        self._account_keys()
        if not self.balancer.routes:
            message = f"{self.name} has no rule that leads to a service of this stack: nothing is made of it."
            self.fates.append(report(self.balancer.service.origin, message))
        published = tuple(self._list_published())
        return Part(drafts=tuple(self.drafts), fates=tuple(self.fates), published=published)

    def _list_published(self) -> Iterator[BalancedPort]:
        """List what answers for each published port; a port that was bound to an address is published no more."""
        balancer = ResourceRef("v1", "Service", self.context.namespace, self.name)
        for port in self.balancer.published:
            spec, origin = port.spec, port.origin
            number = spec.host_port or spec.container_port
            location = Location(origin.file, 0, None, origin.line)
            entry = BalancedPort(
                self.context.instance, balancer, location, spec.host_ip or ANY_ADDRESS, number, spec.protocol
            )
            answers = {} if spec.host_ip else self.answers.get(number, {})
            if spec.host_ip:
                message = f"It was bound to {spec.host_ip}, as no Service or Ingress can be: not published."
                self.fates.append(report(origin, message))
            elif not answers:
                self.fates.append(report(origin, f"No rule leads from port {number}: nothing answers there."))
            if not answers:
                yield entry
            for (target, at), hosts in answers.items():
                yield replace(entry, target=target, port=at, hosts=tuple(hosts))

    def _note_answer(self, route: Route, kind: str, name: str, port: int, *hosts: str) -> None:
        target = ResourceRef(_API_VERSIONS[kind], kind, self.context.namespace, name)
        self.answers.setdefault(route.source_port, {}).setdefault((target, port), []).extend(hosts)

    def _wants_ingress(self, route: Route) -> bool:
        return bool(route.source_port in _INGRESS_PORTS or route.host or route.path or route.protocol == "https")

    def _find_backend(self, route: Route, number: int, balanced: bool) -> Backend:
        name, port = route.targets[0]
        if len(route.targets) > 1:
            return self._draft_group(route, number, balanced)
        if "/" in name:
            return self._draft_external(name, port, route)
        if not self.context.has_pods(name):
            return Backend(self.context.names[name], port, None)
        return Backend(self.context.names[name], port, tuple(self.context.selector(name).items()))

    def _draft_group(self, route: Route, number: int, balanced: bool) -> Backend:
        name = group_name(self.context, self.balancer, number)
        port = route.targets[0][1]
        own = [target for target in route.targets if self.context.has_pods(target[0])]
        for target, other in route.targets:
            if not self.context.has_pods(target):
                message = f"{target} has no pods in this stack and gets no share of this rule."
                self.fates.append(report(route.origin, message))
            elif other != port:
                message = f"{target} listens on {other}, the others on {port}: a Service reaches one number only."
                self.fates.append(report(route.origin, message))
        selector = {GROUP_PREFIX + name: "true"}
        values = _service_values(self.context, name, self._labels(), selector, "ClusterIP", [_make_port(port, port)])
        reached = ", ".join(target for target, _ in own)
        self.fates.append(report(route.origin, f"Port {route.source_port} reaches {reached} alike, as in Rancher."))
        comment = f"Selects the pods of {reached}."
        if balanced:
            self.drafts.append(Draft("rancher_service.yaml.j2", values, self.name, route.origin, (comment,)))
        else:
            self.comments.append(f"{name}: {comment}")
        return Backend(name, port, tuple(selector.items()))

    def _draft_external(self, target: str, port: int, route: Route) -> Backend:
        stack, _, service = target.partition("/")
        neighbour = self.context.neighbour(stack)
        if neighbour is not None and neighbour.namespace == self.context.namespace:
            selector = tuple(neighbour.selector(service).items()) if neighbour.has_pods(service) else None
            return Backend(neighbour.names[service], port, selector)
        name = make_distinct(make_name(f"{stack}-{service}"), self.taken)
        host = find_host(self.context, target)
        entries = self.foreign.setdefault(name, [])
        if not entries:
            values = _service_values(self.context, name, self._labels(), {}, "ExternalName", entries)
            draft = Draft("rancher_service.yaml.j2", {**values, "external_name": host}, self.name, route.origin)
            self.drafts.append(draft)
        if _make_port(port, port) not in entries:
            entries.append(_make_port(port, port))
        convert = "" if neighbour is not None else "convert that stack, too; "
        message = f"ExternalName {name} -> {host}: {convert}some Ingress controllers refuse these."
        self.fates.append(report(route.origin, message))
        return Backend(name, port, None)

    def _labels(self) -> dict[str, str]:
        context = self.context
        return {NAME_LABEL: self.name, INSTANCE_LABEL: context.instance, PART_OF_LABEL: context.instance}

    def _add_path(self, route: Route, backend: Backend) -> None:
        key = (route.host, route.path or "/")
        known = self.paths.get(key)
        if known is not None and known[0] != backend:
            message = (
                f"An Ingress sends {route.host or 'every host'}{key[1]} to {known[0].name} already"
                f" ({known[1].protocol} {known[1].source_port}); this rule is left out."
            )
            self.fates.append(report(route.origin, message))
            return
        if known is None or route.protocol == "https":
            self.paths[key] = (backend, route)
        secure = route.protocol == "https"
        port = route.source_port if route.source_port in _INGRESS_PORTS else _INGRESS_PORTS[secure]
        self._note_answer(route, "Ingress", self.name, port, f"{route.host or '*'}{route.path}")
        if route.source_port not in _INGRESS_PORTS:
            message = f"Ingress: clients move from port {route.source_port} to 80 or 443."
            self.fates.append(report(route.origin, message))
            self.comments.append(message)
        else:
            self.fates.append(
                mark(route.origin, "translated", f"the Ingress {self.name} to {backend.name}:{backend.port}")
            )

    def _report_port(self, route: Route, backend: Backend) -> None:
        if route.published and backend.selector is None:
            message = (
                f"{backend.name} has no pods in this namespace: publish port {route.source_port} where they are."
            )
            self.fates.append(report(route.origin, message))
        elif route.protocol in ("tls", "https", "sni"):
            message = (
                f"Port {route.source_port}: a Service passes bytes on; TLS ({route.protocol}) must end at the target."
            )
            self.fates.append(report(route.origin, message))
            self.comments.append(message)
        elif not route.published:
            message = f"port {route.source_port} of a ClusterIP Service: it was not published"
            self.fates.append(mark(route.origin, "translated", message))
        elif self.context.policy.load_balancer:
            message = f"port {route.source_port} of a LoadBalancer Service to {backend.name}"
            self.fates.append(mark(route.origin, "translated", message))
        else:
            message = (
                f"A NodePort Service to {backend.name}: clients move from port {route.source_port} to its node port,"
                " or the cluster gets load balancers."
            )
            self.fates.append(report(route.origin, message))

    def _draft_ports(self) -> None:
        single = len(self.ports) == 1
        for (published, backend), routes in self.ports.items():
            if backend.selector is None:
                continue
            name = self.name if single else self._name_ports(backend, published)
            kind = "ClusterIP"
            if published:
                kind = "LoadBalancer" if self.context.policy.load_balancer else "NodePort"
            ports: list[dict[str, Any]] = []
            for route in routes:
                protocol = "UDP" if route.protocol == "udp" else "TCP"
                port = _make_port(route.source_port, self._target_port(route), protocol)
                if published:
                    self._note_answer(route, "Service", name, route.source_port)
                if not any(known["name"] == port["name"] for known in ports):
                    ports.append(port)
            values = _service_values(self.context, name, self._labels(), dict(backend.selector), kind, ports)
            self.drafts.append(
                Draft(
                    "rancher_service.yaml.j2", values, self.name, self.balancer.service.origin, tuple(self.comments)
                )
            )

    def _name_ports(self, backend: Backend, published: bool) -> str:
        grouped = backend.name.startswith(f"{self.name}-targets-")
        name = backend.name if grouped else f"{self.name}-{backend.name}"
        name = make_distinct(make_name(name if published else f"{name}-internal"), self.taken)
        self.taken.add(name)
        return name

    def _target_port(self, route: Route) -> int:
        return route.targets[0][1]

    def _draft_ingress(self) -> None:
        rules: dict[str, list[dict[str, Any]]] = {}
        for (host, path), (backend, _) in self.paths.items():
            rules.setdefault(host, []).append(
                {
                    "path": path if path.startswith("/") else "/" + path,
                    "pathType": "Prefix",
                    "backend": {"service": {"name": backend.name, "port": {"number": backend.port}}},
                }
            )
        spec: dict[str, Any] = {}
        if self.context.policy.ingress_class:
            spec["ingressClassName"] = self.context.policy.ingress_class
        secure = [route for route in self.balancer.routes if route.protocol == "https" and route.published]
        if secure:
            spec["tls"] = self._build_tls(list(dict.fromkeys(route.host for route in secure if route.host)))
        spec["rules"] = [
            {"host": host, "http": {"paths": paths}} if host else {"http": {"paths": paths}}
            for host, paths in rules.items()
        ]
        comments = [
            "An Ingress needs a controller; ingress-nginx is retired: choose another, or the Gateway API.",
            *dict.fromkeys(self.comments),
        ]
        values = {"name": self.name, "labels": self._labels(), "spec": spec}
        draft = Draft("rancher_ingress.yaml.j2", values, self.name, self.balancer.service.origin, tuple(comments))
        self.drafts.append(draft)

    def _build_tls(self, hosts: list[str]) -> list[dict[str, Any]]:
        names = _read_certificates(self.balancer.service)
        secrets = [make_name(name, fallback="certificate") for name in names] or [f"{self.name}-tls"]
        self.comments.append(f"Create the TLS Secret {', '.join(secrets)} from Rancher's certificate.")
        entries: list[dict[str, Any]] = []
        for position, secret in enumerate(dict.fromkeys(secrets)):
            entry: dict[str, Any] = {"secretName": secret}
            if hosts and not position:
                entry = {"hosts": hosts, **entry}
            entries.append(entry)
        return entries

    def _name_itself(self) -> None:
        """Let the load balancer's own name resolve where all rules lead to one service."""
        if any(
            draft.values["name"] == self.name and draft.template == "rancher_service.yaml.j2" for draft in self.drafts
        ):
            return
        backends = {backend.name: backend for backend, _ in self.paths.values()}
        message = f"The name {self.name} resolves to nothing now: its rules lead to several Services or to none."
        if len(backends) != 1 or next(iter(backends.values())).selector is None:
            if self.balancer.routes:
                self.fates.append(report(self.balancer.service.origin, message))
            return
        backend = next(iter(backends.values()))
        numbers = {route.source_port: self._target_port(route) for _, route in self.paths.values()}
        ports = [_make_port(source, target) for source, target in numbers.items()]
        selector = dict(backend.selector or ())
        if all(source == target for source, target in numbers.items()):
            values = _service_values(self.context, self.name, self._labels(), {}, "ExternalName", [])
            domain = f"{self.context.namespace}.svc.{self.context.policy.cluster_domain}"
            values["external_name"] = f"{backend.name}.{domain}"
        else:
            values = _service_values(self.context, self.name, self._labels(), selector, "ClusterIP", ports)
        self.drafts.insert(0, Draft("rancher_service.yaml.j2", values, self.name, self.balancer.service.origin))

    def _account_keys(self) -> None:
        service = self.balancer.service
        gone = "The load balancer's container is gone; an Ingress controller or the Service does its work."
        for key, setting in service.settings.items():
            if key in ("lb_config", "load_balancer_config", "labels"):
                continue
            if key in ("ports", "expose", "links", "external_links"):
                self.fates.append(mark(setting.origin, "translated", "rules of the Ingress and the Services"))
                continue
            if key in ("default_cert", "certs"):
                self.fates.append(
                    report(setting.origin, "Create TLS Secrets of these names from Rancher's certificates.")
                )
            elif key in ("image", "type"):
                self.fates.append(mark(setting.origin, "translated", "an Ingress, Services"))
            else:
                self.fates.append(mark(setting.origin, "ignored", gone))
        self._account_config(service)
        for pair in service.pairs("labels"):
            if pair.name in (PROXY_LABEL,):
                self.fates.append(report(pair.origin, "Proxy protocol: switch it on in the Ingress controller."))
            elif pair.name == SSL_LABEL or pair.name.startswith(TARGET_LABEL):
                self.fates.append(mark(pair.origin, "translated", "rules of the Ingress and the Services"))
            elif pair.name.startswith(_OF_CONTAINER) or not pair.name.startswith("io.rancher."):
                self.fates.append(mark(pair.origin, "ignored", gone))
            else:
                row = find_label_row(pair.name)
                fate = mark(pair.origin, "ignored", gone) if "to" in row else report(pair.origin, row["message"])
                self.fates.append(fate)

    def _account_config(self, service: StackService) -> None:
        advice = {
            "config": "HAProxy's own settings: find the Ingress controller's for the same.",
            "stickiness_policy": "Sessions stick to a pod by annotations of the Ingress controller.",
            "lb_cookie_stickiness_policy": "Sessions stick to a pod by annotations of the Ingress controller.",
            "haproxy_config": "HAProxy's own settings: find the Ingress controller's for the same.",
            "certs": "Create TLS Secrets of these names from Rancher's certificates.",
            "default_cert": "Create a TLS Secret of this name from Rancher's certificate.",
            "cert_dir": "Certificates from a folder: cert-manager keeps TLS Secrets up to date.",
        }
        for section in ("lb_config", "load_balancer_config"):
            config = service.get(section)
            if not isinstance(config, Mapping):
                continue
            for key, value in config.items():
                if key in advice and value not in (None, "", [], {}):
                    self.fates.append(report(service.origin_of(section, key), advice[key]))
            rules = config.get("port_rules")
            for place, rule in enumerate(rules if isinstance(rules, list) else []):
                for key in ("priority", "backend_name"):
                    if isinstance(rule, Mapping) and rule.get(key) not in (None, "", 0):
                        origin = service.origin_of(section, "port_rules", place, key)
                        message = (
                            "Priorities and backend names are gone; of an Ingress the longest path of a host wins."
                        )
                        self.fates.append(report(origin, message))


def _read_certificates(service: StackService) -> list[str]:
    config = service.get("lb_config")
    config = config if isinstance(config, Mapping) else {}
    certificates = config.get("certs") or service.get("certs") or []
    default = config.get("default_cert") or service.get("default_cert")
    listed: Iterable[Any] = certificates if isinstance(certificates, list) else [certificates]
    return [str(name) for name in dict.fromkeys([default, *listed]) if name]


def _make_port(source: int, target: int, protocol: str = "TCP") -> dict[str, Any]:
    port: dict[str, Any] = {"name": f"{protocol.lower()}-{source}", "port": source, "targetPort": target}
    if protocol != "TCP":
        port["protocol"] = protocol
    return port


def _service_values(
    context: Context,
    name: str,
    labels: Mapping[str, str],
    selector: Mapping[str, str],
    kind: str,
    ports: list[dict[str, Any]],
) -> dict[str, Any]:
    return {
        "name": name,
        "labels": labels,
        "selector": selector,
        "type": kind,
        "headless": False,
        "external_name": None,
        "ports": ports,
    }
