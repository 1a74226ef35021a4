"""Pods as the scheduler looks at them: many pods share one shape."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from migrator.model.quantity import parse_quantity
from migrator.model.record import record
from migrator.model.workload import ANY_ADDRESS
from migrator.simulation.selectors import Requirement, Selector, read_expressions, read_selector, selects

Labels = Mapping[str, str]
PortKey = tuple[int, str]

DEFAULT_CPU = 100
DEFAULT_MEMORY = 200 * 1024 * 1024
"""What scoring takes a container without requests for (pkg/scheduler/util/pod_resources.go)."""

# The DefaultTolerationSeconds admission plugin adds them to every pod.
_ADDED_TOLERATIONS = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")


@record
class Toleration:
    """A toleration; empty `key` and `effect` stand for all."""

    key: str
    operator: str
    value: str
    effect: str

    def tolerates(self, key: str, value: str, effect: str) -> bool:
        """Tell whether a taint is tolerated (k8s.io/api core/v1 Toleration.ToleratesTaint)."""
        return (
            self.effect in ("", effect)
            and self.key in ("", key)
            and (self.operator == "Exists" or (self.operator in ("", "Equal") and self.value == value))
        )


@record
class NodeTerm:
    """A term of node affinity: expressions over labels and over fields; one without either selects nothing."""

    expressions: Selector
    fields: Selector
    weight: int = 0

    def selects(self, name: str, labels: Labels) -> bool:
        """Tell whether a node is meant."""
        known = bool(self.expressions or self.fields)
        return known and selects(self.expressions, labels) and selects(self.fields, {"metadata.name": name})


@record
class PodTerm:
    """A term of pod affinity or anti-affinity: which pods, and what of the node has to be shared or not."""

    topology_key: str
    selector: Selector | None
    namespaces: frozenset[str]
    namespace_selector: Selector | None
    weight: int = 0

    def selects(self, other: PodShape, namespaces: Mapping[str, Labels]) -> bool:
        """Tell whether pods of a shape are meant; `namespaces` gives the labels of each namespace."""
        if not selects(self.selector, other.labels):
            return False
        if other.namespace in self.namespaces:
            return True
        known = namespaces.get(other.namespace, {"kubernetes.io/metadata.name": other.namespace})
        return selects(self.namespace_selector, known)


@record
class Spread:
    """A topology spread constraint; `hard` is DoNotSchedule."""

    topology_key: str
    max_skew: int
    hard: bool
    selector: Selector | None
    min_domains: int = 1
    honor_affinity: bool = True
    honor_taints: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class PodShape:
    """What the scheduler knows of a pod before it looks at nodes; pods of one shape are the same to it.

    `ports` are (hostIP, hostPort, protocol). `requests` are in millicores, bytes and pieces; `scored` is what
    scoring counts for (cpu, memory). `default_spread` tells whether `spreads` are the scheduler's own defaults.
    """

    namespace: str
    labels: Labels
    node_name: str | None
    priority: int
    may_preempt: bool
    gated: bool
    ports: tuple[tuple[str, int, str], ...]
    requests: Mapping[str, int]
    scored: tuple[int, int]
    tolerations: tuple[Toleration, ...]
    node_selector: Selector
    node_terms: tuple[NodeTerm, ...] | None
    preferred_nodes: tuple[NodeTerm, ...]
    affinity: tuple[PodTerm, ...]
    anti_affinity: tuple[PodTerm, ...]
    preferred_pods: tuple[PodTerm, ...]
    spreads: tuple[Spread, ...]
    default_spread: bool = False

    def tolerates(self, key: str, value: str, effect: str) -> bool:
        """Tell whether a taint keeps no pod of this shape away."""
        return any(item.tolerates(key, value, effect) for item in self.tolerations)

    def wants_node(self, name: str, labels: Labels) -> bool:
        """Tell whether nodeSelector and required node affinity allow a node."""
        if not selects(self.node_selector, labels):
            return False
        return self.node_terms is None or any(term.selects(name, labels) for term in self.node_terms)


@record
class Standing:
    """What a pod has besides its template: what its priority class says, its daemon's tolerations, who selects it.

    `like` selects the pods that its owner and its Services select, for the scheduler's default spreading.
    """

    priority: int = 0
    may_preempt: bool = True
    tolerations: tuple[Toleration, ...] = ()
    like: Selector = ()


class Shapes:
    """Gives one shape for all pods that are the same to the scheduler."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, Standing], PodShape] = {}

    def find(self, namespace: str, pod: Mapping[str, Any], standing: Standing) -> PodShape:
        """Give the shape of a pod: `pod` has its metadata.labels and its spec.

        Raises ValueError for quantities that the API would not decode.
        """
        key = json.dumps((namespace, _pick(pod)), sort_keys=True, default=str), standing
        if key not in self._known:
            self._known[key] = make_shape(namespace, pod, standing)
        return self._known[key]


