"""Facts out of one object: what decisions need to know about it, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from migrator.model.field import FieldPath, format_path
from migrator.model.objects import (
    AdmissionObject,
    ClusterInventory,
    HorizontalPodAutoscaler,
    Namespace,
    NetworkPolicy,
    PriorityClass,
    Service,
    ServicePort,
)
from migrator.model.reference import Location, ResourceRef
from migrator.model.workload import (
    ANY_ADDRESS,
    Container,
    ContainerRole,
    HostPort,
    LabelSelector,
    PackedData,
    PodSecurity,
    PodSecurityViolation,
    Rollout,
    Workload,
    WorkloadKind,
)
from migrator.podsecurity.evaluate import evaluate_pod
from migrator.podsecurity.pod import MalformedPodError
from migrator.podsecurity.version import PolicyVersion

_CONTAINER_LISTS = ("initContainers", "containers", "ephemeralContainers")
_NOT_PACKED = frozenset(("command", "args", "env", "envFrom"))
_CHART_MARKS = ("helm.sh/chart", "chart")
_CHART_ANNOTATIONS = ("meta.helm.sh/release-name",)
_EMPTY: Mapping[str, Any] = {}
_PROTOCOLS = frozenset(("TCP", "UDP", "SCTP"))


class FieldError(Exception):
    """A field that the Kubernetes API would not decode: its path in the object, and why."""

    def __init__(self, path: FieldPath, problem: str) -> None:
        super().__init__(f"{format_path(path)}: {problem}")
        self.path = path
        self.problem = problem


class ObjectReader:
    """Reads typed fields of one plain object, and says which field is wrong where one is.

    `line_of(path)` gives the line of a field, or of the nearest place above it.
    """

    def __init__(self, data: Mapping[str, Any], line_of: Any) -> None:
        self.data = data
        self.line_of = line_of

    def mapping(self, parent: Mapping[str, Any], key: str, path: FieldPath) -> Mapping[str, Any]:
        """Give a mapping field; empty where it is absent or null."""
        value = parent.get(key)
        if value is None:
            return _EMPTY
        if not isinstance(value, dict):
            raise FieldError((*path, key), f"must be a map, is {_describe(value)}")
        return value

    def sequence(self, parent: Mapping[str, Any], key: str, path: FieldPath) -> Sequence[Any]:
        """Give a list field; empty where it is absent or null."""
        value = parent.get(key)
        if value is None:
            return ()
        if not isinstance(value, list):
            raise FieldError((*path, key), f"must be a list, is {_describe(value)}")
        return value

    def text(self, parent: Mapping[str, Any], key: str, path: FieldPath) -> str | None:
        """Give a text field."""
        value = parent.get(key)
        if value is None or isinstance(value, str):
            return value
        raise FieldError((*path, key), f"must be text, is {_describe(value)}; put it in quotes")

    def number(self, parent: Mapping[str, Any], key: str, path: FieldPath) -> int | None:
        """Give a whole number field."""
        value = parent.get(key)
        if value is None or (isinstance(value, int) and not isinstance(value, bool)):
            return value
        if isinstance(value, float) and value.is_integer():
            return int(value)
        raise FieldError((*path, key), f"must be a whole number, is {_describe(value)}")

    def port(self, parent: Mapping[str, Any], key: str, path: FieldPath, lowest: int = 0) -> int | None:
        """Give a port number."""
        value = self.number(parent, key, path)
        if value is not None and not lowest <= value <= 65535:
            raise FieldError((*path, key), f"{value} is no port: ports are {lowest}-65535")
        return value

    def protocol(self, port: Mapping[str, Any], path: FieldPath) -> str:
        """Give a port's protocol; written small it means what it says, though the API wants it in capitals."""
        text = self.text(port, "protocol", path) or "TCP"
        if text.upper() not in _PROTOCOLS:
            raise FieldError((*path, "protocol"), f"{text!r} is no protocol: it is TCP, UDP or SCTP")
        return text.upper()

    def texts(self, parent: Mapping[str, Any], key: str, path: FieldPath) -> Mapping[str, str]:
        """Give a map of texts, as labels are."""
        value = self.mapping(parent, key, path)
        for name, item in value.items():
            if not isinstance(item, str):
                if item is None:
                    continue
                raise FieldError((*path, key, name), f"must be text, is {_describe(item)}; put it in quotes")
        return {name: item or "" for name, item in value.items()}


