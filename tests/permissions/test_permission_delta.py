"""Who gains and who loses when levels take the place of policies, and who may change a level."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from migrator.model.plan import Plan
from migrator.planning.document import describe_plan
from migrator.planning.plan import plan_changes
from migrator.planning.plan_file import load_plan_file, restore_plan
from migrator.planning.plan_schema import PlanForm
from migrator.policy.load import parse_policy
from migrator.review.html import write_page
from migrator.review.markdown import write_comment
from migrator.review.permissions import PermissionRow, list_permission_notes, list_permission_rows
from migrator.rules.pod_security import find_version
from migrator.sources.read import ReadOptions, read_sources

ANY = {"rule": "RunAsAny"}
RBAC = "rbac.authorization.k8s.io/v1"


def make_policy(name: str, **spec: Any) -> dict[str, Any]:
    rules = dict.fromkeys(("fsGroup", "runAsUser", "seLinux", "supplementalGroups"), ANY)
    whole = {**rules, "volumes": ["secret", "projected"], **spec}
    return {"apiVersion": "policy/v1beta1", "kind": "PodSecurityPolicy", "metadata": {"name": name}, "spec": whole}


def make_role(name: str, *rules: dict[str, Any], namespace: str | None = None, **more: Any) -> dict[str, Any]:
    kind = "Role" if namespace else "ClusterRole"
    metadata = {"name": name, **({"namespace": namespace} if namespace else {}), **more.pop("metadata", {})}
    return {"apiVersion": RBAC, "kind": kind, "metadata": metadata, "rules": list(rules), **more}


def allow(groups: str, resources: str, verbs: str, *names: str) -> dict[str, Any]:
    rule: dict[str, Any] = {
        "apiGroups": groups.split(","),
        "resources": resources.split(","),
        "verbs": verbs.split(","),
    }
    return {**rule, "resourceNames": list(names)} if names else rule


def bind(role: dict[str, Any], subject: str, namespace: str | None = None) -> dict[str, Any]:
    kind, _, name = subject.partition(" ")
    entry = {"kind": kind, "name": name}
    if kind == "ServiceAccount":
        entry["namespace"], _, entry["name"] = name.partition("/")
    metadata = {"name": f"{role['metadata']['name']}-{name}", **({"namespace": namespace} if namespace else {})}
    return {
        "apiVersion": RBAC,
        "kind": "RoleBinding" if namespace else "ClusterRoleBinding",
        "metadata": metadata,
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": role["kind"], "name": role["metadata"]["name"]},
        "subjects": [entry],
    }


def make_deployment(namespace: str, name: str = "web", **pod: Any) -> dict[str, Any]:
    labels = {"app": name}
    spec = {"containers": [{"name": "main", "image": "example.com/web:1"}], **pod}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": spec},
        },
    }


BASELINE = make_policy("baseline")
HOSTS = make_policy("hosts", hostNetwork=True)
USE_BASELINE = make_role("use-baseline", allow("policy", "podsecuritypolicies", "use", "baseline"))
USE_HOSTS = make_role("use-hosts", allow("policy", "podsecuritypolicies", "use", "hosts"))
BASE = (BASELINE, HOSTS, USE_BASELINE, USE_HOSTS, make_deployment("shop"))


def plan_objects(folder: Path, *objects: dict[str, Any], **spec: Any) -> Plan:
    (folder / "all.yaml").write_text(yaml.safe_dump_all(objects))
    policy = parse_policy({"spec": {"podSecurity": {"complete": True, **spec}}})
    inventory = read_sources(["all.yaml"], ReadOptions(policy.workload_kinds, find_version(policy)))
    assert not inventory.errors
    return plan_changes(inventory, policy)


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def list_outcomes(plan: Plan) -> dict[str, tuple[str | None, str, str]]:
    """Give what each subject's permissions become, by its namespace and name."""
    return {
        f"{item.namespace}: {subject}": (change.before, item.level, change.outcome)
        for item in plan.permission_delta
        for change in item.changes
        for subject in change.subjects
    }


