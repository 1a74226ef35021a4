"""Planning: decide, number, propose, and say what a person must know."""

from __future__ import annotations

import dataclasses
import importlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from migrator.errors import PolicyError
from migrator.model.inventory import Finding, Inventory
from migrator.model.plan import ALL_PHASES, Change, Decision, Phase, PhaseChoice, Plan, PortMapEntry
from migrator.model.policy import Policy
from migrator.model.reference import ResourceRef
from migrator.model.workload import Workload
from migrator.model.world import World
from migrator.publishing.caveats import find_caveats
from migrator.publishing.node_ports import Number, NumberRequest, allocate_node_ports
from migrator.publishing.placement import Places
from migrator.publishing.proposal import Group, NameBook, Proposal
from migrator.rules import host_port, pod_security, rollout
from migrator.rules.host_port import decide_host_ports
from migrator.rules.pod_security import judge_namespaces
from migrator.strategies.pod_security import LabelProposal, limit_to_phase, propose_labels
from migrator.strategies.rollout import fix_rollout

NUMBERED = frozenset(("node_port", "node_port_per_pod"))

PortKey = tuple[ResourceRef, str, int]
"""A workload, a protocol, a host port."""


@dataclass(frozen=True, slots=True)
class Selection:
    """What may be changed: None stands for everything. What is known is never narrowed."""

    namespaces: frozenset[str] | None = None
    workloads: frozenset[str] | None = None
    rules: frozenset[str] | None = None

    def allows(self, workload: Workload, policy: Policy, excluded: frozenset[str]) -> bool:
        """Tell whether a workload may be changed."""
        ref = workload.ref
        if workload.location.path in excluded or ref.namespace in policy.exclude_namespaces:
            return False
        if self.namespaces is not None and ref.namespace not in self.namespaces:
            return False
        names = {str(ref), f"{ref.kind}/{ref.name}"}
        return self.workloads is None or not names.isdisjoint(self.workloads)


EVERYTHING = Selection()


@dataclass(frozen=True, slots=True)
class Overrides:
    """What an earlier or edited plan fixes: strategies and numbers, by port."""

    strategies: Mapping[PortKey, str] = field(default_factory=dict)
    node_ports: Mapping[PortKey, int] = field(default_factory=dict)


NOTHING_FIXED = Overrides()


def plan_changes(
    inventory: Inventory,
    policy: Policy,
    phase: PhaseChoice = "all",
    selection: Selection = EVERYTHING,
    overrides: Overrides = NOTHING_FIXED,
) -> Plan:
    """Plan what to change in an inventory.

    Raises PolicyError for a phase whose turn has not come, InputError for annotations that say nothing known.
    """
    world = World(inventory, policy)
    decisions, findings = decide_host_ports(world)
    decisions = tuple(_override(decision, overrides) for decision in decisions)
    excluded = frozenset(file.path for file in inventory.files if file.excluded)
    selected = tuple(item for item in decisions if selection.allows(item.workload, policy, excluded))
    if selection.rules is not None and not selection.rules & {host_port.ID, rollout.ID}:
        selected = ()
    numbers = _allocate(world, selected, decisions, overrides)
    changes: list[Change] = []
    port_map: list[PortMapEntry] = []
    more: list[Finding] = []
    places, names = Places(world), NameBook(world)
    for workload, own in _by_workload(selected):
        for proposal in _propose(world, workload, own, numbers, places, names, phase):
            changes.extend(proposal.changes)
            port_map.extend(proposal.port_map)
        kept = [item for item in own if item.strategy == "keep"]
        if kept:
            changes.extend(fix_rollout(workload, kept))
            finding = rollout.find_hanging_rollout(workload, kept)
            if finding is not None:
                more.append(finding)
    changes = [change for change in changes if selection.rules is None or change.rule in selection.rules]
    more.extend(_find_overlay_patches(world, changes))
    labels = _label_namespaces(world, changes, places, selection)
    changes.extend(labels.changes)
    more.extend(labels.findings)
    plan = Plan(
        policy=policy,
        phase=phase,
        inputs=tuple((file.path, file.sha256) for file in inventory.files),
        sources=inventory.sources,
        changes=tuple(changes),
        port_map=tuple(port_map),
        namespaces=tuple(labels.namespaces),
        findings=(*inventory.findings, *findings, *more),
        unread=inventory.unread,
    )
    return select_phase(plan, phase)