def _describe(value: Any) -> str:
    if isinstance(value, dict):
        return "a map"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, bool):
        return f"the boolean {'true' if value else 'false'}"
    if isinstance(value, int | float):
        return f"the number {value}"
    text = value if len(value) <= 40 else value[:40] + "…"
    return f"the text {text!r}"


def read_ref(data: Mapping[str, Any], reader: ObjectReader) -> tuple[ResourceRef, Mapping[str, Any]]:
    """Read an object's identity, with its metadata."""
    metadata = reader.mapping(data, "metadata", ())
    name = metadata.get("name")
    if name is None and metadata.get("generateName") is not None:
        name = f"{reader.text(metadata, 'generateName', ('metadata',))}*"
    if name is not None and not isinstance(name, str):
        name = reader.text(metadata, "name", ("metadata",))
    namespace = metadata.get("namespace")
    if namespace is not None and not isinstance(namespace, str):
        namespace = reader.text(metadata, "namespace", ("metadata",))
    ref = ResourceRef(str(data.get("apiVersion", "")), str(data.get("kind", "")), namespace or None, name or "")
    return ref, metadata


def read_workload(
    data: Mapping[str, Any],
    kind: WorkloadKind,
    location: Location,
    reader: ObjectReader,
    duplicate_keys: tuple[tuple[str, int], ...],
    pod_security: PolicyVersion | None = None,
) -> Workload:
    """Read a workload's facts, and judge its pod by a version of the Pod Security Standards.

    Raises FieldError for fields that the API would not decode.
    """
    ref, metadata = read_ref(data, reader)
    template: Mapping[str, Any] = data
    path: FieldPath = ()
    for step in kind.template:
        template = reader.mapping(template, str(step), path)
        path = (*path, step)
    pod_metadata = reader.mapping(template, "metadata", path)
    pod_spec = reader.mapping(template, "spec", path)
    spec = reader.mapping(data, "spec", ()) if kind.template else _EMPTY
    containers, host_ports, plain_ports, variables = _read_containers(pod_spec, (*path, "spec"), reader)
    labels = reader.texts(metadata, "labels", ("metadata",))
    annotations = reader.mapping(metadata, "annotations", ("metadata",))
    return Workload(
        ref=ref,
        own_namespace=ref.namespace,
        location=location,
        kind=kind,
        replicas=_read_replicas(spec, kind, reader),
        labels=labels,
        annotations={
            key: value
            for key, value in annotations.items()
            if isinstance(value, str) and not key.startswith("kubectl.kubernetes.io/")
        },
        pod_labels=reader.texts(pod_metadata, "labels", (*path, "metadata")),
        selector=_read_selector(spec, kind, reader),
        rollout=_read_rollout(spec, reader),
        host_network=pod_spec.get("hostNetwork") is True,
        containers=containers,
        host_ports=host_ports,
        plain_ports=plain_ports,
        host_ip_variables=variables,
        owners=tuple(
            f"{owner.get('kind', '')}/{owner.get('name', '')}"
            for owner in reader.sequence(metadata, "ownerReferences", ("metadata",))
            if isinstance(owner, dict)
        ),
        chart=_read_chart(labels, annotations),
        duplicate_keys=duplicate_keys,
        first_ordinal=_read_first_ordinal(spec, reader),
        created=reader.text(metadata, "creationTimestamp", ("metadata",)),
        pod=PackedData.pack(_strip_pod(pod_metadata, pod_spec)),
        pod_security=_judge_pod(pod_metadata, pod_spec, path, pod_security, reader) if pod_security else None,
    )


