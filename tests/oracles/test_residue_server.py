"""What is admitted before and after: kube-apiserver v1.24.17 with PodSecurityPolicy, v1.34.4 with what a plan writes.

Each round is a tree of manifests: policies, RBAC, service accounts, namespaces, workloads. It is read, planned and
rendered; the old server is asked about the pods of the tree as it was, the new one, whose namespaces carry the labels
and ValidatingAdmissionPolicies of the tree as it is then, about the pods of that. Both say the same, but where the
plan says otherwise. Pods that nothing in the tree makes are asked about as well: what was denied is denied.
RESIDUE_PAIRS and RESIDUE_SEED set how many pairs are asked and with which seed; FULL=1 asks 2,000.

Of updates a new image is tried, for which both look at the whole pod. Those of nothing but labels, annotations,
owners or finalizers are out of scope: PodSecurityPolicy looked at the pod for the first two, but it runs already. So
are subresources, which it never looked at: `ephemeralcontainers`, of which the plan's permission delta tells, and
`resize`, which came later and changes nothing that a policy has a say in.
"""

from __future__ import annotations

import copy
import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import pytest
from control_plane import API_SERVER, Client, ControlPlane, Response, name_missing_requirement, wait_for
from psp_generators import (
    AUTHENTICATED,
    NAMESPACES,
    SERVICE_ACCOUNTS,
    Json,
    loosen_policy,
    make_pod,
    make_policy,
    make_rbac,
    tame_pod,
)
from psp_trees import make_workload, plan_folder, take_pod, write_cluster
from test_pod_security_server import ensure_namespace, read_objects
from test_psp_conformance import World, _clear_world, _decide, _identity, _make_ground, _make_probe, _wait_for_probe

from migrator.model.inventory import Finding
from migrator.podsecurity.evaluate import evaluate_pod
from migrator.podsecurity.level import LEVELS, PRIVILEGED, Level, is_stricter
from migrator.podsecurity.version import PolicyVersion
from migrator.psp.admit import Selection
from migrator.psp.authorize import MASTERS, Identity, make_controller_identity, read_grants
from migrator.psp.demand import Enforced
from migrator.psp.model import PodSecurityPolicy
from migrator.psp.pod import set_fields
from migrator.psp.prepare import finish_pod
from migrator.psp.read import read_policy
from migrator.psp.residue import Subject, find_residue
from migrator.templates import render_template
from migrator.yaml.data import load_text

pytestmark = pytest.mark.conformance

PAIRS = int(os.environ.get("RESIDUE_PAIRS") or (2000 if os.environ.get("FULL") else 200))
WORKLOADS_PER_ROUND = 40
FOREIGN_PER_ROUND = 15
UPDATED = 0.5
ADMISSION = "admissionregistration.k8s.io/v1"
KINDS = ("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding")
VERSION = PolicyVersion(34)
RBAC_GROUP = "rbac.authorization.k8s.io"
WANTED = [f"{level} {verdict}" for level in LEVELS for verdict in ("admitted", "denied")]
ADMINISTRATOR = Identity("administrator", (MASTERS, AUTHENTICATED))
ALICE = Identity("alice", ("developers", AUTHENTICATED))
STRANGER = Identity("prober", (AUTHENTICATED,))
FOREIGNERS = (_identity("Deployment"), _identity("DaemonSet"), ALICE, ADMINISTRATOR)

NOBODY = "nobody there may use a PodSecurityPolicy"
DENIED = ("no PodSecurityPolicy admits its pods", "but then the API server refuses them")
# What the plan says where a pod that was denied may be admitted afterwards, and the other way round.
OPENED = (
    "Once the plan is applied,",
    "but then the API server refuses them",
    "seccomp annotations are not read any more",
)
CLOSED = "none admits them any more"
HOST_SYSCTL = "may not be specified when 'host"


