"""What a person said about a host port: annotations of the workload, and rows of the policy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from migrator.model.policy import Policy
from migrator.model.workload import HostPort, Workload

STRATEGY: Final = "migrator.dev/strategy"
CLIENTS: Final = "migrator.dev/clients"

INSIDE: Final = frozenset({"cluster_ip", "node_local"})
"""Strategies after which a port answers inside the cluster only."""

NOBODY: Final = frozenset({"remove", "anti_affinity"})
"""Strategies after which a port need not answer any more."""

_BY_CLIENTS: Final[Mapping[str, frozenset[str]]] = {
    "cluster": INSIDE,
    "node": INSIDE,
    "none": NOBODY,
}


def find_asked(policy: Policy, workload: Workload, port: HostPort) -> frozenset[str]:
    """Find the strategies that somebody asks for by name, or by saying who uses the port.

    Of a policy's row only what stands in the manifest itself is compared; its other facts are taken to hold.
    """
    asked = set(_BY_CLIENTS.get(workload.annotations.get(CLIENTS, ""), ()))
    asked.add(workload.annotations.get(STRATEGY, ""))
    asked.update(row.strategy for row in policy.host_ports if _matches(row.match, workload, port))
    return frozenset(asked)


def find_option(policy: Policy, workload: Workload, port: HostPort, name: str) -> Any:
    """Find an option that a row of the policy gives for a port; None where none does."""
    rows = (row for row in policy.host_ports if _matches(row.match, workload, port))
    return next((row.options[name] for row in rows if name in row.options), None)


def _matches(match: Mapping[str, Any], workload: Workload, port: HostPort) -> bool:
    facts: Mapping[str, Any] = {
        "kinds": workload.ref.kind,
        "namespaces": workload.ref.namespace,
        "names": workload.ref.name,
        "containers": port.container,
        "ports": port.host_port,
        "containerPorts": port.container_port,
        "protocols": port.protocol,
    }
    labels = match.get("labels") or {}
    return all(facts[name] in _as_list(match[name]) for name in facts.keys() & match.keys()) and all(
        workload.pod_labels.get(key) == value for key, value in labels.items()
    )


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def list_lasting(workload: Workload) -> Iterator[HostPort]:
    """List the host ports that clients could reach: those of init containers are gone before anybody could."""
    return (port for port in workload.used_ports() if port.host_port > 0)
