"""What a strategy is given, and what it gives back."""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from migrator.model.edit import FieldEdit
from migrator.model.field import FieldPath
from migrator.model.plan import Change, Decision, Effect, Phase, PhaseChoice, PortMapEntry, Reason
from migrator.model.record import record
from migrator.model.reference import ResourceRef
from migrator.model.workload import Workload
from migrator.model.world import World
from migrator.publishing.caveats import Caveat
from migrator.publishing.node_ports import Number
from migrator.publishing.placement import Places
from migrator.sources.tables import load_table


@record
class Group:
    """The host ports of one workload for which one strategy was chosen."""

    world: World
    workload: Workload
    decisions: tuple[Decision, ...]
    numbers: Mapping[tuple[ResourceRef, int], Number]
    places: Places
    names: NameBook
    phase: PhaseChoice
    caveats: Mapping[int, tuple[Caveat, ...]]

    @property
    def strategy(self) -> str:
        """Give the strategy that all decisions share."""
        return self.decisions[0].strategy

    @property
    def options(self) -> Mapping[str, Any]:
        """Give the options of the decision that came first."""
        return self.decisions[0].options

    def reason(self, decision: Decision, message: str) -> Reason:
        """Give a change its reason: what it does, then why that was decided, and all that goes with it."""
        caveats = self.caveats.get(self.decisions.index(decision), ())
        sources = dict.fromkeys((*decision.reason.sources, *strategy_sources(self.strategy)))
        for caveat in caveats:
            sources.update(dict.fromkeys(caveat.sources))
        return Reason(
            message=f"{message}: {decision.reason.message}",
            considered=decision.reason.considered,
            way_back=strategy_text(self.strategy, "wayBack"),
            caveats=tuple([caveat.text for caveat in caveats]),
            sources=tuple(sources),
            what=message,
        )


@dataclass(slots=True)
class Proposal:
    """The changes of one group and its part of the port map."""

    changes: list[Change] = field(default_factory=list)
    port_map: list[PortMapEntry] = field(default_factory=list)


class NameBook:
    """Gives names to new Services, never one that a namespace has.

    A workload that stands in two places has its Service in both, under one name.
    """

    def __init__(self, world: World) -> None:
        self.taken = set(world.service_names)
        self.given: dict[tuple[str | None, str], Workload] = {}

    def choose(self, workload: Workload, name: str) -> str:
        """Choose a Service's name: the one wanted, cut to 63 characters, with a number where it is taken."""
        namespace = workload.ref.namespace
        chosen = next(
            candidate
            for candidate in list_names(name)
            if (namespace, candidate) not in self.taken
            or _is_same_object(self.given.get((namespace, candidate)), workload)
        )
        self.taken.add((namespace, chosen))
        self.given[(namespace, chosen)] = workload
        return chosen


def _is_same_object(known: Workload | None, workload: Workload) -> bool:
    """Tell whether two manifests are of one object; generated names are of two."""
    return (
        known is not None
        and known.ref == workload.ref
        and known.location != workload.location
        and not workload.ref.name.endswith("*")
    )


def list_names(name: str) -> Iterator[str]:
    """List the names that a new Service may get, the wanted one first."""
    yield shorten_name(name)
    for number in itertools.count(2):
        yield shorten_name(f"{name}-{number}")


def shorten_name(name: str, limit: int = 63) -> str:
    """Make a legal Service name: a DNS label of at most `limit` characters, told apart by a hash where cut.

    https://kubernetes.io/docs/concepts/overview/working-with-objects/names/#rfc-1035-label-names
    """
    label = re.sub("[^a-z0-9]+", "-", name.lower()).strip("-") or "service"
    if not label[0].isalpha():
        label = f"s-{label}"
    if len(label) <= limit:
        return label
    digest = hashlib.sha256(name.encode()).hexdigest()[:6]
    return f"{label[: limit - 7].rstrip('-')}-{digest}"


def strategy_text(strategy: str, key: str) -> str:
    """Give a text of a strategy's table: title, does, wayBack, whoMustChange."""
    return str(load_table(f"strategies/{strategy}.yaml").get(key, ""))


def strategy_sources(strategy: str) -> tuple[str, ...]:
    """Give a strategy's sources."""
    return tuple(load_table(f"strategies/{strategy}.yaml").get("sources", ()))


def find_effect(workload: Workload) -> Effect:
    """Tell what a change of the pod template does to running pods.

    https://kubernetes.io/docs/concepts/workloads/: templates of bare ReplicaSets, ReplicationControllers and of
    workloads with OnDelete count for new pods only; those of Jobs and Pods cannot be changed at all.
    """
    kind = workload.ref.kind
    if kind in ("CronJob", "ScheduledJob", "PodTemplate"):
        return "none"
    if kind in ("Pod", "Job", "ReplicaSet", "ReplicationController") or workload.rollout.type == "OnDelete":
        return "delete and re-create"
    return "rolling restart"


def remove_host_ports(group: Group, phase: Phase = "contract") -> list[Change]:
    """Take the host ports of a group out of the workload.

    Entries that say nothing new once their hostPort is gone are taken out whole, since the API warns of repeated
    ports.
    """
    changes: list[Change] = []
    seen: set[tuple[FieldPath, str | None, int, str]] = set()
    kept = _entries_that_stay(group.workload, group.decisions)
    for decision in group.decisions:
        port = decision.port
        identity = (port.path[:-1], port.name, port.container_port, port.protocol)
        if identity in seen or identity in kept:
            edit = FieldEdit("remove", port.path)
            current: Any = {"containerPort": port.container_port, "hostPort": port.host_port}
            changes.append(_remove(group, decision, edit, current, phase))
            continue
        seen.add(identity)
        edit = FieldEdit("remove", (*port.path, "hostPort"))
        changes.append(_remove(group, decision, edit, port.host_port, phase))
        if port.has_host_ip:
            edit = FieldEdit("remove", (*port.path, "hostIP"))
            changes.append(_remove(group, decision, edit, port.host_ip, phase))
    return changes


def _entries_that_stay(
    workload: Workload, decisions: Sequence[Decision]
) -> set[tuple[FieldPath, str | None, int, str]]:
    """Find entries without hostPort that an entry would repeat once its own is gone."""
    touched = {decision.port.path for decision in decisions}
    entries: set[tuple[FieldPath, str | None, int, str]] = set()
    for path, name, number, protocol in workload.plain_ports:
        if path not in touched:
            entries.add((path[:-1], name, number, protocol))
    return entries


def _remove(group: Group, decision: Decision, edit: FieldEdit, current: Any, phase: Phase) -> Change:
    port = decision.port
    workload = group.workload
    effect = "none" if port.host_port == 0 else find_effect(workload)
    what = "hostIP goes with its hostPort" if edit.path[-1] == "hostIP" else f"hostPort {port.host_port} goes"
    return Change(
        rule=decision.rule,
        decision=decision.row,
        strategy=group.strategy,
        phase=phase,
        action="update",
        resource=workload.ref,
        location=workload.location.at(port.line),
        workload=workload.ref,
        reason=group.reason(decision, what),
        effect=effect,
        edit=edit,
        current=current,
        ports=(port,),
    )
