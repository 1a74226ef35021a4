"""What hardening and labelling emit, held to a real API server (v1.34.4).

Every object that was accepted before is accepted afterwards, by a dry run with strict field validation; new ones are
accepted as well. Labels of a plan warn and deny as the plan says. The default run takes the samples, the cases of
tests/pod_security_plan and a part of the corpus of manifests; FULL=1 takes all of it.
"""

from __future__ import annotations

import copy
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from control_plane import Client, ControlPlane, Response, wait_for

from migrator.errors import MigratorError
from migrator.model.plan import Plan
from migrator.planning.plan import plan_changes
from migrator.podsecurity.evaluate import evaluate_level
from migrator.podsecurity.labels import ENFORCE, WARN, read_labels
from migrator.podsecurity.level import LEVELS, PRIVILEGED, Level
from migrator.podsecurity.version import PolicyVersion
from migrator.policy.load import parse_policy
from migrator.rendering.render import render_plan
from migrator.rules.pod_security import find_version
from migrator.sources.read import ReadOptions, read_sources
from migrator.yaml.data import construct
from migrator.yaml.nodes import compose
from migrator.yaml.scan import cut_documents, decode

pytestmark = pytest.mark.conformance

Json = dict[str, Any]

ROOT = Path(__file__).resolve().parents[2]
CORPUS = ROOT.parent / "shared" / "corpora" / "manifests"
CASES = ROOT / "tests" / "pod_security_plan"
FULL = bool(os.environ.get("FULL"))
PART = 8
"""The default run takes every file of this number of the corpus."""

SPEC: Json = {
    "cluster": {"kubernetesVersion": "1.34"},
    "podSecurity": {"complete": True, "harden": "restricted", "createNamespaces": True, "nonRootImages": ["*"]},
}
VERSION = PolicyVersion(34)


def plan_sources(sources: list[str], spec: Json) -> tuple[Plan, dict[str, tuple[bytes | None, bytes]]]:
    """Plan sources, and give each changed file's content before and after."""
    policy = parse_policy({"spec": spec})
    options = ReadOptions(
        kinds=policy.workload_kinds, default_namespace="default", jobs=1, pod_security=find_version(policy)
    )
    inventory = read_sources(sources, options)
    plan = plan_changes(inventory, policy)
    return plan, {item.path: (item.old, item.new_content()) for item in render_plan(plan, inventory.files)}


def read_objects(content: bytes) -> list[Json]:
    """Read a stream as the API takes it, items of Lists one by one."""
    objects: list[Json] = []
    for span in cut_documents(content):
        node = compose(decode(content[span.start : span.end]))
        data = construct(node) if node is not None else None
        if isinstance(data, dict) and isinstance(data.get("items"), list):
            objects += [item for item in data["items"] if isinstance(item, dict)]
        elif isinstance(data, dict):
            objects.append(data)
    return objects


def submit(client: Client, manifest: Json, **options: Any) -> Response | None:
    """Try an object out; None for a kind that the server does not know."""
    manifest = copy.deepcopy(manifest)
    # An inventory's objects are those of another cluster here.
    manifest.get("metadata", {}).pop("uid", None)
    try:
        _, namespaced = client._find_resource(manifest["apiVersion"], manifest["kind"])
    except (KeyError, LookupError):
        return None
    if namespaced:
        namespace = manifest.setdefault("metadata", {}).setdefault("namespace", "default")
        ensure_namespace(client, namespace)
    response = client.create(manifest, dry_run=True, **options)
    if not is_accepted(response) or "name" not in manifest["metadata"]:
        return response
    applied = client.apply(manifest, dry_run=True, **options)
    return response if is_accepted(applied) else applied


def ensure_namespace(client: Client, name: str, labels: Json | None = None) -> None:
    client.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels or {}}})


def is_accepted(response: Response) -> bool:
    # What is there already, as the namespace default is, is not the object's fault.
    return response.status in (200, 201) or response.body.get("reason") == "AlreadyExists"


def check_files(client: Client, files: dict[str, tuple[bytes | None, bytes]], counts: Counter[str]) -> Iterator[str]:
    """Try out what a plan makes of files; give what the server says against it."""
    for path, (old, new) in files.items():
        before = read_objects(old) if old is not None else []
        known = {repr(item) for item in before}
        by_identity = {identify(item): item for item in before}
        for item in read_objects(new):
            if repr(item) in known or "kustomize" in str(item.get("apiVersion")):
                continue
            original = by_identity.get(identify(item))
            earlier = submit(client, original) if original is not None else None
            response = submit(client, item)
            if response is None:
                counts["unknown kinds"] += 1
            elif original is not None and earlier is not None and not is_accepted(earlier):
                counts["refused before"] += 1
            elif is_accepted(response):
                counts["edited" if original is not None else "new"] += 1
            else:
                yield f"{path} {identify(item)}: {response.message}"


