"""migrator's PodSecurityPolicy engine against kube-apiserver v1.24.17: policy, verdict, messages, stored pod.

PSP_PODS and PSP_SEED set how many pods are asked at least and with which seed; FULL=1 asks 5,000. The run goes on,
up to four times as long, until it has seen every message, mutation and outcome often enough.
"""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import pytest
from control_plane import Client, ControlPlane, Response, wait_for
from psp_generators import (
    AUTHENTICATED,
    NAMESPACES,
    RUNTIME_CLASSES,
    SERVICE_ACCOUNTS,
    Json,
    make_pod,
    make_policy,
    make_rbac,
)
from ruamel.yaml import YAML

from migrator.model.field import format_path
from migrator.psp.admit import Selection
from migrator.psp.authorize import Identity, PolicyGrants, make_controller_identity, read_grants
from migrator.psp.decide import decide_pod
from migrator.psp.model import PodSecurityPolicy
from migrator.psp.read import read_policy

pytestmark = pytest.mark.conformance

PODS = int(os.environ.get("PSP_PODS") or (5000 if os.environ.get("FULL") else 400))
PROBLEMS = Path(__file__).parents[1] / "psp" / "problems.yaml"
PODS_PER_ROUND = 25
POLICIES_PER_ROUND = 12
RBAC = "rbac.authorization.k8s.io/v1"
PROBE_PROFILE = "localhost/probe"
SECCOMP = "seccomp.security.alpha.kubernetes.io/"


def _identity(kind: str) -> Identity:
    found = make_controller_identity(kind)
    assert found is not None
    return found


REQUESTERS = (
    *[_identity("Deployment")] * 6,
    _identity("DaemonSet"),
    Identity("alice", ("developers", AUTHENTICATED)),
)

# What every run must have seen: messages of refused pods and fields of admitted ones, as patterns.
MESSAGES = (
    r"runAsUser: Required value|runAsUser: Invalid value: \d+: must be in the ranges",
    r"runAsNonRoot: Invalid value: false: must be true",
    r"runAsUser: Invalid value: 0: running with the root UID is forbidden",
    r"containers\[\d\]\.securityContext: Invalid value: \[\]int64\{\d+\}: group \d+ must be in the ranges",
    r"supplementalGroups: Invalid value: \[\]int64\{.*\}: group \d+ must be in the ranges",
    r"supplementalGroups: Invalid value: \[\]int64\{\}: unable to validate empty groups",
    r"fsGroup: Invalid value: \[\]int64\{\d+\}: group \d+ must be in the ranges",
    r"spec\.securityContext\.seLinuxOptions\.level: Invalid value",
    r"containers\[\d\]\.securityContext\.seLinuxOptions\.(role|type|user): Invalid value",
    r"seccomp\.security\.alpha\.kubernetes\.io/pod\]: Forbidden: seccomp may not be set",
    r"container\.seccomp\.security\.alpha\.kubernetes\.io/\w+\]: Forbidden: seccomp may not be set",
    r"is not an allowed seccomp profile",
    r"AppArmor profile must be set",
    r"is not an allowed profile\. Allowed values",
    r"Host network is not allowed",
    r"Host PID is not allowed",
    r"Host IPC is not allowed",
    r"Forbidden: sysctl .* is not allowed",
    r"Forbidden: unsafe sysctl .* is not allowed",
    r"volumes are not allowed to be used",
    r'"projected": projected volumes are not allowed',
    r"hostPath\.pathPrefix: Invalid value",
    r"volumeMounts\[\d\]\.readOnly: Invalid value: false: must be read-only",
    r"Flexvolume driver is not allowed",
    r"Inline CSI driver is not allowed",
    r"runtimeClassName: Invalid value",
    r"Privileged containers are not allowed",
    r"ProcMountType is not allowed",
    r"capability may not be added",
    r"Host port \d+ is not allowed to be used\. Allowed ports",
    r"ReadOnlyRootFilesystem must be set to true",
    r"Allowing privilege escalation for containers is not allowed",
)
MUTATIONS = (
    r"securityContext\.runAsUser=",
    r"securityContext\.runAsNonRoot=true",
    r"securityContext\.runAsGroup=",
    r"^spec\.securityContext\.supplementalGroups=",
    r"^spec\.securityContext\.fsGroup=",
    r"^spec\.securityContext\.seLinuxOptions=",
    r"seccomp\.security\.alpha\.kubernetes\.io/pod",
    r"container\.apparmor\.security\.beta\.kubernetes\.io/",
    r"securityContext\.capabilities=.*add",
    r"securityContext\.capabilities=.*drop",
    r"securityContext\.readOnlyRootFilesystem=true",
    r"securityContext\.allowPrivilegeEscalation=true",
    r"securityContext\.allowPrivilegeEscalation=false",
    r"^spec\.runtimeClassName=",
    r"^spec\.initContainers",
)
OUTCOMES = (
    "selected unchanged",
    "selected changed",
    "selected after a policy that would change it",
    "no policy granted",
    "refused by the API's validation",
)


