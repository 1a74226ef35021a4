"""PodTopologySpread: constraints on how unevenly pods may stand among the domains of a topology."""

from __future__ import annotations

import math
from collections.abc import Sequence

from migrator.model.node import HOSTNAME
from migrator.simulation.cluster import NOWHERE, Cluster, Tally, Topology, Weigh
from migrator.simulation.plugins.taint_toleration import tolerates_node
from migrator.simulation.selectors import selects
from migrator.simulation.shape import PodShape, Spread
from migrator.simulation.status import Status

WEIGHT = 2
UNEVEN = Status(("node(s) didn't match pod topology spread constraints",))
NO_LABEL = Status(("node(s) didn't match pod topology spread constraints (missing required label)",), True)


class HardSpread:
    """The constraints of a shape that forbid."""

    def __init__(self, shape: PodShape, cluster: Cluster) -> None:
        spreads = tuple(spread for spread in shape.spreads if spread.hard)
        self.rules = tuple(
            (spread, _keep_tally(shape, spread, spreads, cluster), int(selects(spread.selector, shape.labels)))
            for spread in spreads
        )

    def filter_node(self, index: int) -> Status | None:
        """Say why a node cannot take another pod."""
        for rule in self.rules:
            domain = rule[1].domains[index]
            if domain == NOWHERE:
                return NO_LABEL
            if rule[1].counts[domain] > _find_limit(*rule):
                return UNEVEN
        return None

    def keep_fitting(self, nodes: Sequence[int]) -> Sequence[int]:
        """Keep the nodes that `filter_node` says nothing of."""
        for rule in self.rules:
            domains, counts, limit = rule[1].domains, rule[1].counts, _find_limit(*rule)
            nodes = [index for index in nodes if (domain := domains[index]) != NOWHERE and counts[domain] <= limit]
        return nodes


def _find_limit(spread: Spread, tally: Tally, itself: int) -> int:
    """Find how many pods a domain may have before the next one is one too many."""
    return spread.max_skew - itself + tally.find_least(spread.min_domains)


class SoftSpread:
    """The constraints of a shape that only ask; nodes outside of their topologies come last."""

    def __init__(self, shape: PodShape, cluster: Cluster) -> None:
        spreads = tuple(spread for spread in shape.spreads if not spread.hard)
        self.anywhere = shape.default_spread
        topologies = [(spread, cluster.find_topology(spread.topology_key)) for spread in spreads]
        self.rules = tuple(
            (
                spread,
                _keep_node_tally(shape, spread, cluster)
                if spread.topology_key == HOSTNAME
                else _keep_tally(shape, spread, () if self.anywhere else spreads, cluster),
                topology.domains,
            )
            for spread, topology in topologies
            # Every node is equal before a topology that none of them is in.
            if topology.size or not self.anywhere
        )

    def score_nodes(self, nodes: Sequence[int]) -> list[int]:
        """Score the nodes that are left, each of 100."""
        inside = nodes
        if not self.anywhere:
            for _, _, domains in self.rules:
                inside = [index for index in inside if domains[index] != NOWHERE]
        if not inside:
            return [0] * len(nodes)
        raw = [0.0] * len(inside)
        for spread, tally, domains in self.rules:
            at_hosts = spread.topology_key == HOSTNAME
            weight = math.log((len(inside) if at_hosts else len({domains[index] for index in inside})) + 2)
            skew = spread.max_skew - 1
            values = [count * weight + skew for count in tally.counts]
            places: Sequence[int] = tally.domains
            if NOWHERE in domains:
                values = [
                    values[place] if domain != NOWHERE else 0.0 for place, domain in zip(places, domains, strict=True)
                ]
                places = range(len(domains))
            raw = [sofar + values[places[index]] for sofar, index in zip(raw, inside, strict=True)]
        rounded = [int(value + 0.5) for value in raw]
        most = max(rounded)
        if most == 0:
            scores = [100] * len(inside)
        else:
            both = most + min(rounded)
            scores = [100 * (both - value) // most for value in rounded]
        if len(inside) == len(nodes):
            return scores
        known = dict(zip(inside, scores, strict=True))
        return [known.get(index, 0) for index in nodes]


def _weigh(shape: PodShape, spread: Spread) -> Weigh:
    def weigh(other: PodShape) -> int:
        # Upstream counts no pods for a selector that selects all.
        return int(
            bool(spread.selector) and other.namespace == shape.namespace and selects(spread.selector, other.labels)
        )

    return weigh


def _keep_tally(shape: PodShape, spread: Spread, together: Sequence[Spread], cluster: Cluster) -> Tally:
    """Count pods by domain on the nodes that are in the topologies of all constraints, and that the pod may use."""
    counted = [
        all(node.labels.get(other.topology_key) is not None for other in together)
        and (not spread.honor_affinity or shape.wants_node(node.name, node.labels))
        and (not spread.honor_taints or tolerates_node(shape, node))
        for node in cluster.nodes
    ]
    return cluster.keep_tally(Tally(_weigh(shape, spread), cluster.find_topology(spread.topology_key), counted))


def _keep_node_tally(shape: PodShape, spread: Spread, cluster: Cluster) -> Tally:
    """Count pods by node, whatever its hostname is."""
    count = len(cluster.nodes)
    return cluster.keep_tally(Tally(_weigh(shape, spread), Topology(tuple(range(count)), count)))