@pytest.fixture(scope="module")
def control_plane_new() -> Iterator[ControlPlane]:
    """kube-apiserver v1.34.4 as it is by default, and the controller manager, which checks policies' types."""
    missing = name_missing_requirement()
    if missing is not None:
        pytest.skip(missing)
    with ControlPlane("v1.34.4", components=(API_SERVER, "kube-controller-manager")) as running:
        _make_ground(running.client)
        ensure_namespace(running.client, "plain")
        for name in SERVICE_ACCOUNTS:
            metadata = {"name": name, "namespace": "plain"}
            running.client.create({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata})
        yield running


@dataclass(frozen=True)
class Form:
    """How a tree is planned: the policy, which rules, who applies bare pods."""

    spec: Json
    rules: frozenset[str] | None
    requester: Identity | None


@dataclass(frozen=True)
class Servers:
    """The two servers, and what was seen of them."""

    old: Client
    new: Client
    counts: Counter[str]


@dataclass(frozen=True)
class Pair:
    """A pod before and after, who makes it, and what the plan says of it."""

    original: Json
    rewritten: Json
    requester: Identity
    findings: Sequence[str]

    @property
    def namespace(self) -> str:
        return str(self.original["metadata"]["namespace"])

    def says(self, *texts: str) -> bool:
        return any(text in message for message in self.findings for text in texts)


def test_the_same_pods_are_admitted_before_and_after(
    control_plane_124: ControlPlane, control_plane_new: ControlPlane, tmp_path: Path
) -> None:
    seed = int(os.environ.get("RESIDUE_SEED") or Random().randrange(10**6))
    print(f"RESIDUE_SEED={seed} RESIDUE_PAIRS={PAIRS}")
    servers = Servers(control_plane_124.client, control_plane_new.client, Counter())
    random, counts, differences, number = Random(seed), servers.counts, list[Json](), 0
    _make_ground(servers.old)
    while counts["pairs"] < PAIRS or min(counts[name] for name in WANTED) < PAIRS // 100:
        number += 1
        world = _make_world(servers.old, random, number)
        form = _make_form(random)
        # The level that was seen least comes next.
        level = min(LEVELS, key=lambda name: min(counts[f"{name} admitted"], counts[f"{name} denied"]))
        originals = list(_make_workloads(random, world, level, form))
        folder = tmp_path / str(number)
        folder.mkdir()
        write_cluster(folder, [*_make_namespaces(), *world.documents, *world.rbac], originals)
        planned = plan_folder(folder, form.spec, form.rules, requester=form.requester)
        emitted = _read_emitted(folder)
        _install(servers.new, emitted, number)
        counts["policies"] += sum(item["kind"] == KINDS[0] for item in emitted)
        pairs = list(_make_pairs(originals, planned.workloads, planned.plan.findings, form))
        foreign = [_make_foreign(random, planned.plan.findings) for _ in range(FOREIGN_PER_ROUND)]
        found = [(pair, _compare(random, pair, servers)) for pair in pairs]
        found += [(pair, _compare_foreign(pair, servers)) for pair in foreign]
        differences += [_describe(text, pair, form, world, emitted) for pair, text in found if text is not None]
        _clear_world(servers.old, world)
        assert number < 100 + PAIRS // 10, counts
        assert len(differences) < 3, json.dumps(differences, indent=1)[:30000]
    print(f"{number} rounds, {len(differences)} differences; {json.dumps(counts, indent=1, sort_keys=True)}")
    assert not differences, json.dumps(differences, indent=1)[:30000]
    assert min(counts[name] for name in ("updates taken", "foreign denied", "rewritten")) > 0
    assert PAIRS < 1000 or counts["updates refused"] > 0


def _describe(difference: str, pair: Pair, form: Form, world: World, emitted: list[Json]) -> Json:
    name = f"psp-residue-{pair.namespace}"
    return {
        "difference": difference,
        "requester": pair.requester.user,
        "form": [form.spec, sorted(form.rules or ()), form.requester and form.requester.user],
        "findings": list(pair.findings),
        "original": pair.original,
        "rewritten": pair.rewritten,
        "emitted": [item for item in emitted if item["metadata"]["name"] in (name, pair.namespace)],
        "policies": world.documents,
        "rbac": world.rbac,
    }


