"""Several stacks in one run: bad ones beside good ones, shared namespaces, ports that more than one claims."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from planned_stacks import plan_stacks

from migrator.errors import InputError
from migrator.model.inventory import Inventory
from migrator.policy.load import load_policy
from migrator.rules.stacks import find_stack_conflicts
from migrator.sources.rancher import RancherPolicy, read_answers
from migrator.sources.read import ReadOptions, read_sources
from migrator.sources.stacks import StackOptions
from tests.cli.command_line import run

WriteStack = Callable[..., Path]
KINDS = load_policy(None, []).workload_kinds
WEB = "web: {image: nginx, ports: ['8080:80']}\n"
LB = "lb: {image: rancher/lb-service-haproxy, ports: ['80:80']}\nweb: {image: nginx}\n"
LB_RULE = "lb: {lb_config: {port_rules: [{source_port: 80, service: web, target_port: 80}]}}\n"


def read_run(folder: Path, policy: RancherPolicy | None = None) -> Inventory:
    return read_sources([str(folder)], ReadOptions(KINDS, stacks=StackOptions(policy=policy)))


BAD = {
    "range": ("web:\n  image: x\n  ports:\n  - 80-82:80-82\n", 4, "'ports': PortWrongFormat: '80-82:80-82'"),
    "host": ("web:\n  image: x\n  ports: ['70000:80']\n", 3, "'ports': PortInvalidPublicPort"),
    "container": ("web:\n  image: x\n  ports: ['80:0']\n", 3, "'ports': PortInvalidPrivatePort"),
    "protocol": ("web:\n  image: x\n  ports: ['80:80/sctp']\n", 3, "'ports': PortInvalidProtocol"),
    "address": ("web:\n  image: x\n  ports: ['999.1.1.1:80:80']\n", 3, "'ports': PortWrongFormat"),
    "list": ("web:\n  image: x\n  ports: {a: b}\n", 3, "'ports' contains an invalid type, it should be an array"),
    "map": ("web:\n  image: x\n  environment: 5\n", 3, "'environment' contains an invalid type"),
    "interpolation": ("web:\n  image: x:${TAG:-1}\n", 2, 'Invalid interpolation format for key "image"'),
    "version": ("version: '3'\nservices: {}\n", 1, "Unsupported compose file version: 3"),
    "scalar": ("web: nginx\n", 1, "doesn't have any configuration options"),
    "image": ("web:\n  ports: ['80:80']\n", 1, "has neither an image nor a build path"),
    "extends": ("web:\n  extends: {service: gone}\n", 2, "Failed to find service gone to extend"),
    "yaml": ("web:\n  image: x\n   ports: []\n", 3, "not YAML"),
    "top": ("- web\n", 1, "Top level object must be a mapping"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_refused_in_rancher_s_words_with_its_place(write_stack: WriteStack, name: str) -> None:
    text, line, words = BAD[name]
    folder = write_stack(text)
    (error,) = read_run(folder).errors
    assert (error.path.rpartition("/")[2], error.line) == ("docker-compose.yml", line)
    assert words in error.problem


def test_the_other_stacks_of_the_tree_are_converted(write_stack: WriteStack, tmp_path: Path) -> None:
    for name, (text, _, _) in BAD.items():
        write_stack(text, name=name)
    write_stack(WEB, name="good")
    question = ".catalog: {questions: [{variable: TAG, label: Which, required: true}]}\n"
    write_stack("web: {image: 'x:${TAG}'}\n", question, name="unanswered")
    inventory = read_run(tmp_path)
    assert len(inventory.errors) == len(inventory.refused_stacks) == len(BAD) + 1
    assert any("no answer for TAG (Which)" in error.problem for error in inventory.errors)
    assert [str(item.ref) for item in inventory.workloads] == ["good/Deployment/web"]


@pytest.mark.parametrize("content", [b"just text\n", b"a: [b\n", b"\xff\xfe", None])
def test_answers_that_cannot_be_read_are_an_error(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "answers"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match="answers"):
        read_answers(path)


def test_a_shared_namespace_is_written_once(write_stack: WriteStack, tmp_path: Path) -> None:
    write_stack("api: {image: x}\n", name="back")
    write_stack("web: {image: x, external_links: ['back/api:backend']}\n", name="front")
    inventory = read_run(tmp_path, RancherPolicy(namespace="apps"))
    assert not inventory.errors
    assert [(item.ref.name, item.location.path) for item in inventory.namespaces] == [("apps", "namespace.yaml")]


def test_stacks_that_would_make_the_same_object_are_refused(write_stack: WriteStack, tmp_path: Path) -> None:
    write_stack(WEB, name="back")
    write_stack(WEB, name="front")
    assert read_run(tmp_path).errors == ()
    (error,) = read_run(tmp_path, RancherPolicy(namespace="apps")).errors
    assert "stack front would make Deployment web in namespace apps, as stack back does" in error.problem


def test_ports_and_hosts_that_two_stacks_claim_are_named(write_stack: WriteStack, tmp_path: Path) -> None:
    for name in ("back", "front"):
        write_stack(WEB, name=f"{name}-web")
        write_stack(LB, LB_RULE, name=f"{name}-lb")
    messages = [finding.message for finding in find_stack_conflicts(read_run(tmp_path))]
    assert [message.partition(":")[0] for message in messages] == [
        "host port 8080/TCP is claimed by back-web/Deployment/web, front-web/Deployment/web",
        "every host is answered for by back-lb/Ingress/lb, front-lb/Ingress/lb",
    ]


def test_one_stack_claims_nothing_twice(write_stack: WriteStack) -> None:
    folder = write_stack("web: {image: x, ports: ['80:80']}\napi: {image: x, ports: ['80:80']}\n")
    assert find_stack_conflicts(read_run(folder)) == ()


def test_every_published_port_is_in_the_port_map(write_stack: WriteStack) -> None:
    ports = "['80', '8080:81', '127.0.0.1:82:82', '127.0.0.1::83']"
    folder = write_stack(f"web: {{image: nginx, ports: {ports}}}\n")
    plan, objects, _ = plan_stacks(folder)
    entries = [(entry.old_ip, entry.old_port, entry.container_port, entry.type) for entry in plan.port_map]
    assert sorted(entries, key=lambda entry: entry[2] or 0) == [
        ("0.0.0.0", None, 80, "NodePort"),
        ("0.0.0.0", 8080, 81, "NodePort"),
        ("127.0.0.1", 82, 82, "hostPort"),
        ("127.0.0.1", None, 83, None),
    ]
    containers = [item["spec"]["template"]["spec"]["containers"] for item in objects if item["kind"] == "Deployment"]
    assert [port.get("hostPort") for port in containers[0][0]["ports"]] == [None, None, 82, None]


def test_a_plan_of_stacks_can_be_given_back_with_numbers(write_stack: WriteStack, tmp_path: Path) -> None:
    import json

    from migrator.run import Request, Run

    # The balancer's Service answers for the container's host port as well: one number for both.
    balancer = "lb: {image: rancher/lb-service-haproxy, ports: ['9000:9000', '2222:2222']}\n"
    web = "web: {image: nginx, ports: ['80', '8022:22']}\n"
    rules = "{source_port: 9000, protocol: tcp, service: web, target_port: 81}, "
    rules += "{source_port: 2222, protocol: tcp, service: web, target_port: 22}"
    folder = write_stack(balancer + web, f"lb: {{lb_config: {{port_rules: [{rules}]}}}}\n")
    path = tmp_path / "plan.json"
    run = Run(Request([str(folder)], quiet=True))
    plan, _ = run.make_plan(None)
    document = run.describe(plan)
    given = {entry.known_port: entry.node_port for entry in plan.port_map}
    assert given == {80: None, 8022: 32222, 9000: None, 2222: 32222}
    for entry, number in zip([item for item in document["portMap"] if "query" in item], (31001, 31002), strict=True):
        entry["new"]["nodePort"] = number
    path.write_text(json.dumps(document))
    again = Run(Request([str(path)], quiet=True))
    edited, _ = again.make_plan(None)
    assert {entry.known_port: entry.node_port for entry in edited.port_map} == {**given, 80: 31001, 9000: 31002}


def test_a_quorum_that_shares_no_node_can_be_updated(write_stack: WriteStack) -> None:
    label = "'io.rancher.scheduler.affinity:container_label_ne': 'io.rancher.stack_service.name=$${service_name}'"
    folder = write_stack(f"etcd: {{image: etcd, labels: {{{label}}}}}\n", "etcd: {scale: 3}\n")
    shown = json.loads(run("simulate", "-q", folder, "--nodes", "3", "-o", "json", cwd=folder).stdout)
    assert [item["canFinish"] for item in shown["after"]["rollouts"]] == [True]
    assert shown["after"]["pending"] == []


def test_a_plan_says_what_stacks_become(write_stack: WriteStack) -> None:
    folder = write_stack("web: {image: nginx, privileged: true}\n")
    ended = run("plan", "-q", folder, "--exit-code", cwd=folder)
    assert ended.stdout.startswith(b"3 objects in 2 files from Rancher stacks\n")
    assert ended.code == 1


def test_what_is_written_holds_no_compose_files(write_stack: WriteStack, tmp_path: Path) -> None:
    shop = write_stack(WEB, "web: {scale: 2}\n", name="tree/shop")
    (shop.parent / "config.yml").write_text("name: a catalog's own\n")
    assert run("apply", "-q", "--exit-zero", shop.parent, "--out", tmp_path / "alone", cwd=tmp_path).code == 0
    assert _list_files(tmp_path / "alone") == ["shop/namespace.yaml", "shop/web.yaml"]
    (shop.parent / "service.yaml").write_text("apiVersion: v1\nkind: Service\nmetadata: {name: x, namespace: x}\n")
    assert run("apply", "-q", "--exit-zero", shop.parent, "--out", tmp_path / "both", cwd=tmp_path).code == 0
    assert _list_files(tmp_path / "both") == ["config.yml", "service.yaml", "shop/namespace.yaml", "shop/web.yaml"]


def _list_files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def _make_front(target: str, protocol: str = "http", ports: str = "['8080:8080']") -> tuple[str, str]:
    rule = f"{{source_port: 8080, protocol: {protocol}, service: {target}, target_port: 80}}"
    docker = f"lb: {{image: rancher/lb-service-haproxy, ports: {ports}}}\nself: {{image: x}}\n"
    return docker, f"lb: {{lb_config: {{port_rules: [{rule}]}}}}\n"


@pytest.mark.parametrize("protocol", ["http", "tcp", "udp"])
def test_a_port_to_another_stack_is_published_where_the_pods_are(
    write_stack: WriteStack, tmp_path: Path, protocol: str
) -> None:
    write_stack("api: {image: x}\n", name="back")
    write_stack(*_make_front("back/api", protocol), name="front")
    plan, objects, refused = plan_stacks(tmp_path)
    assert not refused
    services = {(item["metadata"]["namespace"], item["metadata"]["name"]): item["spec"] for item in objects
                if item["kind"] == "Service"}  # fmt: skip
    assert set(services) == {("back", "api"), ("back", "front-lb-api"), ("front", "self")}
    made = services["back", "front-lb-api"]
    (api,) = [item for item in objects if item["metadata"]["name"] == "api" and item["kind"] == "Deployment"]
    assert made["selector"].items() <= api["spec"]["template"]["metadata"]["labels"].items()
    (port,) = made["ports"]
    assert (made["type"], port["port"], port["targetPort"]) == ("NodePort", 8080, 80)
    assert port.get("protocol", "TCP") == ("UDP" if protocol == "udp" else "TCP")
    (entry,) = [entry for entry in plan.port_map if entry.old_port == 8080]
    assert (str(entry.service), entry.protocol) == ("back/Service/front-lb-api", port.get("protocol", "TCP"))


def test_a_port_to_a_stack_that_is_not_here_says_where_its_service_belongs(write_stack: WriteStack) -> None:
    folder = write_stack(*_make_front("back/api"), name="front")
    inventory = read_run(folder)
    assert [service.ref.name for service in inventory.services] == ["self"]
    (message,) = {key.message for key in inventory.keys if "back/api" in key.message}
    assert message == (
        "back/api is in another namespace, and a Service reaches pods of its own only: convert stack back in the same"
        " run, and port 8080 gets its Service there; or write a NodePort Service with port 8080 and targetPort 80 in"
        " back."
    )


def test_a_rule_of_another_protocol_than_the_port_s_is_numbered(write_stack: WriteStack, tmp_path: Path) -> None:
    docker, rancher = _make_front("self", "udp", "['30053:30053', '30080:30080/udp', '30080:30080']")
    rule = "{source_port: 30080, protocol: %s, service: self, target_port: 80}"
    rules = f"{rule % 'udp'}, {rule % 'tcp'}, "
    write_stack(docker, rancher.replace("8080", "30053").replace("port_rules: [", f"port_rules: [{rules}"))
    plan, objects, _ = plan_stacks(tmp_path)
    (made,) = [item for item in objects if item["metadata"]["name"] == "lb"]
    ports = {(port["port"], port.get("protocol", "TCP")): port["nodePort"] for port in made["spec"]["ports"]}
    assert set(ports) == {(30053, "UDP"), (30080, "UDP"), (30080, "TCP")}
    assert {(entry.old_port, entry.protocol) for entry in plan.port_map} == set(ports)
    assert len(plan.port_map) == len(ports)


@pytest.mark.parametrize(("source", "external"), [(80, "api.back.svc.cluster.local"), (8080, None)])
def test_a_balancer_inside_stands_for_another_stack_s_service(
    write_stack: WriteStack, tmp_path: Path, source: int, external: str | None
) -> None:
    docker, rancher = _make_front("back/api", ports="[]")
    write_stack("api: {image: x}\n", name="back")
    write_stack(docker, rancher.replace("8080", str(source)), name="front")
    _, objects, _ = plan_stacks(tmp_path)
    made = [item["spec"].get("externalName") for item in objects if item["metadata"]["name"] == "lb"]
    assert made == ([external] if external else [])
    messages = {key.message for key in read_run(tmp_path).keys if key.key.endswith("port_rules[0]")}
    advice = "clients of lb:8080 use api.back.svc.cluster.local:80."
    assert any(advice in message for message in messages) == (external is None)


def test_a_claim_s_new_name_is_no_matter_of_clients(write_stack: WriteStack) -> None:
    folder = write_stack(
        "version: '2'\nservices: {web: {image: x, volumes: ['my_data:/d']}}\nvolumes: {my_data: {}}\n"
    )
    (finding,) = [item for item in read_run(folder).findings if "my_data" in item.message]
    assert (finding.severity, "clients" in finding.message) == ("info", False)


def test_of_targets_in_two_other_stacks_the_one_left_out_is_told(write_stack: WriteStack, tmp_path: Path) -> None:
    for name in ("back", "side"):
        write_stack("api: {image: x}\n", name=name)
    docker, rancher = _make_front("back/api", "tcp")
    rule = "{source_port: 8080, protocol: tcp, service: side/api, target_port: 80}"
    write_stack(docker, rancher.replace("}]}}", f"}}, {rule}]}}}}"), name="front")
    inventory = read_run(tmp_path)
    assert [str(item.ref) for item in inventory.services if "front-lb" in item.ref.name] == [
        "back/Service/front-lb-api"
    ]
    assert any("side/api has no pods in this stack and gets no share" in key.message for key in inventory.keys)