def identify(item: Json) -> tuple[Any, ...]:
    metadata = item.get("metadata") or {}
    name = metadata.get("name") or metadata.get("generateName")
    return item.get("apiVersion"), item.get("kind"), metadata.get("namespace"), name


@pytest.mark.parametrize("case", sorted(path.parent.name for path in CASES.glob("*/input.yaml")))
def test_cases_stay_valid(control_plane_134: ControlPlane, case: str) -> None:
    counts: Counter[str] = Counter()
    _, files = plan_sources([str(CASES / case / "input.yaml")], SPEC)
    assert list(check_files(control_plane_134.client, files, counts)) == []


SAMPLES = {
    "host-port": ["host-port"],
    "pod-security": ["pod-security"],
    "psp": ["psp"],
    **{f"fleet {name}": [f"fleet/clusters/{name}.json"] for name in ("eu-west", "lab", "us-east")},
}


@pytest.mark.parametrize("sample", SAMPLES)
def test_samples_stay_valid(control_plane_134: ControlPlane, sample: str) -> None:
    counts: Counter[str] = Counter()
    _, files = plan_sources([str(ROOT / "samples" / path) for path in SAMPLES[sample]], SPEC)
    assert list(check_files(control_plane_134.client, files, counts)) == []
    print(f"{sample}: {dict(counts)}")
    assert counts["edited"] + counts["new"] >= 2
    assert counts["refused before"] == counts["unknown kinds"] == 0


def test_a_rancher_stack_becomes_valid_objects(control_plane_134: ControlPlane, tmp_path: Path) -> None:
    sample = ROOT / "samples" / "rancher-v1.6"
    if not sample.is_dir():
        pytest.skip("samples/rancher-v1.6 is not there")
    target = tmp_path / "out"
    command = [sys.executable, "-m", "migrator", "apply", str(sample), "--out", str(target)]
    command += ["--answers", str(sample / "answers.txt"), "--set", "podSecurity.harden=restricted"]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if not target.is_dir():
        pytest.skip(f"the sample is not migrated yet: {result.stderr[-300:]}")
    objects = [item for path in sorted(target.rglob("*.yaml")) for item in read_objects(path.read_bytes())]
    kinds = [item for item in objects if "kustomize" not in str(item.get("apiVersion")) and "kind" in item]
    for item in kinds:
        if item["kind"] == "Namespace":
            ensure_namespace(control_plane_134.client, item["metadata"]["name"])
    said = [(identify(item), submit(control_plane_134.client, item)) for item in kinds]
    assert [(name, answer.message) for name, answer in said if answer is not None and not is_accepted(answer)] == []


@pytest.mark.skipif(not CORPUS.is_dir(), reason="the corpus of manifests is not beside the repository")
def test_the_corpus_stays_valid(control_plane_134: ControlPlane) -> None:
    counts: Counter[str] = Counter()
    refused: list[str] = []
    paths = sorted(CORPUS.iterdir())
    for path in paths if FULL else paths[::PART]:
        try:
            _, files = plan_sources([str(path)], SPEC)
        except MigratorError as error:
            counts[f"not planned: {type(error).__name__}"] += 1
            continue
        refused += check_files(control_plane_134.client, files, counts)
    print(f"{len(paths)} files, 1 of {1 if FULL else PART} taken: {dict(counts)}")
    assert refused == []
    assert counts["edited"] >= (250 if FULL else 30)


def describe_refusal(pod: Json, level: Level) -> str:
    """Write what the server says of a pod that a level forbids."""
    violations = evaluate_level(pod["metadata"], pod["spec"], level, VERSION)
    reasons = [f"{item.reason} ({item.detail})" if item.detail else item.reason for item in violations]
    return f'PodSecurity "{level}:{VERSION}": {", ".join(reasons)}'


def make_pod(name: str, namespace: str, level: Level) -> Json:
    """Make a pod that satisfies a level and none above it."""
    container: Json = {"name": "app", "image": "registry.example.com/app:1"}
    spec: Json = {"containers": [container]}
    if level == PRIVILEGED:
        spec["hostPID"] = True
    if level == "restricted":
        spec["securityContext"] = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
        container["securityContext"] = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": namespace}, "spec": spec}


