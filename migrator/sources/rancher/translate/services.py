"""Names in DNS: each service's Service, aliases of links, external services and DNS services."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from ipaddress import ip_address
from typing import Any

from migrator.sources.rancher.compose import KeyOrigin
from migrator.sources.rancher.stack import StackService
from migrator.sources.rancher.translate.load_balancer_routes import GROUP_PREFIX
from migrator.sources.rancher.translate.load_balancer_rules import split_selector
from migrator.sources.rancher.translate.model import Draft, KeyFate, Part, mark, report
from migrator.sources.rancher.translate.names import (
    is_label_key,
    is_label_value,
    is_service_name,
)
from migrator.sources.rancher.translate.ports import find_container_ports
from migrator.sources.rancher.translate.survey import (
    INSTANCE_LABEL,
    NAME_LABEL,
    PART_OF_LABEL,
    SELECTOR_LABEL,
    Context,
    find_host,
    split_link,
)

_TEMPLATE = "rancher_service.yaml.j2"


def draft_service(context: Context, member: str, headless: bool) -> Part:
    """Draft the Service under a service's name, on its container ports as Cattle's DNS gave container addresses.

    Without known ports, and where pods need names of their own, it is headless.
    """
    service = context.service(member)
    ports = find_container_ports(service, context)
    entries = [_make_port(number, protocol) for number, protocol in ports]
    values = _make_values(context, context.names[member], context.selector(member), "ClusterIP", entries)
    values["headless"] = headless or not entries
    draft = Draft(_TEMPLATE, values, context.names[context.primary(member)], service.origin)
    return Part(drafts=(draft,))


def _make_port(number: int, protocol: str) -> dict[str, Any]:
    entry: dict[str, Any] = {"name": f"{protocol.lower()}-{number}", "port": number, "targetPort": number}
    if protocol != "TCP":
        entry["protocol"] = protocol
    return entry


def _make_values(
    context: Context, name: str, selector: Mapping[str, str], kind: str, ports: list[dict[str, Any]]
) -> dict[str, Any]:
    return {
        "name": name,
        "labels": {NAME_LABEL: name, INSTANCE_LABEL: context.instance, PART_OF_LABEL: context.instance},
        "selector": selector,
        "type": kind,
        "headless": False,
        "external_name": None,
        "ports": ports,
    }


def wants_own_service(context: Context, member: str) -> bool:
    """Tell whether a sidekick's name must resolve outside of its pod: it has ports, or is linked to."""
    service = context.service(member)
    mates = {mate for owner in context.primaries.get(member, ()) for mate in context.pods.get(owner, ())}
    if find_container_ports(service, context):
        return True
    return any(
        split_link(pair.name, pair.value)[0] == member
        for other in context.stack.services
        if other.name not in mates
        for pair in other.pairs("links", ":")
    )


