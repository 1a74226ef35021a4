"""InterPodAffinity: pods that want or refuse each other's company."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from migrator.simulation.cluster import NOWHERE, Cluster, Tally
from migrator.simulation.shape import PodShape, PodTerm
from migrator.simulation.status import Status

WEIGHT = 2
NO_COMPANY = Status(("node(s) didn't match pod affinity rules",), unresolvable=True)
REFUSES = Status(("node(s) didn't match pod anti-affinity rules",))
IS_REFUSED = Status(("node(s) didn't satisfy existing pods anti-affinity rules",))

Terms = Callable[[PodShape], Iterable[PodTerm]]


class Company:
    """The required terms of a shape, and those of others that concern it."""

    def __init__(self, shape: PodShape, cluster: Cluster) -> None:
        spaces = cluster.namespaces

        def is_wanted(other: PodShape) -> int:
            return int(all(term.selects(other, spaces) for term in shape.affinity))

        def keep(weigh: Callable[[PodShape], int], key: str) -> Tally:
            return cluster.keep_tally(Tally(weigh, cluster.find_topology(key)))

        # Upstream counts under the key, however many terms have it.
        self.wanted = [keep(is_wanted, key) for key in dict.fromkeys(term.topology_key for term in shape.affinity)]
        self.is_first_of_kind = bool(shape.affinity) and is_wanted(shape) == 1
        self.refused = [keep(_count_selected([term], cluster), term.topology_key) for term in shape.anti_affinity]
        self.refusing = [
            keep(_count_selecting(shape, key, lambda other: other.anti_affinity, cluster), key)
            for key in cluster.term_keys
        ]

    def filter_node(self, index: int) -> Status | None:
        """Say why a node cannot take another pod."""
        if self.wanted and not self._finds_company(index):
            return NO_COMPANY
        if any(tally.counts[tally.domains[index]] > 0 for tally in self.refused):
            return REFUSES
        if any(tally.counts[tally.domains[index]] > 0 for tally in self.refusing):
            return IS_REFUSED
        return None

    def keep_fitting(self, nodes: Sequence[int]) -> Sequence[int]:
        """Keep the nodes that `filter_node` says nothing of."""
        if self.wanted:
            nodes = [index for index in nodes if self._finds_company(index)]
        for tally in (*self.refused, *self.refusing):
            if tally.pods:
                counts, domains = tally.counts, tally.domains
                nodes = [index for index in nodes if counts[domains[index]] <= 0]
        return nodes

    def _finds_company(self, index: int) -> bool:
        domains = [(tally, tally.domains[index]) for tally in self.wanted]
        if any(domain == NOWHERE for _, domain in domains):
            return False
        if all(tally.counts[domain] > 0 for tally, domain in domains):
            return True
        # The first of pods that want each other's company may stand anywhere.
        return self.is_first_of_kind and not any(tally.pods for tally in self.wanted)


class Preferences:
    """What pods on the nodes make of a shape, and it of them: (tally, topology) with weights summed up."""

    def __init__(self, shape: PodShape, cluster: Cluster) -> None:
        own: dict[str, list[PodTerm]] = {}
        for term in shape.preferred_pods:
            own.setdefault(term.topology_key, []).append(term)
        self.tallies = []
        for key in cluster.term_keys:
            weigh_own = _count_selected(own.get(key, ()), cluster)
            weigh_others = _count_selecting(shape, key, _list_pulling, cluster)

            def weigh(
                other: PodShape,
                mine: Callable[[PodShape], int] = weigh_own,
                its: Callable[[PodShape], int] = weigh_others,
            ) -> int:
                return mine(other) + its(other)

            self.tallies.append(cluster.keep_tally(Tally(weigh, cluster.find_topology(key))))

    def score_nodes(self, nodes: Sequence[int]) -> list[int] | None:
        """Score the nodes that are left, each of 100; None where all are the same."""
        raw = [0] * len(nodes)
        for tally in self.tallies:
            if tally.pods:
                counts, domains = tally.counts, tally.domains
                raw = [sofar + counts[domains[index]] for sofar, index in zip(raw, nodes, strict=True)]
        least, most = min(raw), max(raw)
        if least == most:
            return None
        return [int(100.0 * ((value - least) / (most - least))) for value in raw]


def _list_pulling(other: PodShape) -> Iterable[PodTerm]:
    """List what draws pods towards a shape's pods or from them; a required term counts as one of weight 1."""
    return (*other.affinity, *other.preferred_pods)


def _count_selected(terms: Iterable[PodTerm], cluster: Cluster) -> Callable[[PodShape], int]:
    chosen = tuple(terms)

    def weigh(other: PodShape) -> int:
        return sum(term.weight or 1 for term in chosen if term.selects(other, cluster.namespaces))

    return weigh


def _count_selecting(shape: PodShape, key: str, list_terms: Terms, cluster: Cluster) -> Callable[[PodShape], int]:
    def weigh(other: PodShape) -> int:
        return sum(
            term.weight or 1
            for term in list_terms(other)
            if term.topology_key == key and term.selects(shape, cluster.namespaces)
        )

    return weigh
