"""Each check alone, on fixtures of its own."""

from __future__ import annotations

import re
from collections import Counter
from copy import deepcopy
from pathlib import Path

import pytest

from migrator.podsecurity.check import Check
from migrator.podsecurity.pod import read_pod
from migrator.podsecurity.registry import document_check, list_active_checks, load_checks, name_module
from migrator.podsecurity.version import parse_version
from tests.podsecurity.check_fixtures import FOLDER, PATHS, read_check_fixture, read_check_fixtures

SECTIONS = ["Restricted fields", "Allowed values", "Policy versions", "Sources"]


@pytest.mark.parametrize("path", PATHS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_fixture(path: Path) -> None:
    fixture = read_check_fixture(path)
    assert (fixture.outcome == "fail") == (fixture.forbidden is not None)
    before = deepcopy((fixture.metadata, fixture.spec))
    for version in fixture.versions:
        active = {name_module(check.id): check for check in list_active_checks(parse_version(version))}
        assert (fixture.module in active) == (fixture.outcome in ("fail", "pass")), version
        if fixture.module in active:
            forbidden = active[fixture.module].check_pod(read_pod(fixture.metadata, fixture.spec))
            assert forbidden == fixture.forbidden, version
    assert (fixture.metadata, fixture.spec) == before


def test_every_check_has_fixtures_of_both_outcomes() -> None:
    modules = {name_module(check.id) for check in load_checks()}
    assert {folder.name for folder in FOLDER.iterdir()} == modules
    outcomes = Counter((fixture.module, fixture.outcome) for fixture in read_check_fixtures())
    assert {outcome for _, outcome in outcomes} <= {"fail", "pass", "absent"}
    assert {module for module in modules if not outcomes[module, "fail"] or not outcomes[module, "pass"]} == set()


def test_every_border_between_versions_has_fixtures_on_both_sides() -> None:
    tested = {(fixture.module, version) for fixture in read_check_fixtures() for version in fixture.versions}
    borders = [
        (name_module(check.id), f"v1.{minor}")
        for check in load_checks()
        for versioned in check.versions
        if (since := versioned.minimum_version.minor)
        for minor in (since - 1, since)
    ]
    assert [border for border in borders if border not in tested] == []


@pytest.mark.parametrize("check", load_checks(), ids=lambda check: check.id)
def test_a_hardened_pod_passes_at_every_version(check: Check) -> None:
    security_context = {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]},
        "runAsNonRoot": True,
        "runAsUser": 1000,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    container = {
        "name": "web",
        "ports": [{"containerPort": 8080}],
        "livenessProbe": {"httpGet": {"port": 8080}},
        "securityContext": security_context,
    }
    lists = ("initContainers", "containers", "ephemeralContainers")
    pod = read_pod({}, {key: [container] for key in lists} | {"volumes": [{"name": "a", "emptyDir": {}}]})
    assert [versioned.check_pod(pod) for versioned in check.versions] == [None] * len(check.versions)


@pytest.mark.parametrize("check", load_checks(), ids=lambda check: check.id)
def test_check_is_documented(check: Check) -> None:
    title, blank, *rest = document_check(check).split("\n")
    assert re.fullmatch(r"[A-Z].*[.]", title)
    assert blank == ""
    assert re.findall(r"^([A-Z][a-z ]+):$", "\n".join(rest), flags=re.MULTILINE) == SECTIONS
    assert f"https://kubernetes.io/docs/concepts/security/pod-security-standards/#{check.level}" in rest[-2]
    assert re.search(r"/pod-security-admission/blob/v[0-9.]+/policy/check_\w+\.go$", rest[-1])
