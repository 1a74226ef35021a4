"""What holds for every result, judged on plain objects as another program reads them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

POD_NAME = "statefulset.kubernetes.io/pod-name"
REVISION_LABELS = ("pod-template-hash",)

Object = dict[str, Any]


def read_objects(folder: Path) -> list[Object]:
    """Read all objects of a tree, Lists taken apart, kustomizations and patches left out."""
    found: list[Object] = []
    for path in sorted(folder.rglob("*")):
        if path.suffix in (".yaml", ".yml", ".json") and path.name != "kustomization.yaml" and not _is_patch(path):
            for document in YAML(typ="safe").load_all(path):
                found.extend(_flatten(document))
    return found


def _is_patch(path: Path) -> bool:
    kustomization = path.with_name("kustomization.yaml")
    return kustomization.exists() and path.name not in YAML(typ="safe").load(kustomization)["resources"]


def _flatten(document: Any) -> Iterator[Object]:
    if isinstance(document, dict) and document.get("kind") == "List":
        for item in document["items"]:
            yield from _flatten(item)
    elif isinstance(document, dict) and "kind" in document and "metadata" in document:
        yield document


def canonical(objects: list[Object]) -> list[str]:
    return sorted(json.dumps(item, sort_keys=True) for item in objects)


def name_of(item: Object) -> tuple[str | None, str, str]:
    metadata = item["metadata"]
    return metadata.get("namespace"), item["kind"], metadata.get("name") or metadata["generateName"]


@dataclass(frozen=True)
class Pods:
    """The pods of one workload, with the host ports that they hold: (hostPort, protocol) to containerPort.

    Those of plain init containers are never mapped.
    """

    owner: tuple[str | None, str, str]
    labels: dict[str, str]
    members: tuple[str, ...]
    host_ports: dict[tuple[int, str], int]
    port_names: dict[tuple[str, str], int]
    made_by: tuple[str, ...]


def find_pods(objects: list[Object]) -> list[Pods]:
    return [pods for item in objects if (pods := _find_pods(item)) is not None]


def _find_pods(item: Object) -> Pods | None:
    template = item
    if item["kind"] != "Pod":
        template = item.get("spec", {}).get("jobTemplate", item).get("spec", {}).get("template")
    if not isinstance(template, dict) or "spec" not in template or "containers" not in template["spec"]:
        return None
    host_ports, port_names = {}, {}
    spec = template["spec"]
    sidecars = [item for item in spec.get("initContainers") or () if item.get("restartPolicy") == "Always"]
    for container in (*sidecars, *spec["containers"]):
        for port in container.get("ports") or ():
            protocol = port.get("protocol", "TCP")
            port_names[(port.get("name"), protocol)] = port.get("containerPort", 0)
            if port.get("hostPort"):
                host_ports[(port["hostPort"], protocol)] = port.get("containerPort", 0)
    members: tuple[str, ...] = ()
    if item["kind"] == "StatefulSet":
        first = (item["spec"].get("ordinals") or {}).get("start", 0)
        count = max(item["spec"].get("replicas", 1), 1)
        members = tuple(f"{item['metadata']['name']}-{first + number}" for number in range(count))
    labels = (template.get("metadata") or {}).get("labels") or {}
    owners = item["metadata"].get("ownerReferences") or ()
    made_by = tuple(owner["name"] for owner in owners)
    return Pods(name_of(item), labels, members, host_ports, port_names, made_by)


def selects(service: Object, pods: Pods) -> bool:
    selector = service["spec"].get("selector") or {}
    wanted = {key: value for key, value in selector.items() if key != POD_NAME}
    same_namespace = service["metadata"].get("namespace") == pods.owner[0]
    member = selector.get(POD_NAME)
    labelled = bool(selector) and all(pods.labels.get(key) == value for key, value in wanted.items())
    return same_namespace and labelled and (member is None or member in pods.members)


def find_new_services(before: list[Object], after: list[Object]) -> list[Object]:
    """Find the Services that were added or changed."""
    known = set(canonical(before))
    return [item for item in after if item["kind"] == "Service" and canonical([item])[0] not in known]


def check_selection(before: list[Object], after: list[Object]) -> None:
    """A Service that was added or changed selects the pods of one workload, and of what that workload made."""
    for service in find_new_services(before, after):
        selected = [pods for pods in find_pods(after) if selects(service, pods)]
        names = {pods.owner for pods in selected}
        made = {pods.owner for pods in selected if any(_made(other, pods) for other in selected)}
        assert len(names - made) == 1, (service["metadata"]["name"], names)


def _made(owner: Pods, pods: Pods) -> bool:
    return any(name == owner.owner[2] or name.startswith(f"{owner.owner[2]}-") for name in pods.made_by)


def check_numbers(before: list[Object], after: list[Object]) -> None:
    """No two Services have one node port, and no new one has a number that is still somebody's host port."""
    holders: dict[int, set[Any]] = {}
    for item in after:
        if item["kind"] == "Service":
            for port in item["spec"].get("ports") or ():
                if port.get("nodePort"):
                    holders.setdefault(port["nodePort"], set()).add(name_of(item))
    assert all(len(names) == 1 for names in holders.values()), holders
    host_ports = {number for pods in find_pods(after) if not pods.made_by for number, _ in pods.host_ports}
    for service in find_new_services(before, after):
        numbers = {port["nodePort"] for port in service["spec"].get("ports") or () if "nodePort" in port}
        assert not numbers & host_ports, (name_of(service), numbers & host_ports)


def check_answered(before: list[Object], after: list[Object], unpublished: set[str]) -> None:
    """Each host port that is gone is led to by a Service, but for those that a decision gives up."""
    now = {pods.owner: pods for pods in find_pods(after)}
    services = [item for item in after if item["kind"] == "Service"]
    for pods in find_pods(before):
        gone = {key: to for key, to in pods.host_ports.items() if key not in now[pods.owner].host_ports}
        for (number, protocol), target in gone.items():
            if f"{pods.owner[2]} {number}/{protocol}" not in unpublished:
                assert _is_answered(services, now[pods.owner], protocol, target), (pods.owner, number)


def _is_answered(services: list[Object], pods: Pods, protocol: str, target: int) -> bool:
    leading = [
        service
        for service in services
        if selects(service, pods)
        and any(
            port.get("protocol", "TCP") == protocol
            and target in (to := port.get("targetPort", port["port"]), pods.port_names.get((to, protocol)))
            for port in service["spec"]["ports"]
        )
    ]
    single = {service["spec"]["selector"].get(POD_NAME) for service in leading}
    return None in single or (bool(pods.members) and set(pods.members) <= single)
