"""The rules of load balancers, of both generations, as one list.

After rancher/rancher-compose-executor rancher/lb_service.go: in the older form ports, links and labels make rules;
a port also reaches every linked service that no label overrides.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from migrator.errors import InputError
from migrator.model.record import record
from migrator.sources.rancher.compose import KeyOrigin
from migrator.sources.rancher.stack import StackService
from migrator.sources.rancher.translate.numbers import read_integer
from migrator.sources.rancher.translate.survey import Context, image_name, split_link

TARGET_LABEL = "io.rancher.loadbalancer.target."
SSL_LABEL = "io.rancher.loadbalancer.ssl.ports"
PROXY_LABEL = "io.rancher.loadbalancer.proxy-protocol.ports"
LINK_LABEL = "io.rancher.service.selector.link"
_LEGACY_IMAGE = "rancher/load-balancer-service"


@record
class PortRule:
    """A rule: what comes in at `source_port` for host and path goes to `service` at `target_port`."""

    source_port: int
    protocol: str
    host: str
    path: str
    service: str
    target_port: int
    origin: KeyOrigin
    selector: str = ""


def read_rules(service: StackService, context: Context) -> tuple[PortRule, ...]:
    """Read a load balancer's rules; those with a selector stand for each service of the stack that it selects."""
    rules = list(_read_config(service))
    if image_name(service.text("image")) == _LEGACY_IMAGE or not service.get("lb_config"):
        rules.extend(_read_legacy(service))
    resolved: list[PortRule] = []
    for rule in rules:
        found = tuple(_resolve(rule, context)) if rule.selector and not rule.service else ()
        resolved.extend(found or (rule,))
    return tuple(dict.fromkeys(resolved))


def _read_config(service: StackService) -> Iterator[PortRule]:
    config = service.get("lb_config")
    rules = config.get("port_rules") if isinstance(config, Mapping) else None
    for place, rule in enumerate(rules if isinstance(rules, list) else []):
        if isinstance(rule, Mapping):
            origin = service.origin_of("lb_config", "port_rules", place)
            yield _make_rule(rule, origin)


def _make_rule(rule: Mapping[str, Any], origin: KeyOrigin) -> PortRule:
    source = _read_port(rule.get("source_port"), origin, "source_port")
    return PortRule(
        source_port=source,
        protocol=str(rule.get("protocol") or "http").lower(),
        host=str(rule.get("hostname") or "").strip().lower(),
        path=str(rule.get("path") or "").strip(),
        service=str(rule.get("service") or "").strip(),
        target_port=_read_port(rule.get("target_port"), origin, "target_port"),
        origin=origin,
        selector=str(rule.get("selector") or "").strip(),
    )


def _read_port(value: Any, origin: KeyOrigin, key: str) -> int:
    if value in (None, ""):
        return 0
    number = read_integer(value)
    if number is None or not 0 <= number <= 65535:
        raise InputError(origin.file, f"{key}: {value!r} is no port from 1 to 65535", line=origin.line)
    return number


def _resolve(rule: PortRule, context: Context) -> Iterator[PortRule]:
    """Find the services that a rule selects, of all stacks; their own `lb_config` says where the traffic goes."""
    for name, service in _list_services(context):
        if not matches(rule.selector, service.labels()):
            continue
        own = list(_read_config(service))
        if not own:
            yield replace(rule, service=name)
        for target in own:
            yield replace(
                rule,
                service=name,
                host=target.host or rule.host,
                path=target.path or rule.path,
                target_port=target.target_port or rule.target_port,
            )


def _list_services(context: Context) -> Iterator[tuple[str, StackService]]:
    """List what has pods, as rules name it: this stack's services, then `stack/service` of the others."""
    for service in context.stack.services:
        if context.has_pods(service.name):
            yield service.name, service
    for name, neighbour in context.neighbours.items():
        for service in neighbour.stack.services if name != context.stack.name else ():
            if neighbour.has_pods(service.name):
                yield f"{name}/{service.name}", service


def matches(selector: str, labels: Mapping[str, str]) -> bool:
    """Tell whether labels fit a selector of Rancher's: `a=b`, `a!=b`, `a in (b, c)`, `a notin (b)`, `a`."""
    return bool(selector) and all(_fits(term, labels) for term in split_selector(selector))


