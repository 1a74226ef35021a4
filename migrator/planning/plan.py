"""Planning: decide, number, propose, and say what a person must know."""

from __future__ import annotations

import dataclasses
import importlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import field
from typing import TYPE_CHECKING

from migrator.errors import PolicyError
from migrator.model.inventory import Finding, Inventory
from migrator.model.objects import KustomizationPatch
from migrator.model.plan import (
    ALL_PHASES,
    Change,
    Decision,
    NamespacePlan,
    Phase,
    PhaseChoice,
    Plan,
    PortMapEntry,
    WorkloadPlan,
)
from migrator.model.policy import Policy
from migrator.model.record import record
from migrator.model.reference import Location, ResourceRef
from migrator.model.selection import EVERYTHING, Selection
from migrator.model.workload import Workload, describe_host_ports
from migrator.model.world import World
from migrator.planning.balance import PortKey, propose_balanced
from migrator.planning.clean_up import plan_clean_up, refuse_running_admission
from migrator.planning.harden import find_left_over, harden_workloads
from migrator.planning.numbers import number_decisions
from migrator.podsecurity.labels import ENFORCE
from migrator.publishing.caveats import find_caveats
from migrator.publishing.node_ports import Number
from migrator.publishing.placement import Places
from migrator.publishing.proposal import Group, NameBook, Proposal
from migrator.rules import host_port, pod_security, rollout
from migrator.rules.host_port import IGNORE_PREFIX, decide_host_ports
from migrator.rules.pod_security import judge_workloads
from migrator.rules.stacks import find_stack_conflicts
from migrator.strategies.pod_security import limit_to_phase, propose_labels
from migrator.strategies.rollout import fix_rollout

if TYPE_CHECKING:
    from migrator.psp.authorize import Identity
    from migrator.rules.pod_security_policy import PolicyAdmission


@record
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
    requester: Identity | None = None,
) -> Plan:
    """Plan what to change in an inventory; `requester` is who applies bare pods, None for an administrator.

    Raises PolicyError for a phase whose turn has not come, InputError for annotations that say nothing known.
    """
    return select_phase(propose_changes(inventory, policy, phase, selection, overrides, requester), phase)


