"""What is admitted before and after: kube-apiserver v1.24.17 with PodSecurityPolicy, v1.34.4 with what a plan emits.

Each pair is a pod that somebody wrote, given to the old server, and the pod as the plan leaves it, given to the new
one, whose namespaces carry the plan's labels and ValidatingAdmissionPolicies. Both say the same, but where the plan
says otherwise. RESIDUE_PAIRS and RESIDUE_SEED set how many pairs are asked and with which seed; FULL=1 asks 2,000.
"""

from __future__ import annotations

import copy
import json
import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest
from control_plane import API_SERVER, Client, ControlPlane, name_missing_requirement, wait_for
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
from test_pod_security_server import ensure_namespace, plan_sources, read_objects
from test_psp_conformance import World, _clear_world, _decide, _identity, _make_ground, _make_probe, _wait_for_probe

from migrator.podsecurity.evaluate import evaluate_pod
from migrator.podsecurity.level import LEVELS, PRIVILEGED, Level, is_stricter
from migrator.podsecurity.version import PolicyVersion
from migrator.psp.admit import Selection
from migrator.psp.authorize import MASTERS, Identity, read_grants
from migrator.psp.pod import set_fields
from migrator.psp.prepare import finish_pod
from migrator.psp.read import read_policy
from migrator.yaml.write import write_json

pytestmark = pytest.mark.conformance

PAIRS = int(os.environ.get("RESIDUE_PAIRS") or (2000 if os.environ.get("FULL") else 200))
PODS_PER_ROUND = 40
ADMISSION = "admissionregistration.k8s.io/v1"
KINDS = ("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding")
VERSION = PolicyVersion(34)
WANTED = [f"{level} {verdict}" for level in LEVELS for verdict in ("admitted", "denied")]
REQUESTERS = (
    *[_identity("Deployment")] * 5,
    _identity("DaemonSet"),
    Identity("alice", ("developers", AUTHENTICATED)),
    Identity("administrator", (MASTERS, AUTHENTICATED)),
)


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
class Pair:
    pod: Json
    rewritten: Json
    requester: Identity
    selection: Selection


def test_the_same_pods_are_admitted_before_and_after(
    control_plane_124: ControlPlane, control_plane_new: ControlPlane, tmp_path: Path
) -> None:
    seed = int(os.environ.get("RESIDUE_SEED") or Random().randrange(10**6))
    print(f"RESIDUE_SEED={seed} RESIDUE_PAIRS={PAIRS}")
    random, counts, differences, number = Random(seed), Counter[str](), [], 0
    old, new = control_plane_124.client, control_plane_new.client
    _make_ground(old)
    while counts["pairs"] < PAIRS or min(counts[name] for name in WANTED) < PAIRS // 100:
        number += 1
        world = _make_world(old, random, number)
        # The level that was seen least comes next.
        level = min(LEVELS, key=lambda name: min(counts[f"{name} admitted"], counts[f"{name} denied"]))
        pairs = list(_make_pairs(random, world, level))
        folder = tmp_path / str(number)
        _write_sources(folder, world, pairs)
        emitted, said = _plan(folder)
        _install(new, emitted, number)
        counts["policies"] += sum(item["kind"] == KINDS[0] for item in emitted)
        for pair in pairs:
            difference = _compare(pair, old, new, said, counts)
            if difference is not None:
                differences.append(_describe(difference, pair, world, emitted))
        _clear_world(old, world)
        assert number < 100 + PAIRS // 10, counts
        assert len(differences) < 3, json.dumps(differences, indent=1)[:30000]
    print(f"{number} rounds, {len(differences)} differences; {dict(sorted(counts.items()))}")
    assert not differences, json.dumps(differences, indent=1)[:30000]


