"""Pods with what their PodSecurityPolicy injects written out, against kube-apiserver v1.24.17.

The original's pod and the rewritten one's are sent to the same policies: the second comes back as it was sent, and
is what the first became. PSP_PODS and PSP_SEED set how many pods are asked and with which seed; FULL=1 asks 3,000.
"""

from __future__ import annotations

import copy
import json
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
from control_plane import Client, ControlPlane, Response
from psp_generators import AUTHENTICATED, SERVICE_ACCOUNTS, Json, make_pod
from psp_trees import make_workload, plan_folder, take_pod, write_cluster
from test_psp_conformance import RBAC, _clear_world, _list_differences, _make_ground, _make_world, _strip, _tidy

from migrator.model.inventory import Finding
from migrator.psp.authorize import make_controller_identity
from migrator.psp.pod import APPARMOR_CONTAINER_PREFIX, SECCOMP_POD, set_fields, visit_containers
from migrator.psp.prepare import finish_pod, prepare_pod

pytestmark = pytest.mark.conformance

PODS = int(os.environ.get("PSP_PODS") or (3000 if os.environ.get("FULL") else 300))
PODS_PER_ROUND = 25
SELECTED = "kubernetes.io/psp"
# Up to 1.29 AppArmor profiles are annotations, which 1.24 knows; from 1.30 fields, which it does not.
VERSIONS = ("1.24", "1.34")
ANEW = "its pods run under PodSecurityPolicy"
DENIED = ("no PodSecurityPolicy admits its pods", "but then the API server refuses them")


def test_a_rewritten_pod_is_what_its_original_became(control_plane_124: ControlPlane, tmp_path: Path) -> None:
    seed = int(os.environ.get("PSP_SEED") or Random().randrange(10**6))
    print(f"PSP_SEED={seed} PSP_PODS={PODS}")
    random, tally, differences = Random(seed), Counter[str](), list[Any]()
    client = control_plane_124.client
    _make_ground(client)
    number = 0
    while tally["pods"] < PODS:
        number += 1
        world = _make_world(client, random, number, [], list(_make_rivals(number)) if number % 3 == 0 else [])
        folder = tmp_path / str(number)
        folder.mkdir()
        originals = [make_workload(random, make_pod(random), f"w{index}") for index in range(PODS_PER_ROUND)]
        write_cluster(folder, [*world.documents, *world.rbac], originals)
        version = random.choice(VERSIONS)
        planned = plan_folder(folder, {"cluster": {"kubernetesVersion": version}})
        findings = {item.resource.name: item for item in planned.plan.findings if item.resource and _decides(item)}
        fields = Counter(change.workload.name for change in planned.plan.changes)
        for original, rewritten in zip(originals, planned.workloads, strict=True):
            name = original["metadata"]["name"]
            found = _compare(client, original, rewritten, fields[name], findings.get(name), tally)
            if found:
                differences.append({"difference": found, "before": original, "after": rewritten})
        _clear_world(client, world)
        assert len(differences) < 5, json.dumps(differences, indent=1)[:20000]
    print("\n".join(f"{count:6} {what}" for what, count in sorted(tally.items())))
    assert not differences, json.dumps(differences, indent=1)[:20000]
    assert tally["rewritten"] > PODS // 10
    assert tally["denied"] > PODS // 10
    assert tally["selected anew"] > PODS // 100
    assert tally["selected anew, with more"] > 0


def _make_rivals(number: int) -> Iterator[Json]:
    """Make policies for everybody: of one, pods get what lets an earlier one have them, which then writes more."""
    profiles = "seccomp.security.alpha.kubernetes.io/"
    open_spec: Json = {
        **dict.fromkeys(("privileged", "hostNetwork", "hostPID", "hostIPC", "allowPrivilegeEscalation"), True),
        **{key: {"rule": "RunAsAny"} for key in ("seLinux", "runAsUser", "supplementalGroups", "fsGroup")},
        **{key: ["*"] for key in ("volumes", "allowedCapabilities", "allowedUnsafeSysctls")},
        "hostPorts": [{"min": 0, "max": 65535}],
    }
    groups = {"rule": "MustRunAs", "ranges": [{"min": 7, "max": 7}]}
    names = [f"a-asks-{number}", f"b-gives-{number}"]
    for name, marks, spec in (
        (names[0], {"allowedProfileNames": "runtime/default"}, {"supplementalGroups": groups} if number % 2 else {}),
        (names[1], {"allowedProfileNames": "*", "defaultProfileName": "runtime/default"}, {}),
    ):
        metadata = {"name": name, "annotations": {profiles + key: value for key, value in marks.items()}}
        yield {
            "apiVersion": "policy/v1beta1",
            "kind": "PodSecurityPolicy",
            "metadata": metadata,
            "spec": {**open_spec, **spec},
        }
    rule = {"apiGroups": ["policy"], "resources": ["podsecuritypolicies"], "verbs": ["use"], "resourceNames": names}
    group = "rbac.authorization.k8s.io"
    role = {"apiVersion": RBAC, "kind": "ClusterRole", "metadata": {"name": f"rivals-{number}"}}
    yield {**role, "rules": [rule]}
    subject = {"apiGroup": group, "kind": "Group", "name": "system:serviceaccounts"}
    reference = {"apiGroup": group, "kind": "ClusterRole", "name": f"rivals-{number}"}
    yield {**role, "kind": "ClusterRoleBinding", "roleRef": reference, "subjects": [subject]}


