"""Random pods and labels, judged by migrator and by upstream's own code.

ORACLE_SEED repeats a run, ORACLE_PODS sets the number of pods, FULL=1 asks for every version of every pod.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping
from random import Random, SystemRandom
from typing import Any

import pytest

from migrator.podsecurity.evaluate import Violation, evaluate_level, evaluate_pod
from migrator.podsecurity.labels import LevelVersion, NamespacePolicy, read_labels
from migrator.podsecurity.level import BASELINE, LEVELS, PRIVILEGED, RESTRICTED
from migrator.podsecurity.registry import list_active_checks, load_checks
from migrator.podsecurity.version import NEWEST, parse_version
from tests.oracles.go_programs import find_go
from tests.oracles.pod_security_oracle import ask_pod_security_oracle
from tests.podsecurity.check_fixtures import read_check_fixtures
from tests.podsecurity.random_pods import PodGenerator, draw_labels

pytestmark = [
    pytest.mark.conformance,
    pytest.mark.skipif(find_go() is None, reason="Go is not on PATH"),
]

EVERY_VERSION = ("latest", "v1.38", "v1.1000", *(f"v1.{minor}" for minor in range((NEWEST.minor or 0) + 1)))
# Where a check begins or changes, so that a small run too looks at both sides of each border.
BORDERS = (
    *("v1.7", "v1.8", "v1.18", "v1.19", "v1.21", "v1.22", "v1.23", "v1.24", "v1.25", "v1.26", "v1.27", "v1.28"),
    *("v1.29", "v1.30", "v1.31", "v1.32", "v1.33", "v1.34", "v1.35", "v1.36", "v1.37", "latest"),
)
BATCH = 500
LEAST_OF_EACH = 200


def draw_seed() -> int:
    seed = int(os.environ.get("ORACLE_SEED") or SystemRandom().randrange(2**32))
    print(f"\nORACLE_SEED={seed}")
    return seed


def draw_versions(random: Random) -> list[str]:
    if os.environ.get("FULL") == "1":
        return list(EVERY_VERSION)
    return [random.choice(EVERY_VERSION), *random.sample(BORDERS, 3)]


def draw_batches(random: Random, pods: int) -> Iterator[list[dict[str, Any]]]:
    generator = PodGenerator(random)
    for start in range(0, pods, BATCH):
        yield [
            {"pod": generator.draw_pod(), "versions": draw_versions(random)} for _ in range(min(BATCH, pods - start))
        ]


def describe(violations: tuple[Violation, ...]) -> dict[str, Any]:
    return {
        "allowed": not violations,
        "reasons": [violation.reason for violation in violations],
        "details": [violation.detail for violation in violations],
    }


def judge(pod: Mapping[str, Any], version_text: str) -> dict[str, Any]:
    """Give the oracle's answer for one version, from migrator."""
    metadata, spec, version = pod["metadata"], pod["spec"], parse_version(version_text)
    evaluation = evaluate_pod(metadata, spec, version)
    failed = {violation.check: violation for violation in evaluation.violations}
    answers = {level: evaluate_level(metadata, spec, level, version) for level in (BASELINE, RESTRICTED)}
    for level, violations in answers.items():
        assert violations == evaluation.violations_at(level)
    passed = [level for level in (RESTRICTED, BASELINE, PRIVILEGED) if not answers.get(level)]
    assert evaluation.level == passed[0]
    assert all(violation.fields for violation in evaluation.violations)
    return {
        "version": version_text,
        **{level: describe(violations) for level, violations in answers.items()},
        "checks": {
            check.id: {
                "allowed": check.id not in failed,
                "reason": failed[check.id].reason if check.id in failed else "",
                "detail": failed[check.id].detail if check.id in failed else "",
            }
            for check in list_active_checks(version)
        },
    }


def test_random_pods_agree_with_upstream() -> None:
    pods = int(os.environ.get("ORACLE_PODS") or 10_000)
    seen: Counter[tuple[str, bool]] = Counter()
    verdicts: Counter[tuple[str, bool]] = Counter()
    for questions in draw_batches(Random(draw_seed()), pods):
        for question, answer in zip(questions, ask_pod_security_oracle(questions), strict=True):
            for expected in answer["versions"]:
                actual = judge(question["pod"], expected["version"])
                assert actual == expected, question["pod"]
                seen.update((check, verdict["allowed"]) for check, verdict in expected["checks"].items())
                verdicts.update((level, expected[level]["allowed"]) for level in (BASELINE, RESTRICTED))
    print(f"{pods} pods, {sum(verdicts.values())} verdicts: {dict(verdicts)}")
    for check in sorted(check.id for check in load_checks()):
        print(f"{check:28} {seen[check, True]:7} passed {seen[check, False]:7} failed")
    if pods >= 10_000:
        assert [check.id for check in load_checks() if seen[check.id, True] < LEAST_OF_EACH] == []
        assert [check.id for check in load_checks() if seen[check.id, False] < LEAST_OF_EACH] == []


def test_own_fixtures_agree_with_upstream() -> None:
    pods = [{"metadata": fixture.metadata, "spec": fixture.spec} for fixture in read_check_fixtures()]
    questions = [{"pod": pod, "versions": EVERY_VERSION} for pod in pods]
    for pod, answer in zip(pods, ask_pod_security_oracle(questions), strict=True):
        assert [judge(pod, version) for version in EVERY_VERSION] == answer["versions"]


def test_random_labels_agree_with_upstream() -> None:
    random = Random(draw_seed())
    versions = ("latest", "v1.25")
    questions = []
    for _ in range(5_000):
        modes = ("enforce", "audit", "warn")
        defaults = {mode: f"{random.choice(LEVELS)}:{random.choice(versions)}" for mode in modes}
        questions.append({"labels": draw_labels(random), "defaults": defaults})
    for question, answer in zip(questions, ask_pod_security_oracle(questions), strict=True):
        policy, invalid = read_labels(question["labels"], parse_policy(question["defaults"]))
        actual = {
            "enforce": str(policy.enforce),
            "audit": str(policy.audit),
            "warn": str(policy.warn),
            "errors": [str(label) for label in invalid],
        }
        assert actual == answer, question


def parse_policy(modes: Mapping[str, str]) -> NamespacePolicy:
    return NamespacePolicy(*(parse_level_version(modes[mode]) for mode in ("enforce", "audit", "warn")))


def parse_level_version(text: str) -> LevelVersion:
    level, _, version = text.partition(":")
    return LevelVersion(next(known for known in LEVELS if known == level), parse_version(version))