_POD_FIELDS = (
    "affinity",
    "hostNetwork",
    "nodeName",
    "nodeSelector",
    "overhead",
    "resources",
    "schedulingGates",
    "tolerations",
    "topologySpreadConstraints",
)
_CONTAINER_FIELDS = ("ports", "resources", "restartPolicy")


def _pick(pod: Mapping[str, Any]) -> Any:
    """Pick what the scheduler looks at."""
    spec = pod.get("spec") or {}
    containers = [
        [{name: item.get(name) for name in _CONTAINER_FIELDS} for item in spec.get(key) or ()]
        for key in ("containers", "initContainers")
    ]
    return (pod.get("metadata") or {}).get("labels"), [spec.get(name) for name in _POD_FIELDS], containers


def make_shape(namespace: str, pod: Mapping[str, Any], standing: Standing) -> PodShape:
    """Make the shape of a pod.

    Raises ValueError for quantities that the API would not decode.
    """
    spec: Mapping[str, Any] = pod.get("spec") or {}
    labels = {key: str(value) for key, value in ((pod.get("metadata") or {}).get("labels") or {}).items()}
    affinity = spec.get("affinity") or {}
    nodes = affinity.get("nodeAffinity") or {}
    required = nodes.get("requiredDuringSchedulingIgnoredDuringExecution")
    attract, repel = affinity.get("podAffinity") or {}, affinity.get("podAntiAffinity") or {}
    constraints = spec.get("topologySpreadConstraints") or ()
    by_default = not constraints and bool(standing.like)
    requests, scored = _sum_requests(spec)
    return PodShape(
        namespace=namespace,
        labels=labels,
        node_name=spec.get("nodeName") or None,
        priority=standing.priority,
        may_preempt=standing.may_preempt,
        gated=bool(spec.get("schedulingGates")),
        ports=tuple(_list_ports(spec)),
        requests=requests,
        scored=scored,
        tolerations=(*_read_tolerations(spec), *standing.tolerations),
        node_selector=tuple(
            (key, "In", frozenset((value,))) for key, value in (spec.get("nodeSelector") or {}).items()
        ),
        node_terms=None if required is None else tuple(map(_read_node_term, required.get("nodeSelectorTerms") or ())),
        preferred_nodes=tuple(
            _read_node_term(item.get("preference") or {}, item.get("weight") or 0)
            for item in nodes.get("preferredDuringSchedulingIgnoredDuringExecution") or ()
        ),
        affinity=tuple(_read_pod_terms(attract, namespace, labels)),
        anti_affinity=tuple(_read_pod_terms(repel, namespace, labels)),
        preferred_pods=(
            *_read_preferred_terms(attract, namespace, labels, 1),
            *_read_preferred_terms(repel, namespace, labels, -1),
        ),
        spreads=_default_spreads(standing.like)
        if by_default
        else tuple(_read_spread(c, labels) for c in constraints),
        default_spread=by_default,
    )


def _default_spreads(like: Selector) -> tuple[Spread, ...]:
    """Give the scheduler's own constraints (pkg/scheduler/framework/plugins/podtopologyspread/plugin.go)."""
    return (
        Spread("kubernetes.io/hostname", 3, False, like),
        Spread("topology.kubernetes.io/zone", 5, False, like),
    )


