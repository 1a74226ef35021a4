"""Workloads: which kind a service becomes, its pod with its sidekicks, how it is rolled out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

from migrator.model.record import record
from migrator.sources.rancher.stack import StackService
from migrator.sources.rancher.translate.container import build_container, is_idle
from migrator.sources.rancher.translate.environment import build_environment
from migrator.sources.rancher.translate.fields import order_container, order_pod
from migrator.sources.rancher.translate.health import build_probes
from migrator.sources.rancher.translate.labels import build_labels
from migrator.sources.rancher.translate.metadata import build_metadata
from migrator.sources.rancher.translate.model import Draft, KeyFate, Part, join_fields, join_parts, mark, report
from migrator.sources.rancher.translate.names import is_dns_label, make_distinct
from migrator.sources.rancher.translate.networking import build_network
from migrator.sources.rancher.translate.numbers import read_boolean, read_count, read_duration, round_up_seconds
from migrator.sources.rancher.translate.ports import build_ports, find_container_ports, read_published
from migrator.sources.rancher.translate.resources import build_resources
from migrator.sources.rancher.translate.scheduling import HOST_TOPOLOGY, build_affinity
from migrator.sources.rancher.translate.secrets import build_secrets
from migrator.sources.rancher.translate.security import build_security
from migrator.sources.rancher.translate.survey import (
    GLOBAL_LABEL,
    START_ONCE_LABEL,
    Context,
    image_name,
    is_global,
    is_host_network,
    read_network,
    read_scale,
    split_link,
    starts_once,
    words,
)
from migrator.sources.rancher.translate.volumes import (
    PodVolumes,
    build_volumes,
    find_mounts,
    needs_own_claims,
    split_source,
)

Kind = Literal["Deployment", "StatefulSet", "DaemonSet", "Job"]
Place = Literal["container", "init", "volumes"]

PAUSE_IMAGE = "registry.k8s.io/pause:3.10"
HOSTNAME_LABEL = "io.rancher.container.hostname_override"
_TEMPLATES: Mapping[Kind, str] = {
    "Deployment": "rancher_deployment.yaml.j2",
    "StatefulSet": "rancher_stateful_set.yaml.j2",
    "DaemonSet": "rancher_daemon_set.yaml.j2",
    "Job": "rancher_job.yaml.j2",
}
_TOPICS = (
    build_container,
    build_ports,
    build_environment,
    build_resources,
    build_probes,
    build_security,
    build_secrets,
    build_labels,
    build_metadata,
)
_PRIMARY_KEYS = ("scale", "scale_policy", "retain_ip", "upgrade_strategy", "start_on_create", "restart")
_POD_TOPICS = (build_network, build_affinity)


@record
class Workload:
    """A workload that was built: its kind, what it adds, and the claims that it refers to."""

    kind: Kind
    part: Part
    claims: tuple[str, ...]


def decide_kind(context: Context, primary: str) -> tuple[Kind, tuple[KeyFate, ...]]:
    """Decide what a service becomes, with the fates of the keys that say so."""
    service = context.service(primary)
    if is_global(service):
        fates = [mark(service.label_origin(GLOBAL_LABEL), "translated", "DaemonSet")]
        if service.get("scale") is not None:
            fates.append(mark(service.origin_of("scale"), "ignored", "Global services ran once on every host."))
        return "DaemonSet", tuple(fates)
    kept: tuple[KeyFate, ...] = ()
    if starts_once(service):
        origin = service.label_origin(START_ONCE_LABEL)
        if _looks_like_task(context, service):
            return "Job", (mark(origin, "translated", "Job"),)
        message = "Others rely on it, so it is no Job: it is restarted when it ends, where Cattle left it stopped."
        kept = (report(origin, message),)
    restart = _read_restart(service)
    if restart in ("no", "on-failure") and read_scale(service) == 1 and _looks_like_task(context, service):
        message = f"Job: {restart}, and nothing is published, checked or linked to"
        return "Job", (mark(service.origin_of("restart"), "translated", message),)
    if needs_own_claims(context, primary):
        return "StatefulSet", kept
    if service.labels().get(HOSTNAME_LABEL, "") == "container_name":
        message = "StatefulSet: each pod's host name is its own and stays"
        return "StatefulSet", (*kept, mark(service.label_origin(HOSTNAME_LABEL), "translated", message))
    if read_boolean(service.get("retain_ip")):
        message = "StatefulSet: addresses change, names stay; clients use NAME-0.SERVICE."
        return "StatefulSet", (*kept, report(service.origin_of("retain_ip"), message))
    return "Deployment", kept


def _read_restart(service: StackService) -> str:
    text = service.text("restart")
    return "no" if text in ("false", "no") else text.partition(":")[0]


def _looks_like_task(context: Context, service: StackService) -> bool:
    if any(service.get(key) for key in ("ports", "expose", "health_check")) or service.name in context.balanced:
        return False
    if any(
        place_member(context, service.name, member) == "container" and not starts_once(context.service(member))
        for member in context.pods[service.name][1:]
    ):
        return False
    return not any(
        split_link(pair.name, pair.value)[0] == service.name
        for other in context.stack.services
        for pair in other.pairs("links", ":")
    )


def place_member(context: Context, primary: str, member: str) -> Place:
    """Decide where a service's container goes in its pod.

    A sidekick that only holds volumes has no container. One that runs once is an init container, unless it needs
    what starts after it: then it would wait for ever.
    """
    if member == primary:
        return "container"
    service = context.service(member)
    if is_idle(service) or _only_holds(context, primary, service):
        return "volumes"
    if not starts_once(service):
        return "container"
    prepares = _shares_volumes(context, primary, member) and not _waits_for_primary(context, primary, service)
    return "init" if prepares else "container"


def _is_taken(context: Context, primary: str, member: str) -> bool:
    return any(
        split_source(text)[0] == member
        for other in context.pods[primary]
        for text, _ in context.service(other).texts("volumes_from")
    )


def _only_holds(context: Context, primary: str, service: StackService) -> bool:
    """Tell whether a container without a command of its own is there for its volumes alone."""
    if service.get("command") or service.get("entrypoint") or not _is_taken(context, primary, service.name):
        return False
    image = image_name(service.text("image"))
    mates = [name for name in context.pods[primary] if name != service.name]
    same = any(image_name(context.service(name).text("image")) == image for name in mates)
    return image in words()["emptyImages"] or (same and starts_once(service))


def _shares_volumes(context: Context, primary: str, member: str) -> bool:
    """Tell whether a container can prepare anything for its pod: only through a volume."""
    own = {mount.source or (mount.owner, mount.target) for mount in find_mounts(context, member)}
    return _is_taken(context, primary, member) or any(
        (mount.source or (mount.owner, mount.target)) in own
        for mate in context.pods[primary]
        if mate != member
        for mount in find_mounts(context, mate)
    )


def _waits_for_primary(context: Context, primary: str, service: StackService) -> bool:
    if any(split_link(pair.name, pair.value)[0] == primary for pair in service.pairs("links", ":")):
        return True
    if read_network(service) in (f"container:{primary}", f"service:{primary}"):
        return True
    if any(split_source(text)[0] == primary for text, _ in service.texts("volumes_from")):
        return True
    return bool(service.get("ports") or service.get("health_check"))


def build_workload(context: Context, primary: str, shared: frozenset[str]) -> Workload:
    """Build a service's workload with its sidekicks."""
    service = context.service(primary)
    kind, fates = decide_kind(context, primary)
    storage = build_volumes(context, primary, kind, shared)
    members = context.pods[primary]
    places = {member: place_member(context, primary, member) for member in members}
    parts = {member: _build_member(context, member, places[member]) for member in members}
    joined = join_parts(parts.values())
    pod, notes = _compose_pod(context, primary, kind, places, parts, storage)
    labels = {**joined.labels, **context.grouped.get(primary, {}), **context.selector(primary)}
    pod_labels = {**context.labels(primary), **labels}
    rollout, extra = _build_rollout(context, service, kind, pod, _avoids_its_like(pod, pod_labels))
    values = {
        "name": context.names[primary],
        "labels": context.labels(primary),
        "selector": context.selector(primary),
        "pod_labels": pod_labels,
        "annotations": joined.annotations,
        "pod": order_pod(pod),
        "replicas": _read_replicas(service),
        "rollout": {"min_ready_seconds": None, "rolling_update": None, **rollout},
        "claim_templates": list(storage.templates),
        "suspend": _is_created_only(service),
    }
    comments = (*joined.comments, *storage.comments, *notes.comments)
    draft = Draft(_TEMPLATES[kind], values, context.names[primary], service.origin, tuple(dict.fromkeys(comments)))
    return Workload(
        kind,
        Part(
            drafts=(draft, *joined.drafts),
            fates=(*joined.fates, *storage.fates, *notes.fates, *extra, *fates),
        ),
        storage.claims,
    )


