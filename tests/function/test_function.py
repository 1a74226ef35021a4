"""`migrator fn`: a ResourceList goes in, and comes out changed where it has to, with results."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from migrator.errors import InputError, PolicyError
from migrator.function import run_function
from tests.cli.command_line import run

HEAD = "apiVersion: config.kubernetes.io/v1\nkind: ResourceList\n"
CONFIG = """\
functionConfig:
  apiVersion: migrator.dev/v1
  kind: MigrationPolicy
  metadata: {name: migrate, annotations: {migrator.dev/phase: %s}}
  spec: {cluster: {nodePortRange: 32000-32767}}
"""
WEB = """\
  # the shop's front
  - apiVersion: apps/v1
    kind: Deployment
    metadata:
      name: web   # short
      annotations:
        internal.config.kubernetes.io/path: 'shop/web.yaml'
        internal.config.kubernetes.io/index: '1'
        config.kubernetes.io/path: 'shop/web.yaml'
        config.kubernetes.io/index: '1'
    spec:
      replicas: 1
      selector: {matchLabels: {app: web}}
      template:
        metadata: {labels: {app: web}}
        spec:
          containers:
            - name: main
              image: "example.com/app:1.0"
              ports:
                # for the office
                - containerPort: 80
                  hostPort: 80  # goes
