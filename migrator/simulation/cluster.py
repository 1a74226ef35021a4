"""Nodes with the pods on them, and counts of pods by topology that stay current as pods come and go."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from itertools import compress

from migrator.model.node import Node
from migrator.model.record import record
from migrator.model.workload import ANY_ADDRESS
from migrator.simulation.shape import Labels, PodShape

Weigh = Callable[[PodShape], int]

NOWHERE = -1
"""The domain of nodes that are outside of a topology."""


@record
class Topology:
    """A division of the nodes into domains: the domain of each node by number, and how many there are."""

    domains: tuple[int, ...]
    size: int


class Tally:
    """Counts pods per domain of a topology, each with the weight that its shape has.

    `counts` has an entry per domain, and one more for NOWHERE that stays 0. Pods on nodes that are not `counted` do
    not count. `pods` is how many did, `members` how many nodes each domain has.
    """

    def __init__(self, weigh: Weigh, topology: Topology, counted: Sequence[bool] | None = None) -> None:
        self.weigh = weigh
        self.domains = topology.domains
        self.targets = [
            domain if counted is None or counted[index] else NOWHERE for index, domain in enumerate(topology.domains)
        ]
        self.counts = [0] * (topology.size + 1)
        self.members = [0] * (topology.size + 1)
        self.pods = 0
        for domain in self.targets:
            self.members[domain] += domain != NOWHERE

    def add(self, index: int, weight: int, pods: int = 1) -> None:
        """Add pods on a node, or take them away where their number is negative."""
        domain = self.targets[index]
        if domain != NOWHERE:
            self.counts[domain] += weight * pods
            self.pods += pods

    def join(self, index: int, nodes: int) -> None:
        """Take a node back (1), or forget an empty one (-1): a domain without nodes is none."""
        domain = self.targets[index]
        if domain != NOWHERE:
            self.members[domain] += nodes

    def find_least(self, min_domains: int) -> int:
        """Find the lowest count of a domain; 0 where there are fewer domains than that."""
        counts = list(compress(self.counts, self.members))
        return min(counts) if len(counts) >= max(min_domains, 1) else 0


class Cluster:
    """Nodes and the pods on them, by shape.

    The one thing here that changes: pods are added and removed, and each time the node gets another of `stamps`,
    so that equal stamps mean that nothing changed on a node. `lost` is a node that is away for now. `namespaces`
    gives the labels of namespaces.
    """

    def __init__(self, nodes: Sequence[Node], namespaces: Mapping[str, Labels]) -> None:
        self.nodes = nodes
        self.namespaces = namespaces
        self.index = {node.name: index for index, node in enumerate(nodes)}
        self.pods: list[Counter[PodShape]] = [Counter() for _ in nodes]
        self.pod_count = [0] * len(nodes)
        self.requested: list[dict[str, int]] = [defaultdict(int) for _ in nodes]
        self.scored: list[list[int]] = [[0, 0] for _ in nodes]
        self.ports: list[dict[tuple[int, str], Counter[str]]] = [{} for _ in nodes]
        self.stamps = [0] * len(nodes)
        self._last_stamp = 0
        self.lost: int | None = None
        self._topologies: dict[str, Topology] = {}
        self._tallies: list[Tally] = []
        self._weights: dict[PodShape, list[tuple[Tally, int]]] = {}
        self._where: dict[PodShape, Counter[int]] = {}
        self._shapes: set[PodShape] = set()
        self.term_keys: tuple[str, ...] = ()

    def know(self, shape: PodShape) -> None:
        """Take notice of a shape before it is asked about or added: its terms concern others."""
        if shape in self._shapes:
            return
        self._shapes.add(shape)
        terms = (*shape.affinity, *shape.anti_affinity, *shape.preferred_pods)
        self.term_keys = tuple(dict.fromkeys((*self.term_keys, *(term.topology_key for term in terms))))

    def find_topology(self, key: str) -> Topology:
        """Give the topology that a label of the nodes makes."""
        if key not in self._topologies:
            values = [node.labels.get(key) for node in self.nodes]
            numbers = {
                value: number for number, value in enumerate(dict.fromkeys(v for v in values if v is not None))
            }
            domains = tuple(NOWHERE if value is None else numbers[value] for value in values)
            self._topologies[key] = Topology(domains, len(numbers))
        return self._topologies[key]

    def keep_tally(self, tally: Tally) -> Tally:
        """Keep a tally current from now on."""
        self._tallies.append(tally)
        if self.lost is not None:
            tally.join(self.lost, -1)
        for shape, nodes in self._where.items():
            if weight := tally.weigh(shape):
                self._weights[shape].append((tally, weight))
                for index, count in nodes.items():
                    tally.add(index, weight, count)
        return tally

    def add(self, shape: PodShape, index: int) -> None:
        """Put a pod on a node."""
        self.know(shape)
        self._count(shape, index, 1)

    def remove(self, shape: PodShape, index: int) -> None:
        """Take a pod from a node."""
        self._count(shape, index, -1)

    def _count(self, shape: PodShape, index: int, sign: int) -> None:
        self.pods[index][shape] += sign
        self.pod_count[index] += sign
        requested, scored, ports = self.requested[index], self.scored[index], self.ports[index]
        for name, amount in shape.requests.items():
            requested[name] += sign * amount
        scored[0] += sign * shape.scored[0]
        scored[1] += sign * shape.scored[1]
        for address, number, protocol in shape.ports:
            ports.setdefault((number, protocol), Counter())[address] += sign
        if shape not in self._where:
            self._where[shape] = Counter()
            self._weights[shape] = [(tally, weight) for tally in self._tallies if (weight := tally.weigh(shape))]
        self._where[shape][index] += sign
        for tally, weight in self._weights[shape]:
            tally.add(index, weight, sign)
        self._stamp(index)

    def lose(self, index: int) -> None:
        """Take an empty node out of the cluster, for as long as it is `lost`; one at a time."""
        self.lost = index
        for tally in self._tallies:
            tally.join(index, -1)
        self._stamp(index)

    def recover(self) -> None:
        """Bring the lost node back."""
        assert self.lost is not None, "no node is lost"
        for tally in self._tallies:
            tally.join(self.lost, 1)
        self._stamp(self.lost)
        self.lost = None

    def _stamp(self, index: int) -> None:
        self._last_stamp += 1
        self.stamps[index] = self._last_stamp

    def has_port(self, index: int, address: str, number: int, protocol: str) -> bool:
        """Tell whether a port of a node is taken (HostPortInfo.CheckConflict): 0.0.0.0 is every address."""
        holders = self.ports[index].get((number, protocol))
        if not holders:
            return False
        if address == ANY_ADDRESS:
            return any(holders.values())
        return holders[address] > 0 or holders[ANY_ADDRESS] > 0
