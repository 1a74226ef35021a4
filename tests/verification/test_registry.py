"""The registry is whole, and verification stands on its own: it has to be able to catch the planner."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from migrator.sources.tables import load_table
from migrator.verification import conditions
from migrator.verification.verify import list_claims, load_finder
from tests.verification.trees import ROOT

ROOM = ROOT / "migrator" / "verification"
ALLOWED = {"errors", "model", "yaml", "podsecurity", "psp", "sources", "policy", "verification"}


def list_imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, "no relative imports"
            yield str(node.module)
        elif isinstance(node, ast.Import):
            yield from (name.name for name in node.names)


@pytest.mark.parametrize("path", sorted(ROOM.rglob("*.py")), ids=lambda path: str(path.relative_to(ROOM)))
def test_nothing_of_the_planner_is_used(path: Path) -> None:
    rooms = {parts[1] for name in list_imports(path) if (parts := name.split("."))[0] == "migrator"}
    assert rooms <= ALLOWED
    assert "load_table" not in path.read_text() or 'load_table("verification/' in path.read_text()


def test_every_claim_has_a_file_and_every_file_a_claim() -> None:
    names = {row["id"].replace("-", "_") for row in list_claims()}
    assert names == {path.stem for path in (ROOM / "claims").glob("*.py")} - {"__init__"}
    for row in list_claims():
        assert callable(load_finder(row["id"]))
        assert row["title"]


def test_every_condition_is_there() -> None:
    table = load_table("verification/changes.yaml")
    named = {row["where"] for key in ("pods", "hardening", "objects") for row in table[key] if "where" in row}
    assert named == {name for name in vars(conditions) if name.startswith(("is_", "keeps_"))}