@dataclass
class Tally:
    seen: Counter[str] = field(default_factory=Counter)
    rules: Counter[str] = field(default_factory=Counter)

    def count(self, selection: Selection, policies: Sequence[PodSecurityPolicy]) -> None:
        for policy in policies:
            self.rules.update(_name_rules(policy))
        if selection.admitted:
            self.seen.update(f"{format_path(m.field)}={json.dumps(m.value)}" for m in selection.mutations)
            changed = [v.psp for v in selection.verdicts if v.allowed and v.mutations]
            self.seen[OUTCOMES[1 if selection.mutations else 0]] += 1
            if not selection.mutations and changed and changed[0] < str(selection.selected):
                self.seen[OUTCOMES[2]] += 1
        elif selection.selected is None:
            self.seen.update(m for messages in selection.rejected_by.values() for m in messages)
            self.seen[OUTCOMES[3]] += not selection.verdicts
        else:
            self.seen[OUTCOMES[4]] += 1

    def list_missing(self, wanted: int) -> list[str]:
        patterns = {pattern: self.find(pattern) for pattern in (*MESSAGES, *MUTATIONS, *OUTCOMES)}
        return [f"{count} {pattern}" for pattern, count in patterns.items() if count < wanted]

    def find(self, pattern: str) -> int:
        return sum(count for text, count in self.seen.items() if re.search(pattern, text))


def _name_rules(policy: PodSecurityPolicy) -> Iterator[str]:
    yield f"runAsUser {policy.run_as_user.rule}"
    yield f"runAsGroup {policy.run_as_group.rule if policy.run_as_group else None}"
    yield f"supplementalGroups {policy.supplemental_groups.rule}"
    yield f"fsGroup {policy.fs_group.rule}"
    yield f"seLinux {policy.se_linux.rule}"


RULES = {
    *(f"runAsUser {rule}" for rule in ("MustRunAs", "MustRunAsNonRoot", "RunAsAny")),
    *(f"runAsGroup {rule}" for rule in ("MustRunAs", "MayRunAs", "RunAsAny", None)),
    *(f"supplementalGroups {rule}" for rule in ("MustRunAs", "MayRunAs", "RunAsAny")),
    *(f"fsGroup {rule}" for rule in ("MustRunAs", "MayRunAs", "RunAsAny")),
    *(f"seLinux {rule}" for rule in ("MustRunAs", "RunAsAny")),
}  # fmt: skip


