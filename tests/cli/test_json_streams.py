"""JSON objects one behind the other, as `jq` prints them: kubectl takes them, and so does every command."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from command_line import run

POLICY = {
    "apiVersion": "policy/v1beta1",
    "kind": "PodSecurityPolicy",
    "metadata": {"name": "open"},
    "spec": {
        "privileged": True,
        "volumes": ["*"],
        **{rule: {"rule": "RunAsAny"} for rule in ("seLinux", "runAsUser", "fsGroup", "supplementalGroups")},
    },
}
NAMESPACE = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}
NODES = [{"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}} for name in ("a", "b")]


def make_deployment(name: str, port: int) -> dict[str, Any]:
    container = {"name": name, "image": "shop/web:1", "ports": [{"containerPort": 80, "hostPort": port}]}
    template = {"metadata": {"labels": {"app": name}}, "spec": {"containers": [container]}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "shop"},
        "spec": {"selector": {"matchLabels": {"app": name}}, "template": template},
    }


def load_values(text: str) -> Iterator[Any]:
    while text := text.lstrip():
        value, end = json.JSONDecoder().raw_decode(text)
        text = text[end:]
        yield value


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    folder = tmp_path / "deploy"
    folder.mkdir()
    values = [make_deployment("web", 31080), NAMESPACE, make_deployment("api", 31090)]
    (folder / "shop.json").write_text("\n".join(json.dumps(value, indent=2) for value in values))
    return folder


def test_a_copy_is_proven_and_has_nothing_left_to_change(tree: Path, tmp_path: Path) -> None:
    assert run("apply", "deploy", "--out", "after", "--only", "host-port", cwd=tmp_path).code == 0
    values = list(load_values((tmp_path / "after" / "shop.json").read_text()))
    names = [value["metadata"]["name"] for value in values]
    assert names == ["web", "web-node-port", "shop", "api", "api-node-port"]
    assert "hostPort" not in json.dumps(values)
    proven = run("verify", "deploy", "after", cwd=tmp_path)
    assert (proven.code, proven.stdout.startswith(b"proven")) == (0, True)
    assert run("diff", "after", "--only", "host-port", cwd=tmp_path).stdout == b""


def test_standard_input_stays_json(tree: Path) -> None:
    content = (tree / "shop.json").read_bytes()
    ended = run("apply", "-", "--only", "host-port", cwd=tree, stdin=content)
    assert len(list(load_values(ended.stdout.decode()))) == 5


def test_joined_with_other_files_they_are_yaml(tree: Path) -> None:
    (tree / "config.yaml").write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c, namespace: shop}\n")
    ended = run("apply", "deploy", "--stdout", "--only", "host-port", cwd=tree.parent)
    assert ended.stdout.count(b"---\n") == 6
    assert ended.stdout.startswith(b"---\n")


def test_patches_stand_on_each_of_them(tree: Path, tmp_path: Path) -> None:
    assert run("apply", "deploy", "--patches", "overlay", "--only", "host-port", cwd=tmp_path).code == 0
    patches = sorted(path.name for path in (tmp_path / "overlay" / "patches").iterdir())
    assert patches == ["shop-deployment-api.yaml", "shop-deployment-web.yaml"]


def test_what_goes_leaves_the_others(tree: Path) -> None:
    values = [POLICY, NAMESPACE, {**POLICY, "metadata": {"name": "second"}}]
    (tree / "shop.json").write_text("".join(json.dumps(value) for value in values))
    off = "cluster.podSecurityPolicyAdmission=off"
    ended = run("apply", "shop.json", "--stdout", "--phase", "cleanup", "--set", off, cwd=tree)
    assert (ended.code, list(load_values(ended.stdout.decode()))) == (0, [NAMESPACE])


def test_nodes(tree: Path) -> None:
    (tree / "nodes.json").write_text("\n".join(json.dumps(node, indent=2) for node in NODES))
    ended = run("simulate", "shop.json", "--nodes", "nodes.json", cwd=tree)
    assert (ended.code, b"on 2 nodes" in ended.stdout) == (0, True)
