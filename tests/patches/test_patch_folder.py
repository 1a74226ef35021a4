"""The folder that `apply --patches` writes: what it refers to, whom its targets mean, and when it is replaced."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from migrator.rendering.builds import Build, join_transformers
from migrator.rendering.patches import make_target
from tests.cli.command_line import Ended, run
from tests.rendering.test_write_out import read_tree

DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {name}
spec:
  replicas: 1
  selector: {{matchLabels: {{app: {name}}}}}
  template:
    metadata: {{labels: {{app: {name}}}}}
    spec:
      containers:
        - name: main
          image: example.com/app:1.0
          ports:
            - containerPort: 80
              hostPort: 80
"""
SERVICE = "apiVersion: v1\nkind: Service\nmetadata: {name: api}\nspec: {ports: [{port: 80}]}\n"


def write_tree(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def apply(folder: Path, *arguments: str, stdin: str = "") -> Ended:
    return run("apply", *arguments, "--patches", "out", "--exit-zero", cwd=folder, stdin=stdin.encode())


def load(folder: Path, name: str = "kustomization.yaml") -> Any:
    return yaml.safe_load((folder / name).read_text())


def test_loose_files_are_copied(tmp_path: Path) -> None:
    files = {"deploy/web.yaml": DEPLOYMENT.format(name="web"), "deploy/values.yaml": "a: 1\n"}
    ended = apply(write_tree(tmp_path, files), "deploy")
    assert ended.code == 0, ended.stderr
    assert load(tmp_path / "out")["resources"] == ["base", "service-web-node-port.yaml"]
    assert load(tmp_path / "out/base")["resources"] == ["web.yaml"]
    assert (tmp_path / "out/base/web.yaml").read_text() == files["deploy/web.yaml"]


def test_a_document_that_is_no_object_is_left_out_and_said(tmp_path: Path) -> None:
    text = DEPLOYMENT.format(name="web")
    ended = apply(write_tree(tmp_path, {"web.yaml": f"a: 1\n---\n{text}"}), "web.yaml")
    assert (tmp_path / "out/base/web.yaml").read_text() == f"---\n{text}"
    assert "web.yaml: kustomize takes no document without kind and name" in ended.stderr


def test_a_key_given_twice_is_refused_as_kustomize_would(tmp_path: Path) -> None:
    files = {
        "deploy/web.yaml": DEPLOYMENT.format(name="web"),
        "deploy/api.yaml": f"# the API\n---\n{SERVICE}kind: Service\n",
    }
    ended = apply(write_tree(tmp_path, files), "deploy")
    assert (ended.code, (tmp_path / "out").exists()) == (2, False)
    assert "deploy/api.yaml:7: the key `kind` is given twice" in ended.stderr


def test_a_kustomization_is_referred_to(tmp_path: Path) -> None:
    kustomization = "resources: [web.yaml]\nnamespace: shop\nnamePrefix: eu-\ncommonLabels: {region: eu}\n"
    files = {"deploy/web.yaml": DEPLOYMENT.format(name="web"), "deploy/kustomization.yaml": kustomization}
    ended = apply(write_tree(tmp_path, {**files, "deploy/notes.yaml": SERVICE}), "deploy")
    assert ended.code == 0, ended.stderr
    made = load(tmp_path / "out")
    assert made["resources"] == ["../deploy", "added-shop"]
    (entry,) = made["patches"]
    assert (entry["target"]["name"], entry["target"]["namespace"]) == ("eu-web", "shop")
    assert load(tmp_path / "out/added-shop") == {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "namespace": "shop",
        "namePrefix": "eu-",
        "commonLabels": {"region": "eu"},
        "resources": ["service-web-node-port.yaml"],
    }


def test_a_base_of_two_overlays_is_patched_in_both(tmp_path: Path) -> None:
    files = {
        "deploy/base/web.yaml": DEPLOYMENT.format(name="web"),
        "deploy/base/kustomization.yaml": "resources: [web.yaml]\n",
        "deploy/eu/kustomization.yaml": "resources: [../base]\nnamespace: eu\n",
        "deploy/us/kustomization.yaml": "resources: [../base]\nnamespace: us\n",
    }
    ended = apply(write_tree(tmp_path, files), "deploy")
    assert ended.code == 0, ended.stderr
    made = load(tmp_path / "out")
    assert made["resources"] == ["../deploy/eu", "../deploy/us", "added-eu", "added-us"]
    assert [(entry["path"], entry["target"]["namespace"]) for entry in made["patches"]] == [
        ("patches/deployment-web.yaml", "eu"),
        ("patches/deployment-web.yaml", "us"),
    ]


def test_overlays_that_build_the_same_get_a_component(tmp_path: Path) -> None:
    files = {
        "deploy/base/web.yaml": DEPLOYMENT.format(name="web"),
        "deploy/base/kustomization.yaml": "resources: [web.yaml]\n",
        "deploy/blue/kustomization.yaml": "resources: [../base]\n",
        "deploy/green/kustomization.yaml": "resources: [../base]\n",
    }
    ended = apply(write_tree(tmp_path, files), "deploy")
    made = load(tmp_path / "out")
    assert (made["kind"], made["resources"]) == ("Component", ["service-web-node-port.yaml"])
    assert "under `components:` of deploy/blue and deploy/green" in ended.stderr


def test_a_stream_gets_a_component(tmp_path: Path) -> None:
    ended = apply(tmp_path, "-", stdin=DEPLOYMENT.format(name="web"))
    assert ended.code == 0, ended.stderr
    made = load(tmp_path / "out")
    assert (made["apiVersion"], made["kind"]) == ("kustomize.config.k8s.io/v1alpha1", "Component")
    assert made["resources"] == ["service-web-node-port.yaml"]
    assert sorted(read_tree(tmp_path / "out")) == [
        "kustomization.yaml",
        "patches/deployment-web.yaml",
        "service-web-node-port.yaml",
    ]


def test_live_objects_are_facts(tmp_path: Path) -> None:
    """A dump of the cluster's Services helps to plan, and is nothing to build."""
    live = SERVICE.replace("{name: api}", "{name: api, uid: 7e0c}")
    files = {"deploy/web.yaml": DEPLOYMENT.format(name="web"), "deploy/api.yaml": SERVICE, "services.yaml": live}
    ended = apply(write_tree(tmp_path, files), "deploy", "services.yaml")
    assert ended.code == 0, ended.stderr
    assert load(tmp_path / "out/base")["resources"] == ["api.yaml", "web.yaml"]


@pytest.mark.parametrize(
    ("name", "other"), [("web", "web-2"), ("a.b", "axb"), ("web", "eu-web"), ("x", "X"), ("system:a", "system:b")]
)
def test_a_target_means_one_object(name: str, other: str) -> None:
    target = make_target({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}})
    assert re.fullmatch(target["name"], name)
    assert not re.fullmatch(target["name"], other)
    assert target["group"], "nothing would stand for any group"
    assert re.fullmatch(target["group"], "")
    assert not re.fullmatch(target["group"], "serving.knative.dev")
    assert target["namespace"] == "default"


