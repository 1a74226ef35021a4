"""The commands that the READMEs give, run in their order on the sample."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.cluster.api_server import ApiServer, serving
from tests.cluster.objects import SERVED, make_node
from tests.samples.command_line import Result, run_migrator

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "samples" / "host-port"
# Set-up, which .ci/run does for real.
NOT_RUN = ("make", "pipx", "python3", ".ci/run")
COMMANDS = ("audit", "plan", "diff", "apply", "explain", "simulate")
SERVICES = """\
apiVersion: v1
kind: List
items:
  - apiVersion: v1
    kind: Service
    metadata: {name: picking-node-port, namespace: warehouse}
    spec:
      type: NodePort
      selector: {app.kubernetes.io/name: picking}
      ports: [{name: http, protocol: TCP, port: 9000, targetPort: http, nodePort: 31872}]
"""
RENDERED = """\
# Source: chart/templates/web.yaml
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 1
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
        - name: web
          ports:
            - containerPort: 80
              hostPort: 80
"""


def find_blocks(path: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", path.read_text(), re.DOTALL | re.MULTILINE)


def find_commands(path: Path) -> list[str]:
    lines = [line.strip() for block in find_blocks(path, "sh") for line in block.splitlines()]
    return [line for line in lines if line and line.split()[0] not in NOT_RUN]


def write_program(folder: Path, name: str, script: str) -> None:
    program = folder / name
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A Git repository with the sample under every name that the READMEs give it, and a cluster that answers."""
    for name in ("deploy", "cluster", "samples/host-port"):
        shutil.copytree(SAMPLE, tmp_path / name)
    shutil.copytree(ROOT / "samples" / "rancher-v1.6", tmp_path / "samples" / "rancher-v1.6")
    programs = tmp_path / ".programs"
    programs.mkdir()
    (programs / "services.yaml").write_text(SERVICES)
    (programs / "nodes.yaml").write_text("apiVersion: v1\nkind: Node\nmetadata: {name: a}\n")
    (programs / "rendered.yaml").write_text(RENDERED)
    write_program(programs, "migrator", f'exec "{sys.executable}" -m migrator "$@"')
    write_program(programs, "kubectl", f'exec cat "{programs}/${{2##*,}}.yaml"')
    write_program(programs, "helm", f'exec cat "{programs}/rendered.yaml"')
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    monkeypatch.setenv("KUBECONFIG", str(programs / "kubeconfig"))
    with serving(ApiServer(SERVED, [*yaml.safe_load(SERVICES)["items"], make_node("a")]), programs):
        yield tmp_path


def run(command: str, folder: Path) -> Result:
    words = shlex.split(command, comments=True)
    if words[0] == "migrator" and words[1] in COMMANDS and not {"|", ">", "&&"} & set(words) and "*" not in command:
        return run_migrator(folder, *words[1:])
    path = f"{folder / '.programs'}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, "PATH": path, "HOME": str(folder), "PYTHONPATH": str(ROOT)}
    ended = subprocess.run(["bash", "-c", command], cwd=folder, env=environment, capture_output=True, check=False)
    return Result(ended.returncode, ended.stdout.decode(), ended.stderr.decode())


def run_commands(path: Path, folder: Path, least: int = 6) -> None:
    commands = find_commands(path)
    assert len(commands) >= least
    for command in commands:
        result = run(command, folder)
        # 1 says that there are changes, or that a number is the cluster's choice: part of the story.
        assert result.returncode in (0, 1), f"{command}\n{result.stderr}"
        assert "error" not in result.stderr.lower(), f"{command}\n{result.stderr}"
        assert "Traceback" not in result.stderr, f"{command}\n{result.stderr}"


def test_the_readme_leads_to_where_nothing_is_left(workplace: Path) -> None:
    run_commands(ROOT / "README.md", workplace)
    again = run("migrator diff deploy/", workplace)
    assert (again.returncode, again.stdout) == (0, "")
    assert "kind: Service" in (workplace / "rendered.yaml").read_text()


def test_the_samples_readme_leads_to_where_nothing_is_left(workplace: Path) -> None:
    run_commands(SAMPLE / "README.md", workplace)
    again = run("migrator diff cluster", workplace)
    assert (again.returncode, again.stdout) == (0, "")


def test_the_policy_is_one(workplace: Path) -> None:
    block, _ = find_blocks(ROOT / "README.md", "yaml")
    (workplace / "policy.yaml").write_text(block)
    result = run("migrator plan deploy/ --policy policy.yaml", workplace)
    assert result.returncode == 0, result.stderr
    assert "5 host ports kept" in result.stdout
