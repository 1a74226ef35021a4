"""kube-controller-manager and kube-scheduler v1.34.4 as judges of rollouts, and of what the simulation says of them.

There is no kubelet: between two looks the test itself makes placed pods Ready and lets deleted ones go.
"""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from control_plane import Client, Json, name_missing_requirement, run_controllers

from migrator.model.world import World
from migrator.planning.plan import plan_changes
from migrator.policy.load import parse_policy
from migrator.rules.pod_security import collect_edits, find_place
from migrator.simulation.simulate import Simulation, simulate
from migrator.sources.nodes import find_nodes
from migrator.sources.read import ReadOptions, read_sources
from migrator.yaml.edit import apply_to_data

pytestmark = pytest.mark.conformance

NODES = 3
STILL_SECONDS = 5.0
"""How long nothing may move before an update hangs: the scheduler tries a refused pod again within less."""

DECISIONS = 180.0
NAMESPACE = "shop"
KINDS = ("deployments", "statefulsets", "daemonsets", "replicasets", "controllerrevisions")


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    missing = name_missing_requirement()
    if missing is not None:
        pytest.skip(missing)
    controllers = [f"{name}-controller" for name in ("deployment", "replicaset", "statefulset", "daemonset")]
    with run_controllers(controllers, [f"node-{number}" for number in range(1, NODES + 1)]) as running:
        create(running.client, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
        yield running.client


def create(client: Client, manifest: Json) -> None:
    answer = client.create(manifest)
    assert answer.status == 201, answer.message


def make_workload(kind: str, replicas: int | None, port: bool = True, asked: str | None = None, **spec: Any) -> Json:
    container: Json = {"name": "web", "image": "web:1"}
    if port:
        container["ports"] = [{"containerPort": 80, "hostPort": 80}]
    annotations = {"migrator.dev/strategy": asked} if asked else {}
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": "web", "namespace": NAMESPACE, "annotations": annotations},
        "spec": {
            **({} if replicas is None else {"replicas": replicas}),
            **({"serviceName": "web"} if kind == "StatefulSet" else {}),
            "selector": {"matchLabels": {"app": "web"}},
            "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [container]}},
            **spec,
        },
    }


NO_SURGE = {"strategy": {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}}
DAEMON_SURGE = {"updateStrategy": {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}}

STRATEGIES = {
    "node_port": make_workload("Deployment", 3, asked="node_port"),
    "node_port, four replicas": make_workload("Deployment", 4, asked="node_port"),
    "load_balancer": make_workload("Deployment", 3, asked="load_balancer"),
    "cluster_ip": make_workload("Deployment", 3, asked="cluster_ip"),
    "remove": make_workload("Deployment", 3, asked="remove"),
    "anti_affinity": make_workload("Deployment", 3, asked="anti_affinity"),
    "node_port_per_pod": make_workload("StatefulSet", 3, asked="node_port_per_pod"),
    "node_local": make_workload("DaemonSet", None, asked="node_local"),
    "keep, with surge": make_workload("DaemonSet", None, asked="keep", **DAEMON_SURGE),
    "keep": make_workload("DaemonSet", None, asked="keep"),
    "keep, without surge": make_workload("Deployment", 3, asked="keep", **NO_SURGE),
}


# Since 1.33 required anti-affinity comes with matchLabelKeys, before with a rollout without surge.
@pytest.mark.parametrize(("name", "version"), [*((name, "1.34") for name in STRATEGIES), ("anti_affinity", "1.32")])
def test_the_rollout_of_a_strategys_result_finishes(client: Client, tmp_path: Path, name: str, version: str) -> None:
    before = STRATEGIES[name]
    after, simulated = migrate(before, tmp_path, version)
    assert ("hostPort" in json.dumps(after)) == name.startswith("keep")
    start(client, before)
    assert finishes(client, after), "the change itself hangs"
    assert finishes(client, touch(after)), "the next update hangs"
    assert simulated.after.rollouts[0].can_finish, simulated.after.rollouts[0].reason
    empty(client)


def required_anti_affinity(**term: Any) -> Json:
    whole = {"labelSelector": {"matchLabels": {"app": "web"}}, "topologyKey": "kubernetes.io/hostname", **term}
    return {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [whole]}}


def with_affinity(workload: Json, affinity: Json) -> Json:
    changed = copy.deepcopy(workload)
    changed["spec"]["template"]["spec"]["affinity"] = affinity
    return changed


APART = with_affinity(make_workload("Deployment", 3, port=False), required_anti_affinity())
UPDATES = {
    # Facts: kubernetes/kubernetes#106417, #56539, #116891
    "a host port on each node, with surge": (make_workload("Deployment", 3), False),
    "more replicas than nodes": (make_workload("Deployment", 4), False),
    "anti-affinity on as many nodes as replicas, without its guard": (APART, False),
    "a daemon's host port, with surge": (make_workload("DaemonSet", None, **DAEMON_SURGE), False),
    "a host port on each node, without surge": (make_workload("Deployment", 3, **NO_SURGE), True),
    "a host port with a node to spare": (make_workload("Deployment", 2), True),
    "anti-affinity, without surge": ({**APART, "spec": {**APART["spec"], **NO_SURGE}}, True),
    "anti-affinity by revision": (
        with_affinity(APART, required_anti_affinity(matchLabelKeys=["pod-template-hash"])),
        True,
    ),
    "Recreate": (make_workload("Deployment", 3, strategy={"type": "Recreate"}), True),
    "a StatefulSet": (make_workload("StatefulSet", 3), True),
}