def _override(decision: Decision, overrides: Overrides) -> Decision:
    key = (decision.workload.ref, decision.port.protocol, decision.port.host_port)
    strategy = overrides.strategies.get(key)
    if strategy is None or strategy == decision.strategy:
        return decision
    reason = dataclasses.replace(decision.reason, message="the plan file says so.", considered=())
    return dataclasses.replace(decision, strategy=strategy, row="plan-file", options={}, reason=reason)


def _by_workload(decisions: Iterable[Decision]) -> Iterable[tuple[Workload, tuple[Decision, ...]]]:
    """Group decisions by workload, keeping their order; the same object in two files is two workloads."""
    groups: dict[tuple[str, int, int | None], list[Decision]] = {}
    for decision in decisions:
        location = decision.workload.location
        groups.setdefault((location.path, location.document, location.item), []).append(decision)
    for group in groups.values():
        yield group[0].workload, tuple(group)


def _allocate(
    world: World, selected: Sequence[Decision], every: Sequence[Decision], overrides: Overrides
) -> Mapping[tuple[ResourceRef, int], Number]:
    """Give numbers to all decisions that need one, whatever is selected: a narrower run gives the same numbers."""
    requests = {}
    for decision in every:
        if decision.strategy not in NUMBERED:
            continue
        workload, port = decision.workload, decision.port
        pinned = overrides.node_ports.get((workload.ref, port.protocol, port.host_port))
        if pinned is None:
            pinned = decision.options.get("nodePort")
        count = (workload.replicas or 1) if decision.strategy == "node_port_per_pod" else 1
        requests[(workload.ref, port.host_port)] = NumberRequest(
            workload=workload.ref,
            host_port=port.host_port,
            count=max(count, 1),
            pinned=pinned,
            overlays=len(world.overlays_of(workload)),
        )
    moving = {id(decision.port) for decision in every if decision.strategy != "keep"}
    kept = {
        port.host_port
        for workload in world.inventory.workloads
        for port in workload.used_ports()
        if id(port) not in moving
    }
    published = {
        entry.node_port
        for service in world.inventory.services
        for entry in service.ports
        if entry.node_port is not None
    }
    low, high = world.policy.cluster.node_ports
    for request in requests.values():
        if request.pinned is not None and not low <= request.pinned <= high:
            raise PolicyError(
                f"node port {request.pinned} for {request.workload} is outside of cluster.nodePortRange {low}-{high}"
            )
    return allocate_node_ports(requests.values(), world.policy.cluster, kept | published)


def _propose(
    world: World,
    workload: Workload,
    decisions: Sequence[Decision],
    numbers: Mapping[tuple[ResourceRef, int], Number],
    places: Places,
    names: NameBook,
    phase: PhaseChoice,
) -> Iterable[Proposal]:
    by_strategy: dict[str, list[Decision]] = {}
    for decision in decisions:
        by_strategy.setdefault(decision.strategy, []).append(decision)
    for strategy, group in by_strategy.items():
        propose = load_strategy(strategy)
        caveats = find_caveats(world, group, numbers)
        yield propose(Group(world, workload, tuple(group), numbers, places, names, phase, caveats))


def load_strategy(name: str) -> Callable[[Group], Proposal]:
    """Load the strategy of that name: the `propose` of its file.

    Raises ModuleNotFoundError where there is none.
    """
    propose: Callable[[Group], Proposal] = importlib.import_module(f"migrator.strategies.{name}").propose
    return propose


def _label_namespaces(world: World, changes: Sequence[Change], places: Places, selection: Selection) -> LabelProposal:
    """Propose namespace labels for the workloads as the changes leave them."""
    if selection.rules is not None and pod_security.ID not in selection.rules:
        return LabelProposal()
    proposal = propose_labels(world, judge_namespaces(world, changes), places)
    excluded = {file.path for file in world.inventory.files if file.excluded}

    def allows(change: Change) -> bool:
        name = change.workload.name
        return (
            selection.workloads is None
            and (selection.namespaces is None or name in selection.namespaces)
            and name not in world.policy.exclude_namespaces
            and change.location.path not in excluded
        )

    proposal.changes = [change for change in proposal.changes if allows(change)]
    return proposal


