"""How the audit prints PodSecurityPolicies: the table, one decision explained, what --workload narrows."""

from __future__ import annotations

from pathlib import Path

import pytest

from migrator.errors import InputError
from migrator.psp.authorize import Identity
from migrator.review.audit import Audit
from migrator.review.document import describe_audit
from migrator.review.painter import Painter
from migrator.review.text import write_audit
from migrator.rules.pod_security_policy import parse_requester
from migrator.run import Request, Run
from tests.cli.command_line import run

HERE = Path(__file__).parent
EXPLAINED = """\
PodSecurityPolicy of shop/Deployment/web (input.yaml:49), step by step
1. Who asks
   - system:serviceaccount:shop:default: the service account of the pods; groups system:serviceaccounts,
     system:serviceaccounts:shop
   - system:serviceaccount:kube-system:replicaset-controller: creates the pods of a Deployment; groups
     system:serviceaccounts, system:serviceaccounts:kube-system, system:authenticated
2. Which policies they may use
   - restricted: ClusterRoleBinding use-restricted (input.yaml:21) gives ClusterRole use-restricted to Group
     system:authenticated, which system:serviceaccount:kube-system:replicaset-controller belongs to
   - none of them may use baseline, privileged
3. What those policies say, in the order of their names
   - restricted: would change the pod and admits it
       writes spec.template.spec.securityContext.fsGroup: 1
       writes spec.template.spec.securityContext.supplementalGroups: [1]
       writes spec.template.spec.containers[0].securityContext.runAsNonRoot: true
       writes spec.template.spec.containers[0].securityContext.capabilities: {drop: [ALL]}
       writes spec.template.spec.containers[0].securityContext.allowPrivilegeEscalation: false
4. What comes of it
   - restricted is selected: the first that admits the pod, though changed, for none admits it as it is
"""


def make_audit(case: str, monkeypatch: pytest.MonkeyPatch, *workloads: str, requester: str | None = None) -> Audit:
    monkeypatch.chdir(HERE / case)
    return Run(Request(["input.yaml"], workloads=list(workloads), requester=requester)).make_audit()


def write(audit: Audit, verbose: bool = False) -> str:
    return write_audit(audit, None, Painter(False, 110), verbose)


def test_the_table_names_policies_and_what_they_inject(monkeypatch: pytest.MonkeyPatch) -> None:
    text = write(make_audit("two-on-one-account-both-mutate", monkeypatch))
    assert "shop/CronJob/web  a-first  readOnlyRootFilesystem: true\n" in text