def test_a_wrong_expression_warns(control_plane_new: ControlPlane) -> None:
    client = control_plane_new.client
    policy = _make_marker(0)[0]
    policy["metadata"]["name"] = "wrong"
    policy["spec"]["validations"] = [{"expression": "object.spec.hostnetwork == true"}]
    assert client.create(policy).status == 201
    (warning,) = read_type_warnings(client, "wrong")
    assert "undefined field 'hostnetwork'" in warning
    assert client.delete(ADMISSION, KINDS[0], "wrong").status == 200


def test_hundreds_of_policies_and_thousands_of_bindings_are_taken(control_plane_new: ControlPlane) -> None:
    client = control_plane_new.client
    policies = [
        _make_open_policy(f"p{number:03}", allowedFlexVolumes=[{"driver": f"d/{number}"}]) for number in range(300)
    ]
    accounts = [("User", f"system:serviceaccount:team-{number}:deployer") for number in range(5000)]
    subjects = {item.name: frozenset(accounts[index::300]) for index, item in enumerate(policies)}
    subjects["p000"] = frozenset(accounts)
    _install_residue(client, "many", policies, subjects)
    reference = {"apiGroup": RBAC_GROUP, "kind": "ClusterRole", "name": "makes-pods"}
    makers = [{"apiGroup": RBAC_GROUP, "kind": "Group", "name": "makers"}]
    client.create(
        {
            "apiVersion": f"{RBAC_GROUP}/v1",
            "kind": "ClusterRoleBinding",
            "metadata": {"name": "makers"},
            "roleRef": reference,
            "subjects": makers,
        }
    )
    for user, driver, status in (("team-299", "d/299", 201), ("team-4999", "d/0", 201), ("team-299", "d/298", 422)):
        creator = _act(client, Identity(f"system:serviceaccount:{user}:deployer", ("makers",)))
        pod = _make_plain_pod(volumes=[{"name": "v", "flexVolume": {"driver": driver}}])
        answer = wait_for(lambda creator=creator, pod=pod: _unless_forbidden(creator.create(pod, dry_run=True)))
        assert answer.status == status, answer.message
    assert "none of the PodSecurityPolicies is met; p000: flexVolume.driver must be d/0" in answer.message
    assert read_type_warnings(client, "many") == []
    _clear(client, "many")


def test_a_large_pod_stays_within_the_budget(control_plane_new: ControlPlane) -> None:
    client = control_plane_new.client
    paths = [{"pathPrefix": "/var/log", "readOnly": True}, {"pathPrefix": "/data"}]
    policy = _make_open_policy("logs", allowedHostPaths=paths)
    _install_residue(client, "large", [policy], {"logs": frozenset({("Group", AUTHENTICATED)})})

    def create(read_only: bool) -> Response:
        volumes = [{"name": f"v{index}", "hostPath": {"path": f"/var/log/{index}"}} for index in range(100)]
        mounts = [{"name": f"v{index}", "mountPath": f"/m/{index}", "readOnly": True} for index in range(99)]
        mounts.append({"name": "v99", "mountPath": "/m/99", "readOnly": read_only})
        containers = [{"name": f"c{index}", "image": "i", "volumeMounts": mounts} for index in range(20)]
        return client.create(_make_plain_pod(volumes=volumes, containers=containers), dry_run=True)

    assert create(read_only=True).status == 201
    refused = create(read_only=False)
    assert refused.status == 422
    assert "volumeMounts of a hostPath that is not below /data must set readOnly: true" in refused.message
    _clear(client, "large")


def _unless_forbidden(response: Response) -> Response | None:
    """Give a response that RBAC, which takes a moment, had no say in."""
    return None if response.status == 403 else response


def _make_open_policy(name: str, **spec: Any) -> PodSecurityPolicy:
    any_rule = {key: {"rule": "RunAsAny"} for key in ("seLinux", "runAsUser", "supplementalGroups", "fsGroup")}
    metadata = {"name": name, "annotations": {"seccomp.security.alpha.kubernetes.io/allowedProfileNames": "*"}}
    return read_policy(
        {
            "apiVersion": "policy/v1beta1",
            "kind": "PodSecurityPolicy",
            "metadata": metadata,
            "spec": {**any_rule, "volumes": ["*"], **spec},
        }
    )


