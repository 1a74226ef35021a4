"""A tree beside what a cluster holds, as `kubectl get -o yaml` writes it."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from migrator.verification.claim import Proof
from tests.verification.trees import list_failures, make_policy, prove

LABELS = {"app": "cart"}
POLICY = make_policy({})


def make_template(host_port: int | None = None) -> dict[str, Any]:
    port = {"containerPort": 8080, "protocol": "TCP"} | ({"hostPort": host_port} if host_port else {})
    containers = [{"name": "cart", "image": "registry.example.com/cart:1", "ports": [port]}]
    return {"metadata": {"labels": dict(LABELS)}, "spec": {"containers": containers}}


def make_workload(kind: str = "Deployment", **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": "cart", "namespace": "shop"},
        "spec": {"selector": {"matchLabels": LABELS}, "template": make_template(), **spec},
    }


def make_service(node_port: int | None = 30080) -> dict[str, Any]:
    port = {"port": 8080, "targetPort": 8080} | ({"nodePort": node_port} if node_port else {})
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "cart", "namespace": "shop"},
        "spec": {"type": "NodePort", "selector": LABELS, "ports": [port]},
    }


def make_replica_set(hash_: str, revision: str) -> dict[str, Any]:
    made = make_workload("ReplicaSet")
    made["metadata"] |= {
        "name": f"cart-{hash_}",
        "labels": {**LABELS, "pod-template-hash": hash_},
        "annotations": {"deployment.kubernetes.io/revision": revision},
        "ownerReferences": [{"kind": "Deployment", "name": "cart"}],
    }
    return made


def make_pod(name: str, owner: tuple[str, str], host_port: int | None = None, **labels: str) -> dict[str, Any]:
    template = make_template(host_port)
    metadata = {
        "name": name,
        "namespace": "shop",
        "labels": {**LABELS, **labels},
        "ownerReferences": [{"kind": owner[0], "name": owner[1]}],
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}


def dump(objects: list[dict[str, Any]]) -> dict[str, Any]:
    """Write objects as a server gives them."""
    items = copy.deepcopy(objects)
    for number, item in enumerate(items):
        item["metadata"] |= {"uid": f"0-{number}", "resourceVersion": str(number), "managedFields": []}
        item.setdefault("status", {})
    return {"apiVersion": "v1", "kind": "List", "items": items}


def compare(tmp_path: Path, tree: list[dict[str, Any]], cluster: list[dict[str, Any]]) -> Proof:
    (tmp_path / "tree").mkdir()
    yaml = YAML(typ="safe", pure=True)
    with (tmp_path / "tree" / "cart.yaml").open("w") as stream:
        yaml.dump_all(tree, stream)
    with (tmp_path / "live.yaml").open("w") as stream:
        yaml.dump(dump(cluster), stream)
    return prove(tmp_path / "tree", tmp_path / "live.yaml", POLICY)


def current_cluster() -> list[dict[str, Any]]:
    deployment = make_workload()
    deployment["metadata"]["annotations"] = {"deployment.kubernetes.io/revision": "2"}
    pod = make_pod("cart-b-1", ("ReplicaSet", "cart-b"), **{"pod-template-hash": "b"})
    return [deployment, make_replica_set("a", "1"), make_replica_set("b", "2"), pod, make_service()]


def test_a_cluster_that_holds_what_the_tree_says(tmp_path: Path) -> None:
    proof = compare(tmp_path, [make_workload(), make_service()], current_cluster())
    assert list_failures(proof) == []
    assert {claim.claim for claim in proof.claims} == {
        "live-object",
        "live-host-port",
        "live-node-port",
        "live-revision",
    }


def test_a_number_that_the_cluster_chose_is_told(tmp_path: Path) -> None:
    proof = compare(tmp_path, [make_workload(), make_service(None)], current_cluster())
    assert list_failures(proof) == []
    assert any("the cluster chose node port 30080" in claim.because for claim in proof.claims)


SPOILT = {
    "a host port that apply left behind": ("live-host-port", 0, "spec", {"template": make_template(8080)}),
    "another node port": ("live-node-port", 4, "spec", make_service(31000)["spec"]),
    "another type": ("live-node-port", 4, "spec", {"type": "ClusterIP"}),
    "a Service that is not there": ("live-object", 4, "metadata", {"name": "other"}),
    "a pod of an old ReplicaSet": ("live-revision", 3, "metadata", {"labels": {**LABELS, "pod-template-hash": "a"}}),
    "a pod that holds a host port": ("live-revision", 3, "spec", make_template(8080)["spec"]),
}


@pytest.mark.parametrize("name", SPOILT)
def test_what_differs_is_found(name: str, tmp_path: Path) -> None:
    claim, index, key, value = SPOILT[name]
    cluster = current_cluster()
    cluster[index][key] |= value
    failures = list_failures(compare(tmp_path, [make_workload(), make_service()], cluster))
    assert [failure.split()[0] for failure in failures] == [claim], failures


@pytest.mark.parametrize("strategy", [{"type": "OnDelete"}, {"rollingUpdate": {"partition": 1}}], ids=str)
def test_members_of_an_old_revision_are_found(strategy: dict[str, Any], tmp_path: Path) -> None:
    stateful_set = make_workload("StatefulSet", updateStrategy=strategy)
    stateful_set["status"] = {"updateRevision": "cart-2"}
    revisions = {"cart-0": "cart-1", "cart-1": "cart-2"}
    pods = [
        make_pod(name, ("StatefulSet", "cart"), **{"controller-revision-hash": revision})
        for name, revision in revisions.items()
    ]
    (failure,) = list_failures(compare(tmp_path, [make_workload("StatefulSet")], [stateful_set, *pods]))
    assert "1 of 2 pod(s) are old (cart-0)" in failure
    assert ("OnDelete" if "type" in strategy else "partition 1") in failure


def test_what_was_not_read_is_no_failure(tmp_path: Path) -> None:
    proof = compare(tmp_path, [make_workload(), make_service()], [make_workload()])
    assert proof.proven
    assert [note.because for note in proof.notes] == ["no Service was read from the cluster"]


def test_a_dump_that_became_a_dump_is_no_cluster(tmp_path: Path) -> None:
    """A dump is a source like any other: migrated, its objects still have what the server gave them."""
    proof = compare(tmp_path, dump([make_workload()])["items"], [make_workload()])
    assert {claim.claim for claim in proof.claims} >= {"field", "object"}
