"""What to look out for: caveats as data, chosen by the facts of each decision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

from migrator.model.plan import Decision
from migrator.model.record import record
from migrator.model.reference import ResourceRef
from migrator.model.workload import Workload
from migrator.model.world import World
from migrator.publishing.node_ports import Number, static_band_end
from migrator.rules.exclusive import find_exclusive
from migrator.rules.match import Matcher
from migrator.rules.rollout import describe_workaround, waits_for_node
from migrator.rules.spread import blocks_updates
from migrator.sources.tables import load_table
from migrator.templates import render_text

_NEVER: Mapping[str, Any] = {"strategies": []}
NAMED = 4
"""Names that a sentence lists before it counts."""


class Caveat(NamedTuple):
    """A sentence on what to look out for, and what it rests on."""

    text: str
    sources: tuple[str, ...]


@record
class _Table:
    """All caveats, their texts still templates, and how they are found: by facts, or by their ids."""

    rows: tuple[Caveat, ...]
    matcher: Matcher
    positions: Mapping[str, int]


@cache
def _load_table() -> _Table:
    """Load the caveats; those without a `match` are named by rows, and match nothing themselves."""
    rows: Sequence[Mapping[str, Any]] = load_table("rules/caveats.yaml")
    return _Table(
        tuple(Caveat(row["text"], tuple(row.get("sources", ()))) for row in rows),
        Matcher([row.get("match", _NEVER) for row in rows]),
        {row["id"]: position for position, row in enumerate(rows)},
    )


def find_caveats(
    world: World,
    decisions: Sequence[Decision],
    numbers: Mapping[tuple[ResourceRef, int], Number],
    keeps_others: bool = False,
) -> dict[int, tuple[Caveat, ...]]:
    """Find the caveats of one workload's decisions that share a strategy, by the decision's position.

    `keeps_others` tells whether the workload keeps host ports besides these.
    """
    table = _load_table()
    workload = decisions[0].workload
    policies = world.network_policies_of(workload)
    protocols_of: dict[int, set[str]] = {}
    hosts_of: dict[tuple[str, int, str], int] = {}
    for decision in decisions:
        port = decision.port
        protocols_of.setdefault(port.known_port, set()).add(port.protocol)
        identity = (port.container, port.container_port, "")
        hosts_of[identity] = hosts_of.get(identity, 0) + 1
    readers = world.host_ip_readers
    cluster = world.policy.cluster
    rollout_text = "" if keeps_others else describe_workaround(workload)
    if rollout_text and _needs_rollout(workload):
        rollout_text = ""
    waits = not keeps_others and waits_for_node(workload)
    found: dict[int, tuple[Caveat, ...]] = {}
    for index, decision in enumerate(decisions):
        port = decision.port
        number = numbers.get((workload.ref, port.known_port))
        node_port = number.node_port if number else None
        facts = {
            **decision.facts,
            "decisions": decision.row,
            "strategies": decision.strategy,
            "externalTrafficPolicies": decision.options.get("externalTrafficPolicy", "Cluster"),
            "trafficDistributions": "PreferSameNode" if decision.facts["preferSameNode"] else "Local",
            "networkPolicies": bool(policies),
            "networkPolicyNames": ", ".join(policy.ref.name for policy in policies),
            "hostIPVariables": bool(readers),
            "hostIPVariableNames": f" (read here by {_shorten(readers)})" if readers else "",
            "twins": len(protocols_of[port.known_port]) > 1,
            "repeated": hosts_of[(port.container, port.container_port, "")] > 1,
            "owned": workload.chart is not None or bool(workload.owners),
            "owner": _name_owner(decision),
            "changes": decision.strategy != "keep",
            "lasting": port.role in ("container", "sidecar"),
            "numbers": number.how if number else "",
            "staticBand": node_port is not None and node_port <= static_band_end(cluster),
            "staticBandEnd": static_band_end(cluster),
            "rolloutWorkaround": bool(rollout_text),
            "rolloutText": rollout_text,
            "waitsForNode": waits,
        }
        named = {table.positions[name] for name in decision.reason.caveats}
        rows = [table.rows[position] for position in sorted(named | table.matcher.find_rows(facts))]
        found[index] = tuple([Caveat(render_text(row.text, facts), row.sources) for row in rows])
    return found


def _needs_rollout(workload: Workload) -> bool:
    """Tell whether an update needs its rollout without surge for more than the host port."""
    return find_exclusive(workload.pod.unpack()["spec"]) is not None or blocks_updates(workload)


def _shorten(names: Sequence[str]) -> str:
    return ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")


def _name_owner(decision: Decision) -> str:
    workload = decision.workload
    return f"Chart {workload.chart}" if workload.chart else ", ".join(workload.owners)
