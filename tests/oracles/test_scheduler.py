"""kube-scheduler v1.34.4 as the judge of `migrator.simulation`: the same nodes and pods, one pod after the other.

After each pod the two have to agree: the node that the scheduler took is among those that the simulation finds best
(where that is a single one, the placement is determined), or both leave the pod Pending, in the same words.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from typing import Any

import pytest
from control_plane import API_SERVER, Client, ControlPlane, Json, name_missing_requirement, wait_for

from migrator.model.node import Node, Taint
from migrator.model.quantity import parse_quantity
from migrator.simulation.cluster import Cluster
from migrator.simulation.schedule import Request, Scheduler
from migrator.simulation.shape import PodShape, Shapes, Standing

pytestmark = pytest.mark.conformance

QUEUES = 20 if os.environ.get("FULL") else 3
CLUSTERS = 320 if os.environ.get("FULL") else 24
NAMESPACES = {"alpha": {"team": "red"}, "beta": {"team": "blue"}}
PRIORITIES = {"low": 10, "high": 1000}
ZONE = "topology.kubernetes.io/zone"
HOSTNAME = "kubernetes.io/hostname"
SERVICE = {"app": "web"}


@pytest.fixture(scope="module")
def control_plane() -> Iterator[ControlPlane]:
    missing = name_missing_requirement()
    if missing is not None:
        pytest.skip(missing)
    # Without a node controller nothing would take the not-ready taint away again.
    off = ("ServiceAccount", "TaintNodesByCondition")
    with ControlPlane(
        "v1.34.4", components=(API_SERVER, "kube-scheduler"), disabled_admission_plugins=off
    ) as running:
        prepare(running.client)
        yield running


@pytest.fixture
def client(control_plane: ControlPlane) -> Client:
    return control_plane.client


def prepare(client: Client) -> None:
    for name, labels in NAMESPACES.items():
        create(client, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
    for name, value in PRIORITIES.items():
        create(
            client,
            {
                "apiVersion": "scheduling.k8s.io/v1",
                "kind": "PriorityClass",
                "metadata": {"name": name},
                "value": value,
                # A pod that pushes others out would leave the two clusters different.
                "preemptionPolicy": "Never",
            },
        )
    create(
        client,
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "web", "namespace": "alpha"},
            "spec": {"selector": SERVICE, "ports": [{"port": 80}]},
        },
    )


def create(client: Client, manifest: Json) -> Json:
    answer = client.create(manifest)
    assert answer.status == 201, answer.message
    return answer.body


def test_simulation_agrees_with_the_scheduler(client: Client) -> None:
    pods = pending = determined = 0
    differences = []
    for seed in range(CLUSTERS):
        chance = random.Random(seed)
        manifests = [make_node(chance, f"n{seed}-{number}") for number in range(chance.randint(1, 6))]
        for manifest in manifests:
            create(client, manifest)
        await_nodes(client, len(manifests), f"probe-{seed}")
        cluster = Cluster([read_node(manifest) for manifest in manifests], NAMESPACES)
        scheduler, shapes = Scheduler(cluster), Shapes()
        bound = []
        for number in range(chance.randint(4, 14)):
            manifest = make_pod(chance, f"p{seed}-{number}")
            request = Request(make_shape(shapes, manifest))
            best = scheduler.view(request.shape).list_best()
            names = [cluster.nodes[index].name for index in best]
            pods += 1
            create(client, manifest)
            node, message = await_verdict(client, manifest)
            if node is not None:
                cluster.add(request.shape, cluster.index[node])
                bound.append(manifest)
                determined += len(best) == 1
                if node not in names:
                    differences.append((seed, manifest["metadata"]["name"], node, names))
            else:
                pending += 1
                expected = None if best else scheduler.explain(request)
                if message != expected:
                    differences.append((seed, manifest["metadata"]["name"], message, expected))
                remove(client, manifest)
        for manifest in [*bound, *manifests]:
            remove(client, manifest)
    print(
        f"\nkube-scheduler v1.34.4: {CLUSTERS} clusters, {pods} pods, {pending} Pending with the same reasons, "
        f"{determined} placements determined; {len(differences)} differences"
    )
    assert not differences, "\n".join(map(str, differences[:20]))
    assert pending > pods / 20
    assert determined > pods / 10


def test_queues_are_taken_in_the_same_order(control_plane: ControlPlane, client: Client) -> None:
    """Pods that are all there when the scheduler starts: higher priority first, then who came first."""
    overtaken = 0
    for seed in range(QUEUES):
        chance = random.Random(seed)
        control_plane.stop_controller("kube-scheduler")
        nodes = [make_node(chance, f"q{seed}-{number}") for number in range(chance.randint(2, 4))]
        pods = [make_waiting_pod(chance, f"w{seed:02}-{number:02}") for number in range(12)]
        for manifest in (*nodes, *pods):
            create(client, manifest)
        control_plane.start_controller("kube-scheduler")
        verdicts = {pod["metadata"]["name"]: await_verdict(client, pod) for pod in pods}
        cluster = Cluster([read_node(manifest) for manifest in nodes], NAMESPACES)
        scheduler, shapes = Scheduler(cluster), Shapes()
        queue = sorted(pods, key=lambda pod: -PRIORITIES.get(pod["spec"].get("priorityClassName", ""), 0))
        for pod in queue:
            request = Request(make_shape(shapes, pod))
            best = [cluster.nodes[index].name for index in scheduler.view(request.shape).list_best()]
            node, message = verdicts[pod["metadata"]["name"]]
            if node is None:
                assert (best, message) == ([], scheduler.explain(request)), (seed, pod)
            else:
                assert node in best, (seed, pod)
                cluster.add(request.shape, cluster.index[node])
        pending = [name for name, (node, _) in verdicts.items() if node is None]
        overtaken += any(name < pod["metadata"]["name"] for name in pending[:1] for pod in queue[:1])
        for manifest in (*pods, *nodes):
            remove(client, manifest)
    print(f"\nkube-scheduler v1.34.4: {QUEUES} queues in the same order")
    assert overtaken


def make_waiting_pod(chance: random.Random, name: str) -> Json:
    """Make a pod that never fits later where it does not fit at once: nothing it asks for comes with others."""
    spec: Json = {"containers": [make_container(chance, "c")]}
    if chance.random() < 0.6:
        spec["priorityClassName"] = chance.choice(tuple(PRIORITIES))
    metadata = {"name": name, "namespace": "beta", "labels": {"app": "web"}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def await_nodes(client: Client, count: int, name: str) -> None:
    """Wait until the scheduler knows that many nodes: it says so of a pod that fits none."""
    probe: Json = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "alpha"},
        "spec": {"containers": [{"name": "c", "image": "i"}], "nodeSelector": {"no": "where"}},
    }

    def knows_nodes() -> bool:
        create(client, probe)
        _, message = await_verdict(client, probe)
        remove(client, probe)
        return message is not None and message.startswith(f"0/{count} nodes")

    wait_for(knows_nodes, pause=0.01)


def await_verdict(client: Client, manifest: Json) -> tuple[str | None, str | None]:
    """Wait for the scheduler: the node that it took, or why it took none."""
    metadata = manifest["metadata"]

    def find() -> tuple[str | None, str | None] | None:
        pod = client.get("v1", "Pod", metadata["name"], metadata["namespace"]).body
        if pod["spec"].get("nodeName"):
            return pod["spec"]["nodeName"], None
        for condition in pod.get("status", {}).get("conditions", ()):
            if condition["type"] == "PodScheduled" and condition["status"] == "False":
                return None, condition["message"]
        return None

    found: tuple[str | None, str | None] = wait_for(find, pause=0.003)
    return found


def remove(client: Client, manifest: Json) -> None:
    metadata = manifest["metadata"]
    client.delete("v1", manifest["kind"], metadata["name"], metadata.get("namespace", ""))


def make_node(chance: random.Random, name: str) -> Json:
    labels = {HOSTNAME: name, "size": str(chance.randint(1, 4))}
    if chance.random() < 0.85:
        labels[ZONE] = chance.choice("abc")
    if chance.random() < 0.5:
        labels["disk"] = chance.choice(("ssd", "hdd"))
    if chance.random() < 0.1:
        del labels[HOSTNAME]
    allocatable = {
        "cpu": chance.choice(("1", "2500m", "4")),
        "memory": chance.choice(("1Gi", "4Gi", "8Gi")),
        "pods": chance.choice(("3", "20", "110")),
    }
    if chance.random() < 0.5:
        allocatable["ephemeral-storage"] = "10Gi"
    taints = []
    if chance.random() < 0.25:
        effect = chance.choice(("NoSchedule", "PreferNoSchedule", "NoExecute"))
        taints.append({"key": chance.choice(("gpu", "dedicated")), "value": "yes", "effect": effect})
    if chance.random() < 0.1:
        taints.append({"key": "node.kubernetes.io/not-ready", "effect": "NoExecute"})
    spec: Json = {"taints": taints} if taints else {}
    if chance.random() < 0.08:
        spec["unschedulable"] = True
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": labels},
        "spec": spec,
        "status": {
            "allocatable": allocatable,
            "capacity": allocatable,
            "conditions": [{"type": "Ready", "status": "True"}],
        },
    }


def make_pod(chance: random.Random, name: str) -> Json:
    app = chance.choice(("web", "db", "job"))
    namespace = chance.choice(("alpha", "alpha", "alpha", "beta"))
    spec: Json = {"containers": [make_container(chance, f"c{index}") for index in range(chance.choice((1, 1, 2)))]}
    if len({repr(container.get("ports")) for container in spec["containers"]}) < len(spec["containers"]):
        # The API refuses two containers with one host port.
        del spec["containers"][1:]
    if chance.random() < 0.15:
        spec["initContainers"] = [make_container(chance, "init")]
        if chance.random() < 0.5:
            spec["initContainers"][0]["restartPolicy"] = "Always"
    if chance.random() < 0.1:
        spec["hostNetwork"] = True
        for container in spec["containers"] + spec.get("initContainers", []):
            for port in container.get("ports", ()):
                port["hostPort"] = port["containerPort"]
    if chance.random() < 0.15:
        spec["nodeSelector"] = chance.choice(({"disk": "ssd"}, {ZONE: "a"}))
    if chance.random() < 0.3:
        spec["tolerations"] = [
            chance.choice(
                (
                    {"operator": "Exists"},
                    {"key": "gpu", "operator": "Exists", "effect": "NoSchedule"},
                    {"key": "gpu", "value": "yes"},
                    {"key": "dedicated", "value": "no", "effect": "NoSchedule"},
                    {"key": "node.kubernetes.io/unschedulable", "operator": "Exists", "effect": "NoSchedule"},
                )
            )
        ]
    affinity = make_affinity(chance)
    if affinity:
        spec["affinity"] = affinity
    if chance.random() < 0.3:
        spec["topologySpreadConstraints"] = make_spreads(chance)
    if chance.random() < 0.3:
        spec["priorityClassName"] = chance.choice(tuple(PRIORITIES))
    labels = {"app": app, "pod-template-hash": chance.choice("12")}
    metadata = {"name": name, "namespace": namespace, "labels": labels}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def make_container(chance: random.Random, name: str) -> Json:
    container: Json = {"name": name, "image": "i"}
    if chance.random() < 0.4:
        port: Json = {"containerPort": chance.choice((80, 443)), "protocol": chance.choice(("TCP", "TCP", "UDP"))}
        if chance.random() < 0.8:
            port["hostPort"] = port["containerPort"]
            if chance.random() < 0.3:
                port["hostIP"] = chance.choice(("127.0.0.1", "10.0.0.1", "0.0.0.0"))
        container["ports"] = [port]
    if chance.random() < 0.6:
        requests = {}
        if chance.random() < 0.8:
            requests["cpu"] = chance.choice(("50m", "300m", "1", "1.5"))
        if chance.random() < 0.7:
            requests["memory"] = chance.choice(("64Mi", "500M", "1Gi", "3Gi"))
        if chance.random() < 0.1:
            requests["ephemeral-storage"] = "6Gi"
        container["resources"] = {chance.choice(("requests", "requests", "limits")): requests}
    return container


def make_affinity(chance: random.Random) -> Json:
    affinity: Json = {}
    if chance.random() < 0.25:
        node: Json = {}
        if chance.random() < 0.6:
            terms = [make_node_term(chance) for _ in range(chance.choice((1, 1, 2)))]
            node["requiredDuringSchedulingIgnoredDuringExecution"] = {"nodeSelectorTerms": terms}
        if chance.random() < 0.7 or not node:
            node["preferredDuringSchedulingIgnoredDuringExecution"] = [
                {"weight": chance.choice((1, 20, 100)), "preference": make_node_term(chance)}
                for _ in range(chance.choice((1, 2)))
            ]
        affinity["nodeAffinity"] = node
    for kind, share in (("podAffinity", 0.2), ("podAntiAffinity", 0.35)):
        if chance.random() < share:
            pods: Json = {}
            if chance.random() < 0.6:
                pods["requiredDuringSchedulingIgnoredDuringExecution"] = [
                    make_pod_term(chance) for _ in range(chance.choice((1, 1, 2)))
                ]
            if chance.random() < 0.6 or not pods:
                pods["preferredDuringSchedulingIgnoredDuringExecution"] = [
                    {"weight": chance.choice((1, 50, 100)), "podAffinityTerm": make_pod_term(chance)}
                    for _ in range(chance.choice((1, 2)))
                ]
            affinity[kind] = pods
    return affinity


def make_node_term(chance: random.Random) -> Json:
    expressions: tuple[Json, ...] = (
        {"key": "disk", "operator": "In", "values": ["ssd"]},
        {"key": "disk", "operator": "NotIn", "values": ["hdd"]},
        {"key": "disk", "operator": "Exists"},
        {"key": ZONE, "operator": "DoesNotExist"},
        {"key": ZONE, "operator": "In", "values": ["a", "b"]},
        {"key": "size", "operator": "Gt", "values": ["2"]},
        {"key": "size", "operator": "Lt", "values": ["3"]},
    )
    return {"matchExpressions": chance.sample(expressions, chance.choice((1, 1, 2)))}


def make_selector(chance: random.Random) -> Json:
    choices: tuple[Json, ...] = (
        {"matchLabels": {"app": "web"}},
        {"matchLabels": {"app": "db"}},
        {"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["web"]}]},
        {"matchExpressions": [{"key": "app", "operator": "In", "values": ["web", "db"]}]},
        {},
    )
    return chance.choice(choices)


def make_pod_term(chance: random.Random) -> Json:
    term: Json = {
        "topologyKey": chance.choice((HOSTNAME, HOSTNAME, ZONE, "disk")),
        "labelSelector": make_selector(chance),
    }
    roll = chance.random()
    if roll < 0.15:
        term["namespaces"] = ["beta"]
    elif roll < 0.3:
        term["namespaceSelector"] = chance.choice(({}, {"matchLabels": {"team": "red"}}))
    if chance.random() < 0.2:
        term["matchLabelKeys"] = ["pod-template-hash"]
    elif chance.random() < 0.1:
        term["mismatchLabelKeys"] = ["pod-template-hash"]
    return term


def make_spreads(chance: random.Random) -> list[Json]:
    spreads = []
    for key in chance.sample((HOSTNAME, ZONE, "disk"), chance.choice((1, 1, 2))):
        hard = chance.random() < 0.6
        spread: Json = {
            "maxSkew": chance.choice((1, 1, 2)),
            "topologyKey": key,
            "whenUnsatisfiable": "DoNotSchedule" if hard else "ScheduleAnyway",
            "labelSelector": make_selector(chance),
        }
        if hard and chance.random() < 0.3:
            spread["minDomains"] = chance.randint(2, 4)
        if chance.random() < 0.2:
            spread["nodeTaintsPolicy"] = "Honor"
        if chance.random() < 0.2:
            spread["nodeAffinityPolicy"] = "Ignore"
        if chance.random() < 0.2:
            spread["matchLabelKeys"] = ["pod-template-hash"]
        spreads.append(spread)
    return spreads


def read_node(manifest: Json) -> Node:
    allocatable = manifest["status"]["allocatable"]
    return Node(
        name=manifest["metadata"]["name"],
        labels=manifest["metadata"]["labels"],
        taints=tuple(
            Taint(taint["key"], taint.get("value", ""), taint["effect"])
            for taint in manifest["spec"].get("taints", ())
        ),
        unschedulable=manifest["spec"].get("unschedulable", False),
        allocatable={
            name: parse_quantity(value, 1000 if name == "cpu" else 1) for name, value in allocatable.items()
        },
    )


def make_shape(shapes: Shapes, manifest: Json) -> PodShape:
    metadata: Any = manifest["metadata"]
    selected = metadata["namespace"] == "alpha" and metadata["labels"].items() >= SERVICE.items()
    like = tuple((key, "In", frozenset((value,))) for key, value in SERVICE.items()) if selected else ()
    name = manifest["spec"].get("priorityClassName")
    standing = Standing(PRIORITIES.get(name or "", 0), may_preempt=name is None, like=like)
    return shapes.find(metadata["namespace"], manifest, standing)