def _build_member(context: Context, member: str, place: Place) -> Part:
    service = context.service(member)
    if place == "volumes":
        found = join_parts((build_labels(service, context), build_metadata(service, context)))
        held = tuple(
            mark(setting.origin, "ignored", "The container only held volumes; the pod holds them itself.")
            for key, setting in service.settings.items()
            if key not in ("labels", "metadata", "volumes", "volumes_from", "health_check")
        )
        return Part(labels={}, annotations={}, drafts=found.drafts, fates=(*held, *found.fates))
    built = join_parts([topic(service, context) for topic in (*_TOPICS, *_POD_TOPICS)])
    if member in context.primaries:
        built = replace(built, fates=(*built.fates, *_mark_shared_life(service)))
    if place == "init":
        container = {
            key: value
            for key, value in built.container.items()
            if key not in ("readinessProbe", "livenessProbe", "startupProbe", "ports")
        }
        return Part(container, built.pod, {}, {}, built.drafts, built.fates, built.comments)
    return built


def _mark_shared_life(service: StackService) -> tuple[KeyFate, ...]:
    return tuple(
        mark(
            service.origin_of(key),
            "ignored",
            "A sidekick shares the life of its primary service, whose value counts.",
        )
        for key in _PRIMARY_KEYS
        if service.get(key) is not None
    )


