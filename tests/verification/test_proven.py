"""What migrator makes of real input is proven: of every case, of the samples, of a corpus of manifests."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from migrator.errors import MigratorError
from migrator.model.inventory import Inventory
from migrator.planning.plan import plan_changes
from migrator.rendering.render import render_plan
from migrator.verification.claim import Proof
from migrator.verification.verify import verify
from tests.corpus.test_manifest_corpus import insert_host_ports
from tests.rules.cases import Case, find_cases
from tests.verification.trees import MANIFESTS, ROOT, list_failures, make_policy, migrate, prove, read

FULL = bool(os.environ.get("FULL"))
CASES = [case for case in find_cases() if FULL or case.expected_diff]
STEPS = (("expand", "contract", "enforce", "cleanup"), ("all",)) if FULL else (("expand",), ("all",))
SAMPLED = 1 if FULL else 40
KNOWN = {
    # The plan itself says so, as an error: change the policy first.
    "pod-security-policy/hardened-against-the-policy": "no PodSecurityPolicy admits its pods",
}


def apply_phase(case: Case, folder: Path, phase: Any) -> bool:
    """Apply a phase to a tree; False where its turn has not come, or never comes."""
    inventory = read_case(case, folder)
    try:
        plan = plan_changes(inventory, case.policy(), phase)
        changes = render_plan(plan, inventory.files)
    except MigratorError:
        return False
    for change in changes:
        path = Path(change.path)
        if change.deleted:
            path.unlink()
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(change.new_content())
    return True


def read_case(case: Case, folder: Path) -> Inventory:
    policy = case.policy()
    exclude = (*policy.exclude_paths, *case.options.get("exclude", ()))
    return read(folder, policy, exclude=exclude, default_namespace=case.options.get("defaultNamespace"))


def prove_case(case: Case, before: Path, after: Path) -> Proof:
    return verify(read_case(case, before), read_case(case, after), case.policy())


@pytest.mark.parametrize("case", CASES, ids=str)
def test_every_case_is_proven_in_every_phase(case: Case, tmp_path: Path) -> None:
    before = tmp_path / "before"
    before.mkdir()
    case.copy_to(before)
    steps = STEPS if FULL or case.phase == "all" else ((case.phase,),)
    for number, phases in enumerate(steps):
        after = tmp_path / str(number)
        after.mkdir()
        case.copy_to(after)
        for phase in phases:
            if apply_phase(case, after, phase):
                failures = list_failures(prove_case(case, before, after))
                assert all(KNOWN.get(str(case), "no failure") in failure for failure in failures), (phase, failures)


@pytest.mark.parametrize("name", ["host-port", "pod-security", "psp"])
@pytest.mark.parametrize("phases", [("expand",), ("all",), ("all", "cleanup")], ids=" ".join)
def test_samples_are_proven(name: str, phases: tuple[str, ...], tmp_path: Path) -> None:
    policy = make_policy({"cluster": {"podSecurityPolicyAdmission": "off"}} if "cleanup" in phases else {})
    before, after = ROOT / "samples" / name, tmp_path / "after"
    shutil.copytree(before, after)
    for phase in phases:
        migrate(after, after, policy, phase)
    assert list_failures(prove(before, after, policy)) == []


@pytest.mark.skipif(not MANIFESTS.is_dir(), reason="no corpus of manifests beside the repository")
@pytest.mark.parametrize("with_host_ports", [False, True], ids=["as it is", "with host ports"])
def test_the_corpus_is_proven(with_host_ports: bool, tmp_path: Path) -> None:
    before = tmp_path / "before"
    before.mkdir()
    for path in sorted(MANIFESTS.iterdir())[::SAMPLED]:
        text = path.read_bytes().decode()
        (before / path.name).write_bytes((insert_host_ports(text) if with_host_ports else text).encode())
    policy = make_policy({})
    for phase in ("expand", "all"):
        after = tmp_path / phase
        migrate_editable(before, after, phase)
        proof = prove(before, after, policy)
        assert list_failures(proof) == []
        assert len(proof.claims) > 80


def migrate_editable(before: Path, after: Path, phase: str) -> None:
    """Migrate a tree, less the files with a key given twice, which are refused."""
    while True:
        try:
            migrate(before, after, make_policy({}), phase)
        except MigratorError as error:
            refused = re.match(r"(.+?):\d+: cannot be edited .* is given twice", str(error))
            if refused is None:
                raise
            (before / Path(refused[1]).name).unlink()
            shutil.rmtree(after)
        else:
            return