@pytest.mark.parametrize("sample", ["host-port", "pod-security"])
def test_the_labels_of_a_plan_warn_and_deny_as_it_says(control_plane_134: ControlPlane, sample: str) -> None:
    client = control_plane_134.client
    folder = str(ROOT / "samples" / sample)
    spec = {**SPEC, "podSecurity": {"complete": True, "harden": "none" if sample == "host-port" else "restricted"}}
    plan, files = plan_sources([folder], spec)
    seen = set()
    for namespace in plan.namespaces:
        name = f"{sample}-{namespace.name}"
        ensure_namespace(client, name, dict(namespace.labels))
        seen.add(namespace.after)
        assert namespace.labels[ENFORCE] == namespace.after
        if namespace.after != PRIVILEGED:
            weakest = make_pod("probe", name, PRIVILEGED)
            wait_for(lambda weakest=weakest: client.create(weakest, dry_run=True).status == 403)
        for level in LEVELS:
            pod = make_pod(level, name, level)
            response = client.create(pod, dry_run=True)
            if LEVELS.index(level) < LEVELS.index(namespace.after):
                assert response.status == 403
                assert describe_refusal(pod, namespace.after) in response.message
            else:
                assert response.status == 201, response.message
                assert not [text for text in response.warnings if "PodSecurity" in text]
    assert len(seen) == (3 if sample == "pod-security" else 2)
    by_namespace = {item.name: item for item in plan.namespaces}
    admitted = 0
    for old, new in files.values():
        for item in read_objects(new):
            template = (item.get("spec") or {}).get("template")
            home = by_namespace.get((item.get("metadata") or {}).get("namespace", ""))
            if not template or home is None:
                continue
            pod = {**copy.deepcopy(template), "apiVersion": "v1", "kind": "Pod"}
            pod["metadata"] |= {"name": item["metadata"]["name"], "namespace": f"{sample}-{home.name}"}
            response = client.create(pod, dry_run=True)
            assert response.status == 201, response.message
            admitted += 1
            workload = {**item, "metadata": {**item["metadata"], "namespace": f"{sample}-{home.name}"}}
            assert not [text for text in client.create(workload, dry_run=True).warnings if "PodSecurity" in text]
            assert old is None or item["kind"] != "Pod"
    # The host-port sample's objects have their namespaces from kustomizations, not from themselves.
    assert admitted >= 3 or sample == "host-port"


def test_what_is_not_changed_yet_is_warned_of_in_the_words_of_the_audit(control_plane_134: ControlPlane) -> None:
    client = control_plane_134.client
    gateway = read_objects((ROOT / "samples" / "pod-security" / "payments" / "gateway.yaml").read_bytes())[0]
    plan, _ = plan_sources([str(ROOT / "samples" / "pod-security")], SPEC)
    labels = next(item.labels for item in plan.namespaces if item.name == "payments")
    ensure_namespace(client, "expanded", {key: value for key, value in labels.items() if not key.startswith(ENFORCE)})
    gateway["metadata"]["namespace"] = "expanded"
    response = wait_for(lambda: with_warnings(client.create(gateway, dry_run=True)))
    assert response.status == 201
    level: Any = labels[WARN]
    assert response.warnings == (f"would violate {describe_refusal(gateway['spec']['template'], level)}",)


def with_warnings(response: Response) -> Response | None:
    return response if response.warnings else None


@pytest.mark.parametrize(
    "label",
    [("enforce", "strict"), ("audit", "base-line"), ("warn-version", "1.25"), ("enforce-version", "v1.25.3")],
    ids="=".join,
)
def test_the_server_refuses_invalid_labels_in_the_same_words(
    control_plane_134: ControlPlane, label: tuple[str, str]
) -> None:
    labels = {f"pod-security.kubernetes.io/{label[0]}": label[1]}
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "invalid-labels", "labels": labels}}
    response = control_plane_134.client.create(namespace, dry_run=True)
    _, (invalid,) = read_labels(labels)
    assert response.status == 422
    assert str(invalid) in response.message


@pytest.mark.parametrize(
    ("context", "accepted"),
    [
        ({"privileged": True, "allowPrivilegeEscalation": False}, False),
        ({"capabilities": {"add": ["CAP_SYS_ADMIN"]}, "allowPrivilegeEscalation": False}, False),
        ({"privileged": True, "capabilities": {"drop": ["ALL"]}}, True),
    ],
)
def test_what_the_api_takes_beside_privileges(control_plane_134: ControlPlane, context: Json, accepted: bool) -> None:
    pod = make_pod("privileges", "default", "baseline")
    pod["spec"]["containers"][0]["securityContext"] = context
    assert (control_plane_134.client.create(pod, dry_run=True).status == 201) == accepted