def test_pods_that_nobody_admits_are_said_with_the_reasons(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "none of its identities may use a PodSecurityPolicy" in write(
        make_audit("nobody-may-use-any", monkeypatch)
    )
    assert "clash admits it changed, but then the API server" in write(
        make_audit("escalation-beside-privileged", monkeypatch)
    )
    assert "a-no-ranges: passed over" not in write(make_audit("bad-policies", monkeypatch))


@pytest.mark.parametrize(
    ("case", "said"),
    [
        ("two-on-one-account", "- a-mutates: would change the pods, which b-leaves admits as they are"),
        ("two-on-one-account-both-mutate", "- b-second: comes after a-first"),
        ("bad-policies", "- a-no-ranges: passed over, for it has problems"),
        ("host-port-ranges", "is not allowed to be used. Allowed ports: "),
    ],
)
def test_at_length_each_policy_that_was_not_taken_is_given_with_the_reason(
    case: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    audit = make_audit(case, monkeypatch)
    title = "Why not another policy that they may use"
    assert title not in write(audit)
    assert said in " ".join(write(audit, verbose=True).partition(title)[2].split())


def test_without_policies_nothing_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    audit = make_audit("without-policies", monkeypatch)
    assert "PodSecurityPolicy" not in write(audit, verbose=True)
    assert "podSecurityPolicy" not in describe_audit(audit)["workloads"][0]


def test_one_decision_is_explained_step_by_step(monkeypatch: pytest.MonkeyPatch) -> None:
    assert EXPLAINED in write(make_audit("trio", monkeypatch, "shop/Deployment/web"), verbose=True)


@pytest.mark.parametrize(
    ("case", "workload", "said"),
    [
        ("two-on-one-account", "shop/Deployment/web", "b-leaves is selected: the first that admits the pod as it is"),
        (
            "bad-policies",
            "shop/Deployment/web",
            "a-no-ranges: passed over: spec.runAsUser.ranges: MustRunAs requires",
        ),
        ("bare-pods", "Pod/alone", "kubernetes-admin is in system:masters: all"),
        ("bare-pods", "Pod/static", "system:node:node-1: mirrors the static pod"),
        ("controllers-of-kube-system", "CloneSet/clones", "only the service account counts"),
        ("controllers-of-kube-system", "CloneSet/clones", "no policy admits the pods"),
        ("trio", "DaemonSet/node-agent", "refuses: spec.containers[0].hostPort: Invalid value: 9100"),
    ],
)
def test_explanations_name_what_decides(case: str, workload: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert said in " ".join(write(make_audit(case, monkeypatch, workload), verbose=True).split())


def test_explanations_take_a_workload_and_verbosity(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "step by step" not in write(make_audit("trio", monkeypatch), verbose=True)
    assert "step by step" not in write(make_audit("trio", monkeypatch, "Deployment/web"))


def test_a_workload_narrows_what_is_shown_not_what_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = describe_audit(make_audit("running-pods", monkeypatch))
    narrow = describe_audit(make_audit("running-pods", monkeypatch, "shop/Pod/web-2"))
    assert [item["resourceRef"]["name"] for item in narrow["workloads"]] == ["web-2"]
    assert narrow["workloads"][0] in whole["workloads"]
    assert [item["message"] for item in narrow["findings"]] == [
        "the annotation kubernetes.io/psp says before; by what was read ReplicaSet/web gets now"
    ]
    assert narrow["namespaces"] == whole["namespaces"]
    other = describe_audit(make_audit("trio", monkeypatch, "Deployment/web"))
    assert other["conflicts"] == []
    assert [item["name"] for item in other["namespaces"]] == ["shop"]


def test_an_unknown_workload_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="shop/Deployment/gone"):
        make_audit("trio", monkeypatch, "shop/Deployment/gone")


@pytest.mark.parametrize(
    ("text", "user", "groups"),
    [
        ("jane", "jane", ("system:authenticated",)),
        ("jane, ops,dev", "jane", ("ops", "dev", "system:authenticated")),
        (
            "system:serviceaccount:ci:deployer",
            "system:serviceaccount:ci:deployer",
            ("system:serviceaccounts", "system:serviceaccounts:ci", "system:authenticated"),
        ),
    ],
)
def test_requesters_are_read(text: str, user: str, groups: tuple[str, ...]) -> None:
    assert parse_requester(text) == Identity(user, groups)


@pytest.mark.parametrize("text", ["", ",ops", "jane,", "jane,,ops"])
def test_empty_names_of_requesters_are_refused(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="--requester"):
        make_audit("trio", monkeypatch, requester=text)


def test_the_command_takes_a_requester_and_workloads() -> None:
    folder = HERE / "bare-pods"
    arguments = ("audit", "input.yaml", "--workload", "Pod/alone", "--requester", "jane", "-v")
    ended = run(*arguments, cwd=folder)
    assert ended.code == 0
    assert "- jane: applies the bare pod, says --requester; groups system:authenticated" in ended.stdout.decode()
    assert run("audit", "input.yaml", "--requester", ",", cwd=folder).code == 2
    assert run("audit", "input.yaml", "--workload", "Pod/gone", cwd=folder).code == 2
    assert run("audit", "input.yaml", "--level", "baseline", "--workload", "Pod/alone", cwd=folder).code == 0
