"""The objects around workloads that decisions look at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any

from migrator.model.field import FieldPath
from migrator.model.record import record
from migrator.model.reference import Location, ResourceRef
from migrator.model.workload import LabelSelector, PackedData


@record
class ServicePort:
    """An entry of a Service's `ports`; `target_port` is a number or a port's name.

    `has_node_port` tells whether the entry itself says nodePort, be it 0 for the cluster's choice.
    """

    name: str | None
    protocol: str
    port: int
    target_port: int | str
    node_port: int | None
    has_node_port: bool = False


@record
class Service:
    """A Service; `selector` holds sorted pairs, () where it selects nothing itself.

    `type_written` tells whether the object itself says its type.
    """

    ref: ResourceRef
    own_namespace: str | None
    location: Location
    type: str
    type_written: bool
    headless: bool
    selector: tuple[tuple[str, str], ...]
    ports: tuple[ServicePort, ...]
    external_traffic_policy: str | None
    internal_traffic_policy: str | None
    traffic_distribution: str | None = None


@record
class Namespace:
    """A Namespace object with its labels."""

    ref: ResourceRef
    location: Location
    labels: Mapping[str, str]


@record
class ClusterInventory:
    """What leads the inventory of a live cluster: its name, its version, and what of it could not be read.

    `unread` holds (resource, the server's reason, the only namespace that was read or None).
    """

    ref: ResourceRef
    location: Location
    server_version: str
    unread: tuple[tuple[str, str, str | None], ...]


@record
class NetworkPolicy:
    """A NetworkPolicy that limits who reaches pods: `selector` empty means all pods of the namespace."""

    ref: ResourceRef
    own_namespace: str | None
    location: Location
    selector: LabelSelector
    ingress: bool


@record
class HorizontalPodAutoscaler:
    """A HorizontalPodAutoscaler: what it scales, and within which bounds."""

    ref: ResourceRef
    own_namespace: str | None
    location: Location
    target_kind: str
    target_name: str
    max_replicas: int
    min_replicas: int = 1


@record
class PriorityClass:
    """A PriorityClass: the priority that pods name; `preempts` tells whether such pods may push others out."""

    ref: ResourceRef
    location: Location
    value: int
    global_default: bool
    preempts: bool


@record
class PodSecurityPolicyProblem:
    """Something wrong with a PodSecurityPolicy, with its place; `refused` tells whether the API takes no such object.

    Otherwise the API takes it, and its admission plugin passes it over for every pod.
    """

    field: FieldPath
    line: int
    refused: bool
    message: str


@record
class PodSecurityPolicyObject:
    """A PodSecurityPolicy: `data` is the object, `problems` what is wrong with it."""

    ref: ResourceRef
    location: Location
    data: PackedData
    problems: tuple[PodSecurityPolicyProblem, ...] = ()


@record
class Role:
    """A Role or ClusterRole: `data` holds its `labels`, `annotations`, `rules` and `aggregationRule`."""

    ref: ResourceRef
    own_namespace: str | None
    location: Location
    data: PackedData


@record
class RoleBinding:
    """A RoleBinding or ClusterRoleBinding: which role it gives, and to whom; `subjects` is the list of the API."""

    ref: ResourceRef
    own_namespace: str | None
    location: Location
    role_kind: str
    role_name: str
    subjects: PackedData


@record
class ServiceAccount:
    """A ServiceAccount; `automount_token` is its `automountServiceAccountToken`, None where unset."""

    ref: ResourceRef
    own_namespace: str | None
    location: Location
    automount_token: bool | None


@record
class AdmissionObject:
    """A ValidatingAdmissionPolicy or its binding: `data` is its spec."""

    ref: ResourceRef
    location: Location
    data: PackedData


@record
class KustomizationPatch:
    """A patch that a kustomization names: a file, or text written in place.

    `touches_ports` tells whether it writes into a `ports` list; `host_ports` are the host ports that it sets.
    """

    path: str | None
    line: int
    target_kind: str | None
    target_name: str | None
    touches_ports: bool
    host_ports: tuple[int, ...]


@record
class Kustomization:
    """A kustomization: its folder, what it lists (paths as resolved against the folder), and its namespace.

    `patches` is what it changes in what it reaches, `transformers` the fields that work on every object: namespace,
    namePrefix, labels and the like. `entries` are the fields of what it lists, each with its path; `lengths` those of
    the lists that they stand in, by key. `generates` tells whether it makes objects of its own.
    """

    location: Location
    folder: str
    kind: str
    api_version: str
    namespace: str | None
    resources: tuple[str, ...]
    patch_files: tuple[str, ...]
    patches: tuple[KustomizationPatch, ...]
    transformers: Mapping[str, Any]
    entries: tuple[tuple[FieldPath, str], ...] = ()
    lengths: Mapping[str, int] = field(default_factory=dict)
    generates: bool = False
