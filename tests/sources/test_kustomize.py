"""Kustomizations: which namespace their builds set, which files they reach, which patches touch host ports."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from migrator.model.inventory import Inventory
from migrator.policy.load import built_in_policy
from migrator.sources.read import ReadOptions, read_sources

POD = """\
apiVersion: v1
kind: Pod
metadata: {name: web%s}
spec:
  containers:
  - name: web
    ports:
    - containerPort: 80
      hostPort: 80
"""
PORTS = "[{containerPort: 80, hostPort: 80}]"
STRATEGIC = "kind: Pod\napiVersion: v1\nmetadata: {name: web}\nspec: {containers: [{name: web, ports: %s}]}\n"


def read_tree(folder: Path, files: dict[str, str], default: str | None = None) -> Inventory:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    options = ReadOptions(kinds=built_in_policy().workload_kinds, default_namespace=default)
    return read_sources([str(folder)], options)


def listing(*resources: str, **more: Any) -> str:
    return yaml.safe_dump({"resources": list(resources), **more})


NAMESPACES: dict[str, tuple[dict[str, str], str | None]] = {
    "none": ({"pod.yaml": POD % ""}, "given"),
    "its own": (
        {"pod.yaml": POD % ", namespace: own", "kustomization.yaml": listing("pod.yaml", namespace="k")},
        "own",
    ),
    "its kustomization's": (
        {"pod.yaml": POD % "", "kustomization.yaml": listing("pod.yaml", namespace="shop")},
        "shop",
    ),
    "yml": ({"pod.yaml": POD % "", "kustomization.yml": listing("./pod.yaml", namespace="shop")}, "shop"),
    "Kustomization": ({"pod.yaml": POD % "", "Kustomization": listing("pod.yaml", namespace="shop")}, "shop"),
    "not listed": ({"pod.yaml": POD % "", "kustomization.yaml": listing(namespace="shop")}, "given"),
    "a kustomization without one": ({"pod.yaml": POD % "", "kustomization.yaml": listing("pod.yaml")}, "given"),
    "the overlay's": (
        {
            "base/pod.yaml": POD % "",
            "base/kustomization.yaml": listing("pod.yaml", namespace="base"),
            "over/kustomization.yaml": listing("../base/", namespace="over"),
        },
        "over",
    ),
    "the base's below an overlay without": (
        {
            "base/pod.yaml": POD % "",
            "base/kustomization.yaml": listing("pod.yaml", namespace="base"),
            "over/kustomization.yaml": listing("../base"),
        },
        "base",
    ),
    "bases": (
        {
            "base/pod.yaml": POD % "",
            "base/kustomization.yaml": listing("pod.yaml"),
            "over/kustomization.yaml": yaml.safe_dump({"bases": ["../base"], "namespace": "over"}),
        },
        "over",
    ),
    "several overlays that agree": (
        {
            "base/pod.yaml": POD % "",
            "base/kustomization.yaml": listing("pod.yaml"),
            "a/kustomization.yaml": listing("../base", namespace="same"),
            "b/kustomization.yaml": listing("../base", namespace="same"),
        },
        "same",
    ),
    "several overlays": (
        {
            "base/pod.yaml": POD % "",
            "base/kustomization.yaml": listing("pod.yaml"),
            "a/kustomization.yaml": listing("../base", namespace="a"),
            "b/kustomization.yaml": listing("../base", namespace="b"),
        },
        None,
    ),
    "three levels": (
        {
            "base/pod.yaml": POD % "",
            "base/kustomization.yaml": listing("pod.yaml", namespace="low"),
            "mid/kustomization.yaml": listing("../base", namespace="mid"),
            "top/kustomization.yaml": listing("../mid"),
        },
        "mid",
    ),
    "a file that a component brings": (
        {
            "part/pod.yaml": POD % "",
            "part/kustomization.yaml": listing("pod.yaml", kind="Component"),
            "over/kustomization.yaml": yaml.safe_dump({"components": ["../part"], "namespace": "over"}),
        },
        "over",
    ),
    "a component's, for all beside it": (
        {
            "part/kustomization.yaml": yaml.safe_dump({"kind": "Component", "namespace": "part"}),
            "over/pod.yaml": POD % "",
            "over/kustomization.yaml": listing("pod.yaml", components=["../part"]),
        },
        "part",
    ),
    "a component's does not outlast the kustomization's": (
        {
            "part/kustomization.yaml": yaml.safe_dump({"kind": "Component", "namespace": "part"}),
            "over/pod.yaml": POD % "",
            "over/kustomization.yaml": listing("pod.yaml", components=["../part"], namespace="over"),
        },
        "over",
    ),
    "a component that nobody lists": (
        {"part/pod.yaml": POD % "", "part/kustomization.yaml": listing("pod.yaml", kind="Component", namespace="p")},
        "given",
    ),
    "remote resources beside": (
        {
            "pod.yaml": POD % "",
            "kustomization.yaml": listing(
                "https://example.com/x.yaml", "github.com/example/x?ref=v1", "pod.yaml", namespace="shop"
            ),
        },
        "shop",
    ),
    "a cycle": (
        {
            "a/pod.yaml": POD % "",
            "a/kustomization.yaml": listing("pod.yaml", "../b", namespace="a"),
            "b/kustomization.yaml": listing("../a", namespace="b"),
        },
        "given",
    ),
    "itself": (
        {"a/pod.yaml": POD % "", "a/kustomization.yaml": listing("pod.yaml", "../a", namespace="a")},
        "given",
    ),
    "a cycle below a root": (
        {
            "a/pod.yaml": POD % "",
            "a/kustomization.yaml": listing("pod.yaml", "../b", namespace="a"),
            "b/kustomization.yaml": listing("../a", namespace="b"),
            "c/kustomization.yaml": listing("../a", namespace="c"),
        },
        "c",
    ),
}


@pytest.mark.parametrize("name", NAMESPACES)
def test_namespaces(name: str, tmp_path: Path) -> None:
    files, namespace = NAMESPACES[name]
    inventory = read_tree(tmp_path, files, "given")
    assert [workload.ref.namespace for workload in inventory.workloads] == [namespace]
    assert not inventory.errors


def test_an_unknown_namespace_is_said_with_the_reason(tmp_path: Path) -> None:
    [finding] = read_tree(tmp_path, NAMESPACES["several overlays"][0]).findings
    assert "several overlays put it into a, b" in finding.message
    assert read_tree(tmp_path / "other", {"pod.yaml": POD % ", namespace: x"}).findings == ()


def test_overlays_are_the_outermost_kustomizations(tmp_path: Path) -> None:
    inventory = read_tree(tmp_path, NAMESPACES["three levels"][0])
    assert inventory.overlays == {f"{tmp_path}/base/pod.yaml": (f"{tmp_path}/top/kustomization.yaml",)}


def operations(path: str, value: Any, op: str = "add") -> str:
    return yaml.safe_dump([{"op": op, "path": path, "value": value}])


PATCHES: dict[str, tuple[dict[str, Any], dict[str, str], list[tuple[bool, tuple[int, ...]]]]] = {
    "strategic file": ({"patchesStrategicMerge": ["p.yaml"]}, {"p.yaml": STRATEGIC % PORTS}, [(True, (80,))]),
    "strategic text": ({"patchesStrategicMerge": [STRATEGIC % PORTS]}, {}, [(True, (80,))]),
    "patch file": ({"patches": [{"path": "p.yaml"}]}, {"p.yaml": STRATEGIC % PORTS}, [(True, (80,))]),
    "patch text": ({"patches": [{"patch": STRATEGIC % PORTS}]}, {}, [(True, (80,))]),
    "ports without host ports": ({"patches": [{"patch": STRATEGIC % "[{containerPort: 80}]"}]}, {}, [(True, ())]),
    "no ports": ({"patches": [{"patch": STRATEGIC % "null"}]}, {}, [(False, ())]),
    "init containers": (
        {"patches": [{"patch": (STRATEGIC % PORTS).replace("containers", "initContainers")}]},
        {},
        [(True, (80,))],
    ),
    "several patches in a file": (
        {"patches": [{"path": "p.yaml"}]},
        {"p.yaml": STRATEGIC % "null" + "---\n" + STRATEGIC % PORTS},
        [(False, ()), (True, (80,))],
    ),
    "json file": (
        {"patchesJson6902": [{"target": {"kind": "Pod", "name": "web"}, "path": "p.json"}]},
        {"p.json": '[{"op": "add", "path": "/spec/containers/0/ports/0/hostPort", "value": 80}]'},
        [(True, (80,))],
    ),
    "json number": (
        {"patches": [{"patch": operations("/spec/containers/0/ports/0/hostPort", 80)}]},
        {},
        [(True, (80,))],
    ),
    "json entry": (
        {"patches": [{"patch": operations("/spec/containers/0/ports/-", {"containerPort": 80, "hostPort": 80})}]},
        {},
        [(True, (80,))],
    ),
    "json entries": (
        {"patches": [{"patch": operations("/spec/containers/0/ports", [{"hostPort": 80}, {"hostPort": 81}])}]},
        {},
        [(True, (80, 81))],
    ),
    "json container": (
        {"patches": [{"patch": operations("/spec/containers/-", {"name": "x", "ports": [{"hostPort": 80}]})}]},
        {},
        [(True, (80,))],
    ),
    "json removal": (
        {"patches": [{"patch": "- op: remove\n  path: /spec/containers/0/ports/0/hostPort\n"}]},
        {},
        [(True, ())],
    ),
    "json elsewhere": ({"patches": [{"patch": operations("/spec/replicas", 3)}]}, {}, [(False, ())]),
    "not there": ({"patches": [{"path": "p.yaml"}]}, {}, [(False, ())]),
    "not YAML": ({"patches": [{"path": "p.yaml"}]}, {"p.yaml": "a: [\n"}, [(False, ())]),
    "empty": ({"patches": [{"path": "p.yaml"}]}, {"p.yaml": ""}, [(False, ())]),
    "nothing": ({"patches": [{}, 7]}, {}, []),
    "no list": ({"patches": "p.yaml"}, {}, []),
}


@pytest.mark.parametrize("name", PATCHES)
def test_patches(name: str, tmp_path: Path) -> None:
    fields, files, expected = PATCHES[name]
    inventory = read_tree(
        tmp_path, {**files, "pod.yaml": POD % "", "kustomization.yaml": listing("pod.yaml", **fields)}
    )
    patches = inventory.kustomizations[0].patches
    assert [(patch.touches_ports, patch.host_ports) for patch in patches] == expected
    assert not inventory.errors
    assert [workload.ref.name for workload in inventory.workloads] == ["web"]
    # A patch is part of an object, and never read as one.
    unread = [f"{tmp_path}/{file}" for file in sorted(["kustomization.yaml", *files])]
    assert [item.path for item in inventory.unread] == unread


def test_targets_and_lines_of_patches(tmp_path: Path) -> None:
    text = (
        "resources: [pod.yaml]\n"
        "patches:\n"
        "- target: {kind: Deployment, name: api}\n"
        "  patch: '[]'\n"
        "- patch: |\n"
        "    kind: Pod\n"
        "    metadata: {name: web}\n"
    )
    [kustomization] = read_tree(tmp_path, {"kustomization.yaml": text}).kustomizations
    assert [(patch.target_kind, patch.target_name, patch.line) for patch in kustomization.patches] == [
        ("Deployment", "api", 3),
        ("Pod", "web", 5),
    ]


def test_a_broken_kustomization_is_an_error_with_its_line(tmp_path: Path) -> None:
    inventory = read_tree(tmp_path, {"pod.yaml": POD % "", "kustomization.yaml": "resources:\n- pod.yaml\n}\n"})
    [error] = inventory.errors
    assert (Path(error.path).name, error.line) == ("kustomization.yaml", 3)
    assert len(inventory.workloads) == 1


@pytest.mark.parametrize("text", ["", "# nothing\n", "- a\n", "text\n"])
def test_a_kustomization_that_is_no_map_lists_nothing(text: str, tmp_path: Path) -> None:
    inventory = read_tree(tmp_path, {"pod.yaml": POD % "", "kustomization.yaml": text})
    assert (inventory.kustomizations, inventory.errors) == ((), ())
