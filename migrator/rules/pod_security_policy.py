"""The PodSecurityPolicy rule: under which policy the pods of each workload run, and what it writes into them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final

from migrator.model.field import FieldPath, format_path
from migrator.model.inventory import Inventory
from migrator.model.record import record
from migrator.model.workload import Workload
from migrator.model.world import World
from migrator.podsecurity.level import LEVELS, Level
from migrator.psp.admit import sort_policies
from migrator.psp.authorize import (
    MASTERS,
    Grant,
    Identity,
    PolicyGrants,
    make_controller_identity,
    make_requester_identity,
    make_service_account_identity,
    read_grants,
)
from migrator.psp.fleet import Fleet, FleetSelection, PolicySet
from migrator.psp.level import GrantedLevel, LevelLimit, find_granted_level, find_weakest_level
from migrator.psp.model import PodSecurityPolicy
from migrator.psp.read import read_policy
from migrator.psp.shape import PodShapeError
from migrator.sources.tables import load_table

ID: Final = "pod-security-policy"
FALLBACK_NAMESPACE: Final = "default"
"""Where objects go that name no namespace when nobody else names one."""
ADMINISTRATOR: Final = make_requester_identity("kubernetes-admin", (MASTERS,))
"""Who applies bare pods unless somebody else is said to."""
_NAMED: Final = 5

_CONTROLLED_KINDS: Final = (
    "ReplicaSet",
    "DaemonSet",
    "StatefulSet",
    "Job",
    "ReplicationController",
)


@record
class PolicyDecision:
    """How the pods of a workload are decided.

    `namespace` is the one that they are judged in. `identities` are those whose grants count: the pods' service
    account, then who creates the pods where that is known; `creator` says who that is. `usable` are the policies
    that one of them may use, in the order of their names, those with problems among them. `selection` has its fields
    as paths from the pod, `injected` from the workload's object.
    """

    workload: Workload
    namespace: str
    identities: tuple[Identity, ...]
    creator: str
    usable: tuple[PodSecurityPolicy, ...]
    selection: FleetSelection

    @property
    def injected(self) -> tuple[tuple[FieldPath, Any], ...]:
        """The values that the selected policy writes, as (field of the workload's object, value)."""
        prefix = self.workload.kind.template
        return tuple(((*prefix, *item.field), item.value) for item in self.selection.mutations)


@record
class NamespaceGrant:
    """The levels that the policies of a namespace grant, None where its pods may use none.

    `because` holds the fields that decide them, as (field, names of the policies), those of the weaker level first.
    """

    name: str
    strict: Level | None
    without_lsm: Level | None
    because: tuple[tuple[FieldPath, tuple[str, ...]], ...]


@record
class _Creator:
    identity: Identity | None
    name: str


@dataclass(frozen=True)
class PolicyAdmission:
    """The PodSecurityPolicy plugin of the cluster that the sources describe; built once, its answers kept.

    `requester` is who applies bare pods, None for an administrator.
    """

    world: World
    requester: Identity | None = None
    _fleet: Fleet = field(default_factory=Fleet)
    _usable: dict[tuple[tuple[Identity, ...], str], PolicySet] = field(default_factory=dict)
    _sets: dict[frozenset[str], PolicySet] = field(default_factory=dict)

    @cached_property
    def policies(self) -> Mapping[str, PodSecurityPolicy]:
        """Give the cluster's policies by name; of several with one name the first counts."""
        found: dict[str, PodSecurityPolicy] = {}
        for item in self.world.inventory.pod_security_policies:
            if item.ref.name not in found:
                found[item.ref.name] = read_policy(item.data.unpack())
        return found

    @cached_property
    def grants(self) -> PolicyGrants:
        """Give who may use which policy."""
        return read_grants(list_access_objects(self.world.inventory))

    @cached_property
    def _automount(self) -> Mapping[tuple[str, str], bool | None]:
        return {
            (item.ref.namespace or FALLBACK_NAMESPACE, item.ref.name): item.automount_token
            for item in self.world.inventory.service_accounts
        }

    @cached_property
    def decisions(self) -> tuple[PolicyDecision | None, ...]:
        """Give the decision of every workload, in the inventory's order; None where there is nothing to decide."""
        return tuple(self.decide(workload) for workload in self.world.inventory.workloads)

    def decide(self, workload: Workload, pod: Any = None) -> PolicyDecision | None:
        """Decide a workload's pods, or another pod in their place.

        None for a kind that makes no pods, and for a pod that the API server would not decode.
        """
        decided = self._decide(workload, workload.pod.unpack() if pod is None else pod)
        return decided if isinstance(decided, PolicyDecision) else None

    def find_undecided(self) -> list[tuple[Workload, str]]:
        """Find the workloads whose pods the API server would not decode, with the reason."""
        undecided = []
        for workload, decision in zip(self.world.inventory.workloads, self.decisions, strict=True):
            if decision is None:
                reason = self._decide(workload, workload.pod.unpack())
                if isinstance(reason, str):
                    undecided.append((workload, reason))
        return undecided

    def _decide(self, workload: Workload, pod: Any) -> PolicyDecision | str | None:
        if workload.kind.kind == "PodTemplate":
            return None
        namespace = workload.ref.namespace or FALLBACK_NAMESPACE
        account = _find_service_account(pod)
        creator = self._find_creator(workload)
        own = make_service_account_identity(namespace, account)
        identities = (own,) if creator.identity is None else (own, creator.identity)
        usable = self._find_usable(identities, namespace)
        try:
            selection = self._fleet.select(pod, usable, self._automount.get((namespace, account)))
        except PodShapeError as error:
            return str(error)
        return PolicyDecision(workload, namespace, identities, creator.name, usable.policies, selection)

    def _find_usable(self, identities: tuple[Identity, ...], namespace: str) -> PolicySet:
        key = (identities, namespace)
        found = self._usable.get(key)
        if found is None:
            names = self.grants.select_usable(identities, namespace, self.policies.keys())
            found = self._sets.get(names)
            if found is None:
                found = self._sets[names] = PolicySet(sort_policies(self.policies[name] for name in names))
            self._usable[key] = found
        return found

    def _find_creator(self, workload: Workload) -> _Creator:
        kind = workload.ref.kind
        if kind == "Pod" and not workload.kind.template:
            if not workload.owners:
                if self.requester is None:
                    return _Creator(ADMINISTRATOR, "applies the bare pod; --requester names another")
                return _Creator(self.requester, "applies the bare pod, says --requester")
            kind, _, name = workload.owners[0].partition("/")
            if kind == "Node":
                node = make_requester_identity(f"system:node:{name}", ("system:nodes",))
                return _Creator(node, "mirrors the static pod")
            return _Creator(make_controller_identity(kind), f"creates the pods of a {kind}")
        through = _load_creators().get((workload.kind.api_group, kind))
        if through is None and workload.kind.api_group in load_table("rules/pod_security_policy.yaml")["groups"]:
            through = kind
        if through is None:
            return _Creator(None, f"creates the pods of a {kind}")
        return _Creator(make_controller_identity(through), f"creates the pods of a {kind}")

    def find_grants(self, decision: PolicyDecision) -> tuple[tuple[Identity, Grant], ...]:
        """Find what lets the identities of a decision use policies."""
        return tuple(
            (identity, grant)
            for identity in decision.identities
            for grant in self.grants.find_grants(identity, decision.namespace)
        )

    @cached_property
    def levels(self) -> Mapping[str, GrantedLevel]:
        """Give the levels that the policies which pods can get grant, by the policies' names."""
        return {name: find_granted_level(policy) for name, policy in self.policies.items() if policy.usable}

    @cached_property
    def accounts(self) -> Mapping[str, frozenset[Identity]]:
        """Give the service accounts that are known of each namespace of a workload, `default` among them."""
        found: dict[str, set[Identity]] = {}
        for decision in self.decisions:
            if decision is not None and decision.workload.ref.namespace is not None:
                default = make_service_account_identity(decision.namespace, "default")
                found.setdefault(decision.namespace, {default}).add(decision.identities[0])
        for namespace, name in self._automount:
            if namespace in found:
                found[namespace].add(make_service_account_identity(namespace, name))
        return {namespace: frozenset(accounts) for namespace, accounts in sorted(found.items())}

    @cached_property
    def namespace_grants(self) -> Mapping[str, NamespaceGrant]:
        """Give the levels that the policies grant in each namespace of a workload.

        What counts: the namespace's service accounts, the controllers that create pods, the requester where one is
        given, and whoever a RoleBinding of the namespace names. Other users and groups are left out: those of
        administrators may use everything everywhere.
        """
        return {namespace: self._grant(namespace, accounts) for namespace, accounts in self.accounts.items()}

    def _grant(self, namespace: str, accounts: Iterable[Identity]) -> NamespaceGrant:
        creators = [make_controller_identity(kind) for kind in _CONTROLLED_KINDS]
        identities = [*accounts, *(item for item in (*creators, self.requester) if item is not None)]
        bound = self.grants.find_bound_policies(namespace)
        names = self.grants.select_usable(identities, namespace, self.levels.keys())
        levels = {
            name: level for name, level in self.levels.items() if bound is None or name in names or name in bound
        }
        if not levels:
            return NamespaceGrant(namespace, None, None, ())
        strict = find_weakest_level([level.strict for level in levels.values()])
        without_lsm = find_weakest_level([level.without_lsm for level in levels.values()])
        deciding: dict[LevelLimit, list[str]] = defaultdict(list)
        for name, level in sorted(levels.items()):
            for limit in level.limits:
                if limit.level == strict or (limit.level == without_lsm and not limit.lsm):
                    deciding[limit].append(name)
        ordered = sorted(deciding.items(), key=_order_limits)
        because = tuple((limit.field, tuple(names)) for limit, names in ordered)
        return NamespaceGrant(namespace, strict, without_lsm, because)


def _order_limits(item: tuple[LevelLimit, list[str]]) -> tuple[int, bool, bool, str]:
    limit = item[0]
    return LEVELS.index(limit.level), limit.lsm, limit.field[0] != "spec", format_path(limit.field)


def describe_limit(field: FieldPath, policies: Sequence[str]) -> str:
    """Name a field that decides a granted level, and the policies in which it does."""
    more = f" and {len(policies) - _NAMED} more" if len(policies) > _NAMED else ""
    return f"{format_path(field)} of {', '.join(policies[:_NAMED])}{more}"


def list_refusals(decision: PolicyDecision) -> Iterator[str]:
    """List why a workload's pods are not admitted, a policy at a time."""
    selection = decision.selection
    if not decision.usable:
        yield "none of its identities may use a PodSecurityPolicy"
    for policy in decision.usable:
        if not policy.usable:
            yield f"{policy.name}: passed over, for it has problems"
    rejected = list(selection.rejected_by.items())
    for name, messages in rejected[:_NAMED]:
        yield f"{name}: {'; '.join(messages)}"
    if len(rejected) > _NAMED:
        yield f"… and {len(rejected) - _NAMED} more policies; -o json lists all"
    for message in selection.refusals:
        yield f"{selection.selected} admits it changed, but then the API server refuses it: {message}"


def make_admission(world: World, requester: Identity | None = None) -> PolicyAdmission | None:
    """Make the plugin of a cluster; None where the sources hold no PodSecurityPolicy."""
    return PolicyAdmission(world, requester) if world.inventory.pod_security_policies else None


def parse_requester(text: str) -> Identity:
    """Read USER[,GROUP...].

    Raises ValueError where a name is empty.
    """
    user, *groups = (part.strip() for part in text.split(","))
    if not user or not all(groups):
        raise ValueError("must be USER[,GROUP...]")
    return make_requester_identity(user, groups)


def _find_service_account(pod: Any) -> str:
    spec = pod.get("spec") or {}
    named = (spec.get("serviceAccountName"), spec.get("serviceAccount"))
    return next((name for name in named if isinstance(name, str) and name), "default")


def _load_creators() -> Mapping[tuple[str, str], str]:
    rows = load_table("rules/pod_security_policy.yaml")["creators"]
    return {(row["group"], row["kind"]): row["through"] for row in rows}


def list_access_objects(inventory: Inventory) -> Iterable[Mapping[str, Any]]:
    """List roles and bindings as the API's objects, in their effective namespaces."""
    for role in inventory.roles:
        data = role.data.unpack()
        metadata = {"name": role.ref.name, "namespace": role.ref.namespace, "labels": data["labels"]}
        yield {"kind": role.ref.kind, **data, "metadata": metadata}
    for binding in inventory.role_bindings:
        yield {
            "kind": binding.ref.kind,
            "metadata": {"name": binding.ref.name, "namespace": binding.ref.namespace},
            "roleRef": {"kind": binding.role_kind, "name": binding.role_name},
            "subjects": binding.subjects.unpack(),
        }
