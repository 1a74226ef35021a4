"""Nodes with the pods on them, and counts of pods by topology that stay current as pods come and go."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence

from migrator.model.node import Node
from migrator.model.workload import ANY_ADDRESS
from migrator.simulation.shape import Labels, PodShape

Weigh = Callable[[PodShape], int]


class Tally:
    """Counts pods per domain of a topology key, each with the weight that its shape has.

    `domains` gives the domain of each node, None for nodes outside of the topology; pods on nodes that are not
    `counted` do not count.
    """

    def __init__(self, weigh: Weigh, domains: Sequence[str | None], counted: Sequence[bool] | None = None) -> None:
        self.weigh = weigh
        self.domains = domains
        self.counted = counted
        self.members = Counter(
            domain
            for index, domain in enumerate(domains)
            if domain is not None and (counted is None or counted[index])
        )
        self.by_domain: dict[str | None, int] = dict.fromkeys(self.members, 0)
        self.total = 0

    def add(self, index: int, amount: int) -> None:
        """Add to the count of a node's domain."""
        domain = self.domains[index]
        if domain is not None and (self.counted is None or self.counted[index]):
            self.by_domain[domain] += amount
            self.total += amount

    def leave(self, index: int) -> None:
        """Forget an empty node: a domain without nodes is none."""
        domain = self.domains[index]
        if domain is not None and (self.counted is None or self.counted[index]):
            self.members[domain] -= 1
            if not self.members[domain]:
                del self.by_domain[domain]

    def join(self, index: int) -> None:
        """Take an empty node back."""
        domain = self.domains[index]
        if domain is not None and (self.counted is None or self.counted[index]):
            self.members[domain] += 1
            self.by_domain.setdefault(domain, 0)


class Cluster:
    """Nodes and the pods on them, by shape.

    The one thing here that changes: pods are added and removed, and `changed` lists the nodes, by index, on which
    that happened, in order. `lost` is a node that is away for now. `namespaces` gives the labels of namespaces.
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
        self.changed: list[int] = []
        self.lost: int | None = None
        self._domains: dict[str, tuple[str | None, ...]] = {}
        self._tallies: list[Tally] = []
        self._weights: dict[PodShape, list[tuple[Tally, int]]] = {}
        self._shapes: set[PodShape] = set()
        self.term_keys: tuple[str, ...] = ()

    def know(self, shape: PodShape) -> None:
        """Take notice of a shape before it is asked about or added: its terms concern others."""
        if shape in self._shapes:
            return
        self._shapes.add(shape)
        terms = (*shape.affinity, *shape.anti_affinity, *shape.preferred_pods)
        self.term_keys = tuple(dict.fromkeys((*self.term_keys, *(term.topology_key for term in terms))))

    def find_domains(self, key: str) -> tuple[str | None, ...]:
        """Give each node's value of a label."""
        if key not in self._domains:
            self._domains[key] = tuple(node.labels.get(key) for node in self.nodes)
        return self._domains[key]

    def keep_tally(self, tally: Tally) -> Tally:
        """Keep a tally current from now on."""
        self._tallies.append(tally)
        if self.lost is not None:
            tally.leave(self.lost)
        for shape, weights in self._weights.items():
            if weight := tally.weigh(shape):
                weights.append((tally, weight))
        for index, pods in enumerate(self.pods):
            for shape, count in pods.items():
                if count and (weight := tally.weigh(shape)):
                    tally.add(index, weight * count)
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
        if shape not in self._weights:
            self._weights[shape] = [(tally, weight) for tally in self._tallies if (weight := tally.weigh(shape))]
        for tally, weight in self._weights[shape]:
            tally.add(index, sign * weight)
        self.changed.append(index)

    def lose(self, index: int) -> None:
        """Take an empty node out of the cluster, for as long as it is `lost`; one at a time."""
        self.lost = index
        for tally in self._tallies:
            tally.leave(index)
        self.changed.append(index)

    def recover(self) -> None:
        """Bring the lost node back."""
        assert self.lost is not None, "no node is lost"
        for tally in self._tallies:
            tally.join(self.lost)
        self.changed.append(self.lost)
        self.lost = None

    def has_port(self, index: int, address: str, number: int, protocol: str) -> bool:
        """Tell whether a port of a node is taken (HostPortInfo.CheckConflict): 0.0.0.0 is every address."""
        holders = self.ports[index].get((number, protocol))
        if not holders:
            return False
        if address == ANY_ADDRESS:
            return any(holders.values())
        return holders[address] > 0 or holders[ANY_ADDRESS] > 0
