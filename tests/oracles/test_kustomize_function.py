"""kustomize runs `migrator fn` as a transformer: object by object, it makes what the text edits make."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from tests.corpus.test_manifest_corpus import CORPUS, insert_host_ports
from tests.oracles.tools import build_tool, run_tool
from tests.patches.patched import canonical, identify, list_edited, load_objects
from tests.patches.test_patched_objects import REPEATED_KEYS, SETTINGS, plan_source
from tests.rules.cases import working_in

pytestmark = pytest.mark.conformance

ROOT = Path(__file__).parents[2]
FULL = bool(os.environ.get("FULL"))
STEP = 1 if FULL else 10
BUILD = ("build", "--enable-alpha-plugins", "--enable-exec")
TRANSFORMER = """\
apiVersion: v1
kind: ConfigMap
metadata:
  name: migrate
  annotations:
    config.kubernetes.io/function: |
      exec: {{path: "{program}", args: [fn]}}
data: {data}
"""


@pytest.fixture(scope="module")
def kustomize() -> Path:
    return build_tool("kustomize")


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("program") / "migrator"
    path.write_text(f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" -m migrator "$@"\n')
    path.chmod(0o755)
    return path


@pytest.mark.skipif(not CORPUS.is_dir(), reason="no corpus of manifests beside the repository")
@pytest.mark.parametrize("host_ports", [False, True], ids=["as it is", "with host ports"])
def test_real_manifests(kustomize: Path, program: Path, host_ports: bool, tmp_path: Path) -> None:
    compared = 0
    data = json.dumps(dict(setting.split("=") for setting in SETTINGS))
    with working_in(tmp_path):
        for number, path in enumerate(sorted(CORPUS.iterdir())[::STEP]):
            if path.name in REPEATED_KEYS:
                continue
            folder = tmp_path / str(number)
            folder.mkdir()
            text = path.read_bytes().decode()
            (folder / path.name).write_bytes((insert_host_ports(text) if host_ports else text).encode())
            plan, inventory = plan_source(str(folder / path.name))
            edited = list_edited(plan, inventory)
            # What is left to a person fails a function, and the build with it.
            if not edited or any(finding.severity == "error" for finding in plan.findings):
                continue
            (folder / "kustomization.yaml").write_text(
                f"resources: [{path.name}]\ntransformers: [transformer.yaml]\n"
            )
            (folder / "transformer.yaml").write_text(TRANSFORMER.format(program=program, data=data))
            built = load_objects(run_tool(kustomize, *BUILD, str(folder)).encode())
            objects = {identify(item): canonical(item) for item in built}
            for _, item in edited:
                assert item is not None
                assert objects[identify(item)] == canonical(item)
            compared += len(edited)
    assert compared > 15
