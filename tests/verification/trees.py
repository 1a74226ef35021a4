"""Trees for verification: read, migrated and written below a folder."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from migrator.model.inventory import Inventory
from migrator.model.policy import Policy
from migrator.planning.plan import plan_changes
from migrator.policy.load import parse_policy
from migrator.rendering.render import render_plan
from migrator.rules.pod_security import find_version
from migrator.sources.read import ReadOptions, read_sources
from migrator.verification.claim import Proof
from migrator.verification.verify import verify

ROOT = Path(__file__).resolve().parents[2]
BEFORE = Path(__file__).parent / "before"
MANIFESTS = ROOT.parent / "shared" / "corpora" / "manifests"


def make_policy(spec: Mapping[str, Any]) -> Policy:
    return parse_policy({"apiVersion": "migrator.dev/v1", "kind": "MigrationPolicy", "spec": dict(spec)})


def read(folder: Path, policy: Policy, **options: Any) -> Inventory:
    given = ReadOptions(kinds=policy.workload_kinds, pod_security=find_version(policy), **options)
    inventory = read_sources([str(folder)], given)
    assert not inventory.errors
    return inventory


def migrate(source: Path, target: Path, policy: Policy, phase: Any = "all") -> None:
    """Write a copy of a tree with the changes of a phase."""
    if source != target:
        shutil.copytree(source, target)
    inventory = read(target, policy)
    for change in render_plan(plan_changes(inventory, policy, phase), inventory.files):
        path = Path(change.path)
        if change.deleted:
            path.unlink()
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(change.new_content())


def prove(before: Path, after: Path, policy: Policy) -> Proof:
    return verify(read(before, policy), read(after, policy), policy)


def list_failures(proof: Proof) -> list[str]:
    return [f"{claim.claim} {claim.ref}: {claim.because}" for claim in proof.claims if not claim.holds]
