"""Phase cleanup: patches that delete files apply, its result is stable, what it does not delete stays as it is."""

from __future__ import annotations

import copy
import json
import random
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pytest
from cases import Case, find_cases, working_in, write_files
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from migrator.errors import PolicyError
from migrator.planning.document import describe_plan
from migrator.planning.plan import plan_changes
from migrator.planning.plan_file import load_plan_file, restore_plan
from migrator.policy.load import parse_policy
from migrator.rendering.copy import write_out, write_stream
from migrator.rendering.diff import write_diff
from migrator.rendering.render import render_plan
from migrator.rendering.write import write_in_place
from migrator.sources.read import ReadOptions, read_sources

CASES = [case for case in find_cases() if case.folder.parent.name == "clean-up" and case.expected_diff]
OFF = parse_policy({"spec": {"cluster": {"podSecurityPolicyAdmission": "off"}}})


def read_tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def clean(case: Case, folder: Path) -> None:
    case.copy_to(folder)
    with working_in(folder):
        inventory = case.read(["."])
        write_files(render_plan(case.plan(inventory), inventory.files))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_planning_the_result_again_changes_nothing(case: Case, tmp_path: Path) -> None:
    clean(case, tmp_path)
    with working_in(tmp_path):
        assert case.plan(case.read(["."])).changes == ()


@pytest.mark.parametrize("tool", [["git", "apply"], ["patch", "-s", "-p1", "-i", "-"]], ids=["git", "patch"])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_patches_give_the_files_that_are_written(case: Case, tool: list[str], tmp_path: Path) -> None:
    written, patched = tmp_path / "written", tmp_path / "patched"
    for folder in (written, patched):
        folder.mkdir()
    clean(case, written)
    case.copy_to(patched)
    subprocess.run(tool, cwd=patched, input=case.expected_diff.encode(), check=True)
    assert read_tree(patched) == read_tree(written)


TREE = next(case for case in CASES if case.folder.name == "kustomize-files-that-go")


def test_in_place_and_out_and_stdout_agree(tmp_path: Path) -> None:
    clean(TREE, tmp_path / "expected")
    TREE.copy_to(tmp_path / "in-place")
    with working_in(tmp_path / "in-place"):
        inventory = TREE.read(["."])
        changes = render_plan(TREE.plan(inventory), inventory.files)
        write_out(changes, ["."], tmp_path / "out", None)
        contents = {file.path: Path(file.path).read_bytes() for file in inventory.files}
        stream = write_stream(changes, sorted(contents), contents)
        assert write_in_place(changes) == ["input/kustomization.yaml"]
    expected = read_tree(tmp_path / "expected")
    assert set(expected) == {"input/kustomization.yaml", "input/settings.yaml"}
    assert read_tree(tmp_path / "in-place") == read_tree(tmp_path / "out") == expected
    assert stream == b"".join(b"---\n" + expected[path] for path in sorted(expected))


def test_a_plan_file_leaves_what_is_taken_out_of_it(tmp_path: Path) -> None:
    case = next(case for case in CASES if case.folder.name == "stream")
    with working_in(case.folder):
        inventory = case.read()
        document = describe_plan(case.plan(inventory))
        document["changes"] = [item for item in document["changes"] if item["resourceRef"]["name"] != "baseline"]
        path = tmp_path / "plan.json"
        path.write_text(json.dumps(document))
        plan_file = load_plan_file(str(path))
        kept = restore_plan(plan_file, inventory, "cleanup", plan_file.selection)
    assert [change.resource.name for change in kept.changes] == ["restricted"]


@pytest.mark.parametrize("name", ["restricted", "psp"])
def test_a_plan_file_that_keeps_a_file_has_to_keep_it_listed(name: str, tmp_path: Path) -> None:
    with working_in(TREE.folder):
        inventory = TREE.read()
        document = describe_plan(TREE.plan(inventory))
        document["changes"] = [item for item in document["changes"] if item["resourceRef"]["name"] != name]
        path = tmp_path / "plan.json"
        path.write_text(json.dumps(document))
        plan_file = load_plan_file(str(path))
        with pytest.raises(PolicyError, match="would no longer list"):
            restore_plan(plan_file, inventory, "cleanup", plan_file.selection)