def _decides(finding: Finding) -> bool:
    return finding.rule == "pod-security-policy" and any(text in finding.message for text in (ANEW, *DENIED))


def _compare(
    client: Client, original: Json, rewritten: Json, edited: int, finding: Finding | None, tally: Counter[str]
) -> str | None:
    """Say in what the server's answers to a workload's pods are not what the plan promised; None in nothing."""
    tally["pods"] += 1
    before = _create(client, original)
    if before.status != 201:
        tally["denied"] += 1
        said = (
            finding is not None and finding.severity == "warning" and any(text in finding.message for text in DENIED)
        )
        return None if said and not edited else f"denied: {before.message}; the plan: {finding}, {edited} changes"
    after = _create(client, rewritten)
    if finding is not None and finding.severity == "error":
        tally["denied once rewritten"] += 1
        return None if after.status != 201 else f"not denied: {finding.message}"
    if after.status != 201:
        return f"denied once rewritten: {after.message}"
    one, other = _strip(before.body), _strip(after.body)
    names = [item["metadata"]["annotations"].pop(SELECTED) for item in (one, other)]
    if (names[0] != names[1]) != (finding is not None and ANEW in finding.message):
        return f"selected {names}, the plan: {finding}"
    tally["rewritten"] += edited > 0
    tally["fields written"] += edited
    tally["selected anew"] += names[0] != names[1]
    sent = take_pod(rewritten)
    found = [*_list_differences(_spell(_as_sent(sent), sent), _spell(other, sent), "sent and stored")]
    if finding is None or "besides" not in finding.message:
        found += _list_differences(_spell(one, sent), _spell(other, sent), "before and after")
    else:
        tally["selected anew, with more"] += 1
    return "; ".join(found) or None


def _create(client: Client, workload: Json) -> Response:
    kind = workload["kind"]
    if kind == "Pod":
        creator = client.impersonate("kubernetes-admin", ["system:masters", AUTHENTICATED])
    else:
        identity = make_controller_identity(kind)
        assert identity is not None
        creator = client.impersonate(identity.user, identity.groups)
    response = creator.create(take_pod(workload), dry_run=True, field_validation="Ignore")
    creator.close()
    return response


def _as_sent(pod: Json) -> Json:
    """Give a pod as the server stores it where no policy changes it."""
    account = pod["spec"].get("serviceAccountName") or pod["spec"].get("serviceAccount") or "default"
    prepared = prepare_pod(copy.deepcopy(pod), {"automountServiceAccountToken": SERVICE_ACCOUNTS[account]})
    stored: Any = copy.deepcopy(finish_pod(prepared))
    stored["metadata"].setdefault("annotations", {}).pop(SELECTED, None)
    return dict(stored)


def _spell(pod: Json, sent: Json) -> Json:
    """Give a pod without the spellings of one thing: order of capabilities, Docker's profile, AppArmor's fields."""
    tidied = _tidy(pod)
    changes: list[Any] = []
    for path, container in visit_containers(tidied):
        context = container.get("securityContext") or {}
        lists = context.get("capabilities") or {}
        ordered = {key: sorted(set(names or ())) for key, names in lists.items()}
        if ordered:
            changes.append(((*path, "securityContext", "capabilities"), ordered))
    tidied = copy.deepcopy(dict(set_fields(tidied, changes)))
    annotations = tidied["metadata"].setdefault("annotations", {})
    if annotations.get(SECCOMP_POD) == "docker/default":
        annotations[SECCOMP_POD] = "runtime/default"
    for path, container in visit_containers(sent):
        if "appArmorProfile" in (container.get("securityContext") or {}):
            holder = tidied["spec"][path[1]][path[2]]
            context = holder.get("securityContext") or {}
            context.pop("appArmorProfile", None)
            if not context:
                holder.pop("securityContext", None)
            annotations.pop(APPARMOR_CONTAINER_PREFIX + container["name"], None)
    return tidied
