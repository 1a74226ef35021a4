from __future__ import annotations

import pytest

from migrator.podsecurity import labels
from migrator.podsecurity.labels import DEFAULT_POLICY, LevelVersion, NamespacePolicy, read_labels
from migrator.podsecurity.level import BASELINE, PRIVILEGED, RESTRICTED, Level, is_stricter, parse_level
from migrator.podsecurity.version import LATEST, parse_version

PREFIX = "pod-security.kubernetes.io/"
LEVEL_WORDS = "must be one of privileged, baseline, restricted"
VERSION_WORDS = 'must be "latest" or "v1.x"'
UNSET = "privileged:latest"


def describe(policy: NamespacePolicy) -> tuple[str, str, str]:
    return str(policy.enforce), str(policy.audit), str(policy.warn)


@pytest.mark.parametrize(
    ("values", "enforce", "audit", "warn"),
    [
        ({}, UNSET, UNSET, UNSET),
        ({"audit": "baseline"}, UNSET, "baseline:latest", UNSET),
        ({"audit-version": "v1.25"}, UNSET, "privileged:v1.25", UNSET),
        ({"warn": "restricted", "warn-version": "v1.25"}, UNSET, UNSET, "restricted:v1.25"),
        # A level that is enforced warns too, unless a label says what warns.
        ({"enforce": "baseline"}, "baseline:latest", UNSET, "baseline:latest"),
        ({"enforce": "baseline", "enforce-version": "v1.25"}, "baseline:v1.25", UNSET, "baseline:v1.25"),
        ({"enforce": "baseline", "warn-version": "v1.25"}, "baseline:latest", UNSET, "baseline:v1.25"),
        ({"enforce": "restricted", "warn": "privileged"}, "restricted:latest", UNSET, UNSET),
        ({"enforce": "privileged"}, UNSET, UNSET, UNSET),
        ({"enforce-version": "v1.25"}, "privileged:v1.25", UNSET, UNSET),
    ],
)
def test_valid_labels(values: dict[str, str], enforce: str, audit: str, warn: str) -> None:
    policy, invalid = read_labels({f"{PREFIX}{key}": value for key, value in values.items()})
    assert describe(policy) == (enforce, audit, warn)
    assert invalid == ()


@pytest.mark.parametrize(
    ("values", "policy", "errors"),
    [
        # An invalid enforce level is enforced as restricted, but does not warn.
        ({"enforce": "strict"}, ("restricted:latest", UNSET, UNSET), [("enforce", "strict", LEVEL_WORDS)]),
        (
            {"enforce": "Baseline", "enforce-version": "v1.25"},
            ("restricted:v1.25", UNSET, UNSET),
            [("enforce", "Baseline", LEVEL_WORDS)],
        ),
        ({"audit": ""}, (UNSET, UNSET, UNSET), [("audit", "", LEVEL_WORDS)]),
        (
            {"enforce": "baseline", "warn": "strict"},
            ("baseline:latest", UNSET, UNSET),
            [("warn", "strict", LEVEL_WORDS)],
        ),
        (
            {"enforce": "baseline", "enforce-version": "1.25"},
            ("baseline:latest", UNSET, "baseline:latest"),
            [("enforce-version", "1.25", VERSION_WORDS)],
        ),
        (
            {"warn-version": "v1.25.3", "audit": "x", "enforce-version": "v1"},
            (UNSET, UNSET, UNSET),
            [
                ("enforce-version", "v1", VERSION_WORDS),
                ("audit", "x", LEVEL_WORDS),
                ("warn-version", "v1.25.3", VERSION_WORDS),
            ],
        ),
    ],
)
def test_invalid_labels(
    values: dict[str, str], policy: tuple[str, str, str], errors: list[tuple[str, str, str]]
) -> None:
    effective, invalid = read_labels({f"{PREFIX}{key}": value for key, value in values.items()})
    assert describe(effective) == policy
    assert [str(label) for label in invalid] == [
        f'metadata.labels[{PREFIX}{key}]: Invalid value: "{value}": {words}' for key, value, words in errors
    ]


def test_other_labels_mean_nothing() -> None:
    others = {f"{PREFIX}Enforce": "restricted", "enforce": "restricted", f"{PREFIX}enforced": "x"}
    assert read_labels(others) == (DEFAULT_POLICY, ())


def test_configured_defaults_stand_where_labels_do_not() -> None:
    configured = LevelVersion(RESTRICTED, parse_version("v1.25"))
    defaults = NamespacePolicy(configured, configured, configured)
    assert read_labels({}, defaults) == (defaults, ())
    # Enforcing less than what warns by default does not loosen the warning.
    policy, _ = read_labels({f"{PREFIX}enforce": "baseline"}, defaults)
    assert describe(policy) == ("baseline:v1.25", "restricted:v1.25", "restricted:v1.25")


@pytest.mark.parametrize(
    ("level", "other", "stricter"),
    [
        (RESTRICTED, BASELINE, True),
        (BASELINE, PRIVILEGED, True),
        (BASELINE, BASELINE, False),
        (PRIVILEGED, BASELINE, False),
        (BASELINE, RESTRICTED, False),
    ],
)
def test_strictness(level: Level, other: Level, stricter: bool) -> None:
    assert is_stricter(level, other) is stricter


@pytest.mark.parametrize("text", ["", "Restricted", "baseline ", "none"])
def test_unknown_levels_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=f"^{LEVEL_WORDS}$"):
        parse_level(text)


def test_labels_are_those_of_the_api() -> None:
    assert {labels.ENFORCE, labels.AUDIT, labels.WARN} == {f"{PREFIX}{mode}" for mode in ("enforce", "audit", "warn")}
    assert {labels.ENFORCE_VERSION, labels.AUDIT_VERSION, labels.WARN_VERSION} == {
        f"{PREFIX}{mode}-version" for mode in ("enforce", "audit", "warn")
    }


def test_latest_is_the_default() -> None:
    assert DEFAULT_POLICY.enforce == LevelVersion(PRIVILEGED, LATEST)
