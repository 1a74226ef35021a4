"""Simulations as plain data and as text."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from typing import Any

from migrator.planning.document import FORMAT_VERSION, describe_ref
from migrator.review.painter import Painter
from migrator.simulation.services import NodePort
from migrator.simulation.simulate import NodeLoss, NodeState, Pending, Simulation, State


def describe_simulation(simulation: Simulation) -> dict[str, Any]:
    """Give a simulation as plain data; fields carry the Kubernetes API's names."""
    sides = {"before": _describe_state(simulation.before), "after": _describe_state(simulation.after)}
    return {"formatVersion": FORMAT_VERSION, **sides}


def _describe_state(state: State) -> dict[str, Any]:
    return {
        "pending": [_describe_pending(item) for item in state.pending],
        "nodes": [
            {
                "name": node.name,
                "pods": [{"resourceRef": describe_ref(ref), "count": count} for ref, count in node.pods],
                "hostPorts": [
                    {
                        "hostPort": use.host_port,
                        "hostIP": use.host_ip,
                        "protocol": use.protocol,
                        "resourceRef": describe_ref(use.resource),
                    }
                    for use in node.host_ports
                ],
                "nodePorts": [_describe_node_port(port) for port in node.node_ports],
            }
            for node in state.nodes
        ],
        "rollouts": [
            {"resourceRef": describe_ref(item.resource), "canFinish": item.can_finish, "reason": item.reason}
            for item in state.rollouts
        ],
        "nodeLosses": [
            {
                "node": loss.node,
                "pending": [_describe_pending(item) for item in loss.pending],
                "hostPorts": [
                    {"hostPort": number, "hostIP": address, "protocol": protocol}
                    for address, number, protocol in loss.host_ports
                ],
                "nodePorts": [_describe_node_port(port) for port in loss.node_ports],
            }
            for loss in state.node_losses
        ],
    }


def _describe_pending(item: Pending) -> dict[str, Any]:
    return {"resourceRef": describe_ref(item.resource), "count": item.count, "reason": item.reason}


def _describe_node_port(port: NodePort) -> dict[str, Any]:
    return {
        "nodePort": port.node_port,
        "protocol": port.protocol,
        "port": port.port,
        "resourceRef": describe_ref(port.service),
    }


def write_simulation(simulation: Simulation, painter: Painter, verbose: bool = False) -> str:
    """Write a simulation for a person: both sides, node by node, and what is wrong with each."""
    lines: list[str] = []
    for name, state in (("Before", simulation.before), ("After", simulation.after)):
        lines += [painter.paint(f"{name}: {summarize(state)}", "bold"), ""]
        lines += painter.table(
            ("NODE", "PODS", "HOST PORTS", "NODE PORTS"), [_node_row(node, verbose) for node in state.nodes]
        )
        lines += _write_troubles(state, painter, verbose)
        lines.append("")
    return "\n".join(lines)


def summarize(state: State) -> str:
    """Say in a few words how a cluster stands."""
    hanging = sum(not verdict.can_finish for verdict in state.rollouts)
    parts = [
        f"{_count(state.pod_count, 'pod')} on {_count(len(state.nodes), 'node')}",
        f"{state.pending_count} Pending",
    ]
    if hanging:
        parts.append(f"{_count(hanging, 'update')} would hang")
    return ", ".join(parts)


def _node_row(node: NodeState, verbose: bool) -> tuple[str, str, str, str]:
    names = [f"{count} {ref}" if count > 1 else str(ref) for ref, count in node.pods]
    return (
        node.name,
        " ".join(names) if verbose else str(sum(count for _, count in node.pods)),
        shorten([write_port(use.host_port, use.protocol, use.host_ip) for use in node.host_ports]),
        shorten([write_node_port(port) for port in node.node_ports]),
    )


def write_port(number: int, protocol: str, address: str = "0.0.0.0") -> str:
    """Write a port of a node, with its address where it is one of several."""
    prefix = "" if address == "0.0.0.0" else f"{address}:"
    return f"{prefix}{number}/{protocol}"


def write_node_port(port: NodePort) -> str:
    """Write a node port; `?` where the cluster will choose its number."""
    return f"{port.node_port or '?'}/{port.protocol}"


def shorten(texts: Iterable[str], shown: int = 6) -> str:
    """Write the first of several texts, and how many more there are."""
    distinct = list(dict.fromkeys(texts))
    more = f" and {len(distinct) - shown} more" if len(distinct) > shown else ""
    return " ".join(distinct[:shown]) + more


def _write_troubles(state: State, painter: Painter, verbose: bool) -> Iterator[str]:
    if state.pending:
        yield from ("", painter.paint("Pending", "bold"))
        for item in state.pending:
            yield from painter.wrap(f"{item.resource}: {_count(item.count, 'pod')}: {item.reason}", "    ", "  ")
    hanging = [verdict for verdict in state.rollouts if not verdict.can_finish]
    if hanging:
        yield from ("", painter.paint("Updates that would hang", "bold"))
        for verdict in hanging:
            yield from painter.wrap(f"{verdict.resource}: {verdict.reason}", "    ", "  ")
    losses = group_losses(state)
    if losses:
        yield from ("", painter.paint("If a node is lost", "bold"))
        for nodes, loss in losses:
            yield from painter.wrap(f"{shorten(nodes, 4)}: {_write_loss(loss, verbose)}", "    ", "  ")


def group_losses(state: State) -> list[tuple[list[str], NodeLoss]]:
    """Group the nodes whose loss takes the same away; those that nobody would miss are left out."""
    groups: dict[NodeLoss, list[str]] = {}
    for loss in state.node_losses:
        if loss.pending or loss.host_ports or loss.node_ports:
            groups.setdefault(dataclasses.replace(loss, node=""), []).append(loss.node)
    return [(nodes, loss) for loss, nodes in groups.items()]


def _write_loss(loss: NodeLoss, verbose: bool) -> str:
    parts = []
    if loss.pending:
        named = [f"{item.resource} ({item.count}{f': {item.reason}' if verbose else ''})" for item in loss.pending]
        parts.append("no other place for " + ", ".join(named))
    if loss.host_ports:
        ports = [write_port(number, protocol, address) for address, number, protocol in loss.host_ports]
        parts.append(f"host port {shorten(ports)} answers nowhere")
    if loss.node_ports:
        parts.append(f"node port {shorten(map(write_node_port, loss.node_ports))} answers nowhere")
    return "; ".join(parts)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
