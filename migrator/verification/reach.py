"""Where traffic to a Service's port arrives: at which container port of whose pods."""

from __future__ import annotations

from collections.abc import Iterator

from migrator.model.objects import Service, ServicePort
from migrator.model.record import record
from migrator.model.workload import HostPort, Workload
from migrator.verification.comparison import POD_NAME_LABEL, Side

EXTERNAL = ("NodePort", "LoadBalancer")


@record
class Way:
    """A Service's port that leads to a container port of a workload, of one member of it where it names one."""

    service: Service
    entry: ServicePort
    member: str | None

    @property
    def is_external(self) -> bool:
        """Tell whether clients outside of the cluster can take it."""
        return self.service.type in EXTERNAL

    @property
    def is_near(self) -> bool:
        """Tell whether it stays on, or prefers, the client's node."""
        return (
            self.service.internal_traffic_policy == "Local" or self.service.traffic_distribution == "PreferSameNode"
        )

    def __str__(self) -> str:
        """Say where clients go."""
        name, number = self.service.ref.name, f"{self.entry.port}/{self.entry.protocol}"
        if not self.is_external:
            near = ", to the pod of the client's own node" if self.is_near else ""
            return f"{name}:{number} inside the cluster{near}"
        where = f"node port {self.entry.node_port or 'of the cluster’s choice'} of {name}"
        if self.service.type == "LoadBalancer":
            where = f"load balancer {name}:{number}"
        if self.service.external_traffic_policy == "Local":
            return f"{where}, at nodes that run a pod; client addresses stay visible"
        return f"{where}, at every node; pods see node addresses for clients of other nodes"


def find_ways(side: Side, workload: Workload, port: HostPort) -> Iterator[Way]:
    """Find the ways to a port of a workload's pods, of Services that lead to nobody else's."""
    own = side.find_origin(workload)
    for service in side.find_leading(workload):
        if side.find_selected(service.ref.namespace, {"matchLabels": dict(service.selector)}) != {own}:
            continue
        for entry in service.ports:
            if entry.protocol == port.protocol and resolve_target(entry, workload) == port.container_port:
                yield Way(service, entry, dict(service.selector).get(POD_NAME_LABEL))


def resolve_target(entry: ServicePort, workload: Workload) -> int | None:
    """Give the container port that an entry leads to; None for a name that no container has.

    Source: FindPort in k8s.io/kubernetes/pkg/api/v1/pod/util.go.
    """
    if isinstance(entry.target_port, int):
        return entry.target_port
    return next(
        (
            number
            for container in workload.containers
            if container.role in ("container", "sidecar")
            for name, number, protocol in container.ports
            if name == entry.target_port and protocol == entry.protocol
        ),
        None,
    )
