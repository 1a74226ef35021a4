"""PodTopologySpread: constraints on how unevenly pods may stand among the domains of a topology."""

from __future__ import annotations

import math
from collections.abc import Sequence

from migrator.model.node import HOSTNAME
from migrator.simulation.cluster import Cluster, Tally, Weigh
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
        self.limits: tuple[int, ...] = ()

    def prepare(self) -> None:
        """Find how many pods a domain may have before the next one is one too many."""
        self.limits = tuple(
            spread.max_skew - itself + _find_least(tally, spread.min_domains) for spread, tally, itself in self.rules
        )

    def filter_node(self, index: int) -> Status | None:
        """Say why a node cannot take another pod; `prepare` comes first."""
        for (_, tally, _), limit in zip(self.rules, self.limits, strict=True):
            domain = tally.domains[index]
            if domain is None:
                return NO_LABEL
            if tally.by_domain.get(domain, 0) > limit:
                return UNEVEN
        return None


class SoftSpread:
    """The constraints of a shape that only ask; nodes outside of their topologies come last."""

    def __init__(self, shape: PodShape, cluster: Cluster) -> None:
        self.spreads = tuple(spread for spread in shape.spreads if not spread.hard)
        self.anywhere = shape.default_spread
        self.rules = tuple(
            (
                spread,
                _keep_node_tally(shape, spread, cluster)
                if spread.topology_key == HOSTNAME
                else _keep_tally(shape, spread, () if self.anywhere else self.spreads, cluster),
                cluster.find_domains(spread.topology_key),
            )
            for spread in self.spreads
        )

    def score_nodes(self, nodes: Sequence[int]) -> list[int]:
        """Score the nodes that are left, each of 100."""
        all_domains = [domains for _, _, domains in self.rules]
        inside = (
            nodes
            if self.anywhere
            else [index for index in nodes if all(domains[index] is not None for domains in all_domains)]
        )
        if not inside:
            return [0] * len(nodes)
        raw = [0.0] * len(inside)
        for spread, tally, domains in self.rules:
            at_hosts = spread.topology_key == HOSTNAME
            size = len(inside) if at_hosts else len({domains[index] for index in inside})
            weight = math.log(size + 2)
            counts, places = tally.by_domain, tally.domains
            skew = spread.max_skew - 1
            raw = [
                sofar if domains[index] is None else sofar + (counts.get(places[index], 0) * weight + skew)
                for sofar, index in zip(raw, inside, strict=True)
            ]
        rounded = [math.floor(value + 0.5) for value in raw]
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
    return cluster.keep_tally(Tally(_weigh(shape, spread), cluster.find_domains(spread.topology_key), counted))


def _keep_node_tally(shape: PodShape, spread: Spread, cluster: Cluster) -> Tally:
    return cluster.keep_tally(Tally(_weigh(shape, spread), tuple(node.name for node in cluster.nodes)))


def _find_least(tally: Tally, min_domains: int) -> int:
    counts = tally.by_domain
    return 0 if len(counts) < min_domains else min(counts.values())
