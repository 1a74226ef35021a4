"""Finding files: what is skipped, what is said, what may not be changed, and what stops a run."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path
from unittest.mock import patch

import pytest

from migrator.errors import InputError
from migrator.policy.load import built_in_policy
from migrator.sources.files import FoundFiles, find_chart, find_files
from migrator.sources.read import ReadOptions, read_sources

POD = "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec: {containers: []}\n"


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in (
        "deploy/a.yaml", "deploy/b.yml", "deploy/c.json", "deploy/test/a.yaml", "deploy/test/deep/d.yaml",
        "deploy/readme.md", "deploy/Kustomization", "deploy/.hidden.yaml", "deploy/.git/x.yaml", "deploy/x.yaml.bak",
        "other/o.yaml",
    ):  # fmt: skip
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def paths(found: FoundFiles) -> list[str]:
    return [file.path for file in found.files]


def test_manifests_are_found_and_hidden_names_are_not(tree: Path) -> None:
    found = find_files(["deploy"])
    assert paths(found) == [
        "deploy/Kustomization",
        "deploy/a.yaml",
        "deploy/b.yml",
        "deploy/c.json",
        "deploy/test/a.yaml",
        "deploy/test/deep/d.yaml",
    ]
    assert (found.unread, found.charts) == ((), frozenset())


@pytest.mark.parametrize("source", ["deploy/.git", "deploy/.hidden.yaml", "deploy/readme.md"])
def test_what_is_named_is_read_whatever_its_name(tree: Path, source: str) -> None:
    names = {"deploy/.git": ["deploy/.git/x.yaml"]}.get(source, [source])
    assert paths(find_files([source])) == names


@pytest.mark.parametrize(
    "sources",
    [
        ["deploy", "deploy"],
        ["deploy", "./deploy/"],
        ["deploy", "deploy/test", "deploy/a.yaml"],
        ["deploy/a.yaml", "deploy"],
        ["deploy", os.path.curdir + "/deploy/test/../a.yaml"],
    ],
)
def test_sources_that_overlap_give_each_file_once(tree: Path, sources: list[str]) -> None:
    assert paths(find_files(sources)) == paths(find_files(["deploy"]))


def test_a_source_outside_of_the_working_directory_has_its_whole_path(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tree / "deploy")
    assert paths(find_files(["../other", "test/a.yaml"])) == [f"{tree}/other/o.yaml", "test/a.yaml"]


@pytest.mark.parametrize(
    ("pattern", "excluded"),
    [
        ("a.yaml", ["a.yaml", "test/a.yaml"]),
        ("/a.yaml", ["a.yaml"]),
        ("./a.yaml", ["a.yaml", "test/a.yaml"]),
        ("deploy/a.yaml", ["a.yaml"]),
        ("*.json", ["c.json"]),
        ("test", ["test/a.yaml", "test/deep/d.yaml"]),
        ("test/", ["test/a.yaml", "test/deep/d.yaml"]),
        ("test/*.yaml", ["test/a.yaml", "test/deep/d.yaml"]),
        ("**/test/*.yaml", ["test/a.yaml", "test/deep/d.yaml"]),
        ("**/a.yaml", ["a.yaml", "test/a.yaml"]),
        ("deep", ["test/deep/d.yaml"]),
        ("test/deep", ["test/deep/d.yaml"]),
        ("tes", []),
        ("A.yaml", []),
        ("other", []),
        ("", []),
    ],
)
def test_exclusions(tree: Path, pattern: str, excluded: list[str]) -> None:
    for source in ("deploy", f"{tree}/deploy"):
        found = find_files([source], [pattern])
        assert [file.path.removeprefix("deploy/") for file in found.files if file.excluded] == excluded
        assert paths(found) == paths(find_files([source]))


def test_exclusions_mean_the_same_from_within(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tree / "deploy")
    found = find_files(["."], ["**/test/*.yaml"])
    assert [file.path for file in found.files if file.excluded] == ["test/a.yaml", "test/deep/d.yaml"]


def test_links_are_not_followed_and_those_that_lead_out_are_said(tree: Path) -> None:
    (tree / "deploy/inside.yaml").symlink_to("a.yaml")
    (tree / "deploy/again").symlink_to(".")
    (tree / "deploy/readme-link.md").symlink_to("../other/o.yaml")
    before = paths(find_files(["deploy"]))
    assert find_files(["deploy"]).unread == ()
    (tree / "deploy/outside.yaml").symlink_to("../other/o.yaml")
    (tree / "deploy/folder").symlink_to("../other")
    found = find_files(["deploy"])
    assert paths(found) == before
    assert [item.path for item in found.unread] == ["deploy/folder", "deploy/outside.yaml"]
    assert {item.reason for item in found.unread} == {"a link that leads out of the source: not followed"}


def test_a_link_that_is_named_is_followed(tree: Path) -> None:
    (tree / "link").symlink_to("other")
    assert paths(find_files(["link"])) == ["link/o.yaml"]


def test_pipes_are_no_files_of_a_folder(tree: Path) -> None:
    before = paths(find_files(["deploy"]))
    os.mkfifo(tree / "deploy/pipe.yaml")
    assert paths(find_files(["deploy"])) == before


def test_a_source_that_is_not_there(tree: Path) -> None:
    with pytest.raises(InputError, match="cannot be read: no such file") as refused:
        find_files(["deploy", "missing"])
    assert refused.value.path == "missing"


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
@pytest.mark.parametrize("name", ["deploy/test", "deploy/a.yaml"])
def test_what_may_not_be_read(tree: Path, name: str) -> None:
    (tree / name).chmod(0)
    try:
        errors = read_sources(["deploy"], ReadOptions(kinds=())).errors
    except InputError as error:
        errors = (error,)
    finally:
        (tree / name).chmod(0o755)
    assert [(error.path, "permission denied" in error.problem) for error in errors] == [(name, True)]


def refuse_permission(path: str, *rest: object) -> None:
    raise PermissionError(13, "Permission denied", path)


def test_a_folder_that_the_system_refuses_ends_the_run(tree: Path) -> None:
    with (
        patch("migrator.sources.files.os.scandir", refuse_permission),
        pytest.raises(InputError, match="deploy: cannot be read: permission denied"),
    ):
        find_files(["deploy"])


def test_a_file_that_the_system_refuses_is_one_error(tree: Path) -> None:
    with patch("builtins.open", refuse_permission):
        [error] = read_sources(["deploy/a.yaml"], ReadOptions(kinds=())).errors
    assert (error.path, error.problem) == ("deploy/a.yaml", "cannot be read: permission denied")


def test_charts(tree: Path) -> None:
    for name in (
        "Chart.yaml",
        "values.yaml",
        "values-prod.yaml",
        "templates/a.yaml",
        "crds/c.yaml",
        "files/values.yaml",
    ):
        path = tree / "deploy/chart" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{{ not yaml" if name.startswith("templates") else POD)
    inventory = read_sources(["deploy"], ReadOptions(kinds=built_in_policy().workload_kinds))
    reasons = {
        item.path.removeprefix("deploy/chart/"): item.reason for item in inventory.unread if "chart" in item.path
    }
    assert sorted(reasons) == ["Chart.yaml", "templates/a.yaml", "values-prod.yaml", "values.yaml"]
    assert "helm template" in reasons["templates/a.yaml"]
    assert reasons["Chart.yaml"] == "Helm chart metadata, not a manifest"
    assert reasons["values.yaml"] == "Helm values, not a manifest"
    read = {workload.location.path for workload in inventory.workloads}
    assert read == {"deploy/chart/crds/c.yaml", "deploy/chart/files/values.yaml"}
    assert inventory.errors == ()


def test_values_without_a_chart_are_manifests_like_any(tree: Path) -> None:
    (tree / "deploy/values.yaml").write_text(POD)
    (tree / "deploy/templates").mkdir()
    (tree / "deploy/templates/a.yaml").write_text(POD)
    inventory = read_sources(["deploy"], ReadOptions(kinds=built_in_policy().workload_kinds))
    assert {workload.location.path for workload in inventory.workloads} == {
        "deploy/values.yaml",
        "deploy/templates/a.yaml",
    }


@pytest.mark.parametrize(
    ("path", "chart"),
    [
        ("c/templates/a.yaml", "c"),
        ("c/values.yaml", "c"),
        ("c/charts/d/values.yaml", "c/charts/d"),
        ("cc/a.yaml", None),
    ],
)
def test_the_nearest_chart_counts(path: str, chart: str | None) -> None:
    assert find_chart(path, frozenset({"c", "c/charts/d"})) == chart


def test_a_chart_in_the_working_directory() -> None:
    assert find_chart("templates/a.yaml", frozenset({"."})) == "."


@pytest.mark.parametrize("sources", [["-"], ["-", "-"], ["-", "deploy"]])
def test_standard_input_is_read_once_and_kept(tree: Path, sources: list[str]) -> None:
    with patch.object(sys, "stdin", io.TextIOWrapper(io.BytesIO(POD.encode()))):
        inventory = read_sources(sources, ReadOptions(kinds=built_in_policy().workload_kinds))
    [file] = [file for file in inventory.files if file.path == "-"]
    assert (file.content, file.documents) == (POD.encode(), 1)
    assert [workload.location.path for workload in inventory.workloads] == ["-"]
    assert all(file.content is None for file in inventory.files if file.path != "-")
