"""The grammar of a published port, with Rancher's own words for what it refuses.

After cattle's io.cattle.platform.core.util.PortSpec. Ranges were never supported (rancher#1673, rancher#15511).
"""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import Any

from migrator.model.record import record

_PATTERN = re.compile(r"(([0-9]+):)?([0-9]+)(/(.*))?\Z", re.ASCII)


class PortError(ValueError):
    """A port that Rancher answers with 422: `code` is its own word, `hint` what to write."""

    def __init__(self, code: str, spec: str, hint: str) -> None:
        super().__init__(f"{code}: {spec!r}")
        self.code = code
        self.hint = hint


@record
class PortSpec:
    """A published port: `host_port` None asks for a random one, `host_ip` None for every address."""

    host_ip: str | None
    host_port: int | None
    container_port: int
    protocol: str


def parse_port(value: Any) -> PortSpec:
    """Read `[ip:][hostPort:]containerPort[/tcp|udp]`, `ip::containerPort` or `[ipv6]:hostPort:containerPort`.

    Raises PortError for anything else.
    """
    spec = str(value).strip()
    text, host_ip = _cut_address(spec)
    match = _PATTERN.match(text)
    if match is None:
        hint = "Write [ip:][hostPort:]containerPort[/tcp|udp]."
        if re.fullmatch(r"[0-9.:\[\]-]+(/\w+)?", spec) and "-" in spec:
            hint += " Rancher never supported ranges: write one line per port."
        raise PortError("PortWrongFormat", spec, hint)
    container_port = int(match[3])
    host_port = int(match[2]) if match[2] is not None else None
    protocol = match[5] if match[5] is not None else "tcp"
    if not 0 < container_port <= 65535:
        raise PortError("PortInvalidPrivatePort", spec, "A container port is a number from 1 to 65535.")
    if host_port is not None and not 0 < host_port <= 65535:
        raise PortError("PortInvalidPublicPort", spec, "A host port is a number from 1 to 65535.")
    if protocol not in ("tcp", "udp"):
        raise PortError("PortInvalidProtocol", spec, "The protocol is tcp or udp.")
    return PortSpec(_read_address(host_ip, spec), host_port, container_port, protocol.upper())


def _cut_address(spec: str) -> tuple[str, str | None]:
    address, bracket, rest = spec.partition("]")
    if bracket and rest:
        if not address.startswith("["):
            raise PortError("PortWrongFormat", spec, "An IPv6 address stands in brackets: [::1]:80:80.")
        return rest.removeprefix(":"), address.replace("[", "")
    if spec.count(":") == 2:
        address, _, rest = spec.partition(":")
        return rest.removeprefix(":"), address
    return spec, None


def _read_address(text: str | None, spec: str) -> str | None:
    if not text:
        return None
    try:
        address = ip_address(text)
    except ValueError:
        raise PortError("PortWrongFormat", spec, f"{text!r} is no IP address.") from None
    return None if address.is_unspecified else str(address)