def propose_changes(
    inventory: Inventory,
    policy: Policy,
    phase: PhaseChoice = "all",
    selection: Selection = EVERYTHING,
    overrides: Overrides = NOTHING_FIXED,
    requester: Identity | None = None,
) -> Plan:
    """Propose the changes of all phases, in the form that they have where `phase` is run."""
    world = World(inventory, policy)
    decisions, findings = decide_host_ports(world)
    decisions = tuple(_override(decision, overrides) for decision in decisions)

    def can_move(workload: Workload) -> bool:
        return EVERYTHING.allows(workload, policy, world.excluded)

    selected = tuple(item for item in decisions if selection.allows(item.workload, policy, world.excluded))
    moving = tuple(item for item in decisions if item.strategy != "keep" and can_move(item.workload))
    numbers = number_decisions(world, moving, overrides.node_ports)
    changes: list[Change] = []
    port_map: list[PortMapEntry] = []
    more: list[Finding] = []
    places, names = Places(world), NameBook(world)
    lasting: list[tuple[Workload, tuple[Decision, ...]]] = []
    for workload, own in _by_workload(selected):
        proposals = _propose(world, workload, own, numbers, places, names, phase)
        changes.extend(_propose_distinct(proposals, port_map))
        lasting.append((workload, rollout.find_lasting(workload, own)))
        changes.extend(fix_rollout(*lasting[-1]))

    def may_change(workload: Workload) -> bool:
        return selection.allows(workload, policy, world.excluded)

    balanced = propose_balanced(world, numbers, lambda service: selection.allows_service(service, policy))
    changes.extend(balanced.changes)
    port_map.extend(balanced.port_map)
    deletions, to_know = plan_clean_up(world, selection, phase)
    changes.extend(deletions)
    more.extend(to_know)
    if selection.rules is not None:
        changes = [change for change in changes if change.rule in selection.rules]
        port_map = port_map if host_port.ID in selection.rules else []
    rolled: set[tuple[ResourceRef, Location]] = set()
    admission = _make_admission(world, requester)
    if admission is not None:
        from migrator.planning.inject import find_settled, settle_templates
        from migrator.rules.pod_security_policy_findings import find_policy_findings

        settled = tuple(settle_templates(admission, changes, may_change, selection.allows_rule))
        changes.extend(change for item in settled for change in item.changes)
        rolled = {(item.workload.ref, item.workload.location) for item in settled if item.injects}
        findings += find_policy_findings(admission)
        more.extend(find_settled(world, settled))
    elif selection.allows_rule(pod_security.ID):
        changes.extend(harden_workloads(world, may_change))
    for workload, held in lasting:
        hanging = rollout.find_hanging_rollout(workload, held)
        if hanging is None:
            continue
        if selection.allows_rule(rollout.ID) and (workload.ref, workload.location) in rolled:
            changes.extend(fix_rollout(workload, held, "Deployment"))
        else:
            more.append(hanging)
    more.extend(_find_overlay_patches(world, changes))
    left_alone = {item.ref for item in inventory.workloads if not may_change(item)}
    findings = tuple(item for item in findings if item.resource not in left_alone)
    plan = Plan(
        policy=policy,
        phase=phase,
        inputs=tuple((file.path, file.sha256) for file in inventory.files),
        sources=inventory.sources,
        changes=tuple(changes),
        port_map=tuple(port_map),
        findings=(*inventory.findings, *find_stack_conflicts(inventory), *findings, *more),
        unread=inventory.unread,
        keys=inventory.keys,
        translated=_count_translated(inventory),
    )
    if selection.rules is not None and selection.rules.isdisjoint((pod_security.ID, "pod-security-policy")):
        return plan
    plan = _judge_plan(world, plan, places, selection, admission)
    if admission is None:
        return plan
    from migrator.rules.permission_delta import find_permission_delta

    return dataclasses.replace(plan, permission_delta=find_permission_delta(admission, plan.namespaces))


def _count_translated(inventory: Inventory) -> tuple[int, int]:
    files = [file for file in inventory.files if file.translated]
    return len(files), sum(file.documents for file in files)


def _make_admission(world: World, requester: Identity | None) -> PolicyAdmission | None:
    """Make the PodSecurityPolicy plugin; None, and nothing of it loaded, where the sources hold no such policy."""
    if not world.inventory.pod_security_policies:
        return None
    from migrator.rules.pod_security_policy import make_admission

    return make_admission(world, requester)


def _propose_distinct(proposals: Iterable[Proposal], port_map: list[PortMapEntry]) -> list[Change]:
    """Collect the changes of one workload's strategies, less the edits that two of them ask for."""
    changes: list[Change] = []
    for proposal in proposals:
        known = [(change.resource, change.location.path, change.edit) for change in changes]
        changes.extend(
            change
            for change in proposal.changes
            if change.action == "create" or (change.resource, change.location.path, change.edit) not in known
        )
        port_map.extend(proposal.port_map)
    return changes


def _override(decision: Decision, overrides: Overrides) -> Decision:
    key = (decision.workload.ref, decision.port.protocol, decision.port.known_port)
    strategy = overrides.strategies.get(key)
    if strategy is None or strategy == decision.strategy:
        return decision
    refusal = host_port.say_why_impossible(strategy, decision.facts)
    if refusal is not None:
        raise PolicyError(f"strategy {strategy} for host port {key[2]}/{key[1]} of {key[0]}: {refusal}")
    reason = dataclasses.replace(decision.reason, message="the plan file says so.", considered=())
    options = host_port.find_options(strategy, decision.facts)
    return dataclasses.replace(decision, strategy=strategy, row="plan-file", options=options, reason=reason)