def _lasting_containers(spec: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    sidecars = (item for item in spec.get("initContainers") or () if item.get("restartPolicy") == "Always")
    return [*(spec.get("containers") or ()), *sidecars]


def _list_ports(spec: Mapping[str, Any]) -> Iterable[tuple[str, int, str]]:
    """List the ports that a pod holds on its node; under hostNetwork the API gives each containerPort a hostPort."""
    seen = set()
    for container in _lasting_containers(spec):
        for port in container.get("ports") or ():
            number = port.get("hostPort") or (port.get("containerPort") if spec.get("hostNetwork") is True else 0)
            entry = (port.get("hostIP") or ANY_ADDRESS, int(number or 0), port.get("protocol") or "TCP")
            if number and entry not in seen:
                seen.add(entry)
                yield entry


def _read_tolerations(spec: Mapping[str, Any]) -> list[Toleration]:
    given = [
        Toleration(
            item.get("key") or "", item.get("operator") or "", str(item.get("value") or ""), item.get("effect") or ""
        )
        for item in spec.get("tolerations") or ()
    ]
    return given + [Toleration(key, "Exists", "", "NoExecute") for key in _ADDED_TOLERATIONS]


def _read_node_term(term: Mapping[str, Any], weight: int = 0) -> NodeTerm:
    return NodeTerm(
        read_expressions(term.get("matchExpressions")), read_expressions(term.get("matchFields")), int(weight)
    )


def _read_pod_terms(affinity: Mapping[str, Any], namespace: str, labels: Labels) -> Iterable[PodTerm]:
    for term in affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or ():
        yield _read_pod_term(term, namespace, labels)


def _read_preferred_terms(
    affinity: Mapping[str, Any], namespace: str, labels: Labels, sign: int
) -> Iterable[PodTerm]:
    for item in affinity.get("preferredDuringSchedulingIgnoredDuringExecution") or ():
        yield _read_pod_term(
            item.get("podAffinityTerm") or {}, namespace, labels, sign * int(item.get("weight") or 0)
        )


def _read_pod_term(term: Mapping[str, Any], namespace: str, labels: Labels, weight: int = 0) -> PodTerm:
    namespaces = frozenset(term.get("namespaces") or ())
    namespace_selector = term.get("namespaceSelector")
    if not namespaces and namespace_selector is None:
        namespaces = frozenset((namespace,))
    return PodTerm(
        topology_key=term.get("topologyKey") or "",
        selector=read_selector(term.get("labelSelector"), _list_label_keys(term, labels)),
        namespaces=namespaces,
        namespace_selector=read_selector(namespace_selector),
        weight=weight,
    )


def _list_label_keys(term: Mapping[str, Any], labels: Labels) -> list[Requirement]:
    """List what matchLabelKeys and mismatchLabelKeys add to a selector, which the API does when a pod is made."""
    return [
        (key, operator, frozenset((labels[key],)))
        for field, operator in (("matchLabelKeys", "In"), ("mismatchLabelKeys", "NotIn"))
        for key in term.get(field) or ()
        if key in labels
    ]


def _read_spread(item: Mapping[str, Any], labels: Labels) -> Spread:
    return Spread(
        topology_key=item.get("topologyKey") or "",
        max_skew=int(item.get("maxSkew") or 1),
        hard=item.get("whenUnsatisfiable") == "DoNotSchedule",
        selector=read_selector(item.get("labelSelector"), _list_label_keys(item, labels)),
        min_domains=int(item.get("minDomains") or 1),
        honor_affinity=item.get("nodeAffinityPolicy") != "Ignore",
        honor_taints=item.get("nodeTaintsPolicy") == "Honor",
    )


def _sum_requests(spec: Mapping[str, Any]) -> tuple[Mapping[str, int], tuple[int, int]]:
    """Sum what a pod requests, as it stands and as scoring counts it (k8s.io/component-helpers resource.PodRequests).

    Init containers run before the others, sidecars among them beside what follows.
    """
    requests = _add_up(spec, {})
    scored = _add_up(spec, {"cpu": DEFAULT_CPU, "memory": DEFAULT_MEMORY})
    whole = _read_requests(spec)
    overhead = {name: _parse(name, value) for name, value in (spec.get("overhead") or {}).items()}
    for total in (requests, scored):
        total.update(whole)
        for name, amount in overhead.items():
            total[name] = total.get(name, 0) + amount
    return {name: amount for name, amount in requests.items() if amount}, (scored["cpu"], scored["memory"])


def _add_up(spec: Mapping[str, Any], missing: Mapping[str, int]) -> dict[str, int]:
    total: dict[str, int] = dict.fromkeys(missing, 0)
    for container in spec.get("containers") or ():
        _add(total, {**missing, **_read_requests(container)})
    sidecars: dict[str, int] = {}
    highest: dict[str, int] = {}
    for container in spec.get("initContainers") or ():
        own = {**missing, **_read_requests(container)}
        if container.get("restartPolicy") == "Always":
            _add(total, own)
            _add(sidecars, own)
            running = sidecars
        else:
            running = dict(sidecars)
            _add(running, own)
        for name, amount in running.items():
            highest[name] = max(highest.get(name, 0), amount)
    for name, amount in highest.items():
        total[name] = max(total.get(name, 0), amount)
    return total


def _add(total: dict[str, int], more: Mapping[str, int]) -> None:
    for name, amount in more.items():
        total[name] = total.get(name, 0) + amount


def _read_requests(holder: Mapping[str, Any]) -> dict[str, int]:
    """Read requests; a limit without one stands for it, as the API fills it in."""
    resources = holder.get("resources") or {}
    given = {**(resources.get("limits") or {}), **(resources.get("requests") or {})}
    return {name: _parse(name, value) for name, value in given.items() if value is not None}


def _parse(name: str, value: Any) -> int:
    return parse_quantity(value, 1000 if name == "cpu" else 1)