@pytest.mark.parametrize("name", UPDATES)
def test_updates_hang_where_the_facts_and_the_simulation_say_so(client: Client, tmp_path: Path, name: str) -> None:
    workload, expected = UPDATES[name]
    _, simulated = migrate(workload, tmp_path, "1.34")
    start(client, workload)
    assert finishes(client, touch(workload)) == expected
    assert simulated.before.rollouts[0].can_finish == expected, simulated.before.rollouts[0].reason
    empty(client)


def migrate(workload: Json, folder: Path, version: str) -> tuple[Json, Simulation]:
    """Plan a workload's migration, and give what it becomes and what the simulation says of both."""
    path = folder / "web.json"
    path.write_text(json.dumps(workload))
    spec = {"cluster": {"kubernetesVersion": version, "loadBalancer": True}}
    policy = parse_policy({"apiVersion": "migrator.dev/v1", "kind": "MigrationPolicy", "spec": spec})
    inventory = read_sources([str(path)], ReadOptions(policy.workload_kinds))
    plan = plan_changes(inventory, policy)
    found = inventory.workloads[0]
    edits = collect_edits(plan.changes).get(find_place(found.ref, found.location), ())
    after: Json = apply_to_data(copy.deepcopy(workload), edits)
    return after, simulate(World(inventory, policy), plan, find_nodes(str(NODES)))


def touch(workload: Json) -> Json:
    """Change what makes pods anew and nothing about them."""
    touched = copy.deepcopy(workload)
    touched["spec"]["template"]["metadata"]["annotations"] = {"touched": str(time.monotonic_ns())}
    return touched


def start(client: Client, workload: Json) -> None:
    """Make a workload, and wait until its pods stand still."""
    empty(client)
    create(client, workload)
    settle(client)


def finishes(client: Client, workload: Json) -> bool:
    """Update a workload, and tell whether that comes to its end or to a standstill."""
    answer = client.update(workload)
    assert answer.status == 200, answer.message
    return settle(client, workload["kind"])


def settle(client: Client, kind: str | None = None) -> bool:
    """Be the kubelet until an update of a kind has ended (True), or nothing moves any more (False)."""
    deadline = time.monotonic() + DECISIONS
    seen, since = "", time.monotonic()
    while time.monotonic() < deadline:
        state = play_kubelet(client)
        if kind is not None and is_complete(client.get("apps/v1", kind, "web", NAMESPACE).body):
            return True
        if state != seen:
            seen, since = state, time.monotonic()
        still = time.monotonic() - since
        # Before an update only Ready pods are waited for; one that waits at first waits to the end.
        if still > STILL_SECONDS or (kind is None and still > 1.5 and "False" not in state and state != "[]"):
            return False
        time.sleep(0.03)
    raise TimeoutError(f"still moving after {DECISIONS} s")


def play_kubelet(client: Client) -> str:
    """Make placed pods Ready, let deleted ones go, and describe all of them."""
    state = []
    for pod in client.list("v1", "Pod", NAMESPACE).body["items"]:
        name, status = pod["metadata"]["name"], pod.get("status", {})
        ready = any(item["type"] == "Ready" for item in status.get("conditions", ()))
        placed = bool(pod["spec"].get("nodeName"))
        state.append((name, placed, ready))
        if pod["metadata"].get("deletionTimestamp"):
            client.delete("v1", "Pod", name, NAMESPACE)
        elif placed and not ready:
            now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            conditions = [
                {"type": kind, "status": "True", "lastTransitionTime": now}
                for kind in ("PodScheduled", "Initialized", "ContainersReady", "Ready")
            ]
            body = {"status": {"phase": "Running", "startTime": now, "conditions": conditions}}
            path = f"/api/v1/namespaces/{NAMESPACE}/pods/{name}/status"
            client.request("PATCH", path, body, "application/merge-patch+json")
    return repr(sorted(state))


def is_complete(workload: Json) -> bool:
    """Tell whether all pods are of the newest revision and available, as `kubectl rollout status` does."""
    status = workload.get("status", {})
    if status.get("observedGeneration") != workload["metadata"]["generation"]:
        return False
    if workload["kind"] == "DaemonSet":
        wanted = status["desiredNumberScheduled"]
        return bool(status.get("updatedNumberScheduled", 0) == wanted == status.get("numberAvailable", 0))
    replicas = workload["spec"]["replicas"]
    if workload["kind"] == "StatefulSet" and status.get("updateRevision") != status.get("currentRevision"):
        return False
    return bool(
        status.get("updatedReplicas", 0) == status.get("replicas") == status.get("availableReplicas", 0) == replicas
    )


def empty(client: Client) -> None:
    """Delete all workloads with their pods."""
    now = {"kind": "DeleteOptions", "apiVersion": "v1", "gracePeriodSeconds": 0, "propagationPolicy": "Background"}
    for kind in KINDS:
        client.request("DELETE", f"/apis/apps/v1/namespaces/{NAMESPACE}/{kind}", now)
    while client.list("v1", "Pod", NAMESPACE).body["items"]:
        client.request("DELETE", f"/api/v1/namespaces/{NAMESPACE}/pods", now)
        time.sleep(0.05)
