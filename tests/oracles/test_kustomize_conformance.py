"""kustomize builds what `apply --patches` writes: object by object, it is what the text edits make."""

from __future__ import annotations

from pathlib import Path

import pytest

from migrator.model.inventory import Inventory
from migrator.model.plan import Plan
from migrator.rendering.copy import write_out
from migrator.rendering.render import render_plan
from tests.corpus.test_manifest_corpus import CORPUS, insert_host_ports
from tests.oracles.tools import build_tool, run_tool
from tests.patches.patched import Identity, canonical, identify, list_edited, load_objects, write_patches
from tests.patches.test_patched_objects import REPEATED_KEYS, SAMPLES, plan_source
from tests.rules.cases import working_in

pytestmark = pytest.mark.conformance


@pytest.fixture(scope="module")
def kustomize() -> Path:
    return build_tool("kustomize")


def build(kustomize: Path, folder: Path) -> dict[Identity, str]:
    objects = list(load_objects(run_tool(kustomize, "build", str(folder)).encode()))
    assert len({identify(item) for item in objects}) == len(objects)
    return {identify(item): canonical(item) for item in objects}


@pytest.mark.skipif(not CORPUS.is_dir(), reason="no corpus of manifests beside the repository")
@pytest.mark.parametrize(("host_ports", "least"), [(False, 250), (True, 500)], ids=["as it is", "with host ports"])
def test_real_manifests(kustomize: Path, host_ports: bool, least: int, tmp_path: Path) -> None:
    """Each file by itself: among those of many projects one name stands for many objects."""
    compared = 0
    with working_in(tmp_path):
        for number, path in enumerate(sorted(CORPUS.iterdir())):
            if path.name in REPEATED_KEYS:
                continue
            text = path.read_bytes().decode()
            folder = tmp_path / str(number)
            folder.mkdir()
            (folder / path.name).write_bytes((insert_host_ports(text) if host_ports else text).encode())
            plan, inventory = plan_source(str(folder / path.name))
            edited = list_edited(plan, inventory)
            if edited:
                write_patches(plan, inventory, tmp_path / f"{number}-out")
                built = build(kustomize, tmp_path / f"{number}-out")
                for _, item in edited:
                    assert item is not None
                    assert built[identify(item)] == canonical(item)
                compared += len(edited)
    assert compared > least


@pytest.mark.parametrize("sample", ["host-port", "pod-security"])
def test_samples(kustomize: Path, sample: str, tmp_path: Path) -> None:
    with working_in(SAMPLES):
        plan, inventory = plan_source(sample)
        built = build_both(kustomize, plan, inventory, tmp_path)
    assert built["patches"] == built["edits"]


KUSTOMIZATIONS = {
    "transformers": {
        "web.yaml": "deployment",
        "kustomization.yaml": "resources: [web.yaml]\nnamespace: shop\nnamePrefix: eu-\nnameSuffix: '-1'\n"
        "commonLabels: {region: eu}\nlabels: [{pairs: {tier: web}, includeTemplates: true}]\n"
        "commonAnnotations: {owner: shop}\n",
    },
    "a base in two overlays": {
        "base/web.yaml": "deployment",
        "base/kustomization.yaml": "resources: [web.yaml]\nnamePrefix: base-\n",
        "eu/kustomization.yaml": "resources: [../base]\nnamespace: eu\nnamePrefix: eu-\n",
        "us/kustomization.yaml": "resources: [../base]\nnamespace: us\n",
    },
    "one name in two bases": {
        "a/web.yaml": "deployment",
        "a/kustomization.yaml": "resources: [web.yaml]\nnamespace: a\n",
        "b/web.yaml": "two containers",
        "b/kustomization.yaml": "resources: [web.yaml]\nnamespace: b\n",
        "kustomization.yaml": "resources: [a, b]\n",
    },
    "a component": {
        "app/web.yaml": "deployment",
        "part/kustomization.yaml": "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\n"
        "namespace: part\nnamePrefix: part-\n",
        "app/kustomization.yaml": "resources: [web.yaml]\ncomponents: [../part]\nnamePrefix: app-\n",
    },
}
CONTAINER = "{name: %s, image: example.com/app, ports: [{containerPort: %d, hostPort: %d}]}"
DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 1
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [CONTAINERS]}
"""
TEXTS = {
    "deployment": DEPLOYMENT.replace("CONTAINERS", CONTAINER % ("main", 8080, 8080)),
    "two containers": DEPLOYMENT.replace(
        "CONTAINERS", ", ".join((CONTAINER % ("main", 80, 9080), CONTAINER % ("other", 90, 9090)))
    ),
}


@pytest.mark.parametrize("name", KUSTOMIZATIONS)
def test_kustomizations(kustomize: Path, name: str, tmp_path: Path) -> None:
    for path, text in KUSTOMIZATIONS[name].items():
        (tmp_path / "deploy" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "deploy" / path).write_text(TEXTS.get(text, text))
    with working_in(tmp_path):
        plan, inventory = plan_source("deploy")
        built = build_both(kustomize, plan, inventory, tmp_path)
    assert built["patches"] == built["edits"]
    assert "hostPort" not in str(built["edits"])


def build_both(kustomize: Path, plan: Plan, inventory: Inventory, folder: Path) -> dict[str, dict[Identity, str]]:
    """Build the patches, and a copy with the text edits made."""
    write_patches(plan, inventory, folder / "patches")
    write_out(render_plan(plan, inventory.files), plan.sources, folder / "edits", None)
    if not (folder / "edits/kustomization.yaml").exists():
        kustomizations = sorted(str(path.parent) for path in (folder / "edits").glob("*/kustomization.yaml"))
        listed = [path for path in kustomizations if not path.endswith(("base", "part"))] or sorted(
            str(path) for path in (folder / "edits").rglob("[!.]*.yaml")
        )
        entries = "".join(f"  - {Path(path).relative_to(folder / 'edits')}\n" for path in listed)
        (folder / "edits/kustomization.yaml").write_text(f"resources:\n{entries}")
    return {name: build(kustomize, folder / name) for name in ("patches", "edits")}


def test_a_component_is_included_by_overlays(kustomize: Path, tmp_path: Path) -> None:
    files = {
        "deploy/base/web.yaml": TEXTS["deployment"],
        "deploy/base/kustomization.yaml": "resources: [web.yaml]\n",
        "deploy/blue/kustomization.yaml": "resources: [../base]\ncomponents: [../../patches]\n",
        "deploy/green/kustomization.yaml": "resources: [../base]\nnamePrefix: green-\nnamespace: green\n"
        "components: [../../patches]\n",
        "deploy/red/kustomization.yaml": "resources: [../base]\n",
    }
    for path, text in files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    with working_in(tmp_path):
        write_patches(*plan_source("deploy"), tmp_path / "patches")
    for overlay, name in (("blue", "web"), ("green", "green-web")):
        built = build(kustomize, tmp_path / "deploy" / overlay)
        assert "hostPort" not in str(built)
        assert {identity[3] for identity in built if identity[1] != "Namespace"} == {name, f"{name}-node-port"}