def _describe(difference: str, pair: Pair, world: World, emitted: list[Json]) -> Json:
    name = f"psp-residue-{pair.pod['metadata']['namespace']}"
    return {
        "difference": difference,
        "requester": pair.requester.user,
        "pod": pair.pod,
        "rewritten": pair.rewritten,
        "emitted": [item for item in emitted if item["metadata"]["name"] == name],
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


def _make_pairs(random: Random, world: World, level: Level) -> Iterator[Pair]:
    """Make pods which, rewritten, satisfy a level, since the level of a namespace is that of its weakest pod."""
    for index in range(PODS_PER_ROUND):
        requester = random.choice(REQUESTERS)
        pod = make_pod(random)
        pod["metadata"]["name"] = f"pod-{index}"
        if level != PRIVILEGED:
            tame_pod(random, pod, level)
        selection, _ = _decide(world, pod, requester)
        rewritten = _rewrite(pod, selection)
        if not is_stricter(level, evaluate_pod(rewritten["metadata"], rewritten["spec"], VERSION).level):
            yield Pair(pod, rewritten, requester, selection)


def _rewrite(pod: Json, selection: Selection) -> Json:
    values = [(item.field, item.value) for item in selection.mutations] if selection.admitted else []
    return copy.deepcopy(dict(finish_pod(set_fields(pod, values))))


def _write_sources(folder: Path, world: World, pairs: list[Pair]) -> None:
    folder.mkdir()
    namespaces = [{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}} for name in NAMESPACES]
    objects = [*namespaces, *world.documents, *world.rbac, *(pair.rewritten for pair in pairs)]
    for index, item in enumerate(objects):
        (folder / f"{index}.json").write_text(write_json(item, 2))


def _plan(folder: Path) -> tuple[list[Json], list[str]]:
    """Plan the sources, and give the namespaces and policies as they are then, and what the plan says besides."""
    spec = {"cluster": {"kubernetesVersion": "1.34"}, "podSecurity": {"complete": True}}
    plan, files = plan_sources([str(folder)], spec)
    changed = [item for _, new in files.values() for item in read_objects(new)]
    emitted = [item for item in changed if item["kind"] in ("Namespace", *KINDS)]
    return emitted, [item.message for item in plan.findings]


def _install(client: Client, emitted: list[Json], number: int) -> None:
    names = [f"psp-residue-{name}" for name in NAMESPACES]
    for kind in reversed(KINDS):
        for name in [*names, "marker"]:
            client.delete(ADMISSION, kind, name)
    for name in NAMESPACES:
        labels = next((item["metadata"]["labels"] for item in emitted if item["metadata"]["name"] == name), {})
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


def _compare(pair: Pair, old: Client, new: Client, said: list[str], counts: Counter[str]) -> str | None:
    namespace = pair.pod["metadata"]["namespace"]
    before = _act(old, pair.requester).create(pair.pod, dry_run=True)
    assert (before.status == 201) == pair.selection.admitted, before.message
    plain = copy.deepcopy(pair.rewritten)
    plain["metadata"]["namespace"] = "plain"
    taken = new.create(plain, dry_run=True)
    if taken.status != 201:
        counts["not valid any more"] += 1
        counts[taken.message[-60:]] += 1
        return None
    if any(f"namespace {namespace}: nobody there may use" in message for message in said):
        counts["nobody may use a policy"] += 1
        return None
    if pair.selection.selected is not None and not pair.selection.admitted:
        counts["refused by the API over what a policy wrote"] += 1
        return None
    after = _act(new, pair.requester).create(pair.rewritten, dry_run=True)
    assert after.status in (201, 403, 422), after.message
    counts["pairs"] += 1
    level = evaluate_pod(pair.rewritten["metadata"], pair.rewritten["spec"], VERSION).level
    counts[f"{level} {'admitted' if before.status == 201 else 'denied'}"] += 1
    if (before.status == 201) == (after.status == 201):
        return None
    return f"before {before.status} {before.message}; after {after.status} {after.message}"


_CLIENTS: dict[tuple[int, str], Client] = {}


def _act(client: Client, identity: Identity) -> Client:
    key = (id(client), identity.user)
    if key not in _CLIENTS:
        _CLIENTS[key] = client.impersonate(identity.user, identity.groups)
    return _CLIENTS[key]
