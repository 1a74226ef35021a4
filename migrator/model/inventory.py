"""What was read: the objects of all sources, and everything that was not read with the reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Literal

from migrator.errors import InputError
from migrator.model.node import Node
from migrator.model.objects import (
    AdmissionObject,
    ClusterInventory,
    HorizontalPodAutoscaler,
    Kustomization,
    Namespace,
    NetworkPolicy,
    PodSecurityPolicyObject,
    PriorityClass,
    Role,
    RoleBinding,
    Service,
    ServiceAccount,
)
from migrator.model.record import record
from migrator.model.reference import Location, ResourceRef
from migrator.model.workload import Workload

Severity = Literal["error", "warning", "info"]


@record
class SourceFile:
    """A file that was read.

    `path` is how messages name it, `root` the source that it was found under, `excluded` whether it may not be
    changed. `documents` and `objects` count what it holds, the items of Lists as objects; `content` is kept for what
    cannot be read again: standard input, a live cluster, and manifests that a Rancher stack was `translated` to.
    `live` tells whether it is the inventory of a cluster.
    """

    path: str
    root: str
    sha256: str
    size: int
    documents: int
    excluded: bool = False
    content: bytes | None = None
    translated: bool = False
    objects: int = 0
    live: bool = False

    @property
    def is_known_only(self) -> bool:
        """Tell whether it is a cluster read beside manifests, which is no part of what is written."""
        return self.live and self.excluded


@record
class Unread:
    """A document that is no whole manifest, and why."""

    path: str
    document: int | None
    reason: str


@record
class Finding:
    """Something that a person should know: which rule says so, about what, how grave."""

    rule: str
    severity: Severity
    message: str
    resource: ResourceRef | None = None
    location: Location | None = None


@record
class KeyFate:
    """What became of a key of a Rancher stack, and what a person has to do about it.

    `inherited` tells whether it only shares the fate of the key above it.
    """

    path: str
    line: int
    key: str
    fate: Literal["translated", "reported", "ignored"]
    message: str
    inherited: bool = False


@record
class BalancedPort:
    """A port that a load balancer service of a Rancher stack published on its hosts, and what answers in its place.

    `balancer` is named as its Service would be, `location` is the key that published the port. `target` is an
    Ingress, which answers at `port` for `hosts` with their paths, or a Service; None where nothing does. `host_ip`
    carries the API's default.
    """

    stack: str
    balancer: ResourceRef
    location: Location
    host_ip: str
    host_port: int
    protocol: str
    target: ResourceRef | None = None
    port: int | None = None
    hosts: tuple[str, ...] = ()


@record
class Inventory:
    """Everything that the sources hold, each tuple in a fixed order, whatever order the files were read in.

    `overlays` maps a file to the outermost kustomizations that reach it, `others` counts the objects of kinds that
    no decision looks at. `errors` holds `refused_stacks` too: Rancher stacks are refused one by one. What a cluster
    holds is `represented` where another object decides about it: pods by the workload that made them, and what stands
    in manifests by these.
    """

    sources: tuple[str, ...] = ()
    files: tuple[SourceFile, ...] = ()
    workloads: tuple[Workload, ...] = ()
    services: tuple[Service, ...] = ()
    namespaces: tuple[Namespace, ...] = ()
    network_policies: tuple[NetworkPolicy, ...] = ()
    autoscalers: tuple[HorizontalPodAutoscaler, ...] = ()
    pod_security_policies: tuple[PodSecurityPolicyObject, ...] = ()
    roles: tuple[Role, ...] = ()
    role_bindings: tuple[RoleBinding, ...] = ()
    service_accounts: tuple[ServiceAccount, ...] = ()
    priority_classes: tuple[PriorityClass, ...] = ()
    admission_objects: tuple[AdmissionObject, ...] = ()
    nodes: tuple[Node, ...] = ()
    clusters: tuple[ClusterInventory, ...] = ()
    represented_workloads: tuple[Workload, ...] = ()
    represented_services: tuple[Service, ...] = ()
    kustomizations: tuple[Kustomization, ...] = ()
    overlays: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    others: Mapping[str, int] = field(default_factory=dict)
    unread: tuple[Unread, ...] = ()
    findings: tuple[Finding, ...] = ()
    keys: tuple[KeyFate, ...] = ()
    balanced: tuple[BalancedPort, ...] = ()
    errors: tuple[InputError, ...] = ()
    refused_stacks: tuple[InputError, ...] = ()

    @property
    def known_workloads(self) -> tuple[Workload, ...]:
        """Give all workloads that were read: those that others stand for, then those that decide for themselves."""
        return self.represented_workloads + self.workloads