def _compose_pod(
    context: Context,
    primary: str,
    kind: Kind,
    places: Mapping[str, Place],
    parts: Mapping[str, Part],
    storage: PodVolumes,
) -> tuple[dict[str, Any], Part]:
    """Join the members' fields into one pod spec."""
    fates: list[KeyFate] = []
    comments: list[str] = []
    pod: dict[str, Any] = {}
    containers: list[dict[str, Any]] = []
    init: list[dict[str, Any]] = list(storage.copies)
    taken = {entry["name"] for entry in init}
    volumes = list(storage.volumes)
    for member, place in places.items():
        part = parts[member]
        own = {
            key: value for key, value in part.pod.items() if member == primary or key not in ("hostname", "subdomain")
        }
        extra = own.pop("volumes", [])
        volumes.extend(volume for volume in extra if volume not in volumes)
        pod = join_fields(pod, own)
        if place == "volumes":
            continue
        mounts = [*storage.mounts[member], *part.container.get("volumeMounts", [])]
        name = make_distinct(part.container["name"], taken)
        taken.add(name)
        fields = order_container({**part.container, "name": name, "volumeMounts": _mount_once(mounts)})
        (init if place == "init" else containers).append(fields)
        service = context.service(member)
        if place == "init":
            message = "an init container: it runs before the others; Cattle started it beside them"
            fates.append(mark(service.label_origin(START_ONCE_LABEL), "translated", message))
        elif member != primary and starts_once(service):
            message = (
                f"{member} runs once, but needs {primary} up: as a container it is restarted when it ends."
                " Make it a Job, or let it sleep when it is done."
            )
            fates.append(report(service.label_origin(START_ONCE_LABEL), message))
            comments.append(message)
    _check_networks(context, primary, places, pod, fates, comments)
    _check_ports(context, places, pod, fates, comments, primary)
    if kind == "DaemonSet" and starts_once(context.service(primary)):
        init.append(
            {key: value for key, value in containers[0].items() if not key.endswith("Probe") and key != "ports"}
        )
        containers[0] = {"name": "pause", "image": PAUSE_IMAGE}
        message = "an init container on every node; a pause container keeps the pod"
        fates.append(mark(context.service(primary).label_origin(START_ONCE_LABEL), "translated", message))
    aliases = _alias_members(context, places, pod)
    if aliases:
        pod["hostAliases"] = aliases
    _set_lifetime(context.service(primary), kind, pod, fates)
    pod["volumes"] = volumes
    pod["initContainers"] = init
    pod["containers"] = _name_ports_once(containers)
    return pod, Part(fates=tuple(fates), comments=tuple(comments))