def draft_external_service(context: Context, service: StackService) -> Part:
    """Draft an external service: ExternalName for a host name, a Service with endpoints for addresses."""
    name = context.names[service.name]
    fates: list[KeyFate] = []
    host = service.text("hostname").lower()
    given = list(service.texts("external_ips"))
    if _is_address(host):
        given.append((host, service.origin_of("hostname")))
        fates.append(mark(service.origin_of("hostname"), "translated", "an EndpointSlice: an address is no name"))
    elif host:
        values = {**_make_values(context, name, {}, "ExternalName", []), "external_name": host}
        fates.append(mark(service.origin_of("hostname"), "translated", f"ExternalName {host}"))
        return Part(drafts=(Draft(_TEMPLATE, values, name, service.origin),), fates=tuple(fates))
    addresses: dict[int, list[str]] = {}
    for text, origin in given:
        try:
            address = ip_address(text.strip())
        except ValueError:
            fates.append(report(origin, f"{text!r} is no IP address; left out."))
            continue
        if address.is_loopback or address.is_link_local or address.is_unspecified or address.is_multicast:
            fates.append(report(origin, f"An EndpointSlice takes no {address}; left out."))
            continue
        addresses.setdefault(address.version, []).append(str(address))
    if not addresses:
        fates.append(report(service.origin, f"{service.name} names no host and no address: nothing is made of it."))
        return Part(fates=tuple(fates))
    values = {**_make_values(context, name, {}, "ClusterIP", []), "headless": True}
    drafts = [Draft(_TEMPLATE, values, name, service.origin)]
    for version, found in addresses.items():
        slice_values = {
            "name": f"{name}-ipv{version}",
            "service": name,
            "labels": {"kubernetes.io/service-name": name, PART_OF_LABEL: context.instance},
            "address_type": f"IPv{version}",
            "addresses": found,
        }
        drafts.append(Draft("rancher_endpoint_slice.yaml.j2", slice_values, name, service.origin))
    if service.get("health_check"):
        message = "Nothing checks endpoints outside of the cluster: take a dead address out by hand."
        fates.append(report(service.origin_of("health_check"), message))
    return Part(drafts=tuple(drafts), fates=tuple(fates))


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def draft_selector_service(context: Context, service: StackService) -> Part:
    """Draft a service that selects containers by label: a Service with that selector, where there can be one."""
    origin = service.label_origin(SELECTOR_LABEL)
    terms = split_selector(service.labels().get(SELECTOR_LABEL, ""))
    selector: dict[str, str] = {}
    for term in terms:
        key, equals, value = (part.strip() for part in term.partition("="))
        if not equals or key.endswith("!") or not is_label_key(key) or not is_label_value(value):
            message = f"{term!r} cannot be a Service's selector, which knows equality only: label the pods for it."
            return Part(fates=(report(origin, message),))
        selector[key] = value
    if not selector:
        return Part(fates=(report(service.origin, f"{service.name} has no image and selects nothing."),))
    name = context.names[service.name]
    values = {**_make_values(context, name, selector, "ClusterIP", []), "headless": True}
    message = "the Service's selector; it sees pods of its own namespace only"
    return Part(
        drafts=(Draft(_TEMPLATE, values, name, service.origin),), fates=(mark(origin, "translated", message),)
    )


def group_aliases(context: Context) -> Context:
    """Add the pod labels by which a DNS service with several targets selects."""
    grouped = {name: dict(labels) for name, labels in context.grouped.items()}
    for service in context.stack.services:
        if context.roles[service.name] == "alias":
            targets = [name for name, _ in _read_targets(service) if context.has_pods(name)]
            if len(targets) > 1:
                for target in targets:
                    label = GROUP_PREFIX + context.names[service.name]
                    grouped.setdefault(context.primary(target), {})[label] = "true"
    return replace(context, grouped=grouped)


def _read_targets(service: StackService) -> list[tuple[str, KeyOrigin]]:
    return [
        (split_link(pair.name, pair.value)[0], pair.origin)
        for key in ("links", "external_links")
        for pair in service.pairs(key, ":")
        if pair.name
    ]


def draft_alias_service(context: Context, service: StackService) -> Part:
    """Draft a DNS service: ExternalName for one target, a headless Service over the pods of several."""
    name = context.names[service.name]
    fates: list[KeyFate] = []
    hosts: list[str] = []
    own: list[str] = []
    for target, origin in _read_targets(service):
        host = find_host(context, target)
        if host is None:
            fates.append(report(origin, f"There is no service {target} to name."))
            continue
        hosts.append(host)
        if context.has_pods(target):
            own.append(target)
        fates.append(mark(origin, "translated", f"a target of the Service {name}"))
    if not hosts:
        return Part(
            fates=(*fates, report(service.origin, f"{service.name} names no service: nothing is made of it."))
        )
    if len(own) > 1:
        values = _make_values(context, name, {GROUP_PREFIX + name: "true"}, "ClusterIP", [])
        values["headless"] = True
        comment = "Selects the pods of " + ", ".join(own) + "."
        return Part(drafts=(Draft(_TEMPLATE, values, name, service.origin, (comment,)),), fates=tuple(fates))
    if len(hosts) > 1:
        fates.append(
            report(service.origin, f"ExternalName takes one target: {hosts[0]}; {', '.join(hosts[1:])} is lost.")
        )
    values = {**_make_values(context, name, {}, "ExternalName", []), "external_name": hosts[0]}
    return Part(drafts=(Draft(_TEMPLATE, values, name, service.origin),), fates=tuple(fates))