def test_each_subject_is_compared_with_the_level_of_its_namespace(tmp_path: Path) -> None:
    plan = plan_objects(
        tmp_path,
        *BASE,
        bind(USE_BASELINE, "Group system:serviceaccounts", "shop"),
        bind(USE_HOSTS, "ServiceAccount shop/gateway", "shop"),
        bind(USE_HOSTS, "User ann", "kitchen"),
        bind(USE_HOSTS, "User bob"),
    )
    assert list_outcomes(plan) == {
        "shop: Group system:serviceaccounts": ("baseline", "baseline", "keeps"),
        "shop: ServiceAccount shop/default": ("baseline", "baseline", "keeps"),
        "shop: ServiceAccount shop/gateway": ("privileged", "baseline", "loses"),
        "shop: User bob": ("privileged", "baseline", "loses"),
    }
    rows = list_permission_rows(plan.permission_delta)
    lost = PermissionRow(
        "shop", "ServiceAccount gateway", "privileged", "baseline, hosts", "baseline", "loses hostNetwork"
    )
    assert lost in rows
    assert lost.could == "privileged (baseline, hosts)"


def test_who_may_use_no_policy_gains(tmp_path: Path) -> None:
    plan = plan_objects(tmp_path, *BASE)
    assert list_outcomes(plan) == {"shop: ServiceAccount shop/default": (None, "baseline", "gains")}
    assert list_permission_rows(plan.permission_delta)[0].could == "nothing"


def test_a_namespace_that_enforces_nothing_lets_everybody_gain(tmp_path: Path) -> None:
    group = bind(USE_BASELINE, "Group system:authenticated")
    plan = plan_objects(tmp_path, *BASE, group, complete=False)
    assert set(list_outcomes(plan).values()) == {("baseline", "privileged", "gains")}
    exempt = plan_objects(tmp_path, *BASE, group, exempt={"namespaces": ["shop"]})
    assert set(list_outcomes(exempt).values()) == {("baseline", "privileged", "gains")}


def test_a_stricter_label_that_is_there_stays(tmp_path: Path) -> None:
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop", "labels": labels}}
    plan = plan_objects(tmp_path, *BASE, namespace, bind(USE_BASELINE, "Group system:authenticated"))
    assert set(list_outcomes(plan).values()) == {("baseline", "restricted", "loses")}


def test_without_policies_there_is_no_delta(tmp_path: Path) -> None:
    assert plan_objects(tmp_path, make_deployment("shop"), USE_BASELINE).permission_delta == ()


LABELS = allow("", "namespaces", "get,patch")