def _make_plain_pod(**spec: Any) -> Json:
    containers = [{"name": "c", "image": "i"}]
    metadata = {"name": "pod", "namespace": "plain"}
    spec = {"containers": containers, "automountServiceAccountToken": False, **spec}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def _install_residue(
    client: Client, name: str, policies: Sequence[PodSecurityPolicy], subjects: Mapping[str, frozenset[Subject]]
) -> None:
    """Install what policies leave of the namespace `plain`, and wait until it is in force."""
    residue = find_residue("plain", policies, subjects, Enforced())
    given = {"name": name, "namespace": "plain"}
    for template, values in (
        ("validating_admission_policy.yaml.j2", {"policies": "policies", "residue": residue}),
        ("validating_admission_policy_binding.yaml.j2", {"actions": ["Deny"]}),
    ):
        response = client.create(load_text(render_template(template, **given, **values)))
        assert response.status == 201, response.message[-1000:]
    denied = _make_plain_pod(hostPID=True)
    wait_for(lambda: f"ValidatingAdmissionPolicy '{name}'" in client.create(denied, dry_run=True).message, pause=0.1)


def _clear(client: Client, name: str) -> None:
    for kind in reversed(KINDS):
        client.delete(ADMISSION, kind, name)


def _make_world(client: Client, random: Random, number: int) -> World:
    documents = []
    for index in range(random.choice((1, 2, 3, 6))):
        document = make_policy(random, random.choice("abcxyz") + f"-{number}.{index}")
        if random.random() < 0.5:
            loosen_policy(random, document)
        if client.create(document).status == 201:
            documents.append(document)
    rbac = make_rbac(random, f"r{number}", [item["metadata"]["name"] for item in documents]) if documents else []
    probe, probe_rbac = _make_probe(number)
    for item in [probe, *rbac, *probe_rbac]:
        response = client.create(item)
        assert response.status == 201, (response.message, item)
    documents.append(probe)
    rbac += probe_rbac
    _wait_for_probe(client, probe["metadata"]["name"])
    return World(documents, rbac, [read_policy(item) for item in documents], read_grants(rbac))


def _make_form(random: Random) -> Form:
    """Mostly PodSecurityPolicies alone; at times with host ports taken out, and with hardening."""
    harden = random.choice(("none", "none", "restricted", "baseline"))
    spec = {"cluster": {"kubernetesVersion": "1.34"}, "podSecurity": {"complete": True, "harden": harden}}
    alone = frozenset(("pod-security", "pod-security-policy"))
    return Form(spec, random.choice((alone, alone, None)), random.choice((None, ALICE)))


def _make_namespaces() -> list[Json]:
    return [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}} for name in NAMESPACES]


def _make_workloads(random: Random, world: World, level: Level, form: Form) -> Iterator[Json]:
    """Make workloads whose pods will satisfy a level, since the level of a namespace is that of its weakest pod."""
    for index in range(WORKLOADS_PER_ROUND):
        pod = make_pod(random)
        if level != PRIVILEGED:
            tame_pod(random, pod, level)
        workload = make_workload(random, pod, f"w{index}")
        selection, _ = _decide(world, pod, _find_requester(workload, form))
        foreseen = _rewrite(pod, selection)
        if not is_stricter(level, evaluate_pod(foreseen["metadata"], foreseen["spec"], VERSION).level):
            yield workload


def _find_requester(workload: Json, form: Form) -> Identity:
    return make_controller_identity(workload["kind"]) or form.requester or ADMINISTRATOR


def _rewrite(pod: Json, selection: Selection) -> Json:
    values = [(item.field, item.value) for item in selection.mutations] if selection.admitted else []
    return copy.deepcopy(dict(finish_pod(set_fields(pod, values))))


def _make_pairs(
    originals: Sequence[Json], rewritten: Sequence[Json], findings: Sequence[Finding], form: Form
) -> Iterator[Pair]:
    for before, after in zip(originals, rewritten, strict=True):
        name, namespace = before["metadata"]["name"], before["metadata"]["namespace"]
        assert after["metadata"]["name"] == name
        said = [item.message for item in findings if item.resource is not None and item.resource.name == name]
        said += _list_said(findings, namespace)
        yield Pair(take_pod(before), take_pod(after), _find_requester(before, form), said)


