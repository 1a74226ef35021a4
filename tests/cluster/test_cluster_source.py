"""A live cluster as a source: what is asked for, what is folded, what a saved inventory holds."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from migrator.errors import InputError
from migrator.model.inventory import Inventory
from migrator.model.plan import Plan
from migrator.planning.document import describe_plan
from migrator.review.audit import Audit
from migrator.review.document import describe_audit
from migrator.run import Request, Run
from tests.cluster.api_server import ApiServer, serving, write_kubeconfig
from tests.cluster.objects import (
    SERVED,
    SERVED_WITH_POLICIES,
    make,
    make_cluster,
    make_deployment,
    make_owned,
    make_service,
)

pytest.importorskip("kubernetes")


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
    return tmp_path


def read(server: ApiServer, source: str = "cluster:", *more: str, **options: Any) -> tuple[Run, Inventory]:
    with serving(server, Path()):
        run = Run(Request([source, *more], quiet=True, jobs=1, **options))
    return run, run.read()


def plan(server: ApiServer, *sources: str, phase: str = "all", **options: Any) -> Plan:
    with serving(server, Path()):
        return Run(Request(list(sources), quiet=True, jobs=1, **options)).make_plan(phase)[0]


def names(inventory: Inventory) -> list[str]:
    return [str(workload.ref) for workload in inventory.workloads]


def test_what_a_workload_made_is_folded_into_it() -> None:
    _, inventory = read(ApiServer(SERVED, make_cluster()))
    assert names(inventory) == ["shop/CronJob/report", "shop/Deployment/web"]
    assert sorted(str(item.ref) for item in inventory.represented_workloads) == [
        "shop/Job/report-28",
        "shop/Pod/report-28-x",
        "shop/Pod/web-5d-a",
        "shop/Pod/web-5d-b",
        "shop/ReplicaSet/web-5d",
    ]


def test_a_pod_whose_owner_is_of_an_unknown_kind_stands_for_itself() -> None:
    operator = make("example.com/v1", "Database", "orders")
    server = ApiServer(SERVED, [make_owned("v1", "Pod", "orders-0", operator)])
    assert names(read(server)[1]) == ["shop/Pod/orders-0"]


def test_the_context_is_named_in_places() -> None:
    run, inventory = read(ApiServer(SERVED, make_cluster()), "cluster:production")
    assert run.sources == ["cluster:production"]
    assert {str(workload.location) for workload in inventory.workloads} == {"cluster:production"}


def test_lists_are_read_page_by_page() -> None:
    deployments = [make_deployment(f"web-{number}") for number in range(7)]
    server = ApiServer(SERVED, deployments, page=3)
    assert len(names(read(server)[1])) == 7
    asked = [target for target in server.asked if target.startswith("/apis/apps/v1/deployments")]
    assert [target.partition("?")[2] for target in asked] == [
        "limit=500",
        "limit=500&continue=3",
        "limit=500&continue=6",
    ]


def test_a_list_whose_snapshot_is_gone_goes_on_where_it_was() -> None:
    deployments = [make_deployment(f"web-{number}") for number in range(5)]
    server = ApiServer(SERVED, deployments, page=2, expires_once=True)
    assert names(read(server)[1]) == [f"shop/Deployment/web-{number}" for number in range(5)]


def test_secrets_are_not_asked_for() -> None:
    server = ApiServer(SERVED_WITH_POLICIES, make_cluster())
    read(server)
    assert not [target for target in server.asked if "secrets" in target or "configmaps" in target]


def test_access_rules_are_asked_for_only_where_there_are_pod_security_policies() -> None:
    server = ApiServer({**SERVED_WITH_POLICIES, "policy/v1beta1": [("PodDisruptionBudget", True)]})
    read(server)
    assert not [target for target in server.asked if "role" in target.partition("?")[0].rpartition("/")[2]]
    server = ApiServer(SERVED_WITH_POLICIES)
    read(server)
    asked = {target.partition("?")[0] for target in server.asked}
    assert "/apis/policy/v1beta1/podsecuritypolicys" in asked
    assert {"/api/v1/serviceaccounts", "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings"} <= asked


def test_a_kind_that_two_groups_serve_is_asked_for_once() -> None:
    server = ApiServer({**SERVED, "extensions/v1beta1": [("Deployment", True), ("PodSecurityPolicy", False)]})
    read(server)
    asked = [target.partition("?")[0] for target in server.asked]
    assert "/apis/extensions/v1beta1/deployments" not in asked
    assert "/apis/extensions/v1beta1/podsecuritypolicys" in asked


def test_a_kind_of_the_policy_is_asked_for() -> None:
    Path(".migrator.yaml").write_text(
        "spec:\n  workloadKinds:\n    - {kind: Task, apiGroups: [batch.example.com], template: spec.template}\n"
    )
    server = ApiServer({**SERVED, "batch.example.com/v2": [("Task", True)]})
    read(server)
    assert "/apis/batch.example.com/v2/tasks?limit=500" in server.asked


def test_what_may_not_be_listed_is_said_and_the_rest_read() -> None:
    server = ApiServer(
        SERVED, make_cluster(), forbidden=frozenset({"nodes", "services"}), allowed_in=frozenset({"shop"})
    )
    run, inventory = read(server)
    nodes, services = sorted(item.reason for item in inventory.unread)
    assert nodes.startswith('nodes of the cluster: nodes is forbidden: User "reader" cannot list')
    assert services.endswith("only those of namespace shop were read")
    assert [service.ref.name for service in inventory.services] == ["api"]
    assert inventory.nodes == ()
    findings = Audit(inventory, run.policy).findings
    assert [item.severity for item in findings] == ["warning", "warning"]


def test_the_version_of_the_cluster_is_that_of_the_plan() -> None:
    run, _ = read(ApiServer(SERVED, version="v1.27.3-gke.100"))
    assert run.policy.cluster.version == (1, 27)
    assert run.policy.document["spec"]["cluster"]["kubernetesVersion"] == "1.27"


def test_the_version_of_the_policy_holds_where_it_says_one() -> None:
    run, _ = read(ApiServer(SERVED, version="v1.27.3"), settings=["cluster.kubernetesVersion=1.31"])
    assert run.policy.cluster.version == (1, 31)
    Path(".migrator.yaml").write_text("spec: {cluster: {kubernetesVersion: '1.30', loadBalancer: true}}\n")
    run, _ = read(ApiServer(SERVED, version="v1.27.3"))
    assert (run.policy.cluster.version, run.policy.cluster.load_balancer) == ((1, 30), True)


def test_node_ports_of_the_cluster_are_taken() -> None:
    objects = [make_deployment(host_port=443), make_service("api", 443, 30443, app="api")]
    made = plan(ApiServer(SERVED, objects), "cluster:")
    assert [entry.node_port for entry in made.port_map] == [30444]


def test_a_cluster_beside_manifests_is_known_and_not_changed() -> None:
    files = {"web.yaml": make_deployment(), "other.yaml": make_deployment("other", 443)}
    for name, item in files.items():
        Path(name).write_text(
            json.dumps({**item, "metadata": {"name": item["metadata"]["name"], "namespace": "shop"}})
        )
    live = [*make_cluster(), make_deployment("stray", 9999)]
    made = plan(ApiServer(SERVED, live), "web.yaml", "other.yaml", "cluster:")
    changed = {change.location.path for change in made.changes if change.action != "keep"}
    assert changed == {"other-node-port.yaml", "other.yaml", "web-node-port.yaml", "web.yaml"}
    # 30443 is that of a Service of the cluster.
    assert {entry.resource.name: entry.node_port for entry in made.port_map} == {"other": 30444, "web": None}


def test_a_number_that_the_cluster_chose_is_known_in_contract() -> None:
    source = make_deployment(host_port=9000)
    source["metadata"] = {"name": "web", "namespace": "shop"}
    Path("tree").mkdir()
    Path("tree/web.yaml").write_text(json.dumps(source))
    expand = Run(Request(["tree"], quiet=True, jobs=1))
    made, inventory = expand.make_plan("expand")
    for change in expand.render(made, inventory):
        Path(change.path).write_bytes(change.new_content())
    live = [make_deployment(host_port=9000), make_service("web-node-port", 9000, 31999, app="web")]
    made = plan(ApiServer(SERVED, live), "tree", "cluster:", phase="contract")
    assert [(entry.service and entry.service.name, entry.node_port) for entry in made.port_map] == [
        ("web-node-port", 31999)
    ]


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_saved_inventory_is_the_same_source(jobs: int) -> None:
    server = ApiServer(SERVED, make_cluster(), forbidden=frozenset({"daemonsets"}))
    with serving(server, Path()):
        live = Run(Request(["cluster:"], quiet=True, jobs=1))
        saving = Run(Request(["cluster:"], quiet=True, jobs=jobs, save_inventory=Path("saved.json")))
    later = Run(Request(["saved.json"], quiet=True, jobs=jobs))
    assert saving.sources == later.sources == ["saved.json"]
    audits = [describe_audit(Audit(run.read(), run.policy)) for run in (live, saving, later)]
    as_text = [re.sub(r"cluster:production|saved\.json(:[0-9]+)?", "SOURCE", json.dumps(audit)) for audit in audits]
    assert as_text[0] == as_text[1] == as_text[2]
    assert "shop/Deployment/web" in names(later.read())
    assert [node.name for node in later.read().nodes] == ["node-a", "node-b", "node-c"]
    assert describe_plan(later.make_plan("all")[0]) == describe_plan(saving.make_plan("all")[0])


def test_an_inventory_holds_nothing_that_changes_by_itself() -> None:
    first, second = make_cluster(), make_cluster()
    for item in second:
        item["metadata"] |= {"resourceVersion": "99", "managedFields": []}
        item["metadata"]["annotations"] = {"kubectl.kubernetes.io/last-applied-configuration": "{}"}
        if item["kind"] != "Node":
            item["status"] = {"observedGeneration": 4}
    for number, objects in enumerate((first, second)):
        with serving(ApiServer(SERVED, objects), Path()):
            Run(Request(["cluster:"], quiet=True, save_inventory=Path(f"{number}.json")))
    written = json.loads(Path("1.json").read_text())
    assert [item["kind"] for item in written["items"][:1]] == ["ClusterInventory"]
    for item in written["items"]:
        item["metadata"].pop("annotations", None)
    assert written == json.loads(Path("0.json").read_text())


def test_a_plan_of_a_cluster_is_given_back() -> None:
    server = ApiServer(SERVED, make_cluster())
    with serving(server, Path()):
        run = Run(Request(["cluster:"], quiet=True, jobs=1))
        described = run.describe(run.make_plan("all")[0])
        Path("plan.json").write_text(json.dumps(described))
        again = Run(Request(["plan.json"], quiet=True, jobs=1))
        assert again.describe(again.make_plan(None)[0]) == described
    server.objects.append(make_deployment("new"))
    with serving(server, Path()), pytest.raises(InputError, match="cluster:production"):
        Run(Request(["plan.json"], quiet=True, jobs=1)).make_plan(None)


def test_simulate_takes_the_nodes_of_the_cluster() -> None:
    run, inventory = read(ApiServer(SERVED, make_cluster()))
    simulation = run.simulate(run.make_plan("all")[0], inventory, None)
    assert [node.name for node in simulation.before.nodes] == ["node-a", "node-b", "node-c"]


def test_nodes_of_a_cluster_come_with_its_source() -> None:
    Path("web.json").write_text(json.dumps(make_deployment()))
    said = fail("simulate", "web.json", "--nodes", "cluster:production")
    assert "migrator simulate SOURCE cluster:production" in said
    with serving(ApiServer(SERVED, make_cluster()), Path()):
        run = Run(Request(["web.json", "cluster:"], quiet=True, jobs=1))
    made, inventory = run.make_plan("all")
    assert [node.name for node in run.simulate(made, inventory, None).before.nodes] == ["node-a", "node-b", "node-c"]


# What is wrong is said in one line, with what to do.


def fail(*arguments: str) -> str:
    ended = subprocess.run(
        [sys.executable, "-m", "migrator", *arguments], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 2
    assert "Traceback" not in ended.stderr
    return ended.stderr


def test_an_unknown_context_is_refused_with_those_that_are_known() -> None:
    write_kubeconfig(Path(), "http://127.0.0.1:9", ("production", "staging"))
    with pytest.raises(
        InputError, match=r"cluster:prod: the kubeconfig has no such context\n +one of production, staging"
    ):
        Run(Request(["cluster:prod"], quiet=True))


def test_no_kubeconfig_is_said() -> None:
    with pytest.raises(InputError, match="no usable kubeconfig"):
        Run(Request(["cluster:"], quiet=True))


def test_a_server_that_does_not_answer_is_said() -> None:
    write_kubeconfig(Path(), "http://127.0.0.1:9")
    said = fail("audit", "cluster:", "--save-inventory", "saved.json")
    assert said.startswith("error: cluster:production: the API server cannot be read: ")
    assert "kubectl --context production" in said
    assert not Path("saved.json").exists()


def test_a_server_that_knows_nobody_is_said() -> None:
    refusal = json.dumps({"kind": "Status", "message": "Unauthorized"}).encode()
    server = ApiServer(SERVED, broken={"/version": (401, refusal)})
    with pytest.raises(InputError, match="cluster:production: Unauthorized"):
        read(server)


def test_a_server_that_fails_in_the_middle_leaves_no_file() -> None:
    server = ApiServer(SERVED, make_cluster(), broken={"/api/v1/services": (500, b"etcd is gone")})
    with serving(server, Path()), pytest.raises(InputError, match="services cannot be listed: etcd is gone"):
        Run(Request(["cluster:"], quiet=True, save_inventory=Path("saved.json")))
    assert sorted(path.name for path in Path().iterdir()) == ["kubeconfig"]


def test_what_is_no_api_server_is_said() -> None:
    server = ApiServer(SERVED, broken={"/version": (200, b"<html>")})
    with pytest.raises(InputError, match="answers with something that is no JSON"):
        read(server)


@pytest.mark.parametrize(
    "options", [["--stdout"], ["--in-place", "--phase", "expand"], ["--out", "moved"], ["--patches", "moved"]]
)
def test_a_cluster_is_never_written(options: list[str]) -> None:
    with serving(ApiServer(SERVED, make_cluster()), Path()):
        said = fail("apply", "cluster:", *options)
    assert said.startswith("error: apply: a live cluster is only read\n")
    assert sorted(path.name for path in Path().iterdir()) == ["kubeconfig"]


def test_one_cluster_at_a_time() -> None:
    with serving(ApiServer(SERVED), Path(), ("production", "staging")):
        assert "more than one cluster" in fail("audit", "cluster:production", "cluster:staging")


def test_saving_needs_a_cluster() -> None:
    Path("web.yaml").write_text(json.dumps(make_deployment()))
    assert "--save-inventory: saves one cluster" in fail("audit", "web.yaml", "--save-inventory", "saved.json")


def test_without_the_client_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "kubernetes.client", None)
    with pytest.raises(InputError, match=r"pip install 'migrator\[cluster\]'"):
        Run(Request(["cluster:"], quiet=True))


def test_apply_beside_a_cluster_writes_the_manifests_alone() -> None:
    Path("tree").mkdir()
    source = {**make_deployment(), "metadata": {"name": "web", "namespace": "shop"}}
    Path("tree/web.json").write_text(json.dumps(source, indent=2))
    with serving(ApiServer(SERVED, make_cluster()), Path()):
        Run(Request(["cluster:"], quiet=True, save_inventory=Path("saved.json")))
        for source_of_facts in ("cluster:", "saved.json"):
            out = f"out-{source_of_facts.strip(':')}"
            subprocess.run(
                [sys.executable, "-m", "migrator", "apply", "tree", source_of_facts, "--out", out, "--exit-zero"],
                check=True,
                capture_output=True,
            )
            assert sorted(path.name for path in Path(out).iterdir()) == ["web-node-port.json", "web.json"]
            ended = subprocess.run(
                [sys.executable, "-m", "migrator", "apply", "tree", source_of_facts, "--stdout", "--exit-zero"],
                check=True,
                capture_output=True,
                text=True,
            )
            assert "ClusterInventory" not in ended.stdout
