"""Who may `use` which PodSecurityPolicy in which namespace, by RBAC.

Source: authorizedForPolicy in the plugin's admission.go, plugin/pkg/auth/authorizer/rbac and
pkg/registry/rbac/validation of Kubernetes 1.24.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import field
from typing import Any, Final

from migrator.model.record import record

Object = Mapping[str, Any]

_Usable = frozenset[str] | None  # None: all of them
_Subject = tuple[str, str, str]  # namespace or "", User or Group, name
_NONE: Final[frozenset[str]] = frozenset()

MASTERS: Final = "system:masters"
POLICY_GROUPS: Final = frozenset({"policy", "extensions"})
POLICY_RESOURCE: Final = "podsecuritypolicies"


@record
class Access:
    """What somebody may do: one of the verbs, on one of the resources, in one of the API groups.

    They are those of rules that allow it, wildcards included.
    """

    groups: frozenset[str]
    resources: frozenset[str]
    verbs: frozenset[str]


USE_POLICY: Final = Access(
    frozenset({*POLICY_GROUPS, "*"}), frozenset({POLICY_RESOURCE, "*"}), frozenset({"use", "*"})
)
_CONTROLLERS: Final[Mapping[str, str]] = {
    "Deployment": "replicaset-controller",
    "ReplicaSet": "replicaset-controller",
    "DaemonSet": "daemon-set-controller",
    "StatefulSet": "statefulset-controller",
    "Job": "job-controller",
    "CronJob": "job-controller",
    "ReplicationController": "replication-controller",
}
# Cluster roles that every cluster has, whether or not the sources show them.
_BUILT_IN_CLUSTER_ROLES: Final[tuple[Object, ...]] = (
    {
        "metadata": {"name": "cluster-admin"},
        "rules": [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}],
    },
    *(
        {
            "metadata": {"name": name, "labels": labels},
            "aggregationRule": {
                "clusterRoleSelectors": [{"matchLabels": {f"rbac.authorization.k8s.io/aggregate-to-{name}": "true"}}]
            },
        }
        for name, labels in (
            ("admin", {}),
            ("edit", {"rbac.authorization.k8s.io/aggregate-to-admin": "true"}),
            ("view", {"rbac.authorization.k8s.io/aggregate-to-edit": "true"}),
        )
    ),
)
_BUILT_IN_CLUSTER_ROLE_BINDINGS: Final[tuple[Object, ...]] = (
    {
        "metadata": {"name": "cluster-admin"},
        "roleRef": {"kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"kind": "Group", "name": MASTERS}],
    },
)


@record
class Identity:
    """Somebody who asks the API server: a user and the groups that authentication gave it."""

    user: str
    groups: tuple[str, ...] = ()


def make_service_account_identity(namespace: str, name: str) -> Identity:
    """The identity under which the plugin asks for a pod's service account.

    It lacks `system:authenticated`, which the account has when it asks by itself.
    """
    return Identity(
        f"system:serviceaccount:{namespace}:{name}",
        ("system:serviceaccounts", f"system:serviceaccounts:{namespace}"),
    )


def make_controller_identity(kind: str, own_accounts: bool = True) -> Identity | None:
    """The identity that creates the pods of a workload of this kind; None for kinds that no controller serves.

    `own_accounts` is kube-controller-manager's --use-service-account-credentials.
    """
    name = _CONTROLLERS.get(kind)
    if name is None:
        return None
    if not own_accounts:
        return make_requester_identity("system:kube-controller-manager")
    return make_requester_identity(f"system:serviceaccount:kube-system:{name}")


def make_requester_identity(user: str, groups: Iterable[str] = ()) -> Identity:
    """The identity of somebody who asks by itself, such as who applies a bare pod.

    Groups that the server gives by itself are added: those of service accounts, and `system:authenticated`.
    """
    given = list(groups)
    parts = user.split(":")
    if len(parts) == 4 and parts[:2] == ["system", "serviceaccount"]:
        given += make_service_account_identity(parts[2], parts[3]).groups
    return Identity(user, tuple(dict.fromkeys([*given, "system:authenticated"])))


@record
class Grant:
    """One binding that lets somebody use policies.

    `policies` None means all. `namespace` is the binding's, empty for the whole cluster.
    """

    binding_kind: str
    binding_name: str
    namespace: str
    role_kind: str
    role_name: str
    subject_kind: str
    subject_name: str
    policies: frozenset[str] | None


@record
class PolicyGrants:
    """All grants of policies, found by subject; answers are kept, so one value serves a whole run."""

    _by_subject: Mapping[_Subject, tuple[Grant, ...]]
    _usable_by_subject: Mapping[_Subject, _Usable]
    _bound_by_namespace: Mapping[str, _Usable] = field(default_factory=dict)
    _subjects_by_scope: Mapping[str, frozenset[tuple[str, str]]] = field(default_factory=dict)
    _answers: dict[tuple[Identity, str], frozenset[str] | None] = field(default_factory=dict)

    def find_grants(self, identity: Identity, namespace: str) -> tuple[Grant, ...]:
        """Find the grants that let an identity use policies for pods of a namespace."""
        subjects = _list_subjects(identity, namespace)
        return tuple(grant for subject in subjects for grant in self._by_subject.get(subject, ()))

    def find_policies(self, identity: Identity, namespace: str) -> frozenset[str] | None:
        """Find the names of the policies that an identity may use for pods of a namespace; None means all.

        Names are those of the grants: a policy of such a name need not exist.
        """
        key = (identity, namespace)
        if key not in self._answers:
            self._answers[key] = self._join_policies(identity, namespace)
        return self._answers[key]

    def find_bound_policies(self, namespace: str) -> frozenset[str] | None:
        """Find the policies that the RoleBindings of a namespace let anybody use; None means all."""
        return self._bound_by_namespace.get(namespace, _NONE)

    def list_subjects(self, namespace: str) -> frozenset[tuple[str, str]]:
        """List whom the bindings of a namespace name, "" for those of the whole cluster: (User or Group, name)."""
        return self._subjects_by_scope.get(namespace, frozenset())

    def find_subject_policies(self, namespace: str, kind: str, name: str) -> frozenset[str] | None:
        """Find what the bindings of a namespace ("" for the whole cluster) let one subject use; None means all."""
        return self._usable_by_subject.get((namespace, kind, name), _NONE)

    def select_usable(self, identities: Iterable[Identity], namespace: str, names: Set[str]) -> frozenset[str]:
        """Of some policies, those that one of several identities may use for pods of a namespace."""
        usable: frozenset[str] = frozenset()
        for identity in identities:
            found = self.find_policies(identity, namespace)
            if found is None:
                return frozenset(names)
            usable |= found
        return usable.intersection(names)

    def _join_policies(self, identity: Identity, namespace: str) -> frozenset[str] | None:
        if MASTERS in identity.groups:
            return None
        subjects = _list_subjects(identity, namespace)
        return _join(self._usable_by_subject.get(subject, _NONE) for subject in subjects)


def _list_subjects(identity: Identity, namespace: str) -> Iterator[_Subject]:
    for scope in ("", namespace) if namespace else ("",):
        yield scope, "User", identity.user
        for group in identity.groups:
            yield scope, "Group", group


def is_built_in_role(name: str) -> bool:
    """Tell whether every cluster has a cluster role of this name; those of the second kind the API server makes."""
    return name in ("cluster-admin", "admin", "edit", "view") or name.startswith("system:")


def read_grants(objects: Iterable[Object], access: Access = USE_POLICY) -> PolicyGrants:
    """Read who may use policies out of Role, ClusterRole, RoleBinding and ClusterRoleBinding objects.

    Another `access` reads who may do that instead; the names are then those of its resource.

    Objects of other kinds are passed over. The cluster roles that every cluster has are known; one that is given
    takes their place. A binding to a role that is not there grants nothing.
    """
    by_kind: dict[str, list[Object]] = {}
    for item in objects:
        by_kind.setdefault(str(item.get("kind")), []).append(item)
    given = by_kind.get("ClusterRole", ())
    cluster_roles = _resolve_cluster_roles(
        _merge(_BUILT_IN_CLUSTER_ROLES, given), frozenset(_get_name(role) for role in given), access
    )
    roles = {(_get_namespace(role), _get_name(role)): _find_usable(role, access) for role in by_kind.get("Role", ())}
    given_bindings = by_kind.get("ClusterRoleBinding", ())
    given_names = {_get_name(binding) for binding in given_bindings}
    built_in = [item for item in _BUILT_IN_CLUSTER_ROLE_BINDINGS if _get_name(item) not in given_names]
    index: dict[_Subject, list[Grant]] = {}
    for kind, bindings in (
        ("ClusterRoleBinding", (*built_in, *given_bindings)),
        ("RoleBinding", by_kind.get("RoleBinding", ())),
    ):
        for binding in bindings:
            for key, grant in _read_binding(kind, binding, roles, cluster_roles):
                index.setdefault(key, []).append(grant)
    by_namespace: dict[str, list[_Usable]] = {}
    by_scope: dict[str, set[tuple[str, str]]] = {}
    for (namespace, kind, name), grants in index.items():
        by_scope.setdefault(namespace, set()).add((kind, name))
        if namespace:
            by_namespace.setdefault(namespace, []).extend(grant.policies for grant in grants)
    return PolicyGrants(
        {subject: tuple(grants) for subject, grants in index.items()},
        {subject: _join(grant.policies for grant in grants) for subject, grants in index.items()},
        {namespace: _join(policies) for namespace, policies in by_namespace.items()},
        {namespace: frozenset(subjects) for namespace, subjects in by_scope.items()},
    )


def _read_binding(
    kind: str,
    binding: Object,
    roles: Mapping[tuple[str, str], _Usable],
    cluster_roles: Mapping[str, _Usable],
) -> Iterator[tuple[_Subject, Grant]]:
    namespace = _get_namespace(binding) if kind == "RoleBinding" else ""
    reference = _get_mapping(binding, "roleRef")
    role_kind, role_name = str(reference.get("kind")), str(reference.get("name"))
    if role_kind == "ClusterRole":
        usable = cluster_roles.get(role_name, _NONE)
    elif role_kind == "Role" and kind == "RoleBinding":
        usable = roles.get((namespace, role_name), _NONE)
    else:
        return
    if usable is not None and not usable:
        return
    for subject in _get_mappings(binding, "subjects"):
        matched = _read_subject(subject, namespace)
        if matched is not None:
            grant = Grant(kind, _get_name(binding), namespace, role_kind, role_name, *matched, usable)
            yield (namespace, *matched), grant


def _read_subject(subject: Object, namespace: str) -> tuple[str, str] | None:
    """Name a subject as identities do: a service account is the user of its name."""
    kind, name = subject.get("kind"), str(subject.get("name"))
    if kind == "ServiceAccount":
        owner = subject.get("namespace") or namespace
        return ("User", f"system:serviceaccount:{owner}:{name}") if owner else None
    return (str(kind), name) if kind in ("User", "Group") else None


def _find_usable(role: Object, access: Access) -> _Usable:
    names: set[str] = set()
    for rule in _get_mappings(role, "rules"):
        if (
            access.verbs.isdisjoint(_get_strings(rule, "verbs"))
            or access.groups.isdisjoint(_get_strings(rule, "apiGroups"))
            or access.resources.isdisjoint(_get_strings(rule, "resources"))
        ):
            continue
        if not rule.get("resourceNames"):
            return None
        names.update(_get_strings(rule, "resourceNames"))
    return frozenset(names)


def _resolve_cluster_roles(roles: Mapping[str, Object], given: frozenset[str], access: Access) -> dict[str, _Usable]:
    """What each cluster role lets one use, aggregated roles with the rules of those that they select.

    A role whose selectors match none that was given keeps the rules that it states: the roles that it once
    selected may not be among the sources.
    """
    selected = {name: select_aggregated(role, roles) for name, role in roles.items() if role.get("aggregationRule")}
    usable = {
        name: frozenset() if not given.isdisjoint(selected.get(name, ())) else _find_usable(role, access)
        for name, role in roles.items()
    }
    changed = True
    while changed:
        changed = False
        for name, members in selected.items():
            joined = _join([usable[name], *(usable[member] for member in members)])
            if joined != usable[name]:
                usable[name], changed = joined, True
    return usable


def select_aggregated(role: Object, roles: Mapping[str, Object]) -> list[str]:
    """Name the cluster roles whose rules a cluster role with an aggregationRule gathers; `roles` are all, by name."""
    selectors = _get_mappings(_get_mapping(role, "aggregationRule"), "clusterRoleSelectors")
    own = _get_name(role)
    return [
        name
        for name, other in roles.items()
        if name != own and any(_does_select(selector, _get_labels(other)) for selector in selectors)
    ]


def _does_select(selector: Object, labels: Object) -> bool:
    equal = (labels.get(key) == value for key, value in _get_mapping(selector, "matchLabels").items())
    return all(equal) and all(_does_match(item, labels) for item in _get_mappings(selector, "matchExpressions"))


def _does_match(expression: Object, labels: Object) -> bool:
    key, values = str(expression.get("key")), _get_strings(expression, "values")
    return {
        "In": key in labels and labels[key] in values,
        "NotIn": key not in labels or labels[key] not in values,
        "Exists": key in labels,
        "DoesNotExist": key not in labels,
    }.get(str(expression.get("operator")), False)


def _join(parts: Iterable[_Usable]) -> _Usable:
    names: set[str] = set()
    for part in parts:
        if part is None:
            return None
        names |= part
    return frozenset(names)


def _merge(built_in: Iterable[Object], given: Iterable[Object]) -> dict[str, Object]:
    return {_get_name(item): item for item in (*built_in, *given)}


def _get_name(item: Object) -> str:
    return str(_get_mapping(item, "metadata").get("name") or "")


def _get_namespace(item: Object) -> str:
    return str(_get_mapping(item, "metadata").get("namespace") or "default")


def _get_labels(item: Object) -> Object:
    return _get_mapping(_get_mapping(item, "metadata"), "labels")


# What is of a wrong type, the API server would not have taken: it grants nothing.


def _get_mapping(item: Object, key: str) -> Object:
    value = item.get(key)
    return value if isinstance(value, Mapping) else {}


def _get_mappings(item: Object, key: str) -> list[Object]:
    value = item.get(key)
    return [entry for entry in value if isinstance(entry, Mapping)] if isinstance(value, list) else []


def _get_strings(item: Object, key: str) -> list[str]:
    value = item.get(key)
    return [entry for entry in value if isinstance(entry, str)] if isinstance(value, list) else []