def _make_foreign(random: Random, findings: Sequence[Finding]) -> Pair:
    """Make a pod that nothing in the sources makes: nobody writes into it what policies wrote."""
    pod = make_pod(random)
    # Seccomp profiles of annotations are read no more: such a pod asks for nothing that a policy could refuse.
    annotations = pod["metadata"].get("annotations", {})
    for key in [key for key in annotations if "seccomp" in key]:
        del annotations[key]
    level = random.choice(LEVELS)
    if level != PRIVILEGED:
        tame_pod(random, pod, level)
    return Pair(pod, pod, random.choice(FOREIGNERS), _list_said(findings, pod["metadata"]["namespace"]))


def _list_said(findings: Sequence[Finding], namespace: str) -> list[str]:
    return [item.message for item in findings if item.message.startswith(f"namespace {namespace}: ")]


def _read_emitted(folder: Path) -> list[Json]:
    """Read the namespaces and policies of a tree."""
    objects = [item for path in sorted(folder.rglob("*.yaml")) for item in read_objects(path.read_bytes())]
    return [item for item in objects if item["kind"] in ("Namespace", *KINDS)]


def _install(client: Client, emitted: list[Json], number: int) -> None:
    for name in [*(f"psp-residue-{name}" for name in NAMESPACES), "marker"]:
        _clear(client, name)
    for name in NAMESPACES:
        manifest = next(item for item in emitted if item["kind"] == "Namespace" and item["metadata"]["name"] == name)
        labels = manifest["metadata"].get("labels") or {}
        response = client.update(
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
        )
        assert response.status == 200, response.message
    marker = _make_marker(number)
    made = [item for kind in KINDS for item in (*emitted, *marker) if item["kind"] == kind]
    for item in made:
        response = client.create(item)
        assert response.status == 201, (response.message, item)
    probe = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": f"marker-{number}", "namespace": "default"},
        "spec": {"containers": [{"name": "c", "image": "i"}]},
    }
    wait_for(lambda: client.create(probe, dry_run=True).status == 422, pause=0.05)
    for item in made:
        if item["kind"] == KINDS[0]:
            assert read_type_warnings(client, item["metadata"]["name"]) == [], item


def _make_marker(number: int) -> list[Json]:
    """A policy that is made last: where it denies, those made before it are in force."""
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
    policy = {
        "apiVersion": ADMISSION,
        "kind": KINDS[0],
        "metadata": {"name": "marker"},
        "spec": {
            "matchConstraints": {"resourceRules": [rule]},
            "validations": [{"expression": f"object.metadata.name != 'marker-{number}'"}],
        },
    }
    spec = {"policyName": "marker", "validationActions": ["Deny"]}
    return [policy, {"apiVersion": ADMISSION, "kind": KINDS[1], "metadata": {"name": "marker"}, "spec": spec}]


def read_type_warnings(client: Client, name: str) -> list[str]:
    def is_checked() -> Json | None:
        found = client.get(ADMISSION, KINDS[0], name).body
        checked = found.get("status", {}).get("observedGeneration") == found["metadata"]["generation"]
        return found if checked else None

    status = wait_for(is_checked, pause=0.05)["status"]
    return [item["warning"] for item in status.get("typeChecking", {}).get("expressionWarnings", ())]


