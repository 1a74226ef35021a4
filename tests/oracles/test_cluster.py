"""`cluster:` against real API servers: an audit of what runs is that of the files, and verify finds what is left.

There is no kubelet; the controllers make ReplicaSets and Pods, which have to fold into what they were made from.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from control_plane import Client, ControlPlane, Json, name_missing_requirement, run_controllers, wait_for

from migrator.model.inventory import Inventory
from migrator.model.policy import Policy
from migrator.model.reference import ResourceRef
from migrator.review.audit import Audit
from migrator.review.document import describe_audit
from migrator.run import Request, Run
from migrator.verification.claim import Proof
from migrator.verification.tree import read_tree

pytestmark = pytest.mark.conformance

SAMPLES = Path(__file__).resolve().parents[2] / "samples"
CLUSTER = "cluster:test"
CONTROLLERS = (
    "deployment-controller",
    "replicaset-controller",
    "statefulset-controller",
    "daemonset-controller",
    "job-controller",
    "cronjob-controller",
)
NODES = ("node-1", "node-2", "node-3")


@pytest.fixture(scope="module")
def running() -> Iterator[ControlPlane]:
    missing = name_missing_requirement()
    if missing is not None:
        pytest.skip(missing)
    with run_controllers(CONTROLLERS, NODES) as plane:
        yield plane


@pytest.fixture
def cluster(running: ControlPlane, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Client:
    monkeypatch.setenv("KUBECONFIG", str(running.kubeconfig))
    monkeypatch.chdir(tmp_path)
    return running.client


def create(client: Client, manifest: Json) -> None:
    answer = client.create(manifest)
    assert answer.status == 201, answer.message


def read_files(folder: str | Path) -> tuple[Inventory, Policy]:
    run = Run(Request([str(folder)], quiet=True, jobs=1))
    return run.read(), run.policy


def list_objects(inventory: Inventory) -> Iterator[Json]:
    """List the objects of files with their namespaces, namespaces first, as kustomize would build them."""
    documents = [item for item in read_tree(inventory).documents if "kustomize" not in item.ref.api_version]
    for document in sorted(documents, key=lambda item: item.ref.kind != "Namespace"):
        data = copy.deepcopy(document.data)
        if document.ref.namespace is not None:
            data["metadata"]["namespace"] = document.ref.namespace
        yield data


def apply_all(client: Client, objects: Iterable[Json], **options: Any) -> None:
    for item in objects:
        namespace = item["metadata"].get("namespace")
        if namespace is not None:
            client.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
        answer = client.apply(item, **options)
        assert answer.status in (200, 201), f"{item['kind']} {item['metadata']['name']}: {answer.message}"


def audit(sources: str, namespaces: set[str | None]) -> Json:
    """Audit, and leave out places, and the namespaces that a server has besides those that were applied."""
    run = Run(Request([sources], quiet=True, jobs=1))
    described = describe_audit(Audit(run.read(), run.policy))
    for workload in described["workloads"]:
        del workload["file"]
        for port in workload["hostPorts"]:
            del port["line"]
        for violation in (workload["podSecurity"] or {}).get("violations", ()):
            del violation["fields"]
    return {
        "workloads": [item for item in described["workloads"] if item["resourceRef"]["namespace"] in namespaces],
        "conflicts": [
            item for item in described["conflicts"] if {ref["namespace"] for ref in item["workloads"]} <= namespaces
        ],
        "namespaces": [
            {key: value for key, value in item.items() if key in ("name", "needed", "granted", "recommended")}
            for item in described["namespaces"]
            if item["name"] in namespaces
        ],
    }


def test_an_audit_of_the_cluster_is_that_of_its_files(cluster: Client) -> None:
    inventory, policy = read_files(SAMPLES / "host-port")
    apply_all(cluster, list_objects(inventory))
    namespaces = {workload.ref.namespace for workload in inventory.workloads}
    makers = [item.ref for item in inventory.workloads if item.ref.kind in ("Deployment", "DaemonSet", "StatefulSet")]
    wait_for(lambda: all(has_pods(cluster, ref) for ref in makers))
    live = Run(Request([CLUSTER], quiet=True, jobs=1), policy).read()
    folded = {item.ref.kind for item in live.represented_workloads}
    assert {"Pod", "ReplicaSet"} <= folded
    assert [node.name for node in live.nodes] == list(NODES)
    wanted = audit(str(SAMPLES / "host-port"), namespaces)
    assert all(wanted.values())
    assert audit(CLUSTER, namespaces) == wanted


def has_pods(client: Client, ref: ResourceRef) -> bool:
    pods = client.list("v1", "Pod", ref.namespace or "").body["items"]
    return any(item["metadata"]["name"].startswith(f"{ref.name}-") for item in pods)


def test_an_audit_of_policies_is_that_of_their_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """On a server of its own: policies concern every pod that others try there."""
    missing = name_missing_requirement()
    if missing is not None:
        pytest.skip(missing)
    monkeypatch.chdir(tmp_path)
    Path(".migrator.yaml").write_text("spec: {cluster: {kubernetesVersion: '1.24'}}\n")
    inventory, _ = read_files(SAMPLES / "psp")
    namespaces = {workload.ref.namespace for workload in inventory.workloads}
    with ControlPlane("v1.24.17", admission_plugins=("PodSecurityPolicy",)) as plane:
        monkeypatch.setenv("KUBECONFIG", str(plane.kubeconfig))
        apply_all(plane.client, list_objects(inventory))
        wanted, found = (audit_policies(source, namespaces) for source in (str(SAMPLES / "psp"), CLUSTER))
    assert wanted
    assert len({policy["selected"] for policy in wanted.values()}) > 2
    assert found == wanted


def audit_policies(source: str, namespaces: set[str | None]) -> dict[str, Json]:
    run = Run(Request([source], quiet=True, jobs=1, policy=Path(".migrator.yaml")))
    described = describe_audit(Audit(run.read(), run.policy))
    return {
        f"{item['resourceRef']['namespace']}/{item['resourceRef']['kind']}/{item['resourceRef']['name']}": item[
            "podSecurityPolicy"
        ]
        for item in described["workloads"]
        if item["resourceRef"]["namespace"] in namespaces
    }


def verify(before: str) -> Proof:
    return Run(Request([before], quiet=True, jobs=1)).make_proof(CLUSTER)


def failures(proof: Proof) -> set[tuple[str, str]]:
    return {(claim.claim, claim.ref.name) for claim in proof.claims if not claim.holds and claim.ref is not None}


SHOP = "verified"
LABELS = {"app": "cart"}


def make_workload(kind: str, host_port: int | None, image: str = "cart:1", **spec: Any) -> Json:
    port = {"containerPort": 8080, "protocol": "TCP"} | ({"hostPort": host_port} if host_port else {})
    labels = {"app": kind.lower()}
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": kind.lower(), "namespace": SHOP},
        "spec": {
            **({} if kind == "DaemonSet" else {"replicas": 1}),
            **({"serviceName": "cart"} if kind == "StatefulSet" else {}),
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "cart", "image": image, "ports": [port]}]},
            },
            **spec,
        },
    }


def make_service(node_port: int) -> Json:
    ports = [{"port": 8080, "protocol": "TCP", "targetPort": 8080, "nodePort": node_port}]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "cart", "namespace": SHOP},
        "spec": {"type": "NodePort", "selector": LABELS, "ports": ports},
    }


def write_tree(*objects: Json) -> str:
    Path("tree").mkdir(exist_ok=True)
    for item in objects:
        Path(f"tree/{item['kind'].lower()}.json").write_text(json.dumps(item))
    return "tree"


def test_verify_finds_what_a_rollout_has_left(cluster: Client) -> None:
    replaced = {"strategy": {"type": "Recreate"}}
    on_delete = {"updateStrategy": {"type": "OnDelete"}}
    held = {"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 1}}}
    before = [
        make_workload("Deployment", 9000, **replaced),
        make_workload("DaemonSet", 9001, **on_delete),
        make_workload("StatefulSet", None, **held),
        make_service(30123),
    ]
    after = [
        make_workload("Deployment", None, **replaced),
        make_workload("DaemonSet", None, **on_delete),
        make_workload("StatefulSet", None, "cart:2", **held),
        make_service(30124),
    ]
    apply_all(cluster, before)
    refs = [ResourceRef("apps/v1", kind, SHOP, kind.lower()) for kind in ("Deployment", "DaemonSet", "StatefulSet")]
    wait_for(lambda: all(has_pods(cluster, ref) for ref in refs))
    assert verify(write_tree(*before)).proven
    tree = write_tree(*after)
    assert failures(verify(tree)) == {
        ("live-host-port", "deployment"),
        ("live-host-port", "daemonset"),
        ("live-node-port", "cart"),
    }
    # Another field manager does not own the host ports, so its apply leaves them, as client-side apply may.
    apply_all(cluster, after, field_manager="pipeline")
    wait_for(lambda: revision_is_seen(cluster, "StatefulSet") and revision_is_seen(cluster, "DaemonSet"))
    assert failures(verify(tree)) == {
        ("live-host-port", "deployment"),
        ("live-host-port", "daemonset"),
        ("live-revision", "statefulset"),
    }
    apply_all(cluster, after)
    wait_for(lambda: revision_is_seen(cluster, "DaemonSet") and revision_is_seen(cluster, "Deployment"))
    wait_for(lambda: let_go(cluster) or ("live-revision", "deployment") not in failures(verify(tree)))
    assert failures(verify(tree)) == {("live-revision", "daemonset"), ("live-revision", "statefulset")}


def let_go(client: Client) -> None:
    """Be the kubelets, which let a pod that is deleted go."""
    for pod in client.list("v1", "Pod", SHOP).body["items"]:
        if pod["metadata"].get("deletionTimestamp"):
            client.delete("v1", "Pod", pod["metadata"]["name"], SHOP)


def revision_is_seen(client: Client, kind: str) -> bool:
    workload = client.get("apps/v1", kind, kind.lower(), SHOP).body
    return bool(workload["status"].get("observedGeneration") == workload["metadata"]["generation"])


def test_what_a_reader_may_not_list_is_said(cluster: Client, running: ControlPlane) -> None:
    """As the default service account of a namespace that may list Deployments there, and nothing else."""
    create(cluster, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "narrow"}})
    rules = [{"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["list"]}]
    role = {"apiVersion": "rbac.authorization.k8s.io/v1", "metadata": {"name": "reader", "namespace": "narrow"}}
    create(cluster, {**role, "kind": "Role", "rules": rules})
    subject = {"kind": "User", "name": "reader", "apiGroup": "rbac.authorization.k8s.io"}
    named = {"kind": "Role", "name": "reader", "apiGroup": "rbac.authorization.k8s.io"}
    create(cluster, {**role, "kind": "RoleBinding", "subjects": [subject], "roleRef": named})
    deployment = make_workload("Deployment", 9100)
    deployment["metadata"]["namespace"] = "narrow"
    create(cluster, deployment)
    config = json.loads(running.kubeconfig.read_text())
    config["users"][0]["user"]["as"] = "reader"
    config["contexts"][0]["context"]["namespace"] = "narrow"
    Path("kubeconfig").write_text(json.dumps(config))
    inventory, _ = read_as("kubeconfig")
    assert [str(item.ref) for item in inventory.workloads] == ["narrow/Deployment/deployment"]
    reasons = {item.reason.partition(" of the cluster")[0]: item.reason for item in inventory.unread}
    assert {"pods", "nodes", "services", "deployments"} <= set(reasons)
    assert reasons["deployments"].endswith("only those of namespace narrow were read")
    assert 'User "reader" cannot list resource "nodes"' in reasons["nodes"]


def read_as(kubeconfig: str) -> tuple[Inventory, Policy]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KUBECONFIG", kubeconfig)
        run = Run(Request([CLUSTER], quiet=True, jobs=1))
        return run.read(), run.policy
