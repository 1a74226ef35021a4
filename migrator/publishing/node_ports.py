"""Node port numbers: the same for the same input, and never one that is taken.

Kubernetes gives a number to one Service, whatever the protocols (pkg/registry/core/service/portallocator), so a
number that any Service or kept host port has is not proposed again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

from migrator.model.policy import Cluster
from migrator.model.record import record
from migrator.model.reference import ResourceRef, sort_key
from migrator.rules.match import match_facts
from migrator.sources.tables import load_table

How = Literal["same", "offset", "pinned", "found", "unset"]


@record
class NumberRequest:
    """A port that needs a number: `count` numbers in a row for the members of a StatefulSet.

    The number asked for is ordinal 0's; the members that are there start with `first_ordinal`, so that parts of one
    StatefulSet in several clusters have numbers that go together. `pinned` is the number that a policy or an earlier
    plan fixed, `overlays` how many builds reach the workload. `random` tells whether nobody knew a number, and
    `host_port` is the container's.
    """

    workload: ResourceRef
    host_port: int
    count: int = 1
    pinned: int | None = None
    overlays: int = 0
    first_ordinal: int = 0
    random: bool = False

    def numbers(self, node_port: int) -> range:
        """Give the numbers that it takes where ordinal 0's is `node_port`."""
        return range(node_port + self.first_ordinal, node_port + self.first_ordinal + self.count)


@record
class Number:
    """The number given, ordinal 0's of several, None for the cluster's choice; and why, in words that name `port`."""

    node_port: int | None
    how: How
    because: str


def allocate_node_ports(
    requests: Iterable[NumberRequest], cluster: Cluster, taken: Iterable[int], leaving: frozenset[int] = frozenset()
) -> Mapping[tuple[ResourceRef, int], Number]:
    """Give each request its number, in the order of namespace and name; pinned ones go first.

    `leaving` are host ports that go with a later phase: until then nobody else can have their numbers.
    """
    ordered = sorted(requests, key=lambda request: (sort_key(request.workload), request.host_port))
    used = set(taken) | cluster.used_node_ports
    numbers: dict[tuple[ResourceRef, int], Number] = {}
    for request in ordered:
        if request.pinned is not None:
            used.update(request.numbers(request.pinned))
            because = "the number is given: by the policy, an earlier plan, or the members that have theirs."
            numbers[(request.workload, request.host_port)] = Number(request.pinned, "pinned", because)
    for request in ordered:
        key = (request.workload, request.host_port)
        if key in numbers:
            continue
        numbers[key] = number = _choose(request, cluster, used, leaving)
        if number.node_port is not None:
            used.update(request.numbers(number.node_port))
    return numbers


def _choose(request: NumberRequest, cluster: Cluster, used: set[int], leaving: frozenset[int]) -> Number:
    low, high = cluster.node_ports
    table = load_table("rules/host_port.yaml")
    offset = table["offset"] + request.host_port
    facts = {
        "port": request.host_port,
        "random": request.random,
        "overlays": "many" if request.overlays > 1 else "one",
        "inRange": low <= request.host_port <= high,
        "offsetInRange": low <= offset <= high,
    }
    row = next(row for row in table["number"] if match_facts(row["match"], facts))
    because = row["because"]
    if row["number"] == "unset":
        return Number(None, "unset", because)
    wanted = request.host_port if row["number"] == "same" else offset
    free = _next_free(request, wanted, high, used, leaving)
    if free is None:
        return Number(None, "unset", f"{wanted} and every number above it in the range is taken.")
    if free == wanted:
        return Number(free, row["number"], because)
    return Number(free, "offset", f"{wanted} is taken; {free} is the next free number.")


def _next_free(request: NumberRequest, wanted: int, high: int, used: set[int], leaving: frozenset[int]) -> int | None:
    def is_taken(number: int) -> bool:
        return number in used or (number in leaving and number != request.host_port)

    candidate = wanted
    while request.numbers(candidate)[-1] <= high:
        clash = next(filter(is_taken, request.numbers(candidate)), None)
        if clash is None:
            return candidate
        candidate = clash + 1 - request.first_ordinal
    return None


def static_band_end(cluster: Cluster) -> int:
    """Give the last number that Kubernetes does not hand out by itself while others are free.

    https://kubernetes.io/blog/2023/05/11/nodeport-dynamic-and-static-allocation/
    """
    low, high = cluster.node_ports
    size = high - low + 1
    return low + min(max(16, size // 32), 128) - 1
