"""Which pods workloads make, in the order in which the scheduler takes them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from migrator.errors import InputError
from migrator.model.edit import FieldEdit
from migrator.model.node import Node
from migrator.model.objects import PriorityClass, Service
from migrator.model.workload import Rollout, Workload
from migrator.model.world import POD_NAME_LABEL, World
from migrator.rules.pod_security import find_place, list_inside
from migrator.simulation.plugins.taint_toleration import tolerates_node
from migrator.simulation.selectors import Selector
from migrator.simulation.shape import PodShape, Shapes, Standing, Toleration
from migrator.yaml.edit import apply_to_data

HASH = "pod-template-hash"
REVISION = "controller-revision-hash"

# The API server makes them by itself.
_SYSTEM_CLASSES = {"system-node-critical": 2_000_001_000, "system-cluster-critical": 2_000_000_000}

# pkg/controller/daemon/util AddOrUpdateDaemonPodTolerations
_DAEMON_TOLERATIONS = tuple(
    Toleration(f"node.kubernetes.io/{name}", "Exists", "", effect)
    for name, effect in (
        ("not-ready", "NoExecute"),
        ("unreachable", "NoExecute"),
        ("disk-pressure", "NoSchedule"),
        ("memory-pressure", "NoSchedule"),
        ("pid-pressure", "NoSchedule"),
        ("unschedulable", "NoSchedule"),
    )
)
_HOST_NETWORK_TOLERATION = Toleration("node.kubernetes.io/network-unavailable", "Exists", "", "NoSchedule")


@dataclass(frozen=True)
class Form:
    """A workload as it stands, or as a plan leaves it: its pod, its rollout, how many pods it makes.

    `replicas` is None for one pod on each node that suits.
    """

    workload: Workload
    pod: Mapping[str, Any]
    rollout: Rollout
    replicas: int | None
    services: tuple[Service, ...]
    classes: Priorities
    shapes: Shapes

    @property
    def is_daemon(self) -> bool:
        """Tell whether the workload makes a pod for each node."""
        return self.workload.ref.kind == "DaemonSet"

    @cached_property
    def shape(self) -> PodShape:
        """Give the shape of the pods."""
        return self.make_shape("1")

    def make_shape(self, revision: str) -> PodShape:
        """Give the shape of the pods of a revision, which its owner labels them with.

        Raises InputError for quantities that the API would not decode.
        """
        labels = {**((self.pod.get("metadata") or {}).get("labels") or {})}
        key = HASH if self.workload.ref.kind == "Deployment" else REVISION
        if self.workload.ref.kind in ("Deployment", "StatefulSet", "DaemonSet"):
            labels[key] = revision
        pod = {**self.pod, "metadata": {"labels": labels}}
        spec = self.pod.get("spec") or {}
        priority, may_preempt = self.classes.find(spec)
        network = (_HOST_NETWORK_TOLERATION,) if spec.get("hostNetwork") is True else ()
        tolerations = (*_DAEMON_TOLERATIONS, *network) if self.is_daemon else ()
        like = self._select_like(labels)
        try:
            return self.shapes.find(self.namespace, pod, Standing(priority, may_preempt, tolerations, like))
        except (AttributeError, TypeError, ValueError) as error:
            problem = str(error) if isinstance(error, ValueError) else "a field of its pod has the wrong type"
            location = self.workload.location
            hint = "the Kubernetes API would refuse this object; correct it"
            raise InputError(
                location.path, f"{self.workload.ref}: {problem}", line=location.line, hint=hint
            ) from None

    @property
    def namespace(self) -> str:
        """Give the namespace of the pods; "" where it is unknown."""
        return self.workload.ref.namespace or ""

    def _select_like(self, labels: Mapping[str, str]) -> Selector:
        """Give what the Services and the owner of a pod select together: the default spreading is about those.

        With Services for single pods that is each pod alone, which spreads nothing.
        """
        selected = [
            service.selector
            for service in self.services
            if service.selector
            and all(labels.get(key) == value for key, value in service.selector if key != POD_NAME_LABEL)
        ]
        wanted = {pair for selector in selected for pair in selector}
        if any(key == POD_NAME_LABEL for key, _ in wanted):
            return ()
        kind, selector = self.workload.ref.kind, self.workload.selector
        if selector is not None and kind in ("Deployment", "ReplicaSet", "ReplicationController", "StatefulSet"):
            wanted |= set(selector.match_labels)
            if kind == "Deployment":
                wanted.add((HASH, labels[HASH]))
        return tuple((key, "In", frozenset((value,))) for key, value in sorted(wanted))

    def list_nodes(self, nodes: Sequence[Node]) -> list[int]:
        """List the nodes that a DaemonSet makes a pod for (pkg/controller/daemon NodeShouldRunDaemonPod)."""
        return [
            index
            for index, node in enumerate(nodes)
            if self.shape.node_name in (None, node.name)
            and self.shape.wants_node(node.name, node.labels)
            and tolerates_node(self.shape, node)
        ]


class Priorities:
    """What pods' priority classes stand for."""

    def __init__(self, classes: Iterable[PriorityClass]) -> None:
        self._known = {name: (value, True) for name, value in _SYSTEM_CLASSES.items()}
        self._default = (0, True)
        for item in classes:
            self._known[item.ref.name] = (item.value, item.preempts)
            if item.global_default:
                self._default = (item.value, item.preempts)

    def find(self, spec: Mapping[str, Any]) -> tuple[int, bool]:
        """Give a pod's priority, and whether it may push others out."""
        priority, preempts = self._known.get(spec.get("priorityClassName") or "", self._default)
        given = spec.get("priority")
        if isinstance(given, int):
            priority = given
        return priority, preempts and spec.get("preemptionPolicy") != "Never"