def _judge_pod(
    metadata: Mapping[str, Any],
    spec: Mapping[str, Any],
    path: FieldPath,
    version: PolicyVersion,
    reader: ObjectReader,
) -> PodSecurity:
    try:
        evaluation = evaluate_pod(metadata, spec, version)
    except MalformedPodError as error:
        raise FieldError(path, str(error)) from None
    if not evaluation.violations:
        return PodSecurity(str(version), evaluation.level, ())
    violations = []
    for found in evaluation.violations:
        fields = tuple(((*path, *field), reader.line_of((*path, *field))) for field in found.fields)
        violations.append(
            PodSecurityViolation(found.level, found.check, found.reason, found.detail, fields, found.overridden)
        )
    return PodSecurity(str(version), evaluation.level, tuple(violations))


def _read_containers(
    spec: Mapping[str, Any], path: FieldPath, reader: ObjectReader
) -> tuple[
    tuple[Container, ...],
    tuple[HostPort, ...],
    tuple[tuple[FieldPath, str | None, int, str], ...],
    tuple[tuple[str, str], ...],
]:
    containers = []
    host_ports: list[HostPort] = []
    plain_ports: list[tuple[FieldPath, str | None, int, str]] = []
    variables: list[tuple[str, str]] = []
    for key in _CONTAINER_LISTS:
        for index, container in enumerate(reader.sequence(spec, key, path)):
            here = (*path, key, index)
            if not isinstance(container, dict):
                raise FieldError(here, f"must be a map, is {_describe(container) if container else 'empty'}")
            name = container.get("name")
            name = name if isinstance(name, str) else ""
            role: ContainerRole = "container"
            if key == "initContainers":
                role = "sidecar" if container.get("restartPolicy") == "Always" else "init"
            elif key == "ephemeralContainers":
                role = "ephemeral"
            ports: list[tuple[str | None, int, str]] = []
            if container.get("ports") is not None:
                entries = list(_read_ports(container, name, role, here, reader))
                ports = [port for port, _ in entries]
                host_ports.extend(host_port for _, host_port in entries if host_port is not None)
                if any(host_port is not None for _, host_port in entries):
                    plain_ports.extend(
                        ((*here, "ports", position), *port)
                        for position, (port, host_port) in enumerate(entries)
                        if host_port is None
                    )
            image = container.get("image")
            containers.append(Container(name, role, image if isinstance(image, str) else "", tuple(ports)))
            if container.get("env"):
                variables.extend((name, variable) for variable in _read_host_ip_variables(container))
    return tuple(containers), tuple(host_ports), tuple(plain_ports), tuple(variables)


def _read_ports(
    container: Mapping[str, Any], name: str, role: ContainerRole, path: FieldPath, reader: ObjectReader
) -> Iterator[tuple[tuple[str | None, int, str], HostPort | None]]:
    for index, port in enumerate(reader.sequence(container, "ports", path)):
        here = (*path, "ports", index)
        if not isinstance(port, dict):
            raise FieldError(here, f"must be a map, is {_describe(port) if port else 'empty'}")
        number = reader.port(port, "containerPort", here, lowest=1) or 0
        protocol = reader.protocol(port, here)
        port_name = reader.text(port, "name", here)
        host_port = reader.port(port, "hostPort", here)
        entry = None
        if host_port is not None:
            entry = HostPort(
                container=name,
                role=role,
                container_port=number,
                host_port=host_port,
                host_ip=reader.text(port, "hostIP", here) or ANY_ADDRESS,
                protocol=protocol,
                name=port_name,
                path=here,
                line=reader.line_of((*here, "hostPort")),
                has_host_ip="hostIP" in port,
            )
        yield (port_name, number, protocol), entry


def _read_host_ip_variables(container: Mapping[str, Any]) -> Iterator[str]:
    variables = container["env"]
    for variable in variables if isinstance(variables, list) else ():
        source = variable.get("valueFrom") if isinstance(variable, dict) else None
        field = source.get("fieldRef") if isinstance(source, dict) else None
        if isinstance(field, dict) and field.get("fieldPath") in ("status.hostIP", "status.hostIPs"):
            yield str(variable.get("name", ""))


def _read_replicas(spec: Mapping[str, Any], kind: WorkloadKind, reader: ObjectReader) -> int | None:
    if kind.kind == "DaemonSet" or "jobTemplate" in kind.template or kind.kind == "PodTemplate":
        return None
    key = "parallelism" if kind.kind == "Job" else "replicas"
    value = reader.number(spec, key, ("spec",))
    return 1 if value is None else value


