"""The routes of load balancers: what comes in where, and which services it reaches, over all stacks of a run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from migrator.errors import InputError
from migrator.model.record import record
from migrator.sources.rancher.compose import KeyOrigin
from migrator.sources.rancher.policy import RancherPolicy
from migrator.sources.rancher.stack import Stack, StackService
from migrator.sources.rancher.translate.load_balancer_rules import (
    PortRule,
    read_rules,
)
from migrator.sources.rancher.translate.model import KeyFate, report
from migrator.sources.rancher.translate.names import is_hostname
from migrator.sources.rancher.translate.ports import PublishedPort, read_published
from migrator.sources.rancher.translate.survey import (
    Context,
    find_refusal,
    survey_stack,
)

GROUP_PREFIX = "migrator.dev/"
INGRESS_PORTS = (80, 443)
_HTTP = ("http", "https")


@record
class Route:
    """Rules of one load balancer with equal source, host and path, and the services that they reach."""

    source_port: int
    protocol: str
    host: str
    path: str
    targets: tuple[tuple[str, int], ...]
    origin: KeyOrigin
    published: bool

    @property
    def transport(self) -> str:
        """Give the protocol as Kubernetes names it."""
        return "UDP" if self.protocol == "udp" else "TCP"

    @property
    def place(self) -> tuple[str, str]:
        """Give host and path as an Ingress has them."""
        return self.host, self.path if self.path.startswith("/") else f"/{self.path}"

    @property
    def wants_ingress(self) -> bool:
        """Tell whether an Ingress takes the route's place."""
        by_name = self.source_port in INGRESS_PORTS or self.host or self.path or self.protocol == "https"
        return self.protocol in _HTTP and self.published and bool(by_name)


@record
class Overruled:
    """A route that an Ingress cannot hold beside another one of the same host and path."""

    route: Route
    by: Route


@record
class Balancer:
    """A load balancer service with its routes; `fates` tells of rules that lead nowhere."""

    service: StackService
    published: tuple[PublishedPort, ...]
    routes: tuple[Route, ...]
    fates: tuple[KeyFate, ...]
    overruled: tuple[Overruled, ...] = ()


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
        target = (rule.service.removeprefix(f"{context.stack.name}/"), rule.target_port or rule.source_port)
        source = published.get(rule.source_port, rule.source_port)
        key = (source, rule.protocol, rule.host, rule.path)
        known = routes.get(key)
        if known is None:
            routes[key] = Route(*key, (target,), rule.origin, rule.source_port in published)
        elif target not in known.targets:
            routes[key] = replace(known, targets=(*known.targets, target))
    kept, overruled = _settle_routes(tuple(routes.values()))
    return Balancer(service, ports, kept, tuple(fates), overruled)


def _settle_routes(routes: tuple[Route, ...]) -> tuple[tuple[Route, ...], tuple[Overruled, ...]]:
    """Find the routes that an Ingress can hold: it sends a host's path to one place, whatever the port.

    The one for HTTPS stays: what answered on 80 beside it mostly sent its clients there.
    """
    chosen: dict[tuple[str, str], Route] = {}
    for route in sorted(routes, key=lambda route: route.protocol != "https"):
        if route.wants_ingress:
            chosen.setdefault(route.place, route)
    kept: list[Route] = []
    overruled: list[Overruled] = []
    for route in routes:
        first = chosen[route.place] if route.wants_ingress else route
        if set(route.targets) == set(first.targets):
            kept.append(replace(route, targets=first.targets))
        else:
            overruled.append(Overruled(route, first))
    return tuple(kept), tuple(overruled)


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
    ports = {name: set(known) for name, known in context.balanced.items()}
    grouped = {name: dict(labels) for name, labels in context.grouped.items()}
    for balancer in balancers:
        for route in balancer.routes:
            own = find_own(context, route)
            for name, port in own:
                ports.setdefault(name, set()).add((port, route.transport))
            if len(own) > 1:
                label = GROUP_PREFIX + group_name(context, balancer, route)
                for name, _ in own:
                    grouped.setdefault(context.primary(name), {})[label] = "true"
    return replace(context, balanced={name: frozenset(found) for name, found in ports.items()}, grouped=grouped)


def find_own(context: Context, route: Route) -> tuple[tuple[str, int], ...]:
    """Find the targets of a route that have pods in this stack."""
    return tuple((name, port) for name, port in route.targets if context.has_pods(name))


def survey_stacks(stacks: Iterable[Stack], policy: RancherPolicy) -> Mapping[str, Context]:
    """Survey the stacks of a run, so that each knows the others, and the ports that their load balancers reach.

    Stacks that are refused are left out: whoever asks for their services learns that nobody has them.
    """
    contexts: dict[str, Context] = {}
    for stack in stacks:
        if stack.name not in contexts and find_refusal(stack) is None:
            contexts[stack.name] = survey_stack(stack, policy)
    reached: dict[tuple[str, str], set[tuple[int, str]]] = {}
    for context in contexts.values():
        for name, port in _reach_neighbours(replace(context, neighbours=contexts)):
            stack_name, _, service = name.rpartition("/")
            reached.setdefault((stack_name, service), set()).add(port)
    for (stack_name, service), ports in reached.items():
        context = contexts[stack_name]
        balanced = {**context.balanced, service: context.balanced.get(service, frozenset()) | ports}
        contexts[stack_name] = replace(context, balanced=balanced)
    return contexts


def _reach_neighbours(context: Context) -> Iterator[tuple[str, tuple[int, str]]]:
    try:
        balancers = read_balancers(context)
    except InputError:  # said where the stack itself is translated
        return
    for balancer in balancers:
        for route in balancer.routes:
            for name, port in route.targets:
                if "/" in name and context.neighbour(name.rpartition("/")[0]) is not None:
                    yield name, (port, route.transport)


def group_name(context: Context, balancer: Balancer, route: Route) -> str:
    """Give the name of the Service that a route's several targets share, one for all routes to the same targets."""
    number = next(place for place, other in enumerate(balancer.routes, 1) if other.targets == route.targets)
    return f"{context.names[balancer.service.name]}-targets-{number}"