def find_old_name(context: Context, service: str) -> str | None:
    """Give a service's old name where it is a legal Service name that is still free, as of one too long for pods."""
    old = service.lower()
    if old == context.names[service] or not is_service_name(old) or old in context.names.values():
        return None
    return old


def draft_old_names(context: Context) -> Part:
    """Draft ExternalName Services under the old names of renamed services that may stay."""
    drafts = []
    for service in context.stack.services:
        old = find_old_name(context, service.name) if context.roles[service.name] != "blocked" else None
        if old is not None:
            host = context.host_name(service.name)
            values = {**_make_values(context, old, {}, "ExternalName", []), "external_name": host}
            drafts.append(Draft(_TEMPLATE, values, "aliases", service.origin))
    return Part(drafts=tuple(drafts))


def draft_links(context: Context, taken: frozenset[str]) -> Part:
    """Draft the aliases of links and external links: ExternalName Services, one for each name."""
    drafts: dict[str, Draft] = {}
    fates: list[KeyFate] = []
    used = set(taken)
    for service in context.stack.services:
        if context.roles[service.name] not in ("workload", "sidekick"):
            continue
        for external, target, alias, origin in _read_links(service):
            if not target:
                fates.append(report(origin, "A blank link: the question for it has no answer."))
                continue
            fates.append(_link(context, drafts, used, external, target, alias, origin))
    return Part(drafts=tuple(drafts.values()), fates=tuple(fates))


def _read_links(service: StackService) -> Iterator[tuple[bool, str, str, KeyOrigin]]:
    for key in ("links", "external_links"):
        for pair in service.pairs(key, ":"):
            target, alias = split_link(pair.name, pair.value)
            yield key == "external_links", target, alias, pair.origin


def _link(
    context: Context,
    drafts: dict[str, Draft],
    used: set[str],
    external: bool,
    target: str,
    alias: str,
    origin: KeyOrigin,
) -> KeyFate:
    host = find_host(context, target)
    stack, slash, service = target.rpartition("/")
    if host is None and external and not slash:
        return report(
            origin, f"The stack of {target} is not said here: write an ExternalName Service {alias} for it."
        )
    if host is None:
        owner = context.neighbour(stack) if slash else context
        left_out = owner is not None and service in owner.names
        reason = "is left out" if left_out else f"is not in {f'stack {stack}' if slash else 'this stack'}"
        return report(origin, f"{target} {reason}: the name {alias} resolves to nothing.")
    name = alias.lower()
    own = context.names.get(target) if "/" not in target else None
    if name == own or (own is not None and name == find_old_name(context, target)):
        return mark(origin, "translated", f"the Service {name}")
    if name.replace("_", "-") == own:
        return report(origin, f"The Service is named {own}: {alias} is no legal name.")
    if not is_service_name(name):
        return report(origin, f"{alias!r} is no name that a Service can have: {host} answers instead.")
    known = drafts.get(name)
    if known is not None:
        if known.values["external_name"] == host:
            return mark(origin, "translated", f"the ExternalName Service {name}")
        message = (
            f"{name} stands for {known.values['external_name']} already: in Rancher an alias was its service's own,"
            f" here it is the namespace's. Use {host}."
        )
        return report(origin, message)
    if name in used:
        return report(origin, f"A service of this stack is named {name}, too: use {host} instead.")
    values = {**_make_values(context, name, {}, "ExternalName", []), "external_name": host}
    drafts[name] = Draft(_TEMPLATE, values, "aliases", origin)
    missing = slash and context.neighbour(stack) is None
    wanted = f"; convert stack {stack}, too, unless it runs elsewhere" if missing else ""
    return mark(origin, "translated", f"the ExternalName Service {name} -> {host}{wanted}")