def split_selector(selector: str) -> list[str]:
    """Cut a selector at the commas outside of parentheses."""
    terms, depth, current = [], 0, ""
    for character in selector:
        depth += (character == "(") - (character == ")")
        if character == "," and not depth:
            terms.append(current.strip())
            current = ""
        else:
            current += character
    return [term for term in (*terms, current.strip()) if term]


def _fits(term: str, labels: Mapping[str, str]) -> bool:
    for word in (" notin ", " in "):
        if word in term:
            key, _, values = term.partition(word)
            members = [value.strip() for value in values.strip().strip("()").split(",")]
            found = labels.get(key.strip()) in members
            return found if word == " in " else key.strip() in labels and not found
    if "!=" in term:
        key, _, value = term.partition("!=")
        return labels.get(key.strip()) != value.strip()
    key, separator, value = term.partition("=")
    return labels.get(key.strip()) == value.strip() if separator else key.strip() in labels


def _read_legacy(service: StackService) -> Iterator[PortRule]:
    rules: list[PortRule] = []
    links = [(pair.name, pair.origin) for key in ("links", "external_links") for pair in service.pairs(key, ":")]
    selector = service.labels().get(LINK_LABEL, "")
    for key in ("ports", "expose"):
        for text, origin in service.texts(key):
            source, target, protocol = _read_legacy_port(text, origin)
            if not source:
                continue
            rules.extend(
                PortRule(source, protocol, "", "", split_link(name, None)[0], target, link) for name, link in links
            )
            if selector:
                rules.append(PortRule(source, protocol, "", "", "", target, origin, selector))
    for pair in service.pairs("labels"):
        if pair.name.startswith(TARGET_LABEL):
            target_service = pair.name.removeprefix(TARGET_LABEL)
            overrides = [replace(rule, service=target_service, origin=pair.origin)
                         for rule in read_target_label(pair.value or "", pair.origin)]  # fmt: skip
            rules = merge_rules(rules, overrides)
    secure = {text.strip() for text in service.labels().get(SSL_LABEL, "").split(",")}
    for rule in rules:
        yield replace(rule, protocol="https") if str(rule.source_port) in secure else rule


def _read_legacy_port(text: str, origin: KeyOrigin) -> tuple[int, int, str]:
    """Read `source[:target][/protocol]`; an address before it does not count."""
    numbers, _, protocol = text.partition("/")
    parts = numbers.split(":")[-2:]
    source = _read_port(parts[0], origin, "ports") if parts[0].isdigit() else 0
    target = _read_port(parts[-1], origin, "ports") if parts[-1].isdigit() else source
    return source, target, protocol.lower() or "http"


def read_target_label(text: str, origin: KeyOrigin) -> list[PortRule]:
    """Read a target label's value: `[host][:source][/path][=target]`, several with commas."""
    rules = []
    for item in text.split(","):
        left, equals, right = item.strip().partition("=")
        head, slash, tail = left.partition("/")
        host, _, port = ("", "", head) if head[:1].isdigit() else head.partition(":")
        path = slash + tail
        source = _read_port(port, origin, "labels") if port.isdigit() else 0
        target = _read_port(right, origin, "labels") if right.isdigit() else 0
        if not host and not path and not target:
            rules.append(PortRule(0, "", "", "", "", source, origin))
        elif not target and equals:
            rules.append(PortRule(0, "", host, "", "", source, origin))
        else:
            rules.append(PortRule(source, "", host.lower(), path, "", target, origin))
    return rules


def merge_rules(base: list[PortRule], overrides: list[PortRule]) -> list[PortRule]:
    """Let overrides take the place of the rules of their service and port; the others stay (`mergePortRules`)."""
    merged = []
    for rule in base:
        replaced = [
            replace(
                rule, host=other.host, path=other.path, target_port=other.target_port or rule.target_port,
                origin=other.origin,
            )
            for other in overrides
            if other.service == rule.service and other.source_port in (0, rule.source_port)
        ]  # fmt: skip
        merged.extend(replaced or [rule])
    return merged
