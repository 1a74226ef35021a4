from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from migrator.podsecurity import evaluate
from migrator.podsecurity.check import Forbidden
from migrator.podsecurity.evaluate import evaluate_level, evaluate_pod
from migrator.podsecurity.level import BASELINE, PRIVILEGED, RESTRICTED, Level
from migrator.podsecurity.pod import MalformedPodError, Pod
from migrator.podsecurity.registry import ActiveCheck, list_active_checks
from migrator.podsecurity.version import LATEST, OLDEST, PolicyVersion, parse_version

V1_25 = parse_version("v1.25")
V1_34 = parse_version("v1.34")
HARDENED: dict[str, Any] = {
    "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
    "containers": [
        {
            "name": "web",
            "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
        }
    ],
}


@pytest.mark.parametrize(
    ("spec", "version", "level"),
    [
        (HARDENED, LATEST, RESTRICTED),
        (HARDENED, OLDEST, RESTRICTED),
        ({"containers": []}, LATEST, RESTRICTED),
        ({"containers": [{"name": "web"}]}, LATEST, BASELINE),
        ({"containers": [{"name": "web"}]}, OLDEST, BASELINE),
        ({**HARDENED, "hostNetwork": True}, LATEST, PRIVILEGED),
        ({**HARDENED, "volumes": [{"name": "a", "hostPath": {"path": "/a"}}]}, LATEST, PRIVILEGED),
        ({**HARDENED, "volumes": [{"name": "a", "nfs": {"server": "a", "path": "/"}}]}, LATEST, BASELINE),
    ],
)
def test_level(spec: dict[str, Any], version: PolicyVersion, level: Level) -> None:
    assert evaluate_pod({}, spec, version).level == level


def test_windows_pod_may_satisfy_restricted_alone() -> None:
    # The restricted seccomp check lets Windows pass and has already taken the place of the baseline one.
    spec = {
        **HARDENED,
        "os": {"name": "windows"},
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "Unconfined"}},
    }
    evaluation = evaluate_pod({}, spec, V1_25)
    assert evaluation.level == RESTRICTED
    assert evaluation.violations_at(RESTRICTED) == ()
    assert [violation.check for violation in evaluation.violations_at(BASELINE)] == ["seccompProfile_baseline"]


def test_violations_come_in_the_order_of_upstream() -> None:
    spec = {
        "hostNetwork": True,
        "containers": [{"name": "web", "securityContext": {"capabilities": {"add": ["SYS_ADMIN"]}}}],
        "volumes": [{"name": "root", "hostPath": {"path": "/"}}],
    }
    evaluation = evaluate_pod({}, spec, V1_34)
    assert [(violation.level, violation.check) for violation in evaluation.violations] == [
        (BASELINE, "capabilities_baseline"),
        (BASELINE, "hostNamespaces"),
        (BASELINE, "hostPathVolumes"),
        (RESTRICTED, "allowPrivilegeEscalation"),
        (RESTRICTED, "capabilities_restricted"),
        (RESTRICTED, "restrictedVolumes"),
        (RESTRICTED, "runAsNonRoot"),
        (RESTRICTED, "seccompProfile_restricted"),
    ]
    assert [violation.check for violation in evaluate_level({}, spec, BASELINE, V1_34)] == [
        "capabilities_baseline",
        "hostNamespaces",
        "hostPathVolumes",
    ]
    assert [violation.check for violation in evaluate_level({}, spec, RESTRICTED, V1_34)] == [
        "hostNamespaces",
        "allowPrivilegeEscalation",
        "capabilities_restricted",
        "restrictedVolumes",
        "runAsNonRoot",
        "seccompProfile_restricted",
    ]


@pytest.mark.parametrize("level", [PRIVILEGED, BASELINE, RESTRICTED])
def test_level_alone_is_the_part_of_the_whole(level: Level) -> None:
    spec = {"hostPID": True, "containers": [{"name": "web", "ports": [{"containerPort": 1, "hostPort": 1}]}]}
    whole = evaluate_pod({}, spec, LATEST)
    assert evaluate_level({}, spec, level, LATEST) == whole.violations_at(level)


