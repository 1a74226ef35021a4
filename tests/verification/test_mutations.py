"""A correct result, spoilt in one way after the other: each is found, by the claim that is about it."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from migrator.model.field import parse_path
from migrator.verification.tree import read_tree
from migrator.verification.verify import list_claims, verify
from tests.verification.trees import BEFORE, list_failures, make_policy, migrate, prove, read

SPEC = {"podSecurity": {"complete": True}, "cluster": {"usedNodePorts": [32000]}}
OFF = {**SPEC, "cluster": {"podSecurityPolicyAdmission": "off"}}
MUTATIONS = YAML(typ="safe").load(Path(__file__).parent / "mutations.yaml")
POLICIES = {"moved": make_policy(SPEC), "cleaned": make_policy(OFF)}


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("results")
    migrate(BEFORE, folder / "moved", POLICIES["moved"])
    migrate(folder / "moved", folder / "cleaned", POLICIES["cleaned"], "cleanup")
    return {name: folder / name for name in POLICIES}


def test_names_are_unique_and_every_claim_is_spoilt() -> None:
    assert len({item["name"] for item in MUTATIONS}) == len(MUTATIONS) >= 30
    assert {item["claim"] for item in MUTATIONS} == {row["id"] for row in list_claims() if not row.get("live")}


@pytest.mark.parametrize("of", POLICIES)
def test_correct_results_are_proven(results: dict[str, Path], of: str) -> None:
    proof = prove(BEFORE, results[of], POLICIES[of])
    assert list_failures(proof) == []
    assert len(proof.claims) > 70


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda item: item["name"])
def test_every_mutation_is_found(results: dict[str, Path], mutation: dict[str, Any], tmp_path: Path) -> None:
    of = mutation.get("of", "moved")
    after = tmp_path / "after"
    shutil.copytree(results[of], after)
    assert mutate(after, mutation), "the mutation found nothing to change"
    policy = POLICIES[of]
    before = read(BEFORE, policy)
    proof = verify(before, read(after, policy), policy)
    failed = [claim for claim in proof.claims if not claim.holds]
    assert mutation["claim"] in {claim.claim for claim in failed}, list_failures(proof)
    for claim in failed:
        assert claim.before or claim.after
        assert claim.because


def mutate(folder: Path, mutation: dict[str, Any]) -> bool:
    """Spoil the files of a folder; False where nothing was there to be changed."""
    for name, replacements in mutation.get("files", {}).items():
        path = folder / name
        text = path.read_text()
        for old, new in replacements.items():
            assert old in text
            text = text.replace(old, new)
        path.write_text(text)
        return True
    if "add" in mutation:
        write(folder / "cart.yaml", [*load(folder / "cart.yaml"), mutation["add"]])
        return True
    named = mutation["object"]
    return all(spoil(folder, name, mutation) for name in (named if isinstance(named, list) else [named]))


def spoil(folder: Path, name: str, mutation: dict[str, Any]) -> bool:
    for path in sorted(folder.glob("*.yaml")):
        documents = load(path)
        for index, document in enumerate(documents):
            if f"{document.get('kind')}/{document.get('metadata', {}).get('name')}" == name:
                if mutation.get("vanish"):
                    del documents[index]
                elif mutation.get("twice"):
                    documents.append(document)
                else:
                    edit(document, mutation)
                write(path, documents)
                return True
    return False


def edit(document: Any, mutation: dict[str, Any]) -> None:
    for path, value in mutation.get("set", {}).items():
        parent, last = find_parent(document, path)
        parent[last] = value
    for path, value in mutation.get("append", {}).items():
        parent, last = find_parent(document, path)
        parent.setdefault(last, []).append(value)
    for path in filter(None, (mutation.get("remove"), mutation.get("also"))):
        parent, last = find_parent(document, path)
        del parent[last]


def find_parent(document: Any, path: str) -> tuple[Any, Any]:
    *above, last = parse_path(path)
    for step in above:
        document = document.setdefault(step, {}) if isinstance(document, dict) else document[step]
    return document, last


def load(path: Path) -> list[Any]:
    return list(YAML(typ="safe").load_all(path))


def write(path: Path, documents: list[Any]) -> None:
    with path.open("w") as stream:
        YAML(typ="safe", pure=True).dump_all(documents, stream)


def test_rewritten_files_alone_change_nothing(results: dict[str, Path], tmp_path: Path) -> None:
    """Other quotes, another order of objects and keys: a proof is about what is said."""
    after = tmp_path / "after"
    shutil.copytree(results["moved"], after)
    for path in after.glob("*.yaml"):
        if path.name not in ("kustomization.yaml", "replicas.yaml"):
            write(path, load(path)[::-1])
    assert list_failures(prove(BEFORE, after, POLICIES["moved"])) == []


def test_documents_know_their_lines() -> None:
    tree = read_tree(read(BEFORE, POLICIES["moved"]))
    cart = next(item for item in tree.documents if item.ref.kind == "Deployment" and item.ref.name == "cart")
    path = ("spec", "template", "spec", "containers", 0, "ports", 0, "hostPort")
    line = cart.place_of(path).line
    assert (BEFORE / "cart.yaml").read_text().split("\n")[line - 1].strip() == "hostPort: 8080"