"""
NOTES = "  - {apiVersion: v1, kind: ConfigMap, metadata: {name: notes}, data: {a: 'b'}}\n"
ANNOTATIONS = WEB[WEB.index("      annotations:") : WEB.index("    spec:")]


def run_text(text: str, phase: str | None = None) -> tuple[str, Any]:
    made = run_function(text.encode(), phase).content.decode()
    return made, yaml.safe_load(made)


def test_comments_and_order_stay() -> None:
    text = f"# head\n{HEAD}items:\n{WEB}{NOTES}# tail\n"
    made, data = run_text(text)
    lines = [line for line in text.splitlines() if "hostPort" not in line]
    rest = iter(made.splitlines())
    assert all(line in rest for line in lines)
    assert [item["kind"] for item in data["items"]] == ["Deployment", "Service", "ConfigMap"]
    assert "hostPort" not in str(data["items"])


def test_new_items_name_their_file() -> None:
    _, data = run_text(f"{HEAD}items:\n{NOTES}{WEB}")
    assert data["items"][2]["metadata"]["annotations"] == {
        "internal.config.kubernetes.io/path": "shop/service-web-node-port.yaml",
        "internal.config.kubernetes.io/index": "0",
        "config.kubernetes.io/path": "shop/service-web-node-port.yaml",
        "config.kubernetes.io/index": "0",
    }
    assert data["items"][1]["metadata"]["annotations"]["config.kubernetes.io/index"] == "1"


def test_each_new_item_gets_its_own_file() -> None:
    other = WEB.replace("name: web", "name: api").replace("80", "90").replace("app: web", "app: api")
    place = "annotations: {config.kubernetes.io/path: shop/service-api-node-port.yaml}"
    taken = NOTES.replace("name: notes", f"name: notes, {place}")
    _, data = run_text(f"{HEAD}items:\n{WEB}{other}{taken}")
    named = {
        item["metadata"]["name"]: item["metadata"]["annotations"]["config.kubernetes.io/path"]
        for item in data["items"]
        if item["kind"] == "Service"
    }
    assert named == {
        "web-node-port": "shop/service-web-node-port.yaml",
        "api-node-port": "shop/service-api-node-port-2.yaml",
    }


def test_items_without_files_stay_without() -> None:
    """kustomize names none, and would print what a function adds."""
    _, data = run_text(f"{HEAD}items:\n{WEB.replace(ANNOTATIONS, '')}")
    assert "annotations" not in data["items"][1]["metadata"]
    assert not any("file" in result for result in data["results"])


def test_results_say_what_and_where() -> None:
    _, data = run_text(f"{HEAD}items:\n{WEB}")
    (result,) = [item for item in data["results"] if item.get("field", {}).get("path", "").endswith("hostPort")]
    assert result["severity"] == "info"
    assert result["message"].startswith("hostPort 80 goes")
    assert result["resourceRef"] == {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    assert result["file"] == {"path": "shop/web.yaml", "index": 1}
    path = "spec.template.spec.containers[0].ports[0].hostPort"
    assert result["field"] == {"path": path, "currentValue": 80}


def test_earlier_results_make_way() -> None:
    made, data = run_text(f"{HEAD}items:\n{WEB}results:\n- {{message: from another function, severity: error}}\n")
    assert "another function" not in made
    assert made.count("\nresults:") == 1
    assert data["results"]


@pytest.mark.parametrize("items", ["items: []\n", "items:\n", "", f"items:\n{NOTES}"])
def test_nothing_to_do_changes_nothing(items: str) -> None:
    text = f"{HEAD}{items}"
    assert run_text(text)[0] == text


def test_a_second_run_changes_nothing() -> None:
    made, data = run_text(f"{HEAD}items:\n{WEB}")
    assert run_text(made)[1]["items"] == data["items"]


@pytest.mark.parametrize(("phase", "kinds"), [("expand", ["Service"]), ("all", ["Service"])])
def test_the_policy_is_the_function_config(phase: str, kinds: list[str]) -> None:
    _, data = run_text(f"{HEAD}{CONFIG % phase}items:\n{WEB}")
    deployment, *new = data["items"]
    assert [item["kind"] for item in new] == kinds
    assert "nodePort" not in new[0]["spec"]["ports"][0], "30080 is out of the range"
    ports = deployment["spec"]["template"]["spec"]["containers"][0]["ports"]
    assert ("hostPort" in ports[0]) == (phase == "expand")


def test_a_config_map_gives_settings() -> None:
    config = "functionConfig:\n  apiVersion: v1\n  kind: ConfigMap\n  data:\n    phase: expand\n"
    config += '    cluster.nodePortRange: "32000-32767"\n'
    _, data = run_text(f"{HEAD}{config}items:\n{WEB}")
    assert "nodePort" not in data["items"][1]["spec"]["ports"][0]
    assert "hostPort" in str(data["items"][0])


def test_json_stays_json() -> None:
    items = yaml.safe_load(f"items:\n{WEB}")["items"]
    given = {"apiVersion": "config.kubernetes.io/v1", "kind": "ResourceList", "items": items}
    made = json.loads(run_function(json.dumps(given, indent=2).encode()).content)
    assert [item["kind"] for item in made["items"]] == ["Deployment", "Service"]
    assert made["items"][1]["metadata"]["annotations"]["config.kubernetes.io/path"].startswith("shop/")
    assert made["results"]


def test_an_item_that_cannot_be_read_is_an_error_of_its_file(tmp_path: Path) -> None:
    text = f"{HEAD}items:\n{NOTES}{WEB.replace('hostPort: 80 ', 'hostPort: eighty ')}"
    ended = run("fn", cwd=tmp_path, stdin=text.encode())
    data = yaml.safe_load(ended.stdout)
    (result,) = data["results"]
    assert (ended.code, result["severity"]) == (1, "error")
    assert result["file"] == {"path": "shop/web.yaml", "index": 1}
    assert "line 27 of the ResourceList" in result["message"]
    assert result["message"] in ended.stderr
    assert data["items"] == yaml.safe_load(text)["items"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("kind: List\napiVersion: v1\nitems: []\n", "not a ResourceList"),
        ("", "not a ResourceList"),
        (f"{HEAD}items: 1\n", "not a ResourceList"),
        (f"{HEAD}items: [\n", "expected"),
    ],
)
def test_what_is_no_resource_list_is_refused(text: str, problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        run_function(text.encode())


@pytest.mark.parametrize(
    ("config", "problem"),
    [
        ("{apiVersion: v1, kind: Secret}", "of kind Secret"),
        ("{apiVersion: migrator.dev/v1, kind: MigrationPolicy, spec: {hostPort: []}}", "did you mean `hostPorts`"),
        ("{apiVersion: migrator.dev/v1, kind: MigrationPolicy, spec: {exclude: {paths: [a]}}}", "no meaning"),
        ("{apiVersion: v1, kind: ConfigMap, data: {phase: soon}}", "is not known"),
    ],
)
def test_a_function_config_that_says_nothing_known_is_refused(config: str, problem: str) -> None:
    with pytest.raises((InputError, PolicyError), match=problem):
        run_function(f"{HEAD}functionConfig: {config}\nitems:\n{WEB}".encode())


def test_an_error_among_the_findings_fails_the_function(tmp_path: Path) -> None:
    asked = WEB.replace("annotations:\n", "annotations:\n        migrator.dev/strategy: node_port_per_pod\n")
    ended = run("fn", cwd=tmp_path, stdin=f"{HEAD}items:\n{asked}".encode())
    errors = [item for item in yaml.safe_load(ended.stdout)["results"] if item["severity"] == "error"]
    assert (ended.code, len(errors)) == (1, 1)
    assert "node_port_per_pod was asked for" in ended.stderr