def list_forms(
    world: World, edits: Mapping[Any, Sequence[FieldEdit]], services: Sequence[Service], shapes: Shapes
) -> tuple[Form, ...]:
    """List the workloads that make pods now, as edits leave them, in the order in which their pods queue up.

    Higher priority first, then who was made first, then the order of the inventory. Templates and CronJobs make none
    now; what another workload of the sources makes is counted there, and an object that stands in two places once.
    """
    classes = Priorities(world.inventory.priority_classes)
    by_namespace: dict[str | None, list[Service]] = {}
    for service in services:
        by_namespace.setdefault(service.ref.namespace, []).append(service)
    forms = []
    for workload in _list_makers(world):
        own = edits.get(find_place(workload.ref, workload.location), ())
        pod = workload.pod.unpack()
        inside = list_inside(workload, own)
        forms.append(
            Form(
                workload=workload,
                pod=apply_to_data(pod, inside) if inside else pod,
                rollout=_edit_rollout(workload, own),
                replicas=_count_replicas(world, workload),
                services=tuple(by_namespace.get(workload.ref.namespace, ())),
                classes=classes,
                shapes=shapes,
            )
        )
    return tuple(sorted(forms, key=lambda form: (-form.shape.priority, form.workload.created or "~")))


def _list_makers(world: World) -> Iterator[Workload]:
    seen = set()
    for workload in world.inventory.workloads:
        if workload.replicas is None and workload.ref.kind != "DaemonSet":
            continue
        if workload.owners and world.owner_of(workload) is not None:
            continue
        if workload.ref in seen and not workload.ref.name.endswith("*"):
            continue
        seen.add(workload.ref)
        yield workload


def _count_replicas(world: World, workload: Workload) -> int | None:
    """Count the pods that a workload makes; its autoscaler keeps that within its bounds, but for none at all."""
    if not workload.replicas:
        return workload.replicas
    autoscaler = world.find_autoscaler(workload)
    if autoscaler is None:
        return workload.replicas
    return min(max(workload.replicas, autoscaler.min_replicas), autoscaler.max_replicas)


def _edit_rollout(workload: Workload, edits: Sequence[FieldEdit]) -> Rollout:
    """Give a workload's rollout as edits leave it."""
    key = "strategy" if workload.ref.kind == "Deployment" else "updateStrategy"
    touching = [edit for edit in edits if edit.path[:2] == ("spec", key)]
    if not touching:
        return workload.rollout
    now = workload.rollout
    numbers: dict[str, Any] = {
        "maxSurge": now.max_surge,
        "maxUnavailable": now.max_unavailable,
        "partition": now.partition,
    }
    rolling = {name: value for name, value in numbers.items() if value is not None}
    data = apply_to_data({"spec": {key: {"type": now.type, "rollingUpdate": rolling}}}, touching)
    after = data["spec"].get(key) or {}
    rolling = after.get("rollingUpdate") or {}
    return dataclasses.replace(
        now,
        type=after.get("type"),
        max_surge=rolling.get("maxSurge"),
        max_unavailable=rolling.get("maxUnavailable"),
        partition=rolling.get("partition"),
    )
