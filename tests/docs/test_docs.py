"""The pages under docs/: what is generated is fresh, links lead somewhere, policies are right."""

from __future__ import annotations

import importlib.util
import os
import re
from pathlib import Path

import pytest
import yaml

from migrator.policy.load import parse_policy

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs").glob("*.md"))


def test_the_reference_is_fresh() -> None:
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs/generate.py")
    assert spec is not None
    assert spec.loader is not None
    generate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generate)
    if os.environ.get("UPDATE_GOLDEN"):
        generate.PAGE.write_text(generate.write_reference())
    fresh = generate.write_reference() == generate.PAGE.read_text()
    assert fresh, "run: python docs/generate.py"


def _name_anchor(heading: str) -> str:
    return re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    headings = {_name_anchor(line) for line in re.findall(r"^#+ (.*)$", text, re.MULTILINE)}
    for target in re.findall(r"\]\(([^)]+)\)", text):
        path, _, anchor = target.partition("#")
        if not path.startswith("https://"):
            assert (page.parent / path).exists(), target
            assert path or not anchor or anchor in headings, target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_blocks_of_yaml_are_yaml_and_policies_are_policies(page: Path) -> None:
    for block in re.findall(r"^```yaml\n(.*?)^```", page.read_text(), re.DOTALL | re.MULTILINE):
        for document in yaml.safe_load_all(block):
            if document.get("kind") == "MigrationPolicy":
                parse_policy(document)
