"""Numbers for all decisions that need one, whatever is selected: a narrower run gives the same numbers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import field

from migrator.errors import PolicyError
from migrator.model.plan import Decision
from migrator.model.record import record
from migrator.model.reference import ResourceRef
from migrator.model.workload import Workload
from migrator.model.world import World
from migrator.planning.balance import PortKey, request_numbers
from migrator.publishing.node_ports import Number, NumberRequest, allocate_node_ports
from migrator.publishing.publish import NODE_PORT_FORM, find_published

NUMBERED = frozenset(("node_port", "node_port_per_pod"))


@record
class _Holders:
    """Who has which number: Services, host ports that stay, host ports that go with the contract."""

    published: Mapping[int, frozenset[ResourceRef]] = field(default_factory=dict)
    kept: frozenset[int] = frozenset()
    leaving: frozenset[int] = frozenset()


def number_decisions(
    world: World, decisions: Sequence[Decision], pinned: Mapping[PortKey, int]
) -> Mapping[tuple[ResourceRef, int], Number]:
    """Give a number to each host port that gets a new Service, by workload and host port.

    `decisions` are all that move, selected or not; `pinned` are the numbers that an earlier plan fixed. Raises
    PolicyError for a fixed number that is outside of the range or somebody else's.
    """
    requests: dict[tuple[ResourceRef, int], NumberRequest] = {}
    balanced = tuple(request_numbers(world, pinned))
    served = {(request.workload, request.host_port) for request in balanced}
    for request in (*_make_requests(world, decisions, pinned, served), *balanced):
        key = (request.workload, request.host_port)
        known = requests.get(key, request)
        if known.pinned is not None and request.pinned is not None and known.pinned != request.pinned:
            problem = f"two node ports, {known.pinned} and {request.pinned}"
            raise PolicyError(f"host port {key[1]} of {key[0]}: {problem}; its protocols share one")
        requests[key] = request if known.pinned is None else known
    holders = _find_holders(world, decisions)
    _refuse_taken(world, requests.values(), holders)
    taken = holders.kept | set(holders.published)
    return allocate_node_ports(requests.values(), world.policy.cluster, taken, holders.leaving)


def _make_requests(
    world: World,
    decisions: Iterable[Decision],
    pinned: Mapping[PortKey, int],
    served: Set[tuple[ResourceRef, int]],
) -> Iterator[NumberRequest]:
    """Ask for a number for each port that needs one; those of `served` Services are asked for already."""
    for decision in decisions:
        if decision.strategy not in NUMBERED:
            continue
        workload, port = decision.workload, decision.port
        number = pinned.get((workload.ref, port.protocol, port.known_port), decision.options.get("nodePort"))
        count = 1
        if decision.strategy == "node_port_per_pod":
            count = len(world.list_members(workload))
            first, missing = _find_row(world, decision)
            number = first if number is None else number
        else:
            found = find_published(world, workload, decision, NODE_PORT_FORM)
            missing = found is None
            if found is not None and (found[0].ref, found[1].port) in served:
                continue
        if missing or number is not None:
            overlays = len(world.overlays_of(workload))
            ordinal = workload.first_ordinal if decision.strategy == "node_port_per_pod" else 0
            random = not port.host_port
            yield NumberRequest(workload.ref, port.known_port, count, number, overlays, ordinal, random)


def _find_row(world: World, decision: Decision) -> tuple[int | None, bool]:
    """Find ordinal 0's of the numbers that a StatefulSet's members have already, and whether a member lacks one."""
    first, missing = None, False
    for ordinal, pod in enumerate(world.list_members(decision.workload), decision.workload.first_ordinal):
        found = find_published(world, decision.workload, decision, NODE_PORT_FORM, pod)
        if found is None:
            missing = True
        elif found[1].node_port is not None and first is None:
            first = found[1].node_port - ordinal
    return (first if missing else None), missing


def _find_holders(world: World, moving: Sequence[Decision]) -> _Holders:
    published: dict[int, set[ResourceRef]] = {}
    for service in world.inventory.services:
        for entry in service.ports:
            if entry.node_port is not None:
                published.setdefault(entry.node_port, set()).add(service.ref)
    going = {id(decision.port) for decision in moving}
    kept = {
        port.host_port
        for workload in world.inventory.workloads
        # What an owner makes has its owner's ports, and gives them up with it.
        if world.owner_of(workload) is None
        for port in workload.used_ports()
        if id(port) not in going
    }
    return _Holders(
        published={number: frozenset(refs) for number, refs in published.items()},
        kept=frozenset(kept),
        leaving=frozenset(decision.port.host_port for decision in moving),
    )


def _refuse_taken(world: World, requests: Iterable[NumberRequest], holders: _Holders) -> None:
    """Refuse fixed numbers that are outside of the range or somebody else's."""
    low, high = world.policy.cluster.node_ports
    by_ref: dict[ResourceRef, Workload] = {item.ref: item for item in world.inventory.workloads}
    given: dict[int, NumberRequest] = {}
    for request in requests:
        if request.pinned is None:
            continue
        own = {request.workload}
        workload = by_ref.get(request.workload)
        if workload is not None:
            pods = (None, *world.list_members(workload))
            own.update(service.ref for pod in pods for service in world.services_selecting(workload, pod))
        for number in request.numbers(request.pinned):
            what = f"node port {number} for host port {request.host_port} of {request.workload}"
            if not low <= number <= high:
                raise PolicyError(f"{what} is outside of cluster.nodePortRange {low}-{high}")
            others = holders.published.get(number, frozenset()) - own
            if others:
                raise PolicyError(f"{what} is taken by {min(map(str, others))}")
            if number in holders.kept or (number in holders.leaving and number != request.host_port):
                raise PolicyError(f"{what} is a host port of another workload")
            rival = given.setdefault(number, request)
            if rival is not request:
                raise PolicyError(f"{what} is given to host port {rival.host_port} of {rival.workload} as well")
