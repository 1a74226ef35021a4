"""What several Rancher stacks of one run claim: ports of the hosts, and hosts of Ingresses."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

from migrator.model.inventory import Finding, Inventory
from migrator.model.reference import Location, ResourceRef

_PART_OF = "app.kubernetes.io/part-of"
_NAMED = 4

Claims = dict[tuple[str, str], dict[ResourceRef, tuple[str, Location]]]
"""What is claimed, then by whom: the claimant's stack and place."""


def find_stack_conflicts(inventory: Inventory) -> tuple[Finding, ...]:
    """Find host ports that several stacks published, and hosts that several stacks' Ingresses answer for."""
    if not any(file.translated for file in inventory.files):
        return ()
    return (*_find_shared_ports(inventory), *_find_shared_hosts(inventory))


def _find_shared_ports(inventory: Inventory) -> Iterator[Finding]:
    translated = {file.path for file in inventory.files if file.translated}
    claims: Claims = defaultdict(dict)
    for workload in inventory.workloads:
        for port in workload.used_ports() if workload.location.path in translated else ():
            claim = (f"{port.host_port:05}", port.protocol)
            claims[claim][workload.ref] = (workload.labels.get(_PART_OF, ""), workload.location)
    for balanced in inventory.balanced:
        claim = (f"{balanced.host_port:05}", balanced.protocol)
        if not balanced.hosts:  # Ingresses share their controller's ports
            claims[claim][balanced.target or balanced.balancer] = (balanced.stack, balanced.location)
    for (number, protocol), names, location in _list_shared(claims):
        message = (
            f"host port {int(number)}/{protocol} is claimed by {names}: on Rancher they kept off each other's hosts, "
            "here each has a number of its own"
        )
        yield Finding("rancher", "info", message, None, location)


def _find_shared_hosts(inventory: Inventory) -> Iterator[Finding]:
    claims: Claims = defaultdict(dict)
    for port in inventory.balanced:
        for host in port.hosts if port.target is not None else ():
            claims[host.rstrip("/"), "Ingress"][port.target or port.balancer] = (port.stack, port.location)
    for (host, _), names, location in _list_shared(claims):
        which = host.replace("*", "every host", 1) if host.partition("/")[0] == "*" else host
        message = (
            f"{which} is answered for by {names}: Rancher told them apart by host, an Ingress controller cannot; "
            "give each a host name of its own"
        )
        yield Finding("rancher", "warning", message, None, location)


def _list_shared(claims: Claims) -> Iterator[tuple[tuple[str, str], str, Location]]:
    for claim, claimants in sorted(claims.items()):
        if len({stack for stack, _ in claimants.values()}) > 1:
            yield claim, _join(map(str, claimants)), next(iter(claimants.values()))[1]


def _join(names: Iterable[str]) -> str:
    listed = list(names)
    more = len(listed) - _NAMED
    return ", ".join(listed[:_NAMED]) + (f" and {more} more" if more > 0 else "")