def test_the_engine_decides_as_the_server_does(control_plane_124: ControlPlane) -> None:
    seed = int(os.environ.get("PSP_SEED") or Random().randrange(10**6))
    print(f"PSP_SEED={seed} PSP_PODS={PODS}")
    random, tally, differences, asked = Random(seed), Tally(), [], 0
    client = control_plane_124.client
    _make_ground(client)
    clients = {identity: client.impersonate(identity.user, identity.groups) for identity in REQUESTERS}
    number, wanted = 0, max(1, PODS // 250)
    while asked < PODS or (asked < 4 * PODS and tally.list_missing(wanted)):
        number += 1
        world = _make_world(client, random, number, differences)
        for _ in range(PODS_PER_ROUND):
            pod, requester = make_pod(random), random.choice(REQUESTERS)
            selection, usable = _decide(world, pod, requester)
            response = clients[requester].create(pod, dry_run=True)
            asked += 1
            tally.count(selection, usable)
            difference = _compare(selection, response)
            if difference:
                names = {policy.name for policy in usable}
                asked_of = [document for document in world.documents if document["metadata"]["name"] in names]
                differences.append({"difference": difference, "pod": pod, "policies": asked_of})
        _clear_world(client, world)
        assert len(differences) < 5, json.dumps(differences, indent=1)[:20000]
    print(f"{asked} pods, {number} rounds, {len(differences)} differences")
    for name in OUTCOMES:
        print(f"{tally.seen[name]:6} {name}")
    assert not differences, json.dumps(differences, indent=1)[:20000]
    assert tally.list_missing(wanted) == []
    assert set(tally.rules) >= RULES


def test_policies_are_taken_and_refused_as_the_server_does(control_plane_124: ControlPlane) -> None:
    any_rule = {"rule": "RunAsAny"}
    plain = dict.fromkeys(("seLinux", "runAsUser", "supplementalGroups", "fsGroup"), any_rule)
    differences = []
    for case in YAML(typ="safe").load(PROBLEMS.read_text(encoding="utf-8")):
        document = {
            "apiVersion": "policy/v1beta1",
            "kind": "PodSecurityPolicy",
            "metadata": {"name": "plain"},
            "spec": {**plain, **case["spec"]},
        }
        refused = [problem for problem in case.get("problems") or () if ": refused: " in problem]
        response = control_plane_124.client.create(document, dry_run=True, field_validation="Ignore")
        if (response.status == 201) == bool(refused):
            differences.append((case["spec"], refused, response.status, response.message))
    assert differences == []


@dataclass(frozen=True)
class World:
    """The policies and grants of one round, as the server has them and as the engine reads them."""

    documents: list[Json]
    rbac: list[Json]
    policies: list[PodSecurityPolicy]
    grants: PolicyGrants


def _make_ground(client: Client) -> None:
    objects: list[Json] = []
    for namespace in NAMESPACES:
        objects.append({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
        for name, automount in (*SERVICE_ACCOUNTS.items(), ("probe", None)):
            account: Json = {
                "apiVersion": "v1",
                "kind": "ServiceAccount",
                "metadata": {"name": name, "namespace": namespace},
            }
            if automount is not None:
                account["automountServiceAccountToken"] = automount
            objects.append(account)
    runtime_class = {"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass"}
    objects += [{**runtime_class, "metadata": {"name": name}, "handler": name} for name in RUNTIME_CLASSES]
    rule = {"apiGroups": [""], "resources": ["pods"], "verbs": ["create", "update"]}
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "makes-pods"}
    subjects = [{"apiGroup": reference["apiGroup"], "kind": "User", "name": name} for name in ("alice", "prober")]
    objects.append({"apiVersion": RBAC, "kind": "ClusterRole", "metadata": {"name": "makes-pods"}, "rules": [rule]})
    objects.append(
        {
            "apiVersion": RBAC,
            "kind": "ClusterRoleBinding",
            "metadata": {"name": "makes-pods"},
            "roleRef": reference,
            "subjects": subjects,
        }
    )
    for item in objects:
        assert client.create(item).status in (201, 409), item


def _make_world(
    client: Client, random: Random, number: int, differences: list[Any], more: Sequence[Json] = ()
) -> World:
    documents = []
    for index in range(POLICIES_PER_ROUND):
        document = make_policy(random, random.choice("abcxyz") + f"-{number}.{index}")
        response = client.create(document)
        refused = [problem for problem in read_policy(document).problems if problem.effect == "refused"]
        if (response.status == 201) == bool(refused):
            text = f"server {response.status} {response.message}, engine {refused}"
            differences.append({"difference": text, "policy": document})
        if response.status == 201:
            documents.append(document)
    rbac = make_rbac(random, f"r{number}", [document["metadata"]["name"] for document in documents])
    probe, probe_rbac = _make_probe(number)
    added = [item for item in more if item["kind"] == "PodSecurityPolicy"]
    documents += [*added, probe]
    rbac += [*(item for item in more if item not in added), *probe_rbac]
    for item in [*added, probe, *rbac]:
        response = client.create(item)
        assert response.status == 201, (response.message, item)
    _wait_for_probe(client, probe["metadata"]["name"])
    return World(documents, rbac, [read_policy(document) for document in documents], read_grants(rbac))


def _make_probe(number: int) -> tuple[Json, list[Json]]:
    """A policy for the probing pods alone, granted once through each pair of kinds and made last of its kind.

    Where it is seen, everything made before it is.
    """
    name = f"0-probe-{number}"
    any_rule = {"rule": "RunAsAny"}
    policy = {
        "apiVersion": "policy/v1beta1",
        "kind": "PodSecurityPolicy",
        "metadata": {"name": name, "annotations": {SECCOMP + "allowedProfileNames": PROBE_PROFILE}},
        "spec": dict.fromkeys(("seLinux", "runAsUser", "supplementalGroups", "fsGroup"), any_rule),
    }
    rule = {"apiGroups": ["policy"], "resources": ["podsecuritypolicies"], "verbs": ["use"], "resourceNames": [name]}
    rbac: list[Json] = []
    for prefix, namespace in (("Cluster", NAMESPACES[0]), ("", NAMESPACES[1])):
        metadata = {"name": name} if prefix else {"name": name, "namespace": namespace}
        reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": f"{prefix}Role", "name": name}
        subject = {"kind": "ServiceAccount", "name": "probe", "namespace": namespace}
        rbac.append({"apiVersion": RBAC, "kind": f"{prefix}Role", "metadata": metadata, "rules": [rule]})
        rbac.append(
            {
                "apiVersion": RBAC,
                "kind": f"{prefix}RoleBinding",
                "metadata": metadata,
                "roleRef": reference,
                "subjects": [subject],
            }
        )
    return policy, rbac


def _wait_for_probe(client: Client, name: str) -> None:
    prober = client.impersonate("prober", [AUTHENTICATED])
    for namespace in NAMESPACES:
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "probe", "namespace": namespace, "annotations": {SECCOMP + "pod": PROBE_PROFILE}},
            "spec": {
                "serviceAccountName": "probe",
                "automountServiceAccountToken": False,
                "containers": [{"name": "c", "image": "i"}],
            },
        }

        def is_selected(pod: Json = pod) -> bool:
            response = prober.create(pod, dry_run=True)
            return response.body.get("metadata", {}).get("annotations", {}).get("kubernetes.io/psp") == name

        wait_for(is_selected, pause=0.02)
    prober.close()


