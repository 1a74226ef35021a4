"""Helm renders samples/helm through migrator: post-renderers of both versions, and kustomize with patches."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest
import yaml

from tests.oracles.tools import build_tool, run_tool
from tests.patches.patched import Identity, canonical, identify, load_objects
from tests.samples.test_helm_sample import RENDERED

pytestmark = pytest.mark.conformance

ROOT = Path(__file__).parents[2]
POST_RENDERER = ("--post-renderer", "migrator")
ARGUMENTS = tuple(f"--post-renderer-args={argument}" for argument in ("apply", "-", "--exit-zero"))


@pytest.fixture
def sample(tmp_path: Path) -> Path:
    return shutil.copytree(ROOT / "samples/helm", tmp_path / "helm")


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A place where `migrator` is on PATH, and Helm's folders are its own."""
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "migrator").write_text(f'#!/bin/sh\nPYTHONPATH="{ROOT}" exec "{sys.executable}" -m migrator "$@"\n')
    (programs / "migrator").chmod(0o755)
    folders = {f"HELM_{name}_HOME": str(tmp_path / name) for name in ("CACHE", "CONFIG", "DATA")}
    return {"PATH": f"{programs}{os.pathsep}{os.environ['PATH']}", "HOME": str(tmp_path), **folders}


def collect(output: str) -> dict[Identity, str]:
    return {identify(item): canonical(item) for item in load_objects(output.encode())}


def pipe(text: str, arguments: Iterable[str], folder: Path, environment: dict[str, str]) -> str:
    command = ["migrator", "apply", "-", *arguments]
    ended = subprocess.run(
        command, input=text, cwd=folder, env=environment, capture_output=True, text=True, check=True
    )
    return ended.stdout


def test_helm_3(sample: Path, environment: dict[str, str]) -> None:
    helm = build_tool("helm-v3")
    plain = run_tool(helm, "template", "office", "chart", folder=sample, **environment)
    assert plain == RENDERED.read_text()
    rendered = run_tool(helm, "template", "office", "chart", *POST_RENDERER, *ARGUMENTS, folder=sample, **environment)
    assert collect(rendered) == collect(pipe(plain, (), sample, environment))
    assert "hostPort" not in rendered


def test_helm_4(sample: Path, environment: dict[str, str]) -> None:
    helm = build_tool("helm-v4")
    plain = run_tool(helm, "template", "office", "chart", folder=sample, **environment)
    run_tool(helm, "plugin", "install", str(sample / "plugin"), folder=sample, **environment)
    rendered = run_tool(helm, "template", "office", "chart", *POST_RENDERER, folder=sample, **environment)
    assert collect(rendered) == collect(pipe(plain, (), sample, environment))
    arguments = "--post-renderer-args=--phase=expand"
    expanded = run_tool(helm, "template", "office", "chart", *POST_RENDERER, arguments, folder=sample, **environment)
    assert collect(expanded) == collect(pipe(plain, ("--phase", "expand"), sample, environment))
    assert "hostPort: 25" in expanded


def test_patches_of_what_a_chart_renders(sample: Path, environment: dict[str, str]) -> None:
    kustomize, helm = build_tool("kustomize"), build_tool("helm-v3")
    values = ("--values", "rendered/values.yaml")
    plain = run_tool(helm, "template", "office", "chart", *values, folder=sample, **environment)
    pipe(plain, ("--patches", "office/migration"), sample, environment)
    command = ("build", "--enable-helm", "--helm-command", str(helm), "office")
    built = run_tool(kustomize, *command, folder=sample, **environment)
    assert collect(built) == collect(pipe(plain, (), sample, environment))


def test_the_patches_of_the_flux_recipe_are_those_that_are_written(sample: Path, environment: dict[str, str]) -> None:
    helm = build_tool("helm-v3")
    plain = run_tool(helm, "template", "office", "chart", folder=sample, **environment)
    pipe(plain, ("--patches", "office/migration"), sample, environment)
    recipe = (sample / "README.md").read_text().rpartition("```yaml\n")[2].partition("```")[0]
    (entry,) = yaml.safe_load(recipe)["spec"]["postRenderers"][0]["kustomize"]["patches"]
    written = (sample / "office/migration/patches/deployment-office-relay.yaml").read_text()
    assert yaml.safe_load(entry["patch"]) == yaml.safe_load(written)
