"""Policies read from plain objects, and what is wrong with them."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from migrator.model.field import format_path
from migrator.psp.model import AllowedHostPath, IDRange, IDStrategy, PodSecurityPolicy, SELinuxStrategy
from migrator.psp.read import read_policy

PLAIN: dict[str, Any] = {
    "apiVersion": "policy/v1beta1",
    "kind": "PodSecurityPolicy",
    "metadata": {"name": "plain"},
    "spec": {field: {"rule": "RunAsAny"} for field in ("seLinux", "runAsUser", "supplementalGroups", "fsGroup")},
}
SECCOMP = "seccomp.security.alpha.kubernetes.io/"
APPARMOR = "apparmor.security.beta.kubernetes.io/"


CASES = YAML(typ="safe").load((Path(__file__).parent / "problems.yaml").read_text(encoding="utf-8"))


def read(**spec: Any) -> PodSecurityPolicy:
    document = copy.deepcopy(PLAIN)
    document["spec"].update(spec)
    return read_policy(document)


def test_a_plain_policy_has_the_api_s_defaults() -> None:
    policy = read()
    any_id = IDStrategy("RunAsAny")
    assert policy == replace(
        PodSecurityPolicy("plain"),
        se_linux=SELinuxStrategy("RunAsAny"),
        run_as_user=any_id,
        supplemental_groups=any_id,
        fs_group=any_id,
    )
    flags = (
        policy.privileged,
        policy.host_network,
        policy.host_pid,
        policy.host_ipc,
        policy.read_only_root_filesystem,
    )
    assert not any(flags)
    assert policy.allow_privilege_escalation
    assert policy.usable
    assert AllowedHostPath("/") == AllowedHostPath("/", False)


def test_every_field_is_read() -> None:
    policy = read(
        privileged=True,
        volumes=["secret"],
        hostPorts=[{"min": 1, "max": 2}],
        runAsUser={"rule": "MustRunAs", "ranges": [{"min": 3, "max": 4}]},
        allowedHostPaths=[{"pathPrefix": "/a", "readOnly": True}],
        allowedCSIDrivers=[{"name": "d"}],
        allowPrivilegeEscalation=False,
        runtimeClass={"allowedRuntimeClassNames": ["*"], "defaultRuntimeClassName": "x"},
    )
    assert policy.usable
    assert policy.host_ports == (IDRange(1, 2),)
    assert policy.run_as_user == IDStrategy("MustRunAs", (IDRange(3, 4),))
    assert policy.allowed_host_paths == (AllowedHostPath("/a", True),)
    assert policy.allowed_csi_drivers == ("d",)
    assert policy.runtime_class is not None
    assert policy.runtime_class.default_name == "x"
    assert not policy.allow_privilege_escalation


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case["spec"])[:60])
def test_what_is_wrong_is_told_with_its_place(case: dict[str, Any]) -> None:
    problems = read(**case["spec"]).problems
    told = [f"{format_path(problem.field)}: {problem.effect}: {problem.message}" for problem in problems]
    assert told == (case.get("problems") or [])


def test_half_of_the_cases_have_no_problem() -> None:
    assert sum(not case.get("problems") for case in CASES) * 2 >= len(CASES) - 1


@pytest.mark.parametrize(
    ("name", "wrong"),
    [("a" * 253, False), ("a.b-c", False), ("0", False), ("a" * 254, True), ("A", True), ("", True), ("a_b", True)],
)
def test_names_are_checked(name: str, wrong: bool) -> None:
    problems = read_policy({**PLAIN, "metadata": {"name": name}}).problems
    assert [problem.message for problem in problems] == wrong * [f'"{name}" is not a lowercase RFC 1123 subdomain']


@pytest.mark.parametrize(
    ("annotations", "wrong"),
    [
        ({SECCOMP + "allowedProfileNames": "runtime/default,"}, True),
        ({SECCOMP + "allowedProfileNames": "RuntimeDefault"}, True),
        ({SECCOMP + "defaultProfileName": "localhost//etc"}, True),
        ({SECCOMP + "defaultProfileName": "*"}, True),
        ({APPARMOR + "allowedProfileNames": "strict"}, True),
        ({APPARMOR + "defaultProfileName": "*"}, True),
        ({SECCOMP + "allowedProfileNames": "*,runtime/default"}, False),
        ({SECCOMP + "allowedProfileNames": ""}, False),
        ({SECCOMP + "defaultProfileName": "localhost/a"}, False),
        ({APPARMOR + "allowedProfileNames": "runtime/default,"}, False),
        ({APPARMOR + "defaultProfileName": "unconfined"}, False),
        ({"other": "x"}, False),
    ],
)
def test_profiles_are_checked(annotations: dict[str, str], wrong: bool) -> None:
    document = {**PLAIN, "metadata": {"name": "plain", "annotations": annotations}}
    problems = read_policy(document).problems
    assert bool(problems) == wrong
    assert all(problem.field == ("metadata", "annotations", next(iter(annotations))) for problem in problems)


def test_one_name_of_the_runtime_s_seccomp_profile_allows_both() -> None:
    def allowed(text: str) -> frozenset[str] | None:
        metadata = {"name": "plain", "annotations": {SECCOMP + "allowedProfileNames": text}}
        return read_policy({**PLAIN, "metadata": metadata}).seccomp.allowed

    assert allowed("docker/default") == {"docker/default", "runtime/default"}
    assert allowed("unconfined") == {"unconfined"}


@pytest.mark.parametrize("document", [{}, {"metadata": None, "spec": None}, {"metadata": [], "spec": "x"}])
def test_an_object_that_is_no_policy_is_a_policy_full_of_problems(document: dict[str, Any]) -> None:
    assert not read_policy(document).usable
