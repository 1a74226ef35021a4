"""What hardening says: a strategy for each check, remedies in JSON and text, plans that are given back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from migrator.model.edit import FieldEdit
from migrator.model.field import parse_path
from migrator.podsecurity.evaluate import evaluate_level, evaluate_pod
from migrator.podsecurity.level import BASELINE, RESTRICTED
from migrator.podsecurity.pod import read_pod
from migrator.podsecurity.registry import load_checks, name_module
from migrator.podsecurity.version import PolicyVersion
from migrator.review.explain import explain, list_ids
from migrator.rules.hardening import set_field
from migrator.sources.tables import load_table
from migrator.strategies import hardening
from migrator.strategies.hardening import describe_strategy, is_mechanical
from migrator.yaml.edit import apply_to_data
from tests.samples.command_line import run_migrator

FOLDER = Path(hardening.__file__).parent
CASES = Path(__file__).parent
CHECKS = [check.id for check in load_checks()]


@pytest.mark.parametrize("check", CHECKS)
def test_each_check_has_its_texts(check: str) -> None:
    table = describe_strategy(check)
    mechanical = {"does", "risk", "wayBack"} if is_mechanical(check) else set()
    assert set(table) - {"linux"} == {"title", "options", "sources"} | mechanical
    assert all(table["sources"])
    assert {key for option in table["options"] for key in option} == {"does", "price"}


def test_no_strategy_is_without_a_check() -> None:
    modules = {name_module(check) for check in CHECKS}
    assert {path.stem for path in FOLDER.glob("*.yaml")} == modules
    assert {path.stem for path in FOLDER.glob("*.py")} - {"__init__"} <= modules


def test_common_options_have_a_price() -> None:
    for options in load_table("rules/hardening.yaml").values():
        assert all(set(option) == {"does", "price"} for option in options)


def test_each_mechanical_strategy_has_a_case() -> None:
    decided = "\n".join(path.read_text() for path in CASES.glob("*/expected.yaml"))
    for check in filter(is_mechanical, CHECKS):
        # Baseline asks of a volume what restricted does, and more; one strategy serves both.
        assert f"{check} [contract]" in decided or check == "hostPathVolumes"


@pytest.mark.parametrize("check", CHECKS)
def test_explain_knows_each_check_by_both_names(check: str) -> None:
    assert check in list_ids()
    text = explain(check)
    assert text is not None
    assert text == explain(name_module(check))
    assert "Policy versions:" in text
    assert ("Risk:" in text) == is_mechanical(check)


def test_explain_tells_the_rule() -> None:
    text = explain("pod-security")
    assert text is not None
    assert "ignore-rule.migrator.dev/pod-security" in text
    assert explain("seccomp") is None


def propose(check: str, spec: dict[str, Any], version: int = 34, level: Any = RESTRICTED) -> list[FieldEdit]:
    from importlib import import_module

    from migrator.model.policy import PodSecurityPolicyData

    violations = evaluate_level({}, spec, level, PolicyVersion(version))
    fields = next((item.fields for item in violations if item.check == check), ())
    module = import_module(f"migrator.strategies.hardening.{name_module(check)}")
    return list(module.propose(read_pod({}, spec), fields, PodSecurityPolicyData(non_root_images=("known/*",))))


@pytest.mark.parametrize(
    ("check", "spec"),
    [
        ("allowPrivilegeEscalation", {"containers": [{"securityContext": {"allowPrivilegeEscalation": False}}]}),
        ("allowPrivilegeEscalation", {"containers": [{"securityContext": {"privileged": True}}]}),
        (
            "allowPrivilegeEscalation",
            {"containers": [{"securityContext": {"capabilities": {"add": ["CAP_SYS_ADMIN"]}}}]},
        ),
        ("allowPrivilegeEscalation", {"nodeSelector": {"kubernetes.io/os": "windows"}, "containers": [{}]}),
        ("allowPrivilegeEscalation", {"ephemeralContainers": [{}]}),
        ("capabilities_restricted", {"os": {"name": "windows"}, "containers": [{}]}),
        ("capabilities_restricted", {"containers": [{"securityContext": {"capabilities": {"add": ["ALL"]}}}]}),
        (
            "seccompProfile_restricted",
            {"securityContext": {"seccompProfile": {"type": "Unconfined"}}, "containers": [{}]},
        ),
        ("runAsNonRoot", {"containers": [{"image": "unknown/web"}]}),
        ("runAsNonRoot", {"containers": [{"image": "known/web", "securityContext": {"runAsUser": 0}}]}),
        ("runAsUser", {"securityContext": {"runAsUser": 0}, "containers": [{}]}),
    ],
)
def test_nothing_is_proposed(check: str, spec: dict[str, Any]) -> None:
    assert propose(check, spec, version=24) == []


@pytest.mark.parametrize(
    ("check", "spec", "paths"),
    [
        (
            "seccompProfile_restricted",
            {"containers": [{}, {}]},
            ["spec.securityContext.seccompProfile.type"],
        ),
        (
            "seccompProfile_restricted",
            {"containers": [{"securityContext": {"seccompProfile": {"type": "Localhost"}}}, {}]},
            ["spec.containers[1].securityContext.seccompProfile.type"],
        ),
        (
            "runAsNonRoot",
            {"containers": [{"image": "known/web"}, {"image": "known/db"}]},
            ["spec.securityContext.runAsNonRoot"],
        ),
        (
            "runAsNonRoot",
            {"containers": [{"image": "known/web"}, {"securityContext": {"runAsNonRoot": True}}]},
            ["spec.containers[0].securityContext.runAsNonRoot"],
        ),
        (
            "runAsNonRoot",
            {
                "securityContext": {"runAsNonRoot": True},
                "containers": [{"securityContext": {"runAsNonRoot": False, "runAsUser": 7}}],
            },
            ["spec.containers[0].securityContext.runAsNonRoot"],
        ),
        (
            "allowPrivilegeEscalation",
            {"initContainers": [{}], "containers": [{}]},
            [
                "spec.initContainers[0].securityContext.allowPrivilegeEscalation",
                "spec.containers[0].securityContext.allowPrivilegeEscalation",
            ],
        ),
    ],
)
def test_the_smallest_edits_are_proposed(check: str, spec: dict[str, Any], paths: list[str]) -> None:
    edits = propose(check, spec)
    assert [edit.path for edit in edits] == [parse_path(path) for path in paths]
    after = apply_to_data({"spec": spec}, edits)["spec"]
    assert check not in {item.check for item in evaluate_pod({}, after, PolicyVersion(34)).violations}


def test_baseline_takes_only_hosts_directories_that_nobody_mounts() -> None:
    volumes = [{"name": "a", "hostPath": {"path": "/a"}}, {"name": "b", "hostPath": {"path": "/b"}}]
    spec = {"containers": [{"volumeMounts": [{"name": "b"}]}], "volumes": volumes}
    (edit,) = propose("hostPathVolumes", spec, level=BASELINE)
    assert (edit.op, edit.path) == ("remove", ("spec", "volumes", 0))


@pytest.mark.parametrize(
    ("spec", "op", "before"),
    [
        ({"containers": []}, "add", ("initContainers", "containers", "volumes")),
        ({"containers": [], "dnsPolicy": "", "volumes": []}, "add", ("volumes",)),
        ({"containers": [], "securityContext": None}, "add", ()),
        ({"containers": [], "securityContext": {"runAsNonRoot": False}}, "replace", ()),
        ({"containers": [], "securityContext": {"runAsNonRoot": None}}, "replace", ()),
    ],
)
def test_a_field_goes_where_a_person_would_write_it(spec: dict[str, Any], op: str, before: tuple[str, ...]) -> None:
    edit = set_field(read_pod({}, spec), ("spec", "securityContext", "runAsNonRoot"), True)
    assert (edit.op, edit.before) == (op, before)


def test_audit_says_what_it_would_take() -> None:
    folder = CASES / "harden-partly-known"
    result = run_migrator(folder, "audit", "input.yaml", "--level", "restricted", "-o", "json")
    assert result.returncode == 1
    (workload,) = json.loads(result.stdout)["workloads"]
    remedies = workload["podSecurity"]["remedies"]
    assert [(item["check"], item["mechanical"]) for item in remedies] == [
        ("allowPrivilegeEscalation", True),
        ("capabilities_restricted", True),
        ("runAsNonRoot", True),
        ("runAsNonRoot", False),
        ("seccompProfile_restricted", True),
    ]
    assert remedies[-1]["edits"] == [
        {
            "op": "add",
            "path": "spec.template.spec.securityContext.seccompProfile.type",
            "value": "RuntimeDefault",
        }
    ]
    assert remedies[3]["options"]
    assert all(item["risk"] for item in remedies if item["mechanical"])
    text = run_migrator(folder, "audit", "input.yaml", "--level", "restricted").stdout
    assert "What it would take to satisfy restricted" in text
    assert "~ add spec.template.spec.securityContext.seccompProfile.type: RuntimeDefault" in text


def test_audit_at_a_level_that_is_reached_asks_for_nothing() -> None:
    folder = CASES / "harden-reached"
    result = run_migrator(folder, "audit", "input.yaml", "--level", "restricted", "-o", "json")
    assert result.returncode == 0
    (workload,) = json.loads(result.stdout)["workloads"]
    assert workload["podSecurity"]["remedies"] == []
    assert "What it would take" not in run_migrator(folder, "audit", "input.yaml", "--level", "restricted").stdout


def test_a_plan_that_enforces_what_it_no_longer_reaches_is_refused(tmp_path: Path) -> None:
    (tmp_path / "input.yaml").write_text((CASES / "harden-restricted" / "input.yaml").read_text())
    settings = ("--set", "podSecurity.harden=restricted", "--set", "podSecurity.complete=true")
    assert run_migrator(tmp_path, "plan", "input.yaml", *settings, "--save", "plan.json").returncode == 0
    plan = json.loads((tmp_path / "plan.json").read_text())
    assert [item["podSecurity"] for item in plan["workloads"]] == [{"before": "baseline", "after": "restricted"}]
    assert run_migrator(tmp_path, "diff", "plan.json").returncode == 1

    def without(word: str) -> None:
        plan["changes"] = [item for item in plan["changes"] if word not in item["field"]["path"]]
        (tmp_path / "plan.json").write_text(json.dumps(plan))

    without("seccompProfile")
    refused = run_migrator(tmp_path, "diff", "plan.json")
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "namespace shop would enforce restricted" in refused.stderr
    without("enforce")
    allowed = run_migrator(tmp_path, "diff", "plan.json")
    assert allowed.returncode == 1
    assert "seccompProfile" not in allowed.stdout


def test_only_what_is_selected_is_hardened_and_labelled(tmp_path: Path) -> None:
    (tmp_path / "input.yaml").write_text((CASES / "harden-restricted" / "input.yaml").read_text())
    settings = ("--set", "podSecurity.harden=restricted")
    for selection in (("--namespace", "elsewhere"), ("--only", "host-port"), ("--workload", "shop/Deployment/other")):
        result = run_migrator(tmp_path, "diff", "input.yaml", *settings, *selection)
        assert (result.returncode, result.stdout) == (0, "")
    one = run_migrator(tmp_path, "diff", "input.yaml", *settings, "--workload", "shop/Deployment/web")
    assert one.returncode == 1
    assert "pod-security.kubernetes.io" not in one.stdout


def test_labels_are_refused_before_the_workloads_reach_them(tmp_path: Path) -> None:
    (tmp_path / "input.yaml").write_text((CASES / "harden-restricted" / "input.yaml").read_text())
    settings = ("--set", "podSecurity.harden=restricted", "--set", "podSecurity.complete=true")
    result = run_migrator(tmp_path, "diff", "input.yaml", *settings, "--phase", "enforce")
    assert result.returncode == 2
    assert "phase enforce before contract" in result.stderr


def test_a_label_command_is_refused_before_the_workloads_reach_it_too(tmp_path: Path) -> None:
    text = (CASES / "harden-restricted" / "input.yaml").read_text()
    (tmp_path / "input.yaml").write_text(text.partition("---\n")[2])
    settings = ("--set", "podSecurity.harden=restricted", "--set", "podSecurity.complete=true")
    result = run_migrator(tmp_path, "plan", "input.yaml", *settings, "--phase", "enforce")
    assert result.returncode == 2
    assert "phase enforce before contract" in result.stderr
    whole = run_migrator(tmp_path, "plan", "input.yaml", *settings)
    assert "enforce-version=v1.34  # in phase enforce, once the workloads are changed" in whole.stdout
