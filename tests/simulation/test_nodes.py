"""Nodes as they are given: a number, a stream, a List, JSON; and what is wrong with them, with its line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from migrator.errors import InputError
from migrator.model.node import Node, Taint
from migrator.model.quantity import parse_quantity
from migrator.sources.nodes import find_nodes

STREAM = """\
# two nodes and something else
apiVersion: v1
kind: Node
metadata: {name: a, labels: {zone: north}}
spec:
  unschedulable: true
  taints: [{key: gpu, effect: NoSchedule}]
status:
  capacity: {cpu: "8"}
  allocatable: {cpu: 7500m, memory: 1Gi, pods: "110"}
---
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: v1
kind: Node
metadata: {name: b}
"""
ALLOCATABLE = {"cpu": 7500, "memory": 1 << 30, "pods": 110}
NODES = (
    Node("a", {"zone": "north"}, (Taint("gpu", "", "NoSchedule"),), unschedulable=True, allocatable=ALLOCATABLE),
    Node("b", {}),
)


def write(tmp_path: Path, text: str) -> str:
    path = tmp_path / "nodes.yaml"
    path.write_text(text)
    return str(path)


def test_a_number_makes_identical_nodes() -> None:
    nodes = find_nodes("3")
    assert [node.name for node in nodes] == ["node-1", "node-2", "node-3"]
    assert {node.allocatable for node in nodes} == {None}
    assert nodes[1].labels["kubernetes.io/hostname"] == "node-2"
    assert nodes[1].labels["kubernetes.io/os"] == "linux"


def test_a_stream(tmp_path: Path) -> None:
    assert find_nodes(write(tmp_path, STREAM)) == NODES


def test_a_list(tmp_path: Path) -> None:
    items = "".join("- " + document.strip().replace("\n", "\n  ") + "\n" for document in STREAM.split("---\n"))
    assert find_nodes(write(tmp_path, f"apiVersion: v1\nkind: List\nitems:\n{items}")) == NODES


@pytest.mark.parametrize("indent", [None, 4, "\t"])
def test_json(tmp_path: Path, indent: int | str | None) -> None:
    item = {"metadata": {"name": "b"}}
    text = json.dumps({"apiVersion": "v1", "kind": "NodeList", "items": [item]}, indent=indent)
    assert find_nodes(write(tmp_path, text)) == NODES[1:]


def test_capacity_stands_for_what_is_allocatable(tmp_path: Path) -> None:
    text = "kind: Node\nmetadata: {name: a}\nstatus: {capacity: {pods: 3}}\n"
    assert find_nodes(write(tmp_path, text))[0].allocatable == {"pods": 3}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("kind: Pod\nmetadata: {name: a}\n", "holds no Node objects"),
        ("", "holds no Node objects"),
        ("kind: Node\nmetadata: {}\n", ":1: metadata.name: is missing"),
        (STREAM + "---\nkind: Node\nmetadata: {name: a}\n", ":20: the node 'a' stands there twice"),
        ("kind: Node\nmetadata: {name: a}\nstatus: {allocatable: {cpu: lots}}\n", "allocatable.cpu: 'lots' is no"),
        ("kind: Node\nmetadata: {name: a}\nspec: {taints: gpu}\n", "spec.taints: must be a list"),
        ("kind: Node\nmetadata: [\n", ":3:1: "),
        ("- a\n", ":1:1: no Kubernetes object"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(InputError) as raised:
        find_nodes(path)
    assert said in str(raised.value)
    assert str(raised.value).startswith(path)


@pytest.mark.parametrize("number", ["0", "-1", "15001"])
def test_numbers_out_of_reach(number: str) -> None:
    with pytest.raises(InputError, match="is no number of nodes"):
        find_nodes(number)


@pytest.mark.parametrize(
    ("text", "scale", "amount"),
    [
        ("500m", 1000, 500),
        ("2", 1000, 2000),
        (0.5, 1000, 500),
        ("1Gi", 1, 1 << 30),
        ("1.5G", 1, 1_500_000_000),
        ("1e3", 1, 1000),
        ("1E", 1, 10**18),
        ("1n", 1000, 1),
        (4, 1, 4),
    ],
)
def test_quantities(text: str | int | float, scale: int, amount: int) -> None:
    assert parse_quantity(text, scale) == amount


@pytest.mark.parametrize("text", ["", "m", "1 Gi", "1gi", "1.2.3", True, None, [1]])
def test_no_quantities(text: object) -> None:
    with pytest.raises(ValueError, match="is no quantity"):
        parse_quantity(text)
