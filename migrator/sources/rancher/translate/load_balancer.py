"""Load balancer services: an Ingress for HTTP on 80 and 443 or by host and path, Services for everything else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from migrator.model.inventory import BalancedPort
from migrator.model.record import record
from migrator.model.reference import Location, ResourceRef
from migrator.model.workload import ANY_ADDRESS
from migrator.sources.rancher.stack import StackService, is_known
from migrator.sources.rancher.translate.labels import find_label_row
from migrator.sources.rancher.translate.load_balancer_routes import (
    GROUP_PREFIX,
    INGRESS_PORTS,
    Balancer,
    Overruled,
    Route,
    find_own,
    group_name,
)
from migrator.sources.rancher.translate.load_balancer_rules import (
    PROXY_LABEL,
    SSL_LABEL,
    TARGET_LABEL,
)
from migrator.sources.rancher.translate.model import Draft, KeyFate, Part, mark, report
from migrator.sources.rancher.translate.names import make_distinct, make_name
from migrator.sources.rancher.translate.survey import (
    INSTANCE_LABEL,
    NAME_LABEL,
    PART_OF_LABEL,
    Context,
    find_host,
)

_SECURE = ("tls", "https", "sni")
_OF_CONTAINER = ("io.rancher.scheduler", "io.rancher.container.")
_API_VERSIONS = {"Ingress": "networking.k8s.io/v1", "Service": "v1"}


@record
class Backend:
    """What answers: a Service's name and port; `selector` is None where it has no pods here."""

    name: str
    port: int
    selector: tuple[tuple[str, str], ...] | None


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
        self.notes: list[tuple[Route, str]] = []
        self.drafts: list[Draft] = []
        self.paths: dict[tuple[str, str], tuple[Backend, Route]] = {}
        self.ports: dict[tuple[bool, Backend], list[Route]] = {}
        self.foreign: dict[str, list[dict[str, Any]]] = {}
        self.abroad: dict[tuple[str, str], list[Route]] = {}
        self.inner: list[tuple[Route, str]] = []
        self.answers: dict[int, dict[tuple[ResourceRef, int, str], list[str]]] = {}

    def draft(self) -> Part:
        for route in self.balancer.routes:
            self._report_left_out(route)
            if route.wants_ingress:
                self._add_path(route, self._find_backend(route))
            elif self._is_foreign(route):
                self._reach_abroad(route, *route.targets[0])
            else:
                backend = self._find_backend(route)
                self.ports.setdefault((route.published, replace(backend, port=0)), []).append(route)
                self._report_port(route, backend)
        for overruled in self.balancer.overruled:
            self._overrule(overruled)
        self._draft_ports()
        self._draft_abroad()
        if self.paths:
            self._draft_ingress()
        self._name_itself()
        self._account_keys()
        if not self.balancer.routes:
            message = f"{self.name} has no rule that leads to a service of this stack: nothing is made of it."
            self.fates.append(report(self.balancer.service.origin, message))
        published = tuple(self._list_published())
        return Part(drafts=tuple(self.drafts), fates=tuple(self.fates), published=published)

    def _report_left_out(self, route: Route) -> None:
        """Say which of several targets get nothing: one Service reaches pods of one namespace."""
        own = find_own(self.context, route)
        for target in route.targets:
            if target not in own and (own or target != route.targets[0]):
                message = f"{target[0]} has no pods in this stack and gets no share of this rule."
                self.fates.append(report(route.origin, message))

    def _is_foreign(self, route: Route) -> bool:
        """Tell whether all of a route's pods are in other namespaces."""
        stack, slash, _ = route.targets[0][0].rpartition("/")
        neighbour = self.context.neighbour(stack) if slash else self.context
        elsewhere = neighbour is None or neighbour.namespace != self.context.namespace
        return elsewhere and not find_own(self.context, route)

    def _overrule(self, overruled: Overruled) -> None:
        route, by = overruled.route, overruled.by
        left_out = ", ".join(name for name, _ in route.targets)
        message = (
            f"An Ingress sends {route.host or 'every host'}{route.place[1]} to one place on all its ports: to"
            f" {', '.join(name for name, _ in by.targets)}, as the rule for port {by.source_port} says; of this rule"
            f" {left_out} gets nothing."
        )
        if by.protocol == "https" and route.protocol == "http":
            message += " If it only sends clients on to HTTPS, the Ingress controller can do that; else"
        else:
            message += " To keep both,"
        message += " give it a host name of its own, or write a Gateway with a listener for each port."
        self.fates.append(report(route.origin, message))
        self._note_path(route)

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
            known = {} if spec.host_ip else self.answers.get(number, {})
            # Of a rule whose protocol nobody published the rule's counts, as its Service has it.
            answers = {key: hosts for key, hosts in known.items() if key[2] == spec.protocol} or known
            if spec.host_ip:
                message = f"It was bound to {spec.host_ip}, as no Service or Ingress can be: not published."
                self.fates.append(report(origin, message))
            elif not answers:
                self.fates.append(report(origin, f"No rule leads from port {number}: nothing answers there."))
            if not answers:
                yield entry
            for (target, at, transport), hosts in answers.items():
                yield replace(entry, protocol=transport, target=target, port=at, hosts=tuple(hosts))

    def _note_path(self, route: Route) -> None:
        port = route.source_port if route.source_port in INGRESS_PORTS else INGRESS_PORTS[route.protocol == "https"]
        self._note_answer(route, "Ingress", self.name, port, f"{route.host or '*'}{route.path}")

    def _note_answer(
        self, route: Route, kind: str, name: str, port: int, *hosts: str, namespace: str | None = None
    ) -> None:
        target = ResourceRef(_API_VERSIONS[kind], kind, namespace or self.context.namespace, name)
        self.answers.setdefault(route.source_port, {}).setdefault((target, port, route.transport), []).extend(hosts)

    def _find_backend(self, route: Route) -> Backend:
        own = find_own(self.context, route)
        if len(own) > 1:
            return self._draft_group(route, own)
        name, port = own[0] if own else route.targets[0]
        if "/" in name:
            return self._draft_external(name, port, route)
        if not own:
            return Backend(self.context.names[name], port, None)
        return Backend(self.context.names[name], port, tuple(self.context.selector(name).items()))

    def _draft_group(self, route: Route, own: tuple[tuple[str, int], ...]) -> Backend:
        name = group_name(self.context, self.balancer, route)
        port = own[0][1]
        for target, other in own:
            if other != port:
                message = f"{target} listens on {other}, the others on {port}: a Service reaches one number only."
                self.fates.append(report(route.origin, message))
        selector = {GROUP_PREFIX + name: "true"}
        values = _service_values(self.context, name, self._labels(), selector, "ClusterIP", [_make_port(port, port)])
        reached = ", ".join(target for target, _ in own)
        self.fates.append(report(route.origin, f"Port {route.source_port} reaches {reached} alike, as in Rancher."))
        comment = f"Selects the pods of {reached}."
        if not route.wants_ingress:
            self.notes.append((route, comment))
        elif name not in self.taken:
            self.taken.add(name)
            self.drafts.append(Draft("rancher_service.yaml.j2", values, self.name, route.origin, (comment,)))
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
        message = (
            f"ExternalName {name} -> {host}: {convert}some Ingress controllers refuse these, or want to be told to"
            f" take them; with such a one move the rule into an Ingress in {target.partition('/')[0]}'s namespace."
        )
        self.fates.append(report(route.origin, message))
        return Backend(name, port, None)

    def _labels(self) -> dict[str, str]:
        context = self.context
        return {NAME_LABEL: self.name, INSTANCE_LABEL: context.instance, PART_OF_LABEL: context.instance}

    def _add_path(self, route: Route, backend: Backend) -> None:
        if route.place not in self.paths or route.protocol == "https":
            self.paths[route.place] = (backend, route)
        self._note_path(route)
        if route.source_port not in INGRESS_PORTS:
            message = f"Ingress: clients move from port {route.source_port} to 80 or 443."
            self.fates.append(report(route.origin, message))
            self.comments.append(message)
        else:
            self.fates.append(
                mark(route.origin, "translated", f"the Ingress {self.name} to {backend.name}:{backend.port}")
            )

    def _report_port(self, route: Route, backend: Backend) -> None:
        if backend.selector is None and route.published:
            message = f"{backend.name} has no pods here: publish port {route.source_port} where they are."
            self.fates.append(report(route.origin, message))
        elif backend.selector is None:
            message = f"{backend.name} has no pods here: its clients use {backend.name}:{backend.port} itself."
            self.fates.append(report(route.origin, message))
        elif not route.published and route.protocol not in _SECURE:
            message = f"port {route.source_port} of a ClusterIP Service: it was not published"
            self.fates.append(mark(route.origin, "translated", message))
        else:
            self._report_service(route, backend.name)

    def _report_service(self, route: Route, target: str) -> None:
        if route.protocol in _SECURE:
            message = (
                f"Port {route.source_port}: a Service passes bytes on; TLS ({route.protocol}) must end at the target."
            )
            self.fates.append(report(route.origin, message))
            self.notes.append((route, message))
        elif self.context.policy.load_balancer:
            message = f"port {route.source_port} of a LoadBalancer Service to {target}"
            self.fates.append(mark(route.origin, "translated", message))
        else:
            message = (
                f"A NodePort Service to {target}: clients move from port {route.source_port} to its node port,"
                " or the cluster gets load balancers."
            )
            self.fates.append(report(route.origin, message))

    def _reach_abroad(self, route: Route, target: str, port: int) -> None:
        """Publish a port that leads to another stack's pods in their namespace: a Service reaches no others."""
        stack, _, service = target.rpartition("/")
        neighbour = self.context.neighbour(stack)
        host = find_host(self.context, target)
        if not route.published:
            self.inner.append((route, str(host)))
        elif neighbour is None:
            message = (
                f"{target} is in another namespace, and a Service reaches pods of its own only: convert stack {stack}"
                f" in the same run, and port {route.source_port} gets its Service there; or write a"
                f" {self._outside_type()} Service with port {route.source_port} and targetPort {port} in {stack}."
            )
            self.fates.append(report(route.origin, message))
        elif not neighbour.has_pods(service):
            message = f"{target} has no pods: publish port {route.source_port} where they are."
            self.fates.append(report(route.origin, message))
        else:
            self.abroad.setdefault((stack, service), []).append(route)
            self._report_service(route, f"{neighbour.names[service]}, in namespace {neighbour.namespace}")

    def _draft_abroad(self) -> None:
        for (stack, service), routes in self.abroad.items():
            neighbour = self.context.neighbours[stack]
            taken = neighbour.names.values()
            name = make_distinct(
                make_name(f"{self.context.instance}-{self.name}-{neighbour.names[service]}"), frozenset(taken)
            )
            ports = self._list_ports(routes)
            selector = neighbour.selector(service)
            values = _service_values(self.context, name, self._labels(), selector, self._outside_type(), ports)
            comment = (
                f"What the load balancer {self.name} of {self.context.instance} published; it stands here because a"
                " Service reaches pods of its own namespace only."
            )
            self.drafts.append(
                Draft(
                    "rancher_service.yaml.j2", {**values, "namespace": neighbour.namespace}, name,
                    routes[0].origin, (comment, *self._list_notes(routes)), neighbour.instance,
                )
            )  # fmt: skip
            for route in routes:
                self._note_answer(route, "Service", name, route.source_port, namespace=neighbour.namespace)

    def _list_notes(self, routes: list[Route]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(note for route, note in self.notes if route in routes))

    def _outside_type(self) -> str:
        return "LoadBalancer" if self.context.policy.load_balancer else "NodePort"

    def _list_ports(self, routes: list[Route]) -> list[dict[str, Any]]:
        ports = {
            (route.source_port, route.transport): _make_port(
                route.source_port, self._target_port(route), route.transport
            )
            for route in reversed(routes)
        }
        return [ports[key] for key in dict.fromkeys((route.source_port, route.transport) for route in routes)]

    def _draft_ports(self) -> None:
        single = len(self.ports) == 1
        for (published, backend), routes in self.ports.items():
            if backend.selector is None:
                continue
            name = self.name if single else self._name_ports(backend, published)
            kind = self._outside_type() if published else "ClusterIP"
            for route in routes if published else ():
                self._note_answer(route, "Service", name, route.source_port)
            ports = self._list_ports(routes)
            values = _service_values(self.context, name, self._labels(), dict(backend.selector), kind, ports)
            origin, comments = self.balancer.service.origin, self._list_notes(routes)
            self.drafts.append(Draft("rancher_service.yaml.j2", values, self.name, origin, comments))

    def _name_ports(self, backend: Backend, published: bool) -> str:
        grouped = backend.name.startswith(f"{self.name}-targets-")
        name = backend.name if grouped else f"{self.name}-{backend.name}"
        name = make_distinct(make_name(name if published else f"{name}-internal"), self.taken)
        self.taken.add(name)
        return name

    def _target_port(self, route: Route) -> int:
        return (find_own(self.context, route) or route.targets)[0][1]

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
            self._report_inner()
            return
        if self._names_neighbour():
            return
        self._report_inner()
        backends = {backend.name: backend for backend, _ in self.paths.values()}
        reason = "its rules lead to several Services or to none"
        if self.inner or self.abroad:
            reason = "a name stands for no port of another namespace"
        message = f"The name {self.name} resolves to nothing now: {reason}."
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

    def _names_neighbour(self) -> bool:
        """Let the name stand for another stack's service, where all rules lead there and no port changes."""
        hosts = {host for _, host in self.inner}
        direct = all(route.source_port == self._target_port(route) for route, _ in self.inner)
        if len(hosts) != 1 or len(self.inner) != len(self.balancer.routes) or not direct:
            return False
        host = hosts.pop()
        values = _service_values(self.context, self.name, self._labels(), {}, "ExternalName", [])
        origin = self.balancer.service.origin
        self.drafts.append(Draft("rancher_service.yaml.j2", {**values, "external_name": host}, self.name, origin))
        for route, _ in self.inner:
            self.fates.append(mark(route.origin, "translated", f"the ExternalName Service {self.name} -> {host}"))
        return True

    def _report_inner(self) -> None:
        for route, host in self.inner:
            message = (
                f"No Service stands between namespaces: clients of {self.name}:{route.source_port} use"
                f" {host}:{self._target_port(route)}."
            )
            self.fates.append(report(route.origin, message))

    def _account_keys(self) -> None:
        service = self.balancer.service
        gone = "The load balancer's container is gone; an Ingress controller or the Service does its work."
        for key, setting in service.settings.items():
            if key in ("lb_config", "load_balancer_config", "labels") or not is_known(key):
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