@pytest.mark.parametrize(
    ("objects", "expected"),
    [
        ((role := make_role("r", LABELS), bind(role, "User ann")), {"shop", "kitchen"}),
        ((role := make_role("r", LABELS), bind(role, "User ann", "shop")), {"shop"}),
        ((role := make_role("r", LABELS, namespace="shop"), bind(role, "User ann", "shop")), {"shop"}),
        ((role := make_role("r", allow("", "namespaces", "update", "kitchen")), bind(role, "User ann")), {"kitchen"}),
        ((role := make_role("r", allow("*", "*", "*")), bind(role, "User ann", "shop")), {"shop"}),
        (
            (
                role := make_role(
                    "all", aggregationRule={"clusterRoleSelectors": [{"matchLabels": {"part": "all"}}]}
                ),
                make_role("part", LABELS, metadata={"labels": {"part": "all"}}),
                bind(role, "User ann", "shop"),
            ),
            {"shop"},
        ),
        ((role := make_role("r", allow("", "namespaces", "get,list,create,delete")), bind(role, "User ann")), set()),
        ((role := make_role("r", allow("apps", "namespaces", "patch")), bind(role, "User ann")), set()),
        ((role := make_role("r", allow("", "namespaces/status", "patch")), bind(role, "User ann")), set()),
        ((make_role("r", LABELS),), set()),
    ],
)
def test_who_may_change_labels(objects: tuple[dict[str, Any], ...], expected: set[str], tmp_path: Path) -> None:
    plan = plan_objects(tmp_path, *BASE, make_deployment("kitchen"), *objects)
    found = {item.namespace: [str(subject) for subject in item.labelers] for item in plan.permission_delta}
    assert found == {name: ["User ann"] if name in expected else [] for name in ("kitchen", "shop")}


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (allow("", "pods/ephemeralcontainers", "patch"), True),
        (allow("", "*/ephemeralcontainers", "update"), True),
        (allow("*", "*", "*"), True),
        (allow("", "pods/ephemeralcontainers", "patch", "web-0"), True),
        (allow("", "pods/ephemeralcontainers", "get"), False),
        (allow("", "pods,pods/exec", "*"), False),
        (allow("metrics.k8s.io", "pods/ephemeralcontainers", "patch"), False),
    ],
)
def test_who_may_add_ephemeral_containers(rule: dict[str, Any], expected: bool, tmp_path: Path) -> None:
    role = make_role("debug", rule)
    plan = plan_objects(tmp_path, *BASE, role, bind(role, "Group on-call"))
    assert [str(item) for item in plan.permission_delta[0].debuggers] == (["Group on-call"] if expected else [])
    notes = list_permission_notes(plan)
    assert any("level baseline does, so they lose" in note for note in notes) == expected


def test_nobody_loses_debugging_where_nothing_is_enforced(tmp_path: Path) -> None:
    role = make_role("debug", allow("", "pods/ephemeralcontainers", "patch"))
    plan = plan_objects(tmp_path, *BASE, role, bind(role, "Group on-call"), complete=False)
    (note,) = list_permission_notes(plan)
    assert "lose" not in note


def test_the_page_and_the_comment_show_it(tmp_path: Path) -> None:
    role = make_role("debug", allow("", "pods/ephemeralcontainers", "patch"))
    plan = plan_objects(tmp_path, *BASE, role, bind(role, "Group on-call"), bind(USE_HOSTS, "User <b>bob</b>"))
    page, comment = write_page(plan, ()), write_comment(plan, ())
    section = page.partition('<section id="permissions"')[2].partition("</section>")[0]
    assert (
        '<td>User &lt;b&gt;bob&lt;/b&gt;</td><td data-label="Could run: "><span class="level privileged">' in section
    )
    assert '<td>ServiceAccount default</td><td data-label="Could run: ">nothing</td>' in section
    assert re.search(r'<tr data-f="n\d+"><th scope="row"><code>shop</code>', section)
    assert "<li>shop: Group on-call may add ephemeral containers" in section
    assert '<a href="#permissions">Who may run what</a> <span>2</span>' in page
    assert "| `shop` | ServiceAccount default | nothing | baseline | gains |" in comment


def test_the_plan_file_holds_it_and_gives_the_same_plan(tmp_path: Path) -> None:
    plan = plan_objects(tmp_path, *BASE, bind(USE_HOSTS, "ServiceAccount shop/gateway", "shop"))
    document = describe_plan(plan)
    form = PlanForm.model_validate(document)
    assert [change.outcome for change in form.permission_delta[0].changes] == ["gains", "loses"]
    assert document["permissionDelta"][0]["changes"][1] == {
        "subjects": [{"kind": "ServiceAccount", "namespace": "shop", "name": "gateway"}],
        "policies": ["hosts"],
        "before": "privileged",
        "outcome": "loses",
        "beyond": ["spec.hostNetwork"],
    }
    (tmp_path / "plan.json").write_text(json.dumps(document))
    plan_file = load_plan_file("plan.json")
    inventory = read_sources(["all.yaml"], ReadOptions(plan.policy.workload_kinds, find_version(plan.policy)))
    restored = restore_plan(plan_file, inventory, "all", plan_file.selection)
    assert restored.permission_delta == plan.permission_delta
