"""Which workload made another one from its template."""

from __future__ import annotations

from collections.abc import Iterable

from migrator.model.workload import Workload

_MADE_BY = {"ReplicaSet": "Deployment", "Job": "CronJob"}


class Owners:
    """Finds the owners of workloads among others."""

    def __init__(self, workloads: Iterable[Workload]) -> None:
        self._by_name = {(item.ref.namespace, item.ref.kind, item.ref.name): item for item in workloads}

    def owner_of(self, workload: Workload) -> Workload | None:
        """Find the workload that made this one; None where nothing did, or it is not there.

        A ReplicaSet and a Job that are not there themselves are looked through by their names, which carry their
        owner's and a suffix.
        """
        for owner in workload.owners:
            kind, _, name = owner.partition("/")
            found = self._by_name.get((workload.ref.namespace, kind, name))
            if found is None and kind in _MADE_BY:
                above = (workload.ref.namespace, _MADE_BY[kind], name.rpartition("-")[0])
                found = self._by_name.get(above)
            if found is not None and found.ref != workload.ref:
                return found
        return None

    def first_owner_of(self, workload: Workload) -> Workload:
        """Find the workload whose template decides in the end, be it this one."""
        seen = {workload.ref}
        while (owner := self.owner_of(workload)) is not None and owner.ref not in seen:
            workload = owner
            seen.add(workload.ref)
        return workload
