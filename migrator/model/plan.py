"""The plan: what shall change, why, and what it does to whom."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any, Literal

from migrator.model.edit import FieldEdit
from migrator.model.inventory import Finding, KeyFate, Unread
from migrator.model.permission import NamespacePermissions
from migrator.model.policy import Alternative, Policy
from migrator.model.record import record
from migrator.model.reference import Location, ResourceRef
from migrator.model.workload import ANY_ADDRESS, HostPort, Workload

Phase = Literal["expand", "contract", "enforce", "cleanup"]
PhaseChoice = Literal["expand", "contract", "enforce", "cleanup", "all"]
Action = Literal["keep", "update", "create", "delete"]
Effect = Literal["none", "rolling restart", "delete and re-create"]
Placement = Literal["file", "behind", "item"]

PHASES: tuple[Phase, ...] = ("expand", "contract", "enforce", "cleanup")
ALL_PHASES: frozenset[Phase] = frozenset(("expand", "contract", "enforce"))


@record
class Reason:
    """Why something is decided: a sentence, what was considered besides, the way back, what to look out for.

    `message` begins with `what` is done, where that can stand without the reason, which other changes share.
    """

    message: str
    considered: tuple[Alternative, ...] = ()
    way_back: str = ""
    caveats: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    what: str = ""


@record
class NewObject:
    """An object that is to be created: its template with the values for it, and where its owner would put it.

    `file`: a file of its own; `behind`: a document behind the one at `anchor`; `item`: an item behind the List's
    item at `anchor`.
    """

    template: str
    values: Mapping[str, Any]
    placement: Placement
    anchor: Location


@record
class Change:
    """One change of one field or object, with everything that a reviewer wants to know about it.

    `workload` is the workload whose decision caused it. `decision` names the row that decided. `edit` is the
    change of a field, with `current` its value before; `new` the object to create; `ports` the host ports that the
    change is about.
    """

    rule: str
    decision: str
    strategy: str
    phase: Phase
    action: Action
    resource: ResourceRef
    location: Location
    workload: ResourceRef
    reason: Reason
    effect: Effect = "none"
    edit: FieldEdit | None = None
    current: Any = None
    new: NewObject | None = None
    ports: tuple[HostPort, ...] = ()


@record
class PortMapEntry:
    """Where a port was reached and where it will be.

    `old_port` None was a random one. `type` is what answers: a Service's type, Ingress or hostPort.
    `node_port` None is the cluster's choice, for which `query` asks, or no node port at all. `pod` names the one
    pod of a StatefulSet that the entry is about, `hosts` the hosts and paths that an Ingress answers for.
    """

    resource: ResourceRef
    protocol: str
    old_ip: str
    old_port: int | None
    container_port: int | None
    type: str | None
    service: ResourceRef | None
    port: int | None
    node_port: int | None
    who_must_change: str
    query: str | None = None
    pod: str | None = None
    hosts: tuple[str, ...] = ()

    @property
    def known_port(self) -> int:
        """Give the number that people know the port by: the container's where the host port was random."""
        return self.old_port or self.container_port or 0

    @property
    def address(self) -> str:
        """Give the address that answered, `node` for every address of the pod's node."""
        return "node" if self.old_ip == ANY_ADDRESS else self.old_ip

    @property
    def before(self) -> str:
        """Say where the port was reached."""
        return f"{self.address}:{self.old_port or f'random → {self.container_port}'}"

    @property
    def elsewhere(self) -> str:
        """Say what answers where no Service does; empty where one does."""
        if self.type == "Ingress":
            return f"Ingress controller:{self.port} for {', '.join(self.hosts)}"
        if self.type == "hostPort":
            return f"{self.address}:{self.port} (kept)"
        return "" if self.service is not None else "nowhere"


@record
class NamespacePlan:
    """What a namespace's workloads need of Pod Security, now and after the plan, and what to label it.

    `because` names what keeps it from the next level, `notes` what else decided about its labels. `commands` are the
    kubectl lines where no manifest of the namespace is there to be edited. `granted` are the levels that its
    PodSecurityPolicies grant, strictly and where no pod uses SELinux or AppArmor; None in it where no pod may use
    any, None for it where there are none.
    """

    name: str
    needed: str
    after: str
    recommended: str
    because: tuple[str, ...]
    labels: Mapping[str, str]
    commands: tuple[str, ...]
    notes: tuple[str, ...] = ()
    granted: tuple[str | None, str | None] | None = None


@record
class WorkloadPlan:
    """The Pod Security level that a workload's pod satisfies as it stands, and once the plan is applied."""

    resource: ResourceRef
    location: Location
    before: str
    after: str


@record
class Decision:
    """What was decided for one host port; `facts` are those that the decision looked at."""

    workload: Workload
    port: HostPort
    rule: str
    row: str
    strategy: str
    options: Mapping[str, Any]
    reason: Reason
    facts: Mapping[str, Any] = field(default_factory=dict)


@record
class Plan:
    """Everything that a run proposes, in a fixed order.

    `translated` tells how many files and objects Rancher stacks become.
    """

    policy: Policy
    phase: PhaseChoice
    inputs: tuple[tuple[str, str], ...] = ()
    sources: tuple[str, ...] = ()
    changes: tuple[Change, ...] = ()
    port_map: tuple[PortMapEntry, ...] = ()
    namespaces: tuple[NamespacePlan, ...] = ()
    workloads: tuple[WorkloadPlan, ...] = ()
    findings: tuple[Finding, ...] = ()
    unread: tuple[Unread, ...] = ()
    keys: tuple[KeyFate, ...] = ()
    permission_delta: tuple[NamespacePermissions, ...] = ()
    translated: tuple[int, int] = (0, 0)

    def open_numbers(self) -> tuple[PortMapEntry, ...]:
        """Give the ports whose number only the cluster will know."""
        return tuple(entry for entry in self.port_map if entry.query is not None and entry.node_port is None)
