"""Published and exposed ports: the faithful host ports of a container, and what its Service listens on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from migrator.errors import InputError
from migrator.model.record import record
from migrator.sources.rancher.compose import KeyOrigin
from migrator.sources.rancher.ports import PortError, PortSpec, parse_port
from migrator.sources.rancher.stack import StackService
from migrator.sources.rancher.translate.model import KeyFate, Part, mark, report
from migrator.sources.rancher.translate.numbers import read_integer
from migrator.sources.rancher.translate.survey import Context, is_host_network

RANDOM = 0
"""The hostPort that asks Docker for a random one; to Kubernetes it says nothing."""


@record
class PublishedPort:
    """An entry of `ports`."""

    spec: PortSpec
    origin: KeyOrigin


def read_published(service: StackService) -> tuple[PublishedPort, ...]:
    """Read `ports`.

    Raises InputError in Rancher's own words for what its grammar refuses.
    """
    found = []
    for text, origin in service.texts("ports"):
        if text == "" and not isinstance(service.get("ports"), list):
            continue
        try:
            found.append(PublishedPort(parse_port(text), origin))
        except PortError as error:
            raise InputError(
                origin.file, f"Service '{service.name}' configuration key 'ports': {error}", line=origin.line,
                hint=error.hint,
            ) from None  # fmt: skip
    return tuple(found)


def read_exposed(service: StackService) -> tuple[tuple[PortSpec, KeyOrigin], ...]:
    """Read `expose`: container ports, and the `N:N` form that some files have."""
    found = []
    for text, origin in service.texts("expose"):
        if not text:
            continue
        try:
            found.append((parse_port(text), origin))
        except PortError as error:
            raise InputError(
                origin.file, f"Service '{service.name}' configuration key 'expose': {error}", line=origin.line,
                hint=error.hint,
            ) from None  # fmt: skip
    return tuple(found)


def find_container_ports(service: StackService, context: Context) -> tuple[tuple[int, str], ...]:
    """Give the ports that a container is known to listen on, as (number, protocol), in the order written."""
    published = [(port.spec.container_port, port.spec.protocol) for port in read_published(service)]
    exposed = [(spec.container_port, spec.protocol) for spec, _ in read_exposed(service)]
    balanced = sorted(context.balanced.get(service.name, ()))
    return tuple(dict.fromkeys([*published, *exposed, *balanced, *_find_checked(service)]))


def _find_checked(service: StackService) -> list[tuple[int, str]]:
    """Give the port of the health check: something listens there, even if nothing says so."""
    check = service.get("health_check")
    port = read_integer(check.get("port")) if isinstance(check, Mapping) else None
    if port is None or not 0 < port <= 65535 or is_host_network(service):
        return []
    return [(port, "TCP")]


def name_ports(ports: tuple[tuple[int, str], ...]) -> dict[tuple[int, str], str]:
    """Give each port a name of its own: `tcp-80`, `udp-53`."""
    return {(number, protocol): f"{protocol.lower()}-{number}" for number, protocol in ports}


def build_ports(service: StackService, context: Context) -> Part:
    """Build the container's `ports`: a published port is a host port, as on Rancher's hosts."""
    published = read_published(service)
    names = name_ports(find_container_ports(service, context))
    fates: list[KeyFate] = []
    comments: list[str] = []
    entries: list[dict[str, Any]] = []
    host = is_host_network(service)
    seen: set[tuple[str | None, int, str]] = set()
    for port in published:
        spec = port.spec
        fates.append(_mark_published(port, host))
        if host and spec.host_port not in (None, spec.container_port):
            comments.append(
                f"{spec.host_port}:{spec.container_port}: on the host's network the mapping has no effect"
            )
        host_port = None if host else spec.host_port or RANDOM
        if host_port:
            if (spec.host_ip, host_port, spec.protocol) in seen:
                fates.append(report(port.origin, "The same host port twice; the first counts."))
                continue
            seen.add((spec.host_ip, host_port, spec.protocol))
        entries.append(_make_entry(spec.container_port, spec.protocol, names, host_port, spec.host_ip))
    known = {(entry["containerPort"], entry.get("protocol", "TCP")) for entry in entries}
    for spec, origin in read_exposed(service):
        if spec.host_port not in (None, spec.container_port):
            fates.append(report(origin, f"Only {spec.container_port} counts: expose publishes nothing."))
    for number, protocol in find_container_ports(service, context):
        if (number, protocol) not in known:
            entries.append(_make_entry(number, protocol, names, None, None))
    return Part(
        container={"ports": _name_once(_keep_distinct(entries))}, fates=tuple(fates), comments=tuple(comments)
    )


def _make_entry(
    number: int, protocol: str, names: Mapping[tuple[int, str], str], host_port: int | None, host_ip: str | None
) -> dict[str, Any]:
    entry: dict[str, Any] = {"name": names[number, protocol], "containerPort": number}
    if host_port is not None:
        entry["hostPort"] = host_port
        if host_ip is not None:
            entry["hostIP"] = host_ip
    if protocol != "TCP":
        entry["protocol"] = protocol
    return entry


def _keep_distinct(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Leave out what another entry says already: a port without or with a random host port beside a known one."""
    hosted = {_number(entry) for entry in entries if entry.get("hostPort")}
    kept: list[dict[str, Any]] = []
    for entry in entries:
        if entry not in kept and (entry.get("hostPort") or _number(entry) not in hosted):
            kept.append(entry)
    return kept


def _number(entry: Mapping[str, Any]) -> tuple[int, str]:
    return entry["containerPort"], entry.get("protocol", "TCP")


def _name_once(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Leave the name off where one container port has several host ports: names are unique in a pod."""
    seen: set[str] = set()
    result = []
    for entry in entries:
        if entry["name"] in seen:
            result.append({key: value for key, value in entry.items() if key != "name"})
        else:
            seen.add(entry["name"])
            result.append(entry)
    return result


def _mark_published(port: PublishedPort, host: bool) -> KeyFate:
    spec = port.spec
    if host:
        message = "Ignored by Docker on the host's network: the container's own ports are the node's."
        return report(port.origin, message)
    if spec.host_port is None:
        message = f"a random host port to containerPort {spec.container_port}, as Docker chose one"
        return mark(port.origin, "translated", message)
    if spec.host_ip is not None:
        return mark(port.origin, "translated", f"hostPort {spec.host_port} on {spec.host_ip}")
    return mark(
        port.origin, "translated", f"hostPort {spec.host_port}, as Rancher published it on the hosts that ran it"
    )
