"""Random trees of manifests: workloads of every kind with host ports in every mixture, and Services around them."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

KINDS = ("Deployment", "Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "Job", "CronJob", "Pod")
HOST_PORTS = (0, 53, 80, 80, 443, 443, 2767, 8080, 9000, 30080, 30080, 30081, 30443, 31999)
ADDRESSES = (None, None, None, None, "0.0.0.0", "127.0.0.1", "10.0.0.7")
NAMES = ("api", "web", "a", "dns", "metrics-collector")
NAMESPACES = (None, "shop", "shop", "kitchen")
ANNOTATIONS = (
    {},
    {},
    {},
    {"migrator.dev/clients": "none"},
    {"migrator.dev/clients": "cluster"},
    {"migrator.dev/clients": "node"},
    {"migrator.dev/strategy": "node_port"},
    {"migrator.dev/strategy": "load_balancer"},
    {"ignore-rule.migrator.dev/host-port": "left as it is"},
)


def make_tree(seed: int) -> dict[str, list[dict[str, Any]]]:
    """Make the files of a tree; the same seed gives the same."""
    chance = random.Random(seed)
    objects: list[dict[str, Any]] = []
    names: set[tuple[Any, ...]] = set()
    for _ in range(chance.randint(1, 6)):
        workload = _make_workload(chance)
        identity = (workload["metadata"].get("namespace"), workload["kind"], workload["metadata"]["name"])
        if identity in names:
            continue
        names.add(identity)
        objects.append(workload)
        if chance.random() < 0.4:
            objects.append(_make_service(chance, workload, len(objects)))
    chance.shuffle(objects)
    files: dict[str, list[dict[str, Any]]] = {}
    for item in objects:
        files.setdefault(chance.choice(("a.yaml", "b.yaml", "c/d.yaml", f"{len(files)}.yaml")), []).append(item)
    return files


def write_tree(folder: Path, files: dict[str, list[dict[str, Any]]]) -> None:
    for name, objects in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w") as stream:
            YAML(typ="safe", pure=True).dump_all(objects, stream)


def _make_workload(chance: random.Random) -> dict[str, Any]:
    kind, name = chance.choice(KINDS), chance.choice(NAMES)
    labels = {"app": name} if chance.random() < 0.4 else {"app": name, "kind": kind.lower()}
    metadata: dict[str, Any] = {"name": name, "annotations": dict(chance.choice(ANNOTATIONS))}
    if (namespace := chance.choice(NAMESPACES)) is not None:
        metadata["namespace"] = namespace
    taken: set[tuple[Any, ...]] = set()
    pod: dict[str, Any] = {"containers": [_make_container(chance, name, taken) for name in ("main", "sidecar")]}
    if chance.random() < 0.2:
        pod["initContainers"] = [_make_container(chance, "setup", set())]
    if chance.random() < 0.1:
        pod["hostNetwork"] = True
    if kind == "Pod":
        return {"apiVersion": "v1", "kind": kind, "metadata": {**metadata, "labels": labels}, "spec": pod}
    template = {"metadata": {"labels": labels}, "spec": pod}
    spec: dict[str, Any] = {"template": template}
    if kind not in ("Job", "CronJob"):
        spec["selector"] = {"matchLabels": dict(labels)}
    if kind in ("Deployment", "StatefulSet", "ReplicaSet"):
        spec["replicas"] = chance.choice((0, 1, 1, 2, 3))
    if kind == "StatefulSet" and chance.random() < 0.3:
        spec["ordinals"] = {"start": 3}
    if kind == "CronJob":
        spec = {"schedule": "0 3 * * *", "jobTemplate": {"spec": spec}}
    version = "batch/v1" if kind in ("Job", "CronJob") else "apps/v1"
    return {"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec}


def _make_container(chance: random.Random, name: str, taken: set[tuple[Any, ...]]) -> dict[str, Any]:
    ports = []
    for number in range(chance.randint(0, 3)):
        # Containers of one pod share its network, so they listen on ports of their own.
        port: dict[str, Any] = {"containerPort": chance.choice((80, 8080, 9000 + number)) + len(name) % 4}
        if chance.random() < 0.5:
            port["name"] = f"{name}-{number}"
        if chance.random() < 0.3:
            port["protocol"] = chance.choice(("UDP", "SCTP", "TCP"))
        if chance.random() < 0.8:
            port["hostPort"] = chance.choice(HOST_PORTS)
            if (address := chance.choice(ADDRESSES)) is not None:
                port["hostIP"] = address
        # The API takes one number twice only at different addresses, and no port of a container twice.
        address = port.get("hostIP", "0.0.0.0") if chance.random() < 0.1 else ""
        identity = (port.get("hostPort"), port.get("protocol", "TCP"), address)
        listening = (port["containerPort"], port.get("protocol", "TCP"), name)
        if identity not in taken and listening not in taken:
            taken |= {identity, (*identity[:2], ""), listening}
            ports.append(port)
    return {"name": name, "image": "example.com/app:1.0", "ports": ports}


def _make_service(chance: random.Random, workload: dict[str, Any], number: int) -> dict[str, Any]:
    metadata = {"name": f"service-{number}"}
    if "namespace" in workload["metadata"]:
        metadata["namespace"] = workload["metadata"]["namespace"]
    selector = {"app": workload["metadata"]["name"]}
    if chance.random() < 0.5:
        selector["kind"] = workload["kind"].lower()
    kind = chance.choice(("ClusterIP", "ClusterIP", "NodePort", "LoadBalancer"))
    ports: list[dict[str, Any]] = []
    for index, target in enumerate(chance.sample((80, 8080, 81, "main-0"), chance.randint(1, 2))):
        port = {"name": f"p{index}", "port": 80 + index, "targetPort": target}
        if kind == "NodePort" and chance.random() < 0.8:
            port["nodePort"] = 31000 + 10 * number + index
        ports.append(port)
    spec: dict[str, Any] = {"type": kind, "selector": selector, "ports": ports}
    if kind == "ClusterIP" and chance.random() < 0.3:
        spec["clusterIP"] = "None"
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}