def _read_selector(spec: Mapping[str, Any], kind: WorkloadKind, reader: ObjectReader) -> LabelSelector | None:
    if not kind.template or spec.get("selector") is None or "jobTemplate" in kind.template:
        return None
    selector = reader.mapping(spec, "selector", ("spec",))
    if kind.kind in ("ReplicationController", "DeploymentConfig"):
        return LabelSelector(tuple(sorted(reader.texts(spec, "selector", ("spec",)).items())))
    labels = reader.texts(selector, "matchLabels", ("spec", "selector"))
    return LabelSelector(tuple(sorted(labels.items())), expressions=bool(selector.get("matchExpressions")))


def _read_rollout(spec: Mapping[str, Any], reader: ObjectReader) -> Rollout:
    key = "updateStrategy" if "updateStrategy" in spec else "strategy"
    strategy = spec.get(key)
    if not isinstance(strategy, dict):
        return Rollout()
    rolling = reader.mapping(strategy, "rollingUpdate", ("spec", key))
    kind = strategy.get("type")
    return Rollout(
        type=kind if isinstance(kind, str) else None,
        max_surge=_int_or_text(rolling.get("maxSurge")),
        max_unavailable=_int_or_text(rolling.get("maxUnavailable")),
        partition=reader.number(rolling, "partition", ("spec", key, "rollingUpdate")),
    )


def _read_first_ordinal(spec: Mapping[str, Any], reader: ObjectReader) -> int:
    ordinals = spec.get("ordinals")
    if not isinstance(ordinals, dict):
        return 0
    return reader.number(ordinals, "start", ("spec", "ordinals")) or 0


def _int_or_text(value: Any) -> int | str | None:
    return value if isinstance(value, int | str) and not isinstance(value, bool) else None


def _read_chart(labels: Mapping[str, str], annotations: Mapping[str, Any]) -> str | None:
    for mark in _CHART_MARKS:
        if labels.get(mark):
            return labels[mark]
    for mark in _CHART_ANNOTATIONS:
        if isinstance(annotations.get(mark), str):
            return str(annotations[mark])
    return None


def _strip_pod(metadata: Mapping[str, Any], spec: Mapping[str, Any]) -> dict[str, Any]:
    stripped = dict(spec)
    for key in _CONTAINER_LISTS:
        if isinstance(spec.get(key), list):
            stripped[key] = [
                {name: value for name, value in container.items() if name not in _NOT_PACKED}
                if isinstance(container, dict)
                else container
                for container in spec[key]
            ]
    kept = {key: metadata[key] for key in ("labels", "annotations") if metadata.get(key)}
    return {"metadata": kept, "spec": stripped}


def read_service(data: Mapping[str, Any], location: Location, reader: ObjectReader) -> Service:
    """Read a Service's facts.

    Raises FieldError for fields that the API would not decode.
    """
    ref, _ = read_ref(data, reader)
    spec = reader.mapping(data, "spec", ())
    ports = []
    for index, port in enumerate(reader.sequence(spec, "ports", ("spec",))):
        here = ("spec", "ports", index)
        if not isinstance(port, dict):
            raise FieldError(here, f"must be a map, is {_describe(port) if port else 'empty'}")
        number = reader.port(port, "port", here, lowest=1) or 0
        target = port.get("targetPort")
        if target is not None and not isinstance(target, str):
            target = reader.port(port, "targetPort", here)
        ports.append(
            ServicePort(
                name=reader.text(port, "name", here),
                protocol=reader.protocol(port, here),
                port=number,
                target_port=target or number,
                node_port=reader.port(port, "nodePort", here) or None,
                has_node_port=port.get("nodePort") is not None,
            )
        )
    external = spec.get("externalTrafficPolicy")
    internal = spec.get("internalTrafficPolicy")
    distribution = spec.get("trafficDistribution")
    return Service(
        ref=ref,
        own_namespace=ref.namespace,
        location=location,
        type=reader.text(spec, "type", ("spec",)) or "ClusterIP",
        type_written=spec.get("type") is not None,
        headless=spec.get("clusterIP") == "None",
        selector=tuple(sorted(reader.texts(spec, "selector", ("spec",)).items())),
        ports=tuple(ports),
        external_traffic_policy=external if isinstance(external, str) else None,
        internal_traffic_policy=internal if isinstance(internal, str) else None,
        traffic_distribution=distribution if isinstance(distribution, str) else None,
    )


