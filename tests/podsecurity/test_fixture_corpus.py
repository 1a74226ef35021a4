"""The fixture pods of upstream's own tests: LEVEL/VERSION/{pass,fail}/CHECK-ID-IN-LOWER-CASE + number."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from migrator.podsecurity.evaluate import evaluate_level, evaluate_pod
from migrator.podsecurity.level import BASELINE, RESTRICTED, parse_level
from migrator.podsecurity.version import parse_version

CORPUS = Path(__file__).parents[3] / "shared" / "corpora" / "pod-security"
FOLDERS = sorted({path.parent for path in CORPUS.rglob("*.yaml")})

pytestmark = pytest.mark.skipif(not FOLDERS, reason=f"the corpus is not at {CORPUS}")


def test_corpus_is_whole() -> None:
    assert len(list(CORPUS.rglob("*.yaml"))) == 856


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: "-".join(folder.parts[-3:]))
def test_fixture_pods(folder: Path) -> None:
    level, version = parse_level(folder.parts[-3]), parse_version(folder.parts[-2])
    satisfying = {BASELINE: (BASELINE, RESTRICTED), RESTRICTED: (RESTRICTED,)}[level]
    for path in sorted(folder.glob("*.yaml")):
        pod = YAML(typ="safe").load(path)
        metadata, spec = pod["metadata"], pod["spec"]
        evaluation = evaluate_pod(metadata, spec, version)
        violations = evaluate_level(metadata, spec, level, version)
        assert violations == evaluation.violations_at(level), path
        assert (violations == ()) == (folder.name == "pass"), path
        assert (evaluation.level in satisfying) == (folder.name == "pass"), path
        if folder.name == "fail":
            # A restricted fixture may be named after the baseline check that a restricted one overrides.
            named = re.sub(r"\d+$", "", path.stem)
            assert named in {violation.check.lower() for violation in evaluation.violations}, path