def _clear_world(client: Client, world: World) -> None:
    for item in [*world.rbac, *world.documents]:
        metadata = item["metadata"]
        response = client.delete(item["apiVersion"], item["kind"], metadata["name"], metadata.get("namespace", ""))
        assert response.status == 200, response.message


def _decide(world: World, pod: Json, requester: Identity) -> tuple[Selection, list[PodSecurityPolicy]]:
    account = pod["spec"].get("serviceAccountName") or pod["spec"].get("serviceAccount") or "default"
    choice = SERVICE_ACCOUNTS[account]
    decision = decide_pod(
        pod,
        pod["metadata"]["namespace"],
        {policy.name: policy for policy in world.policies},
        world.grants,
        requester=requester,
        service_account={} if choice is None else {"automountServiceAccountToken": choice},
    )
    return decision.selection, list(decision.usable)


def _compare(selection: Selection, response: Response) -> str | None:
    if selection.admitted:
        if response.status != 201:
            return f"engine: {selection.selected}; server: {response.status} {response.message}"
        ours, theirs = _tidy(selection.pod), _tidy(_strip(response.body))
        return "; ".join(_list_differences(ours, theirs, "")) or None
    if response.status == 201:
        chosen = response.body["metadata"]["annotations"]["kubernetes.io/psp"]
        return f"engine: {selection.refusals or selection.rejected_by}; server: {chosen}"
    if selection.selected is None:
        return _compare_messages("unable to admit pod", selection.rejected_by, response)
    tail = selection.refusals[0].rpartition(": ")[2]
    if tail in response.message:
        return None
    return f"engine: {selection.refusals}; server: {response.status} {response.message}"


def _list_differences(ours: Any, theirs: Any, path: str) -> Iterator[str]:
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for key in sorted(ours.keys() | theirs.keys()):
            yield from _list_differences(ours.get(key), theirs.get(key), f"{path}.{key}")
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for index, pair in enumerate(zip(ours, theirs, strict=True)):
            yield from _list_differences(*pair, f"{path}[{index}]")
    elif ours != theirs:
        yield f"{path}: engine {json.dumps(ours)}, server {json.dumps(theirs)}"


def _compare_messages(opening: str, rejected_by: dict[str, tuple[str, ...]], response: Response) -> str | None:
    # The server lists the policies in no particular order; each one's messages stay together.
    _, found, rest = response.message.partition(f"PodSecurityPolicy: {opening}: [")
    together = all(" ".join(messages) in rest for messages in rejected_by.values())
    every = [message for messages in rejected_by.values() for message in messages]
    for message in sorted(every, key=len, reverse=True):
        rest = rest.replace(message, "", 1)
    if response.status == 403 and found and together and rest.strip() == "]":
        return None
    return f"engine: {rejected_by}; server: {response.status} {response.message}; left: {rest}"


def _strip(pod: Json) -> Json:
    """Take away what other parts of the server add to every pod."""
    spec = {
        key: value
        for key, value in pod["spec"].items()
        if key not in ("tolerations", "priority", "preemptionPolicy", "serviceAccount")
    }
    assert pod["spec"]["serviceAccount"] == spec["serviceAccountName"]
    metadata = {k: v for k, v in pod["metadata"].items() if k in ("name", "namespace", "annotations", "labels")}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def _tidy(pod: Any) -> Any:
    text = re.sub(r'"kube-api-access-\w{5}"', '"kube-api-access-00000"', json.dumps(pod))
    tidied = _drop_empty_lists(json.loads(text))
    tidied["spec"].pop("serviceAccount", None)
    return tidied


def _drop_empty_lists(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _drop_empty_lists(item) for key, item in value.items() if item != []}
    return [_drop_empty_lists(item) for item in value] if isinstance(value, list) else value