def read_namespace(data: Mapping[str, Any], location: Location, reader: ObjectReader) -> Namespace:
    """Read a Namespace's name and labels."""
    ref, metadata = read_ref(data, reader)
    return Namespace(
        ref=ResourceRef(ref.api_version, ref.kind, None, ref.name),
        location=location,
        labels=reader.texts(metadata, "labels", ("metadata",)),
    )


def read_admission_object(data: Mapping[str, Any], location: Location, reader: ObjectReader) -> AdmissionObject:
    """Read a ValidatingAdmissionPolicy or ValidatingAdmissionPolicyBinding."""
    ref, _ = read_ref(data, reader)
    return AdmissionObject(
        ref=ResourceRef(ref.api_version, ref.kind, None, ref.name),
        location=location,
        data=PackedData.pack(dict(reader.mapping(data, "spec", ()))),
    )


def read_cluster_inventory(data: Mapping[str, Any], location: Location, reader: ObjectReader) -> ClusterInventory:
    """Read which cluster an inventory is of, and what of it could not be read."""
    ref, _ = read_ref(data, reader)
    status = reader.mapping(data, "status", ())
    unread = []
    for index, item in enumerate(reader.sequence(status, "unread", ("status",))):
        here = ("status", "unread", index)
        if not isinstance(item, dict):
            raise FieldError(here, "must be a map")
        names = (reader.text(item, "resource", here) or "", reader.text(item, "reason", here) or "")
        unread.append((*names, reader.text(item, "readIn", here)))
    version = reader.text(status, "serverVersion", ("status",)) or ""
    return ClusterInventory(ref, location, version, tuple(unread))


def read_network_policy(data: Mapping[str, Any], location: Location, reader: ObjectReader) -> NetworkPolicy:
    """Read whom a NetworkPolicy selects, and whether it limits who may come in."""
    ref, _ = read_ref(data, reader)
    spec = reader.mapping(data, "spec", ())
    selector = reader.mapping(spec, "podSelector", ("spec",))
    labels = reader.texts(selector, "matchLabels", ("spec", "podSelector"))
    types = reader.sequence(spec, "policyTypes", ("spec",))
    return NetworkPolicy(
        ref=ref,
        own_namespace=ref.namespace,
        location=location,
        selector=LabelSelector(tuple(sorted(labels.items())), bool(selector.get("matchExpressions"))),
        ingress="Ingress" in types or not types,
    )


def read_autoscaler(data: Mapping[str, Any], location: Location, reader: ObjectReader) -> HorizontalPodAutoscaler:
    """Read what a HorizontalPodAutoscaler scales, and within which bounds."""
    ref, _ = read_ref(data, reader)
    spec = reader.mapping(data, "spec", ())
    target = reader.mapping(spec, "scaleTargetRef", ("spec",))
    return HorizontalPodAutoscaler(
        ref=ref,
        own_namespace=ref.namespace,
        location=location,
        target_kind=str(target.get("kind", "")),
        target_name=str(target.get("name", "")),
        max_replicas=reader.number(spec, "maxReplicas", ("spec",)) or 1,
        min_replicas=1 if (least := reader.number(spec, "minReplicas", ("spec",))) is None else least,
    )


def read_priority_class(data: Mapping[str, Any], location: Location, reader: ObjectReader) -> PriorityClass:
    """Read the priority that a PriorityClass stands for."""
    ref, _ = read_ref(data, reader)
    return PriorityClass(
        ref=ResourceRef(ref.api_version, ref.kind, None, ref.name),
        location=location,
        value=reader.number(data, "value", ()) or 0,
        global_default=data.get("globalDefault") is True,
        preempts=data.get("preemptionPolicy") != "Never",
    )
