"""The inventory as decisions ask it: who selects whom, who is reached how."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property

from migrator.model.inventory import Inventory
from migrator.model.objects import HorizontalPodAutoscaler, Kustomization, NetworkPolicy, Service, ServicePort
from migrator.model.ownership import Owners
from migrator.model.policy import Policy
from migrator.model.reference import ResourceRef
from migrator.model.workload import HostPort, Workload

Label = tuple[str, str]
POD_NAME_LABEL = "statefulset.kubernetes.io/pod-name"
_MADE_KINDS = frozenset(("Pod", "ReplicaSet", "ReplicationController", "Job"))


class World:
    """An inventory and a policy with the indexes that decisions need; built once, never changed."""

    def __init__(self, inventory: Inventory, policy: Policy) -> None:
        self.inventory = inventory
        self.policy = policy
        self._services_selecting: dict[tuple[str | Label | None, ...], tuple[Service, ...]] = {}
        """Answers that were given, by namespace, member and labels: many ask about the same pods."""

    @cached_property
    def _workloads_by_label(self) -> Mapping[tuple[str | None, Label], tuple[Workload, ...]]:
        index: dict[tuple[str | None, Label], list[Workload]] = defaultdict(list)
        for workload in self.inventory.workloads:
            for label in workload.pod_labels.items():
                index[(workload.ref.namespace, label)].append(workload)
        return {key: tuple(workloads) for key, workloads in index.items()}

    @cached_property
    def _services_by_label(self) -> Mapping[tuple[str | None, Label], tuple[Service, ...]]:
        index: dict[tuple[str | None, Label], list[Service]] = defaultdict(list)
        for service in self.inventory.services:
            if service.selector:
                index[(service.ref.namespace, service.selector[0])].append(service)
        return {key: tuple(services) for key, services in index.items()}

    @cached_property
    def excluded(self) -> frozenset[str]:
        """Give the paths of the files that may not be changed."""
        return frozenset(file.path for file in self.inventory.files if file.excluded)

    @cached_property
    def translated(self) -> frozenset[str]:
        """Give the paths of the manifests that Rancher stacks became."""
        return frozenset(file.path for file in self.inventory.files if file.translated)

    @cached_property
    def owners(self) -> Owners:
        """Give who made whom, of all workloads that were read."""
        return Owners(self.inventory.known_workloads)

    def owner_of(self, workload: Workload) -> Workload | None:
        """Find the workload among the sources that made this one; None where nothing did, or it is not there."""
        return self.owners.owner_of(workload)

    def absent_owner_of(self, workload: Workload) -> str | None:
        """Name what made a workload from its template where it is not among the sources, as KIND/NAME.

        None also for the pods that a node makes from its own files.
        """
        if workload.ref.kind not in _MADE_KINDS or self.owner_of(workload) is not None:
            return None
        return next((owner for owner in workload.owners if not owner.startswith("Node/")), None)

    @cached_property
    def service_names(self) -> frozenset[tuple[str | None, str]]:
        """Give the (namespace, name) of every Service."""
        return frozenset((service.ref.namespace, service.ref.name) for service in self.inventory.services)

    @cached_property
    def live_node_ports(self) -> Mapping[tuple[ResourceRef, str, int], int]:
        """Give the node ports that any source knows, by Service, protocol and port.

        A Service that stands in the manifests without a number may stand in a dump of the cluster with it.
        """
        return {
            (service.ref, port.protocol, port.port): port.node_port
            for service in (*self.inventory.represented_services, *self.inventory.services)
            for port in service.ports
            if port.node_port is not None
        }

    @cached_property
    def _autoscalers(self) -> Mapping[tuple[str | None, str, str], HorizontalPodAutoscaler]:
        return {
            (autoscaler.ref.namespace, autoscaler.target_kind, autoscaler.target_name): autoscaler
            for autoscaler in self.inventory.autoscalers
        }

    @cached_property
    def _network_policies(self) -> Mapping[str | None, tuple[NetworkPolicy, ...]]:
        index: dict[str | None, list[NetworkPolicy]] = defaultdict(list)
        for policy in self.inventory.network_policies:
            if policy.ingress:
                index[policy.ref.namespace].append(policy)
        return {key: tuple(policies) for key, policies in index.items()}

    @cached_property
    def paths(self) -> frozenset[str]:
        """Give the paths of all files of the sources."""
        return frozenset(file.path for file in self.inventory.files)

    @cached_property
    def kustomizations_listing(self) -> Mapping[str, tuple[Kustomization, ...]]:
        """Give, for each file, the kustomizations whose `resources` name it."""
        index: dict[str, list[Kustomization]] = defaultdict(list)
        for kustomization in self.inventory.kustomizations:
            for path in kustomization.resources:
                index[path].append(kustomization)
        return {path: tuple(items) for path, items in index.items()}

    @cached_property
    def _kustomizations_by_folder(self) -> Mapping[str, Kustomization]:
        return {item.folder: item for item in self.inventory.kustomizations}

    def files_under(self, kustomization: Kustomization) -> frozenset[str]:
        """Give the files that a kustomization reaches, itself or through those that it lists."""
        reached: set[str] = set()
        waiting = [kustomization]
        while waiting:
            for path in waiting.pop().resources:
                below = self._kustomizations_by_folder.get(path)
                if path not in reached and below is not None:
                    waiting.append(below)
                reached.add(path)
        return frozenset(reached)

    @cached_property
    def host_ip_readers(self) -> tuple[str, ...]:
        """Name the environment variables that read their node's address: NAMESPACE/KIND/NAME container:VARIABLE."""
        return tuple(
            f"{workload.ref} {container}:{variable}"
            for workload in self.inventory.workloads
            for container, variable in workload.host_ip_variables
        )

    def overlays_of(self, workload: Workload) -> tuple[str, ...]:
        """Give the kustomize builds that reach a workload's file."""
        return self.inventory.overlays.get(workload.location.path, ())

    def workloads_selected(self, namespace: str | None, selector: Sequence[Label]) -> tuple[Workload, ...]:
        """Find the workloads whose pods a selector selects."""
        if not selector:
            return ()
        candidates = self._workloads_by_label.get((namespace, selector[0]), ())
        return tuple(
            workload
            for workload in candidates
            if all(workload.pod_labels.get(key) == value for key, value in selector[1:])
        )

    def services_selecting(self, workload: Workload, member: str | None = None) -> tuple[Service, ...]:
        """Find the Services that select a workload's pods, or that one member of a StatefulSet and no other."""
        labels = dict(workload.pod_labels)
        if member is not None:
            labels[POD_NAME_LABEL] = member
        key = (workload.ref.namespace, member, *labels.items())
        known = self._services_selecting.get(key)
        if known is not None:
            return known
        found: list[Service] = []
        for label in sorted(labels.items()):
            found.extend(
                service
                for service in self._services_by_label.get((workload.ref.namespace, label), ())
                if all(labels.get(key) == value for key, value in service.selector)
                and (member is None or (POD_NAME_LABEL, member) in service.selector)
            )
        services = tuple(sorted(found, key=lambda service: (service.ref.name, str(service.location))))
        self._services_selecting[key] = services
        return services

    def list_members(self, workload: Workload) -> tuple[str, ...]:
        """List the names of the pods that a StatefulSet may have, one at least."""
        count = max(self.max_replicas(workload) or 0, 1)
        first = workload.first_ordinal
        return tuple(f"{workload.ref.name}-{first + position}" for position in range(count))

    def others_selected(self, workload: Workload, selector: Sequence[Label]) -> tuple[Workload, ...]:
        """Give the other workloads that a selector selects besides this one's pods."""
        return tuple(
            other
            for other in self.workloads_selected(workload.ref.namespace, selector)
            if other.ref != workload.ref
            and self.owners.first_owner_of(other).ref != self.owners.first_owner_of(workload).ref
        )

    def network_policies_of(self, workload: Workload) -> tuple[NetworkPolicy, ...]:
        """Find the NetworkPolicies that limit who reaches a workload's pods."""
        return tuple(
            policy
            for policy in self._network_policies.get(workload.ref.namespace, ())
            if not policy.selector.match_labels or policy.selector.selects(workload.pod_labels)
        )

    def find_autoscaler(self, workload: Workload) -> HorizontalPodAutoscaler | None:
        """Find the autoscaler of a workload."""
        return self._autoscalers.get((workload.ref.namespace, workload.ref.kind, workload.ref.name))

    def max_replicas(self, workload: Workload) -> int | None:
        """Give how many pods a workload may have, with its autoscaler's word; None for one per node."""
        if workload.replicas is None:
            return None
        autoscaler = self.find_autoscaler(workload)
        return max(workload.replicas, autoscaler.max_replicas if autoscaler else 0)


def find_targeting_ports(service: Service, workload: Workload, port: HostPort) -> tuple[ServicePort, ...]:
    """Find the entries of a Service that lead to a host port's container port.

    Where several host ports lead there, an entry under another one's number answers for that one.
    """
    targets: Iterable[int | str] = {port.container_port, port.name or port.container_port}
    names = {
        name
        for container in workload.containers
        for name, number, protocol in container.ports
        if name and number == port.container_port and protocol == port.protocol
    }
    others = {
        other.known_port
        for other in workload.host_ports
        if (other.protocol, other.container_port) == (port.protocol, port.container_port)
    } - {port.known_port}
    return tuple(
        entry
        for entry in service.ports
        if entry.protocol == port.protocol
        and (entry.target_port in targets or entry.target_port in names)
        and entry.port not in others
    )