def _find_overlay_patches(world: World, changes: Iterable[Change]) -> Iterable[Finding]:
    """Find kustomize patches that write into ports which a change edits, or that bring host ports of their own."""
    edited: dict[tuple[str, str], Change] = {}
    for change in changes:
        if change.action == "update" and change.edit is not None and "ports" in change.edit.path:
            edited.setdefault((change.resource.kind, change.resource.name), change)
    for kustomization in world.inventory.kustomizations:
        for patch in kustomization.patches:
            target = (patch.target_kind or "", patch.target_name or "")
            place = f"{patch.path or kustomization.location.path}"
            if patch.host_ports:
                ports = ", ".join(map(str, patch.host_ports))
                message = (
                    f"the patch {place} (named in {kustomization.location.path}:{patch.line}) adds host port {ports}"
                )
                hint = "; change it by hand: a patch is no whole manifest"
            elif patch.touches_ports and target in edited:
                message = f"the patch {place} writes into the ports of {target[0]}/{target[1]}, which are edited here"
                hint = "; check that it still fits"
            else:
                continue
            resource = edited[target].resource if target in edited else None
            yield Finding(host_port.ID, "error", message + hint, resource, kustomization.location)


def select_phase(plan: Plan, phase: PhaseChoice) -> Plan:
    """Narrow a plan to one phase.

    Raises PolicyError where an earlier phase has not been applied, or a number is not known yet, without which the
    phase would leave a port that nobody answers.
    """
    wanted: frozenset[Phase] = ALL_PHASES if phase == "all" else frozenset((phase,))
    if phase == "contract":
        _refuse_missing_expand(plan)
        _refuse_unknown_numbers(plan)
    if phase == "enforce":
        _refuse_missing_contract(plan)
    return dataclasses.replace(
        plan,
        changes=tuple(change for change in plan.changes if change.phase in wanted),
        namespaces=tuple(limit_to_phase(namespace, phase) for namespace in plan.namespaces),
    )


def _refuse_missing_contract(plan: Plan) -> None:
    """Refuse to enforce a level that the workloads satisfy only once they are changed."""
    enforced = {change.resource.name for change in plan.changes if change.phase == "enforce"}
    waiting = {
        change.resource
        for change in plan.changes
        if change.phase == "contract" and change.action != "keep" and change.resource.namespace in enforced
    }
    if waiting:
        names = ", ".join(sorted(map(str, waiting))[:3])
        raise PolicyError(
            f"phase enforce before contract: {names} would be refused as they stand\n"
            "  apply --phase contract first, or --phase all for everything"
        )


def _refuse_missing_expand(plan: Plan) -> None:
    waiting = [change for change in plan.changes if change.phase == "expand" and change.action == "create"]
    if waiting:
        names = ", ".join(str(change.resource) for change in waiting[:3])
        more = f" and {len(waiting) - 3} more" if len(waiting) > 3 else ""
        raise PolicyError(
            f"phase contract before expand: {names}{more} are not there yet\n"
            "  apply --phase expand first, or --phase all for both"
        )


def _refuse_unknown_numbers(plan: Plan) -> None:
    unknown = [entry for entry in plan.port_map if entry.query is not None and entry.node_port is None]
    if unknown:
        lines = "\n".join(f"  {entry.query}" for entry in unknown[:5])
        raise PolicyError(
            f"phase contract: {len(unknown)} node port(s) are the cluster's choice and not known yet\n{lines}\n"
            "  give the numbers with --port-map or the policy, or add `kubectl get service -o yaml` to the sources"
        )


def find_open_numbers(plan: Plan) -> tuple[PortMapEntry, ...]:
    """Find the ports whose number only the cluster will know."""
    return tuple(entry for entry in plan.port_map if entry.query is not None and entry.node_port is None)