POLICY = "apiVersion: policy/v1beta1\nkind: PodSecurityPolicy\nmetadata: {name: N}\nspec: {volumes: ['*']}\n"
SETTINGS = 'apiVersion: v1\nkind: ConfigMap   # N\nmetadata: {name: N}\ndata:\n  a: "1"\n\n  # last\n'
ROLE = "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\nmetadata: {name: N}\nrules:\n"
RULES = (
    "- apiGroups: [policy]\n  resources: [podsecuritypolicies]\n  verbs: [use]\n",
    "- {apiGroups: [extensions], resources: [podsecuritypolicies], verbs: ['*'], resourceNames: [a]}\n",
    "# pods\n- apiGroups: ['']\n  resources: [pods]   # all\n  verbs: [get]\n",
    "- apiGroups: [extensions, apps]\n  resources: [deployments, podsecuritypolicies]\n  verbs: [get]\n",
    "- apiGroups: [policy]\n  resources:\n  - podsecuritypolicies\n  - poddisruptionbudgets\n  verbs: [get]\n",
    "- apiGroups: ['*']\n  resources: ['*']\n  verbs: ['*']\n",
)
BINDING = (
    "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata: {name: N}\n"
    "roleRef: {kind: ClusterRole, name: ROLE}\n"
)


def make_stream(chance: random.Random) -> tuple[str, list[str]]:
    """Make a stream, and the documents in it that nothing may touch."""
    documents, untouched = [], []
    for number in range(chance.randint(1, 7)):
        kind = chance.choice("psrrb")
        text = {"p": POLICY, "s": SETTINGS, "r": ROLE, "b": BINDING}[kind].replace("N", f"n{number}")
        if kind == "r":
            text += "".join(chance.choices(RULES, k=chance.randint(1, 4)))
        if kind == "s":
            untouched.append(text)
        documents.append(text.replace("ROLE", f"n{chance.randint(0, 6)}"))
    opening = chance.choice(("", "---\n", "# mine\n\n", "# mine\n---\n"))
    markers = [chance.choice(("---\n", "--- # next\n", "---\n# about it\n", "---\n---\n")) for _ in documents]
    text = opening + "".join(f"{marker if index else ''}{documents[index]}" for index, marker in enumerate(markers))
    return (text if chance.random() < 0.7 else text.rstrip("\n")), untouched


def expect(documents: list[Any]) -> list[Any]:
    """Say on plain data what has to be left."""
    left, gone = [], set()
    for document in copy.deepcopy(documents):
        if document["kind"] == "PodSecurityPolicy":
            continue
        if document["kind"] == "ClusterRole":
            before = len(document["rules"])
            for rule in document["rules"]:
                if not {"policy", "extensions", "*"}.isdisjoint(rule["apiGroups"]):
                    rule["resources"] = [name for name in rule["resources"] if name != "podsecuritypolicies"]
            document["rules"] = [rule for rule in document["rules"] if rule["resources"]]
            if before and not document["rules"]:
                gone.add(document["metadata"]["name"])
                continue
        left.append(document)
    return [item for item in left if item["kind"] != "ClusterRoleBinding" or item["roleRef"]["name"] not in gone]


def load(text: str) -> list[Any]:
    return [document for document in YAML(typ="safe", pure=True).load_all(text) if document is not None]


@settings(max_examples=60, deadline=None, derandomize=True, phases=(Phase.explicit, Phase.generate))
@given(st.integers(0, 2**32))
def test_what_is_not_deleted_stays_byte_for_byte(seed: int) -> None:
    text, untouched = make_stream(random.Random(seed))
    with tempfile.TemporaryDirectory() as folder, working_in(Path(folder)):
        Path("all.yaml").write_text(text)
        inventory = read_sources(["all.yaml"], ReadOptions(kinds=OFF.workload_kinds))
        changes = render_plan(plan_changes(inventory, OFF, "cleanup"), inventory.files)
        write_diff(changes)
        write_files(changes)
        after = Path("all.yaml").read_text() if Path("all.yaml").exists() else ""
    assert load(after) == expect(load(text))
    assert [item for item in untouched if item.rstrip("\n") not in after] == []
    before = iter(text.splitlines())
    edited = {"  resources: [deployments]": "  resources: [deployments, podsecuritypolicies]"}
    lines = after.splitlines()
    assert all(any(line == old or edited.get(line) == old for old in before) for line in lines)