def _compare(random: Random, pair: Pair, servers: Servers) -> str | None:
    """Say how the servers' answers to a workload's pods differ, and are not what the plan says."""
    counts = servers.counts
    before = _create(servers.old, pair.original, pair.requester)
    invalid = _find_invalid(pair.rewritten, servers.new)
    if invalid is not None:
        counts[f"not valid any more, {'admitted' if before.status == 201 else 'denied'} before"] += 1
        # Sysctls of the host's own namespaces were taken by API servers once, and pods with them by no kubelet.
        return None if before.status != 201 or HOST_SYSCTL in invalid else f"not valid any more: {invalid}"
    after = _create(servers.new, pair.rewritten, pair.requester)
    counts["rewritten"] += pair.original != pair.rewritten
    if (before.status == 201) != (after.status == 201):
        return _judge_difference(pair, before, after, counts)
    counts["pairs"] += 1
    level = evaluate_pod(pair.rewritten["metadata"], pair.rewritten["spec"], VERSION).level
    counts[f"{level} {'admitted' if before.status == 201 else 'denied'}"] += 1
    if before.status != 201 and not pair.says(NOBODY, *DENIED):
        return f"denied, which the plan does not say: {before.message}"
    if before.status == 201 and random.random() < UPDATED:
        return _compare_update(random, pair, servers)
    return None


def _find_invalid(pod: Json, new: Client) -> str | None:
    """Find why the new server takes no such pod even where it has no say over its security."""
    plain = copy.deepcopy(pod)
    plain["metadata"]["namespace"] = "plain"
    taken = new.create(plain, dry_run=True)
    return None if taken.status == 201 else taken.message


def _judge_difference(pair: Pair, before: Response, after: Response, counts: Counter[str]) -> str | None:
    if before.status != 201 and pair.says(NOBODY, *OPENED):
        counts["admitted now, as the plan says"] += 1
        return None
    if before.status == 201 and pair.says(CLOSED):
        counts["denied now, as the plan says"] += 1
        return None
    return f"before {before.status} {before.message}; after {after.status} {after.message}"


def _compare_foreign(pair: Pair, servers: Servers) -> str | None:
    """Say where the new server admits a pod of nobody's that the old one denied.

    But for what an API server refuses over a value that a policy wrote.
    """
    before = _create(servers.old, pair.original, pair.requester)
    if before.status != 403 or pair.says(NOBODY):
        return None
    servers.counts["foreign denied"] += 1
    after = _create(servers.new, pair.rewritten, pair.requester)
    return None if after.status != 201 else f"denied before, and nothing in the sources: {before.message}"


def _compare_update(random: Random, pair: Pair, servers: Servers) -> str | None:
    """Say how the servers' answers differ to a new image of a pod that both admitted."""
    updater = random.choice((ALICE, STRANGER, STRANGER, ADMINISTRATOR))
    answers = [
        _update(client, pod, pair.requester, updater)
        for client, pod in ((servers.old, pair.original), (servers.new, pair.rewritten))
    ]
    before, after = answers
    servers.counts["updates taken" if before.status == 200 else "updates refused"] += 1
    if (before.status == 200) == (after.status == 200):
        return None
    if before.status == 403 and _create(servers.old, _change_image(pair.rewritten), updater).status == 201:
        # A policy that would have written a default into it refused what it let the same person make anew.
        servers.counts["updates refused over defaults"] += 1
        return None
    return f"update by {updater.user}: before {before.status} {before.message}; after {after.status} {after.message}"


def _update(client: Client, pod: Json, maker: Identity, updater: Identity) -> Response:
    made = _create(client, pod, maker, dry_run=False)
    assert made.status == 201, made.message
    answer = _act(client, updater).update(_change_image(made.body), dry_run=True)
    metadata = pod["metadata"]
    assert client.delete("v1", "Pod", metadata["name"], metadata["namespace"]).status == 200
    return answer


def _change_image(pod: Json) -> Json:
    changed = copy.deepcopy(pod)
    changed["spec"]["containers"][0]["image"] = "nginx:2"
    return changed


def _create(client: Client, pod: Json, identity: Identity, dry_run: bool = True) -> Response:
    # The old server does not know all fields that are written for the new one.
    answer = _act(client, identity).create(pod, dry_run=dry_run, field_validation="Ignore")
    assert answer.status in (201, 403, 422), answer.message
    return answer


_CLIENTS: dict[tuple[int, str], Client] = {}


def _act(client: Client, identity: Identity) -> Client:
    key = (id(client), identity.user)
    if key not in _CLIENTS:
        _CLIENTS[key] = client.impersonate(identity.user, identity.groups)
    return _CLIENTS[key]
