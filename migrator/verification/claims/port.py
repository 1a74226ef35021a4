"""Each host port that could be reached is still offered: kept, or led to by a Service, under which number."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from migrator.model.reference import Location
from migrator.model.workload import HostPort, Workload
from migrator.verification.asked import INSIDE, NOBODY, find_asked, find_option, list_lasting
from migrator.verification.claim import Claim
from migrator.verification.comparison import Comparison, WorkloadPair
from migrator.verification.reach import Way, find_ways

ID = "port"


def find_claims(comparison: Comparison) -> Iterator[Claim]:
    """Claim of each lasting host port before that clients still reach what it led to."""
    for item in comparison.workloads:
        for port in list_lasting(item.before):
            holds, after, because = _judge(comparison, item, port)
            location = item.before.location
            before = Location(location.path, location.document, location.item, port.line)
            yield Claim(ID, holds, item.ref, before, after, f"host port {port.host_port}/{port.protocol}: {because}")


def _judge(comparison: Comparison, item: WorkloadPair, port: HostPort) -> tuple[bool, Location, str]:
    for kept in item.after.used_ports():
        if (kept.host_port, kept.protocol, kept.host_ip) == (port.host_port, port.protocol, port.host_ip):
            location = item.after.location
            place = Location(location.path, location.document, location.item, kept.line)
            if kept.container_port != port.container_port:
                return False, place, f"leads to container port {kept.container_port}, led to {port.container_port}"
            return True, place, "kept"
    ways = list(find_ways(comparison.after, item.after, port))
    asked = find_asked(comparison.policy, item.before, port)
    outside = _choose([way for way in ways if way.is_external], comparison, item.after)
    if outside:
        place = comparison.after.tree.document_of(outside[0].service).location
        problem = _find_detour(comparison, item, port, outside[0])
        return problem is None, place, problem or " and ".join(map(str, outside[:1])) + _say_members(outside)
    inside = _choose(ways, comparison, item.after)
    if inside:
        place = comparison.after.tree.document_of(inside[0].service).location
        if asked & (INSIDE | NOBODY) or (inside[0].is_near and item.after.ref.kind == "DaemonSet"):
            return True, place, str(inside[0]) + _say_members(inside)
        return False, place, f"only {inside[0]}: nobody says that all its clients are there (migrator.dev/clients)"
    if asked & NOBODY:
        return True, item.after.location, "taken out, as somebody asks for who says that nobody uses it"
    if port.host_ip.startswith("127."):
        return False, item.after.location, f"answered at {port.host_ip} of its node, and nothing leads there now"
    return (
        False,
        item.after.location,
        (f"led to container port {port.container_port}, and no Service of these pods alone leads there now"),
    )


def _choose(ways: Sequence[Way], comparison: Comparison, workload: Workload) -> Sequence[Way]:
    """Choose a way to all pods, else one to each member of a StatefulSet; empty where there is none."""
    whole = [way for way in ways if way.member is None]
    if whole:
        return whole[:1]
    by_member = {way.member: way for way in ways}
    wanted = _list_members(comparison, workload)
    return [by_member[name] for name in wanted] if wanted and by_member.keys() >= set(wanted) else []


def _list_members(comparison: Comparison, workload: Workload) -> list[str]:
    if workload.ref.kind != "StatefulSet":
        return []
    most = max(workload.replicas or 0, 1)
    for scaler in comparison.after.inventory.autoscalers:
        target = (scaler.ref.namespace, scaler.target_kind, scaler.target_name)
        if target == (workload.ref.namespace, workload.ref.kind, workload.ref.name):
            most = max(most, scaler.max_replicas)
    return [f"{workload.ref.name}-{workload.first_ordinal + number}" for number in range(most)]


def _say_members(ways: Sequence[Way]) -> str:
    return f", and so on for {len(ways)} members" if len(ways) > 1 else ""


def _find_detour(comparison: Comparison, item: WorkloadPair, port: HostPort, way: Way) -> str | None:
    """Find why a new Service sends clients to other pods than the host port did: those of other nodes."""
    is_new = not any(
        service.ref == way.service.ref for service in comparison.before.services.get(item.ref.namespace, ())
    )
    if item.ref.kind != "DaemonSet" or not is_new or way.service.external_traffic_policy == "Local":
        return None
    if find_option(comparison.policy, item.before, port, "externalTrafficPolicy") == "Cluster":
        return None
    if comparison.policy.client_addresses == "irrelevant":
        return None
    return f"{way}; the host port led to the pod of that node, and externalTrafficPolicy is not Local"