def _by_workload(decisions: Iterable[Decision]) -> Iterable[tuple[Workload, tuple[Decision, ...]]]:
    """Group decisions by workload, keeping their order; the same object in two files is two workloads."""
    groups: dict[tuple[str, int, int | None], list[Decision]] = {}
    for decision in decisions:
        location = decision.workload.location
        groups.setdefault((location.path, location.document, location.item), []).append(decision)
    for group in groups.values():
        yield group[0].workload, tuple(group)


def _propose(
    world: World,
    workload: Workload,
    decisions: Sequence[Decision],
    numbers: Mapping[tuple[ResourceRef, int], Number],
    places: Places,
    names: NameBook,
    phase: PhaseChoice,
) -> Iterable[Proposal]:
    groups: dict[str, list[Decision]] = {}
    for decision in decisions:
        form = sorted((key, value) for key, value in decision.options.items() if key != "nodePort")
        groups.setdefault(f"{decision.strategy} {form}", []).append(decision)
    for group in groups.values():
        propose = load_strategy(group[0].strategy)
        keeps_others = any(item.strategy == "keep" for item in decisions if item not in group)
        caveats = find_caveats(world, group, numbers, keeps_others)
        yield propose(Group(world, workload, tuple(group), numbers, places, names, phase, caveats))


def load_strategy(name: str) -> Callable[[Group], Proposal]:
    """Load the strategy of that name: the `propose` of its file.

    Raises ModuleNotFoundError where there is none.
    """
    propose: Callable[[Group], Proposal] = importlib.import_module(f"migrator.strategies.{name}").propose
    return propose


def _judge_plan(
    world: World, plan: Plan, places: Places, selection: Selection, admission: PolicyAdmission | None
) -> Plan:
    """Judge the pods as a plan leaves them, and add what follows: namespace labels, and what is left to a person."""
    judged = judge_workloads(world, plan.changes)

    def may_label(name: str) -> bool:
        return (
            selection.workloads is None
            and (selection.namespaces is None or name in selection.namespaces)
            and name not in world.policy.exclude_namespaces
        )

    def may_change(workload: Workload) -> bool:
        return selection.allows(workload, world.policy, world.excluded)

    labels = propose_labels(world, judged, plan.changes, places, plan.phase, may_label, admission)
    residue, open_ends = _propose_residue(admission, labels.namespaces, places, plan.phase, may_label)
    made = [*labels.changes, *residue]
    return dataclasses.replace(
        plan,
        changes=(*plan.changes, *(item for item in made if selection.rules is None or item.rule in selection.rules)),
        namespaces=tuple(labels.namespaces),
        workloads=tuple(
            WorkloadPlan(item.workload.ref, item.workload.location, now.level, item.after.level)
            for item in judged
            if (now := item.workload.pod_security) is not None
        ),
        findings=(*plan.findings, *find_left_over(world, judged, may_change), *labels.findings, *open_ends),
    )


def _propose_residue(
    admission: PolicyAdmission | None,
    namespaces: Sequence[NamespacePlan],
    places: Places,
    phase: PhaseChoice,
    selects: Callable[[str], bool],
) -> tuple[Iterable[Change], Iterable[Finding]]:
    """Propose what takes the place of PodSecurityPolicies, where there are any."""
    if admission is None:
        return (), ()
    from migrator.strategies.validating_admission_policy import propose_residue

    return propose_residue(admission, namespaces, places, phase, selects)


