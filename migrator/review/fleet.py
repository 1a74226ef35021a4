"""The plans of many clusters as one report: cluster by cluster, and over all of them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

from migrator import __version__
from migrator.model.fleet import Fleet, Member
from migrator.model.inventory import Finding
from migrator.model.plan import PortMapEntry
from migrator.model.reference import ResourceRef
from migrator.planning.document import FORMAT_VERSION, describe_ref
from migrator.review.painter import Painter
from migrator.review.summary import count, count_changes, title_plan
from migrator.review.text import write_plan

Port = tuple[ResourceRef, str | None, int, str]
"""A host port as all clusters know it: workload, the one pod that it is about, number, protocol."""


def write_fleet(fleet: Fleet, painter: Painter, verbose: bool = False) -> str:
    """Write a line per cluster, then each port over all of them; with `verbose` every plan below."""
    members = fleet.members
    ports = sum(member.host_ports for member in members)
    workloads = sum(member.workloads for member in members)
    title = f"{count(len(members), 'cluster')}: {count(workloads, 'workload')}, {count(ports, 'host port')}"
    lines = [painter.paint(title, "bold"), ""]
    header = ("CLUSTER", "KUBERNETES", "WORKLOADS", "HOST PORTS", "KEPT", "PLAN", "LEFT TO A PERSON")
    lines += painter.table(header, [_write_member(member) for member in members])
    rows = list(_write_ports(members))
    if rows:
        lines += ["", painter.paint("Over all clusters", "bold")]
        lines += painter.table(("WORKLOAD", "HOST PORT", "CLUSTERS", "AFTER"), rows)
    said = [
        painter.wrap(f"{member.name}: {finding.message} [{finding.rule}]", "  ", f"{finding.severity} ")
        for member in members
        for finding in _list_grave(member)
    ]
    lines += ["", *chain.from_iterable(said)] if said else []
    if verbose:
        for member in members:
            lines += ["", painter.paint(member.name, "bold"), write_plan(member.plan, painter, verbose).rstrip("\n")]
    return "\n".join(lines) + "\n"


def _write_member(member: Member) -> tuple[str, ...]:
    counts = count_changes(member.plan.changes)
    return (
        member.name,
        member.server_version,
        f"{member.workloads:,}",
        f"{member.host_ports:,}",
        f"{counts.kept:,}",
        str(counts) or "nothing to change",
        "; ".join(_list_left(member)) or "nothing",
    )


def _list_grave(member: Member) -> list[Finding]:
    """List what nobody may overlook: errors, and what was not read of a cluster."""
    return [item for item in member.plan.findings if item.severity == "error" or item.rule == "source"]


def _list_left(member: Member) -> Iterator[str]:
    severities = Counter(finding.severity for finding in member.plan.findings)
    open_numbers = len(member.plan.open_numbers())
    for severity in ("error", "warning"):
        if severities[severity]:
            yield count(severities[severity], severity)
    if open_numbers:
        yield f"{count(open_numbers, 'number')} to ask for"


def _write_ports(members: Sequence[Member]) -> Iterator[tuple[str, ...]]:
    """Write each port with the clusters that have it; those that are answered elsewhere in each are named."""
    for (resource, pod, number, protocol), entries in _gather_ports(members).items():
        answers: dict[str, list[str]] = defaultdict(list)
        for member, entry in entries:
            answers[_say_answer(entry)].append(member.name)
        after = (
            next(iter(answers))
            if len(answers) == 1
            else "; ".join(f"{answer} in {', '.join(names)}" for answer, names in answers.items())
        )
        name = f"{resource} {pod}" if pod else str(resource)
        yield name, f"{number}/{protocol}", f"{len(entries)} of {len(members)}", after


def _gather_ports(members: Sequence[Member]) -> Mapping[Port, Sequence[tuple[Member, PortMapEntry]]]:
    found: dict[Port, list[tuple[Member, PortMapEntry]]] = defaultdict(list)
    for member in members:
        for entry in member.plan.port_map:
            found[entry.resource, entry.pod, entry.known_port, entry.protocol].append((member, entry))
    return {
        key: found[key]
        for key in sorted(found, key=lambda key: (-len(found[key]), str(key[0]), key[1] or "", key[2], key[3]))
    }


def _say_answer(entry: PortMapEntry) -> str:
    if entry.elsewhere:
        return entry.elsewhere
    assert entry.service is not None
    if entry.node_port is not None:
        return f"any node:{entry.node_port}"
    return "any node:?" if entry.query is not None else f"{entry.service.name}:{entry.port}"


def describe_fleet(fleet: Fleet) -> dict[str, Any]:
    """Give every plan as the plan file holds it, and what they come to over all clusters."""
    members = fleet.members
    counts = [count_changes(member.plan.changes) for member in members]
    return {
        "formatVersion": FORMAT_VERSION,
        "migratorVersion": __version__,
        "clusters": [
            {
                "name": member.name,
                "source": member.source,
                "serverVersion": member.server_version,
                "workloads": member.workloads,
                "hostPorts": member.host_ports,
                "title": title_plan(member.plan),
                "plan": member.document,
            }
            for member in members
        ],
        "overall": {
            "clusters": len(members),
            "workloads": sum(member.workloads for member in members),
            "hostPorts": sum(member.host_ports for member in members),
            "added": sum(item.added for item in counts),
            "edited": sum(item.edited for item in counts),
            "deleted": sum(item.deleted for item in counts),
            "kept": sum(item.kept for item in counts),
            "ports": [_describe_port(key, entries) for key, entries in _gather_ports(members).items()],
        },
        "errors": [str(error) for error in fleet.errors],
    }


def _describe_port(key: Port, entries: Sequence[tuple[Member, PortMapEntry]]) -> dict[str, Any]:
    resource, pod, number, protocol = key
    return {
        "resourceRef": describe_ref(resource),
        **({"pod": pod} if pod else {}),
        "port": number,
        "protocol": protocol,
        "clusters": [
            {
                "name": member.name,
                "type": entry.type,
                "service": entry.service.name if entry.service else None,
                "port": entry.port,
                "nodePort": entry.node_port,
            }
            for member, entry in entries
        ],
    }
