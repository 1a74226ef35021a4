"""samples/fleet: the story that its README tells, the Job and the pipeline run as their engines would run them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

from tests.samples.test_readme_commands import ROOT, run, run_commands, write_program

SAMPLE = ROOT / "samples" / "fleet"
CLUSTERS = ("eu-west", "lab", "us-east")


@pytest.fixture
def fleet(tmp_path: Path) -> Path:
    """The sample where it can be written, with the command on a PATH of its own."""
    shutil.copytree(SAMPLE, tmp_path / "fleet")
    programs = tmp_path / "fleet" / ".programs"
    programs.mkdir()
    write_program(programs, "migrator", f'exec "{sys.executable}" -m migrator "$@"')
    return tmp_path / "fleet"


def run_script(script: str, folder: Path, **environment: str) -> None:
    path = f"{folder / '.programs'}{os.pathsep}{os.environ['PATH']}"
    variables = {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), **environment}
    subprocess.run(["sh", "-euc", script], cwd=folder, env=variables, check=True, capture_output=True)


def test_the_story(fleet: Path) -> None:
    result = run("migrator plan clusters/eu-west.json clusters/lab.json clusters/us-east.json -o json", fleet)
    overall = json.loads(result.stdout)["overall"]
    ports = {
        (entry["resourceRef"]["name"], entry["port"]): {item["name"]: item["nodePort"] for item in entry["clusters"]}
        for entry in overall["ports"]
    }
    assert ports == {
        ("storefront", 30080): {"eu-west": 30080, "us-east": 30081},
        ("registry", 32000): {"lab": 32000},
    }
    assert (overall["clusters"], overall["hostPorts"], overall["kept"]) == (3, 6, 3)
    said = run("migrator plan clusters/eu-west.json clusters/lab.json clusters/us-east.json", fleet).stdout
    assert "any node:30080 in eu-west; any node:30081 in us-east" in said
    assert "lab: nodes of the cluster: nodes is forbidden" in said.replace("\n ", "")


def test_the_commands_of_its_readme(fleet: Path) -> None:
    run_commands(SAMPLE / "README.md", fleet, least=3)


def test_the_job_is_valid_and_restricted(fleet: Path) -> None:
    job = yaml.safe_load((SAMPLE / "job.yaml").read_text())
    kubernetes_validate.validate(job, "1.34", strict=True)
    assert run("migrator audit job.yaml --level restricted", fleet).returncode == 0
    assert job["spec"]["completions"] == len(CLUSTERS)


@pytest.mark.parametrize("index", range(3))
def test_each_pod_of_the_job_plans_its_cluster(fleet: Path, index: int) -> None:
    job = yaml.safe_load((SAMPLE / "job.yaml").read_text())
    (container,) = job["spec"]["template"]["spec"]["containers"]
    assert container["command"] == ["sh", "-euc"]
    run_script(container["args"][0], fleet, JOB_COMPLETION_INDEX=str(index))
    assert sorted(path.name for path in (fleet / "plans").iterdir()) == [
        f"{CLUSTERS[index]}.json",
        f"{CLUSTERS[index]}.md",
    ]
    plan = json.loads((fleet / "plans" / f"{CLUSTERS[index]}.json").read_text())
    assert (plan["phase"], plan["sources"]) == ("expand", [f"clusters/{CLUSTERS[index]}.json"])


def test_the_pipeline_has_a_job_per_cluster_and_one_over_all(fleet: Path) -> None:
    jobs: Any = yaml.safe_load((SAMPLE / "ci-matrix.yaml").read_text())["jobs"]
    output, summary = fleet / "output", fleet / "summary"
    listing = next(step["run"] for step in jobs["clusters"]["steps"] if "run" in step)
    run_script(listing, fleet, GITHUB_OUTPUT=str(output))
    name, _, value = output.read_text().partition("=")
    assert (name, json.loads(value)) == ("names", list(CLUSTERS))
    for cluster in CLUSTERS:
        run_script(jobs["plan"]["steps"][-1]["run"], fleet, GITHUB_STEP_SUMMARY=str(summary), CLUSTER=cluster)
    run_script(jobs["fleet"]["steps"][-1]["run"], fleet, GITHUB_STEP_SUMMARY=str(summary))
    text = summary.read_text()
    assert text.count("### Migration plan") == len(CLUSTERS)
    assert "Over all clusters" in text
