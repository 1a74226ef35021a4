from __future__ import annotations

import sys
from dataclasses import replace
from types import ModuleType

import pytest

from migrator.podsecurity.check import Check, VersionedCheck, from_version
from migrator.podsecurity.level import BASELINE, PRIVILEGED, RESTRICTED
from migrator.podsecurity.pod import Pod
from migrator.podsecurity.registry import (
    RegistryError,
    find_check,
    list_active_checks,
    load_check,
    load_checks,
    name_module,
    validate_checks,
)
from migrator.podsecurity.version import LATEST, NEWEST, OLDEST, PolicyVersion, parse_version


def let_pass(pod: Pod) -> None:
    return None


BASE = Check("base", BASELINE, (from_version(0, let_pass), from_version(5, let_pass)))
STRICT = Check("strict", RESTRICTED, (from_version(0, let_pass),), overrides=("base",))


def test_valid_checks_are_accepted() -> None:
    validate_checks([BASE, STRICT])
    validate_checks([STRICT, BASE])
    validate_checks([])


@pytest.mark.parametrize(
    ("checks", "message"),
    [
        ([BASE, BASE], "check base: registered more than once"),
        ([replace(BASE, level=PRIVILEGED)], "check base: no check belongs to level privileged"),
        ([replace(BASE, versions=())], "check base: has no versions$"),
        ([replace(BASE, versions=BASE.versions[::-1])], "check base: v1.0 does not come after v1.5"),
        ([replace(BASE, versions=BASE.versions[:1] * 2)], "check base: v1.0 does not come after v1.0"),
        ([replace(BASE, versions=(VersionedCheck(LATEST, let_pass),))], "check base: latest is newer than v1.37"),
        ([replace(BASE, versions=(from_version(38, let_pass),))], "check base: v1.38 is newer than v1.37"),
        ([BASE, replace(BASE, id="other", overrides=("base",))], "check other: only a restricted check may"),
        ([STRICT], "check strict: overrides base, which is no baseline check"),
        ([STRICT, replace(BASE, level=RESTRICTED)], "check strict: overrides base, which is no baseline check"),
    ],
)
def test_contradictions_are_refused(checks: list[Check], message: str) -> None:
    with pytest.raises(RegistryError, match=message):
        validate_checks(checks)


def test_there_are_nineteen_checks() -> None:
    assert len(load_checks()) == 19


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({}, r"checks\.some_check: has no CHECK$"),
        ({"CHECK": "someCheck"}, r"checks\.some_check: has no CHECK$"),
        ({"CHECK": BASE}, r"checks\.some_check: check base belongs into base\.py$"),
    ],
)
def test_a_module_must_hold_the_check_that_it_is_named_after(
    monkeypatch: pytest.MonkeyPatch, content: dict[str, object], message: str
) -> None:
    module = ModuleType("migrator.podsecurity.checks.some_check")
    vars(module).update(content)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    with pytest.raises(RegistryError, match=message):
        load_check("some_check")


def test_a_module_with_its_check_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("migrator.podsecurity.checks.base")
    vars(module)["CHECK"] = BASE
    monkeypatch.setitem(sys.modules, module.__name__, module)
    assert load_check("base") is BASE


def test_checks_are_found_by_id() -> None:
    check = find_check("hostPorts")
    assert check is not None
    assert check.level == BASELINE
    assert find_check("host_ports") is None


@pytest.mark.parametrize(
    ("check_id", "module"),
    [
        ("hostPorts", "host_ports"),
        ("privileged", "privileged"),
        ("seLinuxOptions", "se_linux_options"),
        ("capabilities_restricted", "capabilities_restricted"),
        ("seccompProfile_baseline", "seccomp_profile_baseline"),
        ("hostProbesAndHostLifecycle", "host_probes_and_host_lifecycle"),
    ],
)
def test_module_is_named_after_the_check(check_id: str, module: str) -> None:
    assert name_module(check_id) == module


def test_oldest_version_in_order() -> None:
    assert [check.id for check in list_active_checks(OLDEST)] == [
        "appArmorProfile",
        "capabilities_baseline",
        "hostNamespaces",
        "hostPathVolumes",
        "hostPorts",
        "privileged",
        "procMount",
        "seLinuxOptions",
        "seccompProfile_baseline",
        "sysctls",
        "windowsHostProcess",
        "restrictedVolumes",
        "runAsNonRoot",
    ]


def test_newest_version_has_every_check() -> None:
    assert {check.id for check in list_active_checks(NEWEST)} == {check.id for check in load_checks()}


@pytest.mark.parametrize(
    ("version", "overridden"),
    [
        ("v1.0", ["hostPathVolumes"]),
        ("v1.18", ["hostPathVolumes"]),
        ("v1.19", ["hostPathVolumes", "seccompProfile_baseline"]),
        ("v1.22", ["capabilities_baseline", "hostPathVolumes", "seccompProfile_baseline"]),
        ("v1.34", ["capabilities_baseline", "hostPathVolumes", "seccompProfile_baseline"]),
        ("v1.35", ["capabilities_baseline", "hostPathVolumes", "procMount", "seccompProfile_baseline"]),
    ],
)
def test_overrides_begin_with_the_overriding_check(version: str, overridden: list[str]) -> None:
    assert [check.id for check in list_active_checks(parse_version(version)) if check.overridden] == overridden


@pytest.mark.parametrize("version", [LATEST, PolicyVersion(38), PolicyVersion(1000)])
def test_newer_versions_are_judged_as_the_newest(version: PolicyVersion) -> None:
    assert list_active_checks(version) == list_active_checks(NEWEST)