def _mount_once(mounts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return list({mount["mountPath"]: mount for mount in reversed(mounts)}.values())[::-1]


def _name_ports_once(containers: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Keep a port's name in the first container that has it, and a host port in the first that asks for it."""
    names: set[str] = set()
    taken: set[tuple[str | None, int, str]] = set()
    result = []
    for container in containers:
        ports = []
        for entry in container.get("ports", []):
            kept = {key: value for key, value in entry.items() if key != "name" or value not in names}
            names.add(entry.get("name", ""))
            if "hostPort" in kept:
                place = (kept.get("hostIP"), kept["hostPort"], kept.get("protocol", "TCP"))
                if place in taken:
                    kept = {key: value for key, value in kept.items() if key not in ("hostPort", "hostIP")}
                taken.add(place)
            ports.append(kept)
        result.append({**container, "ports": ports} if ports else container)
    return result


def _check_networks(
    context: Context,
    primary: str,
    places: Mapping[str, Place],
    pod: dict[str, Any],
    fates: list[KeyFate],
    comments: list[str],
) -> None:
    modes = {
        member: is_host_network(context.service(member)) for member, place in places.items() if place != "volumes"
    }
    shares = {
        member for member in modes if read_network(context.service(member)).startswith(("container:", "service:"))
    }
    if any(modes.values()) and not all(mode or member in shares for member, mode in modes.items()):
        others = ", ".join(member for member, mode in modes.items() if not mode and member not in shares)
        hosts = [member for member, mode in modes.items() if mode]
        message = f"A pod has one network: with {', '.join(hosts)}, {others} is on the node's network, too."
        service = context.service(hosts[0])
        fates.append(report(service.origin_of("network_mode" if service.get("network_mode") else "net"), message))
        comments.append(message + " Decide whether they belong in one pod.")
    if pod.get("hostNetwork"):
        pod.setdefault("dnsPolicy", "Default")


def _check_ports(
    context: Context,
    places: Mapping[str, Place],
    pod: dict[str, Any],
    fates: list[KeyFate],
    comments: list[str],
    primary: str,
) -> None:
    seen: dict[tuple[int, str], str] = {}
    taken: dict[tuple[str | None, int | None, str], str] = {}
    for member, place in places.items():
        if place != "container":
            continue
        service = context.service(member)
        for port in find_container_ports(service, context):
            owner = seen.setdefault(port, member)
            if owner != member:
                message = (
                    f"Port {port[0]}/{port[1]} is {owner}'s, too: in one pod they share one network. Change one."
                )
                key = "ports" if service.get("ports") else "expose"
                fates.append(report(service.origin_of(key), message))
                comments.append(f"{member}: {message}")
        for published in read_published(service):
            spec = published.spec
            owner = taken.setdefault((spec.host_ip, spec.host_port, spec.protocol), member)
            if owner != member and spec.host_port is not None:
                fates.append(
                    report(published.origin, f"Host port {spec.host_port} is {owner}'s; the first keeps it.")
                )


def _alias_members(context: Context, places: Mapping[str, Place], pod: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Let the names of a pod's containers resolve inside of it, as Rancher's DNS did."""
    names = [
        member.lower() for member, place in places.items() if place == "container" and is_dns_label(member.lower())
    ]
    known = list(pod.get("hostAliases", []))
    if len(names) > 1 and not pod.get("hostNetwork"):
        known.append({"ip": "127.0.0.1", "hostnames": names[1:]})
    return known


def _set_lifetime(service: StackService, kind: Kind, pod: dict[str, Any], fates: list[KeyFate]) -> None:
    restart = _read_restart(service)
    if kind == "Job":
        pod["restartPolicy"] = "OnFailure" if restart == "on-failure" else "Never"
    elif restart in ("no", "on-failure"):
        message = "Always: Cattle restarted the containers of a service whatever Docker was told."
        fates.append(report(service.origin_of("restart"), message))
    drain = read_count(service.get("drain_timeout_ms"))
    if drain is None:
        strategy = service.get("lb_config")
        drain = read_count(strategy.get("drain_timeout_ms")) if isinstance(strategy, Mapping) else None
    grace = _read_grace(service, fates)
    if drain and drain > 0:
        pod["terminationGracePeriodSeconds"] = max(round_up_seconds(drain) + 10, grace or 0)
        message = "terminationGracePeriodSeconds; add a preStop sleep where connections must drain first."
        fates.append(report(service.origin_of("drain_timeout_ms"), message))
    elif grace is not None:
        pod["terminationGracePeriodSeconds"] = grace


def _read_grace(service: StackService, fates: list[KeyFate]) -> int | None:
    text = service.text("stop_grace_period").strip()
    seconds = int(text) if text.isdigit() and len(text) < 9 else read_duration(text)
    if text and seconds is None:
        fates.append(
            report(service.origin_of("stop_grace_period"), f"{text!r} is no duration such as 1m30s; left out.")
        )
    return seconds


def _is_created_only(service: StackService) -> bool:
    return service.get("start_on_create") is not None and not read_boolean(service.get("start_on_create"))


def _read_replicas(service: StackService) -> int:
    return 0 if _is_created_only(service) else read_scale(service)


def _avoids_its_like(pod: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Tell whether two pods of a workload never share a node: an update then finds no room beside the old pod."""
    rules = pod.get("affinity", {}).get("podAntiAffinity", {})
    return any(
        term["topologyKey"] == HOST_TOPOLOGY
        and "namespaces" not in term
        and term["labelSelector"]["matchLabels"].items() <= labels.items()
        and all(labels[rule["key"]] in rule["values"] for rule in term["labelSelector"].get("matchExpressions", ()))
        for term in rules.get("requiredDuringSchedulingIgnoredDuringExecution", ())
    )


def _build_rollout(
    context: Context, service: StackService, kind: Kind, pod: Mapping[str, Any], apart: bool
) -> tuple[dict[str, Any], tuple[KeyFate, ...]]:
    """Build the update strategy: Rancher stopped first unless told otherwise.

    A host port forces that, and so does a rule that keeps the pods on different nodes (`apart`).
    """
    fates: list[KeyFate] = []
    if _is_created_only(service):
        message = "suspend: true" if kind == "Job" else "replicas: 0; scale it up when it is wanted."
        if kind == "DaemonSet":
            message = "A DaemonSet starts at once; leave the file out until it is wanted."
        fates.append(report(service.origin_of("start_on_create"), message))
    scale = service.get("scale")
    if scale is not None and (read_count(scale) is None or str(scale).startswith("-")):
        fates.append(report(service.origin_of("scale"), f"{scale!r} is no number of containers: one pod."))
    if service.get("scale_policy") is not None:
        message = "replicas: the policy's max; it grew with the hosts, so pods beyond the nodes stay pending."
        fates.append(report(service.origin_of("scale_policy"), message))
    if kind == "Job":
        return {}, tuple(fates)
    strategy = service.get("upgrade_strategy")
    strategy = strategy if isinstance(strategy, Mapping) else {}
    batch = max(1, read_count(strategy.get("batch_size")) or 1)
    start_first = read_boolean(strategy.get("start_first"))
    interval = read_count(strategy.get("interval_millis"))
    host_ports = any(
        port.spec.host_port is not None
        for member in context.pods[service.name]
        for port in read_published(context.service(member))
    )
    if start_first and (host_ports or pod.get("hostNetwork")):
        origin = service.origin_of("upgrade_strategy", "start_first")
        fates.append(report(origin, "A host port is taken until the old pod stops, so it stops first."))
        start_first = False
    elif start_first and apart:
        origin = service.origin_of("upgrade_strategy", "start_first")
        fates.append(report(origin, "No two of these pods share a node, so the old one stops first."))
        start_first = False
    rollout: dict[str, Any] = {}
    if interval and interval > 0:
        rollout["min_ready_seconds"] = round_up_seconds(interval)
    claims = any(mount.named for member in context.pods[service.name] for mount in find_mounts(context, member))
    if kind != "StatefulSet":
        if start_first:
            rollout["rolling_update"] = {"maxSurge": batch, "maxUnavailable": 0}
        elif strategy or host_ports or claims or apart or pod.get("hostNetwork"):
            rollout["rolling_update"] = {"maxSurge": 0, "maxUnavailable": batch}
    elif start_first:
        origin = service.origin_of("upgrade_strategy", "start_first")
        fates.append(report(origin, "A StatefulSet stops a pod before it starts the next."))
    if kind == "StatefulSet" and batch > 1:
        origin = service.origin_of("upgrade_strategy", "batch_size")
        fates.append(report(origin, "A StatefulSet replaces one pod at a time."))
    return rollout, tuple(fates)