def _find_overlay_patches(world: World, changes: Iterable[Change]) -> Iterable[Finding]:
    """Find kustomize patches that write into ports which a change edits, or that bring host ports of their own."""
    edited: dict[str, list[Change]] = {}
    for change in changes:
        if change.action == "update" and change.edit is not None and "ports" in change.edit.path:
            edited.setdefault(change.location.path, []).append(change)
    for kustomization in world.inventory.kustomizations:
        reached = world.files_under(kustomization) if kustomization.patches else frozenset()
        below = [change for path in sorted(reached) for change in edited.get(path, ())]
        for patch in kustomization.patches:
            hit = next((change for change in below if _is_target(patch, change.resource)), None)
            what = f"the patch {patch.path or 'written here'} ({kustomization.location.path}:{patch.line})"
            if patch.host_ports:
                ports = describe_host_ports(patch.host_ports)
                message = f"{what} sets {ports}; change it by hand: a patch is no whole manifest"
            elif patch.touches_ports and hit is not None:
                message = (
                    f"{what} writes into the ports of {hit.resource.kind}/{hit.resource.name}, which are edited "
                    "here; check that it still fits"
                )
            else:
                continue
            location = kustomization.location.at(patch.line)
            yield Finding(host_port.ID, "error", message, hit.resource if hit else None, location)


def _is_target(patch: KustomizationPatch, resource: ResourceRef) -> bool:
    """Tell whether a patch may be for an object: kind and name are patterns, and without them it is for all."""
    wanted = ((patch.target_kind, resource.kind), (patch.target_name, resource.name))
    return all(pattern is None or _matches(pattern, name) for pattern, name in wanted)


def _matches(pattern: str, name: str) -> bool:
    try:
        return re.fullmatch(pattern, name) is not None
    except re.error:
        return pattern == name


def select_phase(plan: Plan, phase: PhaseChoice) -> Plan:
    """Narrow a plan to one phase.

    Raises PolicyError where an earlier phase has not been applied, or a number is not known yet, without which the
    phase would leave a port that nobody answers.
    """
    if phase == "contract":
        _refuse_missing_expand(plan)
        _refuse_unknown_numbers(plan)
    if phase == "enforce":
        _refuse_missing_contract(plan)
    if phase == "cleanup":
        refuse_running_admission(plan)
        _refuse_missing_injection(plan)
    return narrow_phase(plan, phase)


def narrow_phase(plan: Plan, phase: PhaseChoice) -> Plan:
    """Narrow a plan to one phase, whether its turn has come or not."""
    wanted: frozenset[Phase] = ALL_PHASES if phase == "all" else frozenset((phase,))
    return dataclasses.replace(
        plan,
        changes=tuple(change for change in plan.changes if change.phase in wanted),
        namespaces=tuple(limit_to_phase(namespace, phase) for namespace in plan.namespaces),
    )


def _refuse_missing_contract(plan: Plan) -> None:
    """Refuse to enforce a level that the workloads satisfy only once they are changed."""
    enforced = {change.workload.name for change in plan.changes if change.phase == "enforce"}
    enforced |= {item.name for item in plan.namespaces if any(f"{ENFORCE}=" in line for line in item.commands)}
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


def _refuse_missing_injection(plan: Plan) -> None:
    """Refuse to delete policies while workloads still count on what they write into pods."""
    waiting = [change for change in plan.changes if change.strategy == "pod_security_policy"]
    if waiting and any(change.phase == "cleanup" for change in plan.changes):
        first = waiting[0]
        raise PolicyError(
            f"phase cleanup before contract: what PodSecurityPolicy {first.decision} writes into the pods of "
            f"{first.resource} would be lost\n"
            f"  apply --phase contract first, or leave it with the annotation {IGNORE_PREFIX}{first.rule}"
        )


def _refuse_missing_expand(plan: Plan) -> None:
    moved = {change.workload for change in plan.changes if change.phase == "contract" and change.action != "keep"}
    waiting = {
        str(change.resource): None
        for change in plan.changes
        if change.rule == host_port.ID and change.phase == "expand" and change.workload in moved and change.ports
    }
    if waiting:
        names = ", ".join([*waiting][:3]) + (f" and {len(waiting) - 3} more" if len(waiting) > 3 else "")
        raise PolicyError(
            f"phase contract before expand: {names} do not answer yet\n"
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
