"""Who gains and who loses when a namespace's level takes the place of each account's PodSecurityPolicies.

Sources: authorizedForPolicy and the ignored subresources of the plugin's admission.go in Kubernetes 1.24;
https://kubernetes.io/docs/concepts/security/pod-security-admission/.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Final

from migrator.model.permission import NamespacePermissions, Outcome, PermissionChange, Subject
from migrator.model.plan import NamespacePlan
from migrator.podsecurity.labels import ENFORCE, read_labels
from migrator.podsecurity.level import PRIVILEGED, Level, is_stricter, parse_level
from migrator.psp.authorize import MASTERS, Access, Identity, PolicyGrants, make_requester_identity, read_grants
from migrator.psp.level import find_weakest_level
from migrator.rules.pod_security_policy import PolicyAdmission, list_access_objects

_WRITE: Final = frozenset({"update", "patch", "*"})
_CORE: Final = frozenset({"", "*"})
CHANGE_NAMESPACES: Final = Access(_CORE, frozenset({"namespaces", "*"}), _WRITE)
ADD_EPHEMERAL_CONTAINERS: Final = Access(
    _CORE, frozenset({"pods/ephemeralcontainers", "*/ephemeralcontainers", "*"}), _WRITE
)


def find_permission_delta(
    admission: PolicyAdmission, namespaces: Iterable[NamespacePlan]
) -> tuple[NamespacePermissions, ...]:
    """Find, for each namespace of a plan, who could run what before and who can after.

    Administrators (`system:masters`) are left out: they may do all of it before and after. A level is compared with
    a level; what policies forbid beyond one is not part of it.
    """
    objects = list(list_access_objects(admission.world.inventory))
    labels = read_grants(objects, CHANGE_NAMESPACES)
    debugs = read_grants(objects, ADD_EPHEMERAL_CONTAINERS)
    return tuple(
        NamespacePermissions(
            namespace=item.name,
            level=(level := find_enforced_level(admission, item)),
            changes=_compare(admission, item.name, level),
            labelers=_list_holders(labels, item.name, frozenset({item.name})),
            debuggers=_list_holders(debugs, item.name, None),
        )
        for item in namespaces
    )


def find_enforced_level(admission: PolicyAdmission, namespace: NamespacePlan) -> Level:
    """Find the level that a namespace enforces once its labels are there: a stricter one that it has stays."""
    policy = admission.world.policy.pod_security
    if namespace.name in policy.exempt_namespaces:
        return PRIVILEGED
    level = parse_level(namespace.labels.get(ENFORCE, PRIVILEGED))
    for manifest in admission.world.inventory.namespaces:
        current = read_labels(manifest.labels)[0].enforce.level
        if manifest.ref.name == namespace.name and is_stricter(current, level):
            level = current
    return level


def _compare(admission: PolicyAdmission, namespace: str, level: Level) -> tuple[PermissionChange, ...]:
    """Compare what each subject could run with a level; subjects that may use the same policies are one."""
    accounts = [("User", identity.user) for identity in admission.accounts.get(namespace, ())]
    local, anywhere = admission.grants.list_subjects(namespace), admission.grants.list_subjects("")
    groups: dict[tuple[str, ...], list[Subject]] = defaultdict(list)
    for kind, name in sorted({*accounts, *local, *anywhere} - {("Group", MASTERS)}):
        identity = _identify(kind, name)
        named = ("User", identity.user) in local or any(("Group", group) in local for group in identity.groups)
        # Most subjects are named for the whole cluster or for one namespace: what is asked for "" is asked once.
        usable = admission.grants.select_usable([identity], namespace if named else "", admission.levels.keys())
        groups[tuple(sorted(usable))].append(_name_subject(kind, name))
    return tuple(_describe(admission, policies, subjects, level) for policies, subjects in groups.items())


def _describe(
    admission: PolicyAdmission, policies: tuple[str, ...], subjects: Sequence[Subject], level: Level
) -> PermissionChange:
    before = find_weakest_level(admission.levels[name].without_lsm for name in policies) if policies else None
    outcome: Outcome = "keeps"
    if before is None or is_stricter(before, level):
        outcome = "gains"
    elif is_stricter(level, before):
        outcome = "loses"
    limits = (limit for name in policies for limit in admission.levels[name].limits if not limit.lsm)
    beyond = dict.fromkeys(limit.field for limit in limits if is_stricter(level, limit.level))
    return PermissionChange(tuple(subjects), policies, before, outcome, tuple(beyond))


def _list_holders(grants: PolicyGrants, namespace: str, names: frozenset[str] | None) -> tuple[Subject, ...]:
    """List who is granted an access in a namespace; `names` are those of the objects that count, None for any."""
    holders = []
    for kind, name in sorted((grants.list_subjects(namespace) | grants.list_subjects("")) - {("Group", MASTERS)}):
        allowed = grants.find_policies(_identify(kind, name, alone=True), namespace)
        if allowed is None or (allowed and (names is None or not names.isdisjoint(allowed))):
            holders.append(_name_subject(kind, name))
    return tuple(holders)


def _identify(kind: str, name: str, alone: bool = False) -> Identity:
    """Make the identity of a subject: whoever asks the API server is in `system:authenticated` too.

    `alone` leaves out what a subject is granted through its groups.
    """
    if alone:
        return Identity(name) if kind == "User" else Identity("", (name,))
    return make_requester_identity(name) if kind == "User" else make_requester_identity("", (name,))


def _name_subject(kind: str, name: str) -> Subject:
    parts = name.split(":")
    if kind == "User" and len(parts) == 4 and parts[:2] == ["system", "serviceaccount"]:
        return Subject("ServiceAccount", parts[2], parts[3])
    return Subject("User" if kind == "User" else "Group", None, name)
