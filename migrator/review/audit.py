"""An audit as its forms show it: judged over everything that was read, narrowed to what is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from migrator.errors import InputError
from migrator.model.inventory import Finding, Inventory, Unread
from migrator.model.policy import Policy
from migrator.model.reference import ResourceRef
from migrator.model.workload import Workload
from migrator.model.world import World
from migrator.rules.conflicts import Conflict, find_conflicts
from migrator.rules.pod_security import NamespaceVerdict, judge_namespaces, judge_workloads
from migrator.rules.stacks import find_stack_conflicts

if TYPE_CHECKING:
    from migrator.psp.authorize import Identity
    from migrator.rules.pod_security_policy import NamespaceGrant, PolicyAdmission, PolicyDecision


@dataclass(frozen=True)
class Audit:
    """What was read, what it is judged by, and which workloads are shown.

    `requester` is who applies bare pods, None for an administrator. `names` are workloads as `--workload` takes
    them; empty shows all. What is known is never narrowed.
    """

    inventory: Inventory
    policy: Policy
    requester: Identity | None = None
    names: frozenset[str] = frozenset()

    @cached_property
    def world(self) -> World:
        """Give everything that was read, with its indexes."""
        return World(self.inventory, self.policy)

    @cached_property
    def admission(self) -> PolicyAdmission | None:
        """Give the PodSecurityPolicy plugin; None where the sources hold no such policy."""
        if not self.inventory.pod_security_policies:
            return None
        from migrator.rules.pod_security_policy import make_admission

        return make_admission(self.world, self.requester)

    def shows(self, ref: ResourceRef) -> bool:
        """Tell whether a workload is shown."""
        return not self.names or not self.names.isdisjoint((str(ref), f"{ref.kind}/{ref.name}"))

    @cached_property
    def workloads(self) -> tuple[Workload, ...]:
        """Give the workloads that are shown."""
        return tuple(workload for workload in self.inventory.workloads if self.shows(workload.ref))

    @cached_property
    def decisions(self) -> tuple[PolicyDecision | None, ...]:
        """Give how PodSecurityPolicy decides the workloads that are shown, in their order; None for no decision."""
        if self.admission is None:
            return (None,) * len(self.workloads)
        pairs = zip(self.inventory.workloads, self.admission.decisions, strict=True)
        return tuple(decision for workload, decision in pairs if self.shows(workload.ref))

    @cached_property
    def conflicts(self) -> tuple[Conflict, ...]:
        """Give the pods that cannot share a node, where one of them is shown."""
        found = find_conflicts(self.inventory.workloads)
        return tuple(conflict for conflict in found if any(map(self.shows, conflict.workloads)))

    @cached_property
    def verdicts(self) -> tuple[NamespaceVerdict, ...]:
        """Give what the namespaces need, of workloads that are shown."""
        found = judge_namespaces(judge_workloads(self.world, ()))
        namespaces = {workload.ref.namespace for workload in self.workloads}
        return tuple(verdict for verdict in found if verdict.name in namespaces)

    @cached_property
    def grants(self) -> Mapping[str, NamespaceGrant]:
        """Give the levels that PodSecurityPolicies grant, by namespace of a workload."""
        return {} if self.admission is None else self.admission.namespace_grants

    @cached_property
    def findings(self) -> tuple[Finding, ...]:
        """Give what a person should know; of a narrowed audit, about the workloads that are shown."""
        found = self.inventory.findings + find_stack_conflicts(self.inventory)
        if self.admission is not None:
            from migrator.rules.pod_security_policy_findings import find_policy_findings

            found += find_policy_findings(self.admission)
        if not self.names:
            return found
        return tuple(item for item in found if item.resource is not None and self.shows(item.resource))

    @property
    def unread(self) -> tuple[Unread, ...]:
        """Give what was not read; nothing of it concerns single workloads."""
        return () if self.names else self.inventory.unread


def refuse_unknown_workloads(audit: Audit) -> None:
    """Raise InputError where an audit is narrowed to a workload that is not there."""
    refs = [workload.ref for workload in audit.inventory.workloads]
    known = {str(ref) for ref in refs} | {f"{ref.kind}/{ref.name}" for ref in refs}
    for name in sorted(audit.names - known):
        hint = "write it as audit does: NAMESPACE/KIND/NAME, - for an unknown namespace"
        raise InputError("--workload", f"{name!r} is not among the sources", hint=hint)
