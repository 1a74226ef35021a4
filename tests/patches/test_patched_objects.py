"""Patches give the same objects as the text edits do: over the fixtures, the samples and real manifests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml

from migrator.errors import InputError, MigratorError
from migrator.model.inventory import Inventory
from migrator.model.plan import Plan
from migrator.rendering.builds import find_builds
from migrator.run import Run, make_request
from tests.corpus.test_manifest_corpus import CORPUS, insert_host_ports
from tests.patches.patched import canonical, check_same, list_edited, load_objects, write_patches
from tests.rules.cases import Case, find_cases, working_in

SAMPLES = Path(__file__).parents[2] / "samples"
FULL = bool(os.environ.get("FULL"))
SETTINGS = ["podSecurity.harden=restricted", "podSecurity.complete=true", "podSecurity.createNamespaces=true"]


REPEATED_KEYS = [
    f"examples___archived__openshift-origin__{name}.yaml"
    for name in ("etcd-controller", "etcd-discovery-controller", "openshift-controller")
]
"""Manifests with a key given twice, which migrator rightly refuses to edit."""


REFUSED = {
    "in-two-places": r"stands twice, here and in input/a/web\.yaml",
    "clean-up/role-that-another-copy-keeps": r"stands here and in input/a\.yaml:1, and they change differently",
    "clean-up/list-of-nothing-else": "kustomize cannot patch an object without a name",
}
"""Fixtures whose objects kustomize could not tell apart, or name."""


def compare(plan: Plan, inventory: Inventory, out: Path) -> int:
    edited = list_edited(plan, inventory)
    write_patches(plan, inventory, out)
    built = {
        canonical(item): build.transformers.get("namespace", "")
        for path, builds in find_builds(inventory.kustomizations).items()
        for build in builds
        if Path(path).is_file()
        for item in load_objects(Path(path).read_bytes())
    }
    return check_same(out, edited, built)


def plan_source(source: str) -> tuple[Plan, Inventory]:
    run = Run(make_request({"sources": [source], "settings": SETTINGS, "jobs": 1, "quiet": True}))
    return run.make_plan("all")


@pytest.mark.parametrize("case", find_cases(), ids=str)
def test_fixtures(case: Case, tmp_path: Path) -> None:
    with working_in(case.folder):
        inventory = case.read()
        try:
            plan = case.plan(inventory)
        except MigratorError:
            return
        refused = next((reason for name, reason in REFUSED.items() if name in str(case)), None)
        if refused is not None:
            with pytest.raises(InputError, match=refused):
                compare(plan, inventory, tmp_path / "out")
        else:
            compare(plan, inventory, tmp_path / "out")


@pytest.mark.parametrize(("sample", "changed"), [("host-port", 20), ("pod-security", 9)])
def test_samples(sample: str, changed: int, tmp_path: Path) -> None:
    with working_in(SAMPLES):
        assert compare(*plan_source(sample), tmp_path / "out") >= changed


@pytest.mark.skipif(not CORPUS.is_dir(), reason="no corpus of manifests beside the repository")
def test_real_manifests(tmp_path: Path) -> None:
    """Each file by itself: among those of many projects one name stands for many objects."""
    compared = 0
    with working_in(tmp_path):
        for number, path in enumerate(sorted(CORPUS.iterdir())[:: 1 if FULL else 6]):
            folder = tmp_path / str(number)
            folder.mkdir()
            text = insert_host_ports(path.read_bytes().decode())
            (folder / path.name).write_bytes(text.encode())
            if path.name in REPEATED_KEYS:
                continue
            compared += compare(*plan_source(str(folder / path.name)), tmp_path / f"{number}-out")
    assert compared > 80


def test_the_reader_of_these_tests_reads_as_kubernetes_does() -> None:
    assert yaml.safe_load("defaultMode: 0755") == {"defaultMode": 493}
