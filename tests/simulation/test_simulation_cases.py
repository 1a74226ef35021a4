"""Cases of the simulation: a folder is one.

cases/<case>/input.yaml      its first line says what it shows
             nodes.yaml      the nodes, where options.yaml gives no number
             options.yaml    optional: nodes, policy (a spec)
             expected.txt    what `simulate -v` prints; UPDATE_GOLDEN=1 writes it anew
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from migrator.model.world import World
from migrator.planning.plan import plan_changes
from migrator.policy.load import parse_policy
from migrator.review.painter import Painter
from migrator.review.simulation import write_simulation
from migrator.simulation.simulate import Simulation, simulate
from migrator.sources.nodes import find_nodes
from migrator.sources.read import ReadOptions, read_sources

CASES = sorted((Path(__file__).parent / "cases").iterdir())


def run(folder: Path) -> Simulation:
    path = folder / "options.yaml"
    options: dict[str, Any] = YAML(typ="safe").load(path) if path.exists() else {}
    spec = options.get("policy", {})
    policy = parse_policy({"apiVersion": "migrator.dev/v1", "kind": "MigrationPolicy", "spec": spec})
    inventory = read_sources([str(folder / "input.yaml")], ReadOptions(policy.workload_kinds))
    nodes = find_nodes(str(options.get("nodes", folder / "nodes.yaml")))
    return simulate(World(inventory, policy), plan_changes(inventory, policy), nodes)


@pytest.mark.parametrize("folder", CASES, ids=lambda folder: folder.name)
def test_case(folder: Path) -> None:
    text = write_simulation(run(folder), Painter(colour=False, width=110), verbose=True)
    golden = folder / "expected.txt"
    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_text(text)
    assert text == golden.read_text()


def test_half_of_the_cases_have_no_trouble_before() -> None:
    calm = [folder for folder in CASES if not run(folder).before.pending]
    assert len(CASES) / 3 < len(calm) < len(CASES)
