"""What of a plan may be made: a run can be narrowed to namespaces, workloads or rules."""

from __future__ import annotations

from migrator.model.objects import Service
from migrator.model.policy import Policy
from migrator.model.record import record
from migrator.model.workload import Workload


@record
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

    def allows_service(self, service: Service, policy: Policy) -> bool:
        """Tell whether a Service that belongs to no workload may be changed."""
        namespace = service.ref.namespace
        if self.workloads is not None or namespace in policy.exclude_namespaces:
            return False
        return self.namespaces is None or namespace in self.namespaces

    def allows_rule(self, rule: str) -> bool:
        """Tell whether a rule's changes may be made."""
        return self.rules is None or rule in self.rules


EVERYTHING = Selection()