def test_a_target_in_a_build_is_what_the_object_becomes() -> None:
    build = Build("deploy", {"namespace": "shop", "namePrefix": "eu-", "nameSuffix": "-1"})
    metadata = {"name": "web", "namespace": "written"}
    target = make_target({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata}, build)
    assert (target["name"], target["namespace"]) == ("eu-web-1", "shop")
    namespace = make_target({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}, build)
    assert (namespace["name"], "namespace" in namespace) == ("shop", False)


def test_transformers_are_joined_from_within() -> None:
    inner = {"namePrefix": "b-", "nameSuffix": "-1", "namespace": "inner", "labels": [1], "commonLabels": {"a": "1"}}
    outer = {"namePrefix": "a-", "nameSuffix": "-2", "namespace": "outer", "labels": [2], "commonLabels": {"a": "2"}}
    assert join_transformers(inner, outer) == {
        "namePrefix": "a-b-",
        "nameSuffix": "-1-2",
        "namespace": "outer",
        "labels": [1, 2],
        "commonLabels": {"a": "2"},
    }


def test_its_own_folder_is_replaced(tmp_path: Path) -> None:
    write_tree(tmp_path, {"deploy/web.yaml": DEPLOYMENT.format(name="web")})
    assert apply(tmp_path, "deploy").code == 0
    first = read_tree(tmp_path / "out")
    write_tree(tmp_path, {"deploy/web.yaml": DEPLOYMENT.format(name="shop")})
    assert apply(tmp_path, "deploy").code == 0
    assert "patches/deployment-shop.yaml" in read_tree(tmp_path / "out")
    assert "patches/deployment-web.yaml" not in read_tree(tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["deploy", "out"]
    write_tree(tmp_path, {"deploy/web.yaml": DEPLOYMENT.format(name="web")})
    assert apply(tmp_path, "deploy").code == 0
    assert read_tree(tmp_path / "out") == first


@pytest.mark.parametrize("name", ["kustomization.yaml", "patches/deployment-web.yaml", "mine.yaml"])
def test_what_somebody_edited_stays(name: str, tmp_path: Path) -> None:
    write_tree(tmp_path, {"deploy/web.yaml": DEPLOYMENT.format(name="web")})
    assert apply(tmp_path, "deploy").code == 0
    with (tmp_path / "out" / name).open("a") as file:
        file.write("# mine\n")
    before = read_tree(tmp_path / "out")
    ended = apply(tmp_path, "deploy")
    assert (ended.code, read_tree(tmp_path / "out")) == (2, before)
    assert "is not empty" in ended.stderr
    assert "has been edited since" in ended.stderr


def test_a_run_that_was_killed_between_two_renames_is_undone(tmp_path: Path) -> None:
    write_tree(tmp_path, {"deploy/web.yaml": DEPLOYMENT.format(name="web")})
    assert apply(tmp_path, "deploy").code == 0
    before = read_tree(tmp_path / "out")
    (tmp_path / "out").rename(tmp_path / ".out.migrator-old")
    assert apply(tmp_path, "deploy").code == 0
    assert read_tree(tmp_path / "out") == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["deploy", "out"]


@pytest.mark.parametrize("out", ["deploy/out", "deploy"])
def test_nothing_is_written_into_a_source(out: str, tmp_path: Path) -> None:
    write_tree(tmp_path, {"deploy/web.yaml": DEPLOYMENT.format(name="web")})
    before = read_tree(tmp_path)
    ended = run("apply", "deploy", "--patches", out, cwd=tmp_path)
    assert (ended.code, read_tree(tmp_path)) == (2, before)


def test_names_lead_nowhere_else(tmp_path: Path) -> None:
    kustomization = "resources: [web.yaml]\nnamespace: ../../../up\n"
    text = DEPLOYMENT.replace("name: {name}\n", "name: ../../up\n", 1).format(name="web")
    ended = apply(write_tree(tmp_path, {"a/web.yaml": text, "a/kustomization.yaml": kustomization}), "a")
    assert ended.code == 0, ended.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "out"]
    assert not any(".." in name for name in read_tree(tmp_path / "out"))
