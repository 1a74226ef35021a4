"""Network modes, DNS settings, host names, host aliases."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

from migrator.sources.rancher.compose import KeyOrigin
from migrator.sources.rancher.stack import StackService
from migrator.sources.rancher.translate.model import KeyFate, Part, mark, report
from migrator.sources.rancher.translate.names import is_dns_label, is_hostname
from migrator.sources.rancher.translate.numbers import read_boolean
from migrator.sources.rancher.translate.survey import Context, read_network, starts_once

DNS_LABEL = "io.rancher.container.dns"
RANCHER_DNS = "169.254.169.250"


def build_network(service: StackService, context: Context) -> Part:
    """Build the pod's network fields."""
    fates: list[KeyFate] = []
    comments: list[str] = []
    pod: dict[str, Any] = {}
    mode = read_network(service)
    key = "network_mode" if service.get("network_mode") else "net"
    origin = service.origin_of(key)
    if mode == "host":
        in_cluster = read_boolean(service.labels().get(DNS_LABEL, ""))
        pod["hostNetwork"] = True
        pod["dnsPolicy"] = "ClusterFirstWithHostNet" if in_cluster else "Default"
    elif mode.startswith(("container:", "service:")):
        target = mode.partition(":")[2]
        if target in _find_mates(context, service.name):
            fates.append(mark(origin, "translated", f"the pod that {service.name} and {target} share"))
        else:
            fates.append(
                report(origin, f"{target} is no sidekick of {service.name}: pods share no network. Make it one.")
            )
            comments.append(f"shared its network with {target}, which is in another pod now")
    elif mode == "none":
        fates.append(_mark_no_network(service, context, origin))
    elif mode not in ("", "bridge", "managed", "default"):
        fates.append(report(origin, f"The network {mode!r} was Rancher's; the pod is on the cluster's network."))
    elif mode:
        fates.append(mark(origin, "ignored", "Every pod is on the cluster's network."))
    pod.update(_read_host_name(service, fates))
    aliases = _read_extra_hosts(service, fates)
    if aliases:
        pod["hostAliases"] = aliases
    config = _read_dns(service, fates)
    if config:
        pod["dnsConfig"] = config
    return Part(pod=pod, fates=tuple(fates), comments=tuple(comments))


def _mark_no_network(service: StackService, context: Context, origin: KeyOrigin) -> KeyFate:
    """Say what becomes of `none`: mostly it stands at a sidekick that only holds volumes or fills them."""
    if service.name not in context.primaries:
        return report(origin, "Pods are always on the network; deny traffic with a NetworkPolicy.")
    if starts_once(service):
        return mark(origin, "ignored", "It runs once in its primary's pod, to hold or to fill volumes.")
    message = "It is on its pod's network now, and a NetworkPolicy knows whole pods only; fine if it opens no port."
    return report(origin, message)


def _find_mates(context: Context, name: str) -> frozenset[str]:
    owners = context.primaries.get(name, (name,))
    return frozenset(mate for owner in owners for mate in context.pods.get(owner, ()))


def _read_host_name(service: StackService, fates: list[KeyFate]) -> dict[str, str]:
    found = {}
    for key, field in (("hostname", "hostname"), ("domainname", "subdomain")):
        text = service.text(key).lower()
        if not text:
            continue
        if is_dns_label(text):
            found[field] = text
        else:
            fates.append(report(service.origin_of(key), f"{text!r} is no DNS label, as {field} must be; left out."))
    return found


def _read_extra_hosts(service: StackService, fates: list[KeyFate]) -> list[dict[str, Any]]:
    found: dict[str, list[str]] = {}
    for pair in service.pairs("extra_hosts", ":"):
        try:
            address = str(ip_address((pair.value or "").strip()))
        except ValueError:
            message = f"{pair.value!r} is no IP address, as hostAliases need one; use an ExternalName Service."
            fates.append(report(pair.origin, message))
            continue
        found.setdefault(address, []).append(pair.name)
    return [{"ip": address, "hostnames": names} for address, names in found.items()]


def _read_dns(service: StackService, fates: list[KeyFate]) -> dict[str, Any]:
    config: dict[str, Any] = {}
    servers: list[str] = []
    for text, origin in service.texts("dns"):
        try:
            address = str(ip_address(text.strip()))
        except ValueError:
            fates.append(report(origin, f"{text!r} is no IP address; left out."))
            continue
        if address == RANCHER_DNS:
            fates.append(mark(origin, "ignored", "Rancher's own DNS server; the cluster's takes its place."))
        elif len(servers) < 3:
            servers.append(address)
        else:
            fates.append(report(origin, "A pod takes three name servers; left out."))
    if servers:
        config["nameservers"] = servers
    searches = []
    for text, origin in service.texts("dns_search"):
        if text.endswith("rancher.internal"):
            message = "Rancher's zone; the pod searches its namespace and svc.cluster.local by itself."
            fates.append(report(origin, message))
        elif is_hostname(text.lower().rstrip(".")):
            searches.append(text.lower())
        elif text and text != ".":
            fates.append(report(origin, f"{text!r} is no domain; left out."))
    if searches:
        config["searches"] = searches
    options = []
    for text, _ in service.texts("dns_opt"):
        name, separator, value = text.partition(":")
        if name:
            options.append({"name": name, "value": value} if separator else {"name": name})
    if options:
        config["options"] = options
    return config
