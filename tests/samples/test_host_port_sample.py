"""The sample cluster of samples/host-port, taken from its first plan to its last host port."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.samples.command_line import run_migrator

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "samples" / "host-port"
EXPECTED = Path(__file__).parent / "host-port.diff"
KEPT = {
    ("ingress/traefik.yaml", 80),
    ("ingress/traefik.yaml", 443),
    ("nodes/image-cache.yaml", 5000),
    ("nodes/keepalived.yaml", 9650),
}
WHERE = "samples/host-port"


def run_git(folder: Path, *arguments: str, text: str | None = None) -> str:
    result = subprocess.run(["git", *arguments], cwd=folder, input=text, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A git repository that holds the sample where it stands in this one."""
    shutil.copytree(SAMPLE, tmp_path / WHERE)
    run_git(tmp_path, "init", "-q")
    run_git(tmp_path, "add", "-A")
    return tmp_path


def read_tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def read_objects(folder: Path, pattern: str = "*.yaml") -> list[tuple[str, dict]]:
    load = YAML(typ="safe", pure=True).load_all
    return [
        (str(path.relative_to(folder)), document)
        for path in sorted(folder.rglob(pattern))
        for document in load(path.read_text())
        if path.name != "kustomization.yaml" and not path.name.startswith(".")
    ]


def find_host_ports(folder: Path) -> set[tuple[str, int]]:
    return {
        (path, port["hostPort"])
        for path, document in read_objects(folder)
        if "template" in document.get("spec", {})
        for container in document["spec"]["template"]["spec"]["containers"]
        for port in container.get("ports", ())
        if "hostPort" in port
    }


def build(folder: Path) -> list[dict]:
    """Build a tree as kustomize does, as far as this sample needs it: resources and namespaces."""
    load = YAML(typ="safe", pure=True).load_all

    def descend(path: Path, namespace: str | None) -> list[dict]:
        if path.is_file():
            documents = list(load(path.read_text()))
            for document in documents:
                if namespace is not None:
                    document["metadata"]["namespace"] = namespace
            return documents
        (kustomization,) = load((path / "kustomization.yaml").read_text())
        inner = kustomization.get("namespace", namespace)
        return [document for name in kustomization["resources"] for document in descend(path / name, inner)]

    return descend(folder, None)


def test_diff_is_the_expected_one(repository: Path) -> None:
    result = run_migrator(repository, "diff", WHERE)
    assert (result.returncode, result.stderr) == (1, "")
    if os.environ.get("UPDATE_GOLDEN"):
        EXPECTED.write_text(result.stdout)
    assert result.stdout == EXPECTED.read_text()


def test_plan_names_every_workload_and_writes_nothing(repository: Path) -> None:
    before = read_tree(repository / WHERE)
    result = run_migrator(repository, "plan", WHERE)
    assert result.returncode == 0, result.stderr
    workloads = {
        f"{document['kind']}/{document['metadata']['name']}"
        for _, document in read_objects(SAMPLE)
        if "template" in document.get("spec", {})
    }
    assert len(workloads) == 10
    assert {name for name in workloads if name not in result.stdout} == set()
    assert read_tree(repository / WHERE) == before


def test_git_applies_the_diff_and_nothing_is_left_to_do(repository: Path) -> None:
    change = run_migrator(repository, "diff", WHERE).stdout
    run_git(repository, "apply", "--whitespace=error-all", "-", text=change)
    assert find_host_ports(repository / WHERE) == KEPT
    second = run_migrator(repository, "diff", WHERE)
    assert (second.returncode, second.stdout) == (0, "")


def test_out_holds_what_the_diff_makes(repository: Path) -> None:
    before = read_tree(repository / WHERE)
    result = run_migrator(repository, "apply", WHERE, "--out", "migrated")
    # One number is left to the cluster, so a person has something to do.
    assert result.returncode == 1
    assert "kubectl get service picking-node-port -n warehouse" in result.stderr
    assert read_tree(repository / WHERE) == before
    change = run_migrator(repository, "diff", WHERE).stdout
    run_git(repository, "apply", "-", text=change)
    assert read_tree(repository / "migrated") == read_tree(repository / WHERE)
    second = run_migrator(repository, "diff", "migrated")
    assert (second.returncode, second.stdout) == (0, "")


def test_phases_meet_where_the_whole_goes(repository: Path) -> None:
    refused = run_migrator(repository, "apply", WHERE, "--in-place", "--phase", "contract")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "phase contract before expand" in refused.stderr
    assert find_host_ports(repository / WHERE) == find_host_ports(SAMPLE)

    expanded = run_migrator(repository, "apply", WHERE, "--in-place", "--phase", "expand")
    assert expanded.returncode == 1, expanded.stderr
    assert find_host_ports(repository / WHERE) == find_host_ports(SAMPLE)

    unknown = run_migrator(repository, "apply", WHERE, "--in-place", "--phase", "contract")
    assert unknown.returncode == 2
    assert "kubectl get service picking-node-port -n warehouse" in unknown.stderr

    live = next(item for item in build(repository / WHERE) if item["metadata"]["name"] == "picking-node-port")
    live["spec"]["ports"][0]["nodePort"] = 31872
    with (repository / "live.yaml").open("w") as file:
        YAML(typ="safe", pure=True).dump({"apiVersion": "v1", "kind": "List", "items": [live]}, file)
    contracted = run_migrator(repository, "apply", WHERE, "live.yaml", "--in-place", "--phase", "contract")
    assert contracted.returncode == 0, contracted.stderr
    assert find_host_ports(repository / WHERE) == KEPT

    whole = repository / "whole"
    run_migrator(whole.parent, "apply", str(SAMPLE), "--out", str(whole))
    assert sort_objects(build(repository / WHERE)) == sort_objects(build(whole))


def sort_objects(objects: list[dict]) -> list[dict]:
    return sorted(
        objects, key=lambda item: (item["kind"], item["metadata"].get("namespace", ""), item["metadata"]["name"])
    )


@pytest.mark.parametrize("arguments", [["audit"], ["plan"], ["diff"]])
def test_the_same_text_with_one_process_and_two(repository: Path, arguments: list[str]) -> None:
    one = run_migrator(repository, *arguments, WHERE, "--jobs", "1")
    two = run_migrator(repository, *arguments, WHERE, "--jobs", "2")
    assert (one.returncode, one.stdout) == (two.returncode, two.stdout)


def test_every_file_is_built_and_every_listed_file_is_there() -> None:
    built = {item["metadata"]["name"] for item in build(SAMPLE)}
    assert {document["metadata"]["name"] for _, document in read_objects(SAMPLE)} == built


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl, which brings kustomize, is not on PATH")
def test_kustomize_builds_the_tree_before_and_after(tmp_path: Path) -> None:
    run_migrator(tmp_path, "apply", str(SAMPLE), "--out", "migrated")
    counts = []
    for folder in (SAMPLE, tmp_path / "migrated"):
        result = subprocess.run(["kubectl", "kustomize", folder], capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stderr
        documents = list(YAML(typ="safe", pure=True).load_all(result.stdout))
        assert sort_objects(documents) == sort_objects(build(folder))
        counts.append(len(documents))
    assert counts == [19, 27]


def test_the_readme_tells_every_workload() -> None:
    story = (SAMPLE / "README.md").read_text()
    for path, document in read_objects(SAMPLE):
        if "template" in document.get("spec", {}):
            assert path in story