def test_privileged_forbids_nothing() -> None:
    assert evaluate_level({}, {"hostPID": True, "containers": []}, PRIVILEGED, LATEST) == ()


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Count how often each check runs, with no verdict known yet."""
    calls: Counter[str] = Counter()

    def count(check: ActiveCheck) -> Callable[[Pod], Forbidden | None]:
        def check_pod(pod: Pod) -> Forbidden | None:
            calls[check.id] += 1
            return check.check_pod(pod)

        return check_pod

    counted = tuple(
        ActiveCheck(check.id, check.level, count(check), check.overridden) for check in list_active_checks(LATEST)
    )
    monkeypatch.setattr(evaluate, "list_active_checks", lambda version: counted)
    evaluate._evaluate_seen.cache_clear()
    return calls


def test_every_check_runs_once(calls: Counter[str]) -> None:
    evaluate_pod({}, {"containers": [{"name": "web"}]}, LATEST)
    assert set(calls.values()) == {1}
    assert calls.keys() == {check.id for check in list_active_checks(LATEST)}


def test_pods_that_no_check_can_tell_apart_are_judged_once(calls: Counter[str]) -> None:
    verdicts = [
        evaluate_pod(
            {"annotations": {"checksum": name}},
            {
                "containers": [{"name": "web", "image": name}],
                "volumes": [{"name": "data", "configMap": {"name": name}}],
            },
            LATEST,
        )
        for name in ("one", "two")
    ]
    assert verdicts[0] == verdicts[1]
    assert set(calls.values()) == {1}
    evaluate_pod({}, {"containers": [{"name": "web", "ports": [{"hostPort": 80}]}]}, LATEST)
    assert set(calls.values()) == {2}


@pytest.mark.parametrize(
    ("metadata", "spec"),
    [
        ({"annotations": None}, {"containers": None, "volumes": None, "securityContext": None}),
        ({}, {"containers": [None], "volumes": [None], "os": None, "hostUsers": None}),
        ({}, {"containers": [{"name": None, "ports": [None], "lifecycle": None, "livenessProbe": None}]}),
        ({}, {"securityContext": {"sysctls": None, "seLinuxOptions": None, "windowsOptions": None}}),
    ],
)
def test_null_is_absent(metadata: dict[str, Any], spec: dict[str, Any]) -> None:
    assert evaluate_level(metadata, spec, BASELINE, LATEST) == ()


@pytest.mark.parametrize(
    ("metadata", "spec", "message"),
    [
        ({}, {"containers": {}}, "spec.containers: must be a list$"),
        ({}, {"containers": "web"}, "spec.containers: must be a list$"),
        ({}, {"containers": ["web"]}, r"spec.containers\[0\]: must be an object$"),
        ({}, {"securityContext": []}, "spec.securityContext: must be an object$"),
        (
            {},
            {"initContainers": [{"name": "a", "securityContext": True}]},
            r"spec.initContainers\[0\].securityContext: must be an object$",
        ),
        ({"annotations": ["a"]}, {}, "metadata.annotations: must be an object$"),
        ({}, {"volumes": ["data"]}, r"spec.volumes\[0\]: must be an object$"),
        ({}, {"containers": [{"name": "a", "ports": [80]}]}, "check hostPorts cannot read the pod"),
        (
            {"annotations": {"container.apparmor.security.beta.kubernetes.io/a": 1}},
            {},
            "check appArmorProfile cannot read the pod",
        ),
        (
            {},
            {"containers": [{"name": "a", "securityContext": {"capabilities": {"add": [{}]}}}]},
            "check capabilities_baseline cannot read the pod",
        ),
    ],
)
def test_wrong_types_are_refused(metadata: dict[str, Any], spec: dict[str, Any], message: str) -> None:
    with pytest.raises(MalformedPodError, match=message):
        evaluate_pod(metadata, spec, LATEST)


def test_a_source_that_kubernetes_does_not_know() -> None:
    spec = {**HARDENED, "volumes": [{"name": "a", "holographic": {}}]}
    (violation,) = evaluate_pod({}, spec, LATEST).violations
    assert violation.detail == 'volume "a" uses restricted volume type "unknown"'
    assert violation.fields == (("spec", "volumes", 0),)
