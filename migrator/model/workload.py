"""Workloads: the objects that make pods, with the facts about them that decisions need."""

from __future__ import annotations

import marshal
from collections.abc import Iterable, Mapping
from typing import Any, Literal

from migrator.model.field import FieldPath
from migrator.model.record import record
from migrator.model.reference import Location, ResourceRef

ANY_ADDRESS = "0.0.0.0"

ContainerRole = Literal["container", "init", "sidecar", "ephemeral"]


@record
class WorkloadKind:
    """A kind that holds a pod template: where the template stands in it, () for the pod itself."""

    api_group: str
    kind: str
    template: FieldPath


@record
class HostPort:
    """An entry of a container's `ports` that asks for a port of the node.

    `host_ip` and `protocol` carry the API's defaults (0.0.0.0, TCP); `path` is the entry's path in the object;
    `has_host_ip` tells whether the entry itself says hostIP. `host_port` 0 is none to Kubernetes, a random one to
    Docker.
    """

    container: str
    role: ContainerRole
    container_port: int
    host_port: int
    host_ip: str
    protocol: str
    name: str | None
    path: FieldPath
    line: int
    has_host_ip: bool = False

    @property
    def known_port(self) -> int:
        """Give the number that people know the port by: the host port, the container's where that is random."""
        return self.host_port or self.container_port

    def overlaps(self, other: HostPort) -> bool:
        """Tell whether two pods with these entries cannot share a node.

        As kube-scheduler's HostPortInfo.CheckConflict judges it (pkg/scheduler/framework/types.go): 0.0.0.0 is
        every address.
        """
        return (
            self.host_port == other.host_port
            and self.protocol == other.protocol
            and (self.host_ip == other.host_ip or ANY_ADDRESS in (self.host_ip, other.host_ip))
        )


@record
class Container:
    """A container of the pod: `ports` lists all its entries as (name, containerPort, protocol)."""

    name: str
    role: ContainerRole
    image: str
    ports: tuple[tuple[str | None, int, str], ...]


@record
class LabelSelector:
    """A selector: `match_labels` as sorted pairs; `expressions` where it also has matchExpressions."""

    match_labels: tuple[tuple[str, str], ...]
    expressions: bool = False

    def selects(self, labels: Mapping[str, str]) -> bool:
        """Tell whether the labels carry all pairs; an empty selector selects nothing here."""
        return bool(self.match_labels) and all(labels.get(key) == value for key, value in self.match_labels)


@record
class Rollout:
    """How a workload replaces its pods: the API's type and rolling update numbers, None where unset."""

    type: str | None = None
    max_surge: int | str | None = None
    max_unavailable: int | str | None = None
    partition: int | None = None


@record
class PackedData:
    """Plain data in a compact form: a cluster has a hundred thousand pod templates, and few are looked at."""

    content: bytes

    @classmethod
    def pack(cls, data: Any) -> PackedData:
        """Pack dicts, lists and scalars."""
        return cls(marshal.dumps(data))

    def unpack(self) -> Any:
        """Give a fresh copy of the data."""
        return marshal.loads(self.content)

    def may_have(self, *keys: str) -> bool:
        """Tell whether one of some keys may be in the data, without unpacking it; where it says no, none is."""
        return any(key.encode() in self.content for key in keys)


@record
class PodSecurityViolation:
    """A check of the Pod Security Standards that a pod fails, in upstream's words.

    `fields` are the places at fault, as (path in the object, line); a missing field is named where it belongs. An
    `overridden` violation counts for baseline alone.
    """

    level: str
    check: str
    reason: str
    detail: str
    fields: tuple[tuple[FieldPath, int], ...]
    overridden: bool = False

    def counts_at(self, level: str) -> bool:
        """Tell whether a namespace that enforces a level forbids this."""
        if level == "restricted":
            return not self.overridden
        return level == self.level == "baseline"


@record
class PodSecurity:
    """The strictest level of a policy version that a pod satisfies, and what it violates of the stricter ones."""

    version: str
    level: str
    violations: tuple[PodSecurityViolation, ...]


@record
class Workload:
    """An object that makes pods.

    `namespace` in `ref` is the effective one; `own_namespace` is what the object itself says. `pod` is the pod's
    metadata and spec without what containers run (command, args, env). `first_ordinal` numbers a StatefulSet's
    first pod, `created` is when a cluster made the object. `host_ip_variables` are the environment variables that
    read `status.hostIP`, as (container, name). `host_ports` are in the order written; `plain_ports` are the
    entries without hostPort in containers that have one, as (path, name, containerPort, protocol).
    """

    ref: ResourceRef
    own_namespace: str | None
    location: Location
    kind: WorkloadKind
    replicas: int | None
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    pod_labels: Mapping[str, str]
    selector: LabelSelector | None
    rollout: Rollout
    host_network: bool
    containers: tuple[Container, ...]
    host_ports: tuple[HostPort, ...]
    plain_ports: tuple[tuple[FieldPath, str | None, int, str], ...]
    host_ip_variables: tuple[tuple[str, str], ...]
    owners: tuple[str, ...]
    chart: str | None
    duplicate_keys: tuple[tuple[str, int], ...]
    first_ordinal: int
    pod: PackedData
    pod_security: PodSecurity | None = None
    created: str | None = None

    def used_ports(self) -> tuple[HostPort, ...]:
        """Give the ports that the scheduler holds against other pods.

        Ports of plain init containers do not count; under hostNetwork each containerPort is one
        (pkg/scheduler/util GetHostPorts, pkg/apis/core/v1/defaults.go).
        """
        lasting = tuple(
            port for port in self.host_ports if port.role in ("container", "sidecar") and port.host_port > 0
        )
        if not self.host_network:
            return lasting
        given = {(port.container, port.container_port, port.protocol) for port in lasting}
        defaulted = tuple(
            HostPort(
                container.name,
                container.role,
                number,
                number,
                ANY_ADDRESS,
                protocol,
                name,
                (),
                self.location.line,
            )
            for container in self.containers
            if container.role in ("container", "sidecar")
            for name, number, protocol in container.ports
            if (container.name, number, protocol) not in given
        )
        return lasting + defaulted


def describe_host_ports(numbers: Iterable[int]) -> str:
    """Name host ports by their numbers in a sentence, each once."""
    named = sorted(set(numbers))
    return f"host port{'s' if len(named) > 1 else ''} {', '.join(map(str, named))}"
