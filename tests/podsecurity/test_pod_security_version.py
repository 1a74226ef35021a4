from __future__ import annotations

import pytest

from migrator.podsecurity.version import LATEST, NEWEST, OLDEST, PolicyVersion, clamp_version, parse_version


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("latest", LATEST),
        ("v1.0", OLDEST),
        ("v1.25", PolicyVersion(25)),
        ("v1.37", NEWEST),
        ("v1.9223372036854775807", PolicyVersion(2**63 - 1)),
    ],
)
def test_versions_are_read_and_written(text: str, version: PolicyVersion) -> None:
    assert parse_version(text) == version
    assert str(version) == text


@pytest.mark.parametrize(
    "text",
    [
        *("", "1.25", "v1", "v1.", "v1.25.3", "v1.025", "v2.0", "v0.9", "Latest", " v1.25", "v1.25\n", "v1.-1"),
        *("v1.٣", "v1.9223372036854775808"),
    ],
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r'^must be "latest" or "v1\.x"$'):
        parse_version(text)


@pytest.mark.parametrize(
    ("version", "other", "older"),
    [
        (OLDEST, NEWEST, True),
        (NEWEST, OLDEST, False),
        (NEWEST, NEWEST, False),
        (PolicyVersion(9), PolicyVersion(10), True),
        (PolicyVersion(1000), LATEST, True),
        (LATEST, PolicyVersion(1000), False),
        (LATEST, LATEST, False),
    ],
)
def test_order(version: PolicyVersion, other: PolicyVersion, older: bool) -> None:
    assert version.is_older(other) is older


@pytest.mark.parametrize(
    ("version", "clamped"),
    [
        (OLDEST, OLDEST),
        (PolicyVersion(36), PolicyVersion(36)),
        (NEWEST, NEWEST),
        (PolicyVersion(38), NEWEST),
        (LATEST, NEWEST),
    ],
)
def test_newer_versions_are_clamped(version: PolicyVersion, clamped: PolicyVersion) -> None:
    assert clamp_version(version) == clamped
