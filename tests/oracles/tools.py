"""Tools that people have, built from their Go modules: kustomize and Helm."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.oracles.go_programs import build_go_program, find_go

FOLDER = Path(__file__).parent
MODULES = {
    "kustomize": ("kustomize", "sigs.k8s.io/kustomize/kustomize/v5"),
    "helm-v3": ("helm/v3", "helm.sh/helm/v3/cmd/helm"),
    "helm-v4": ("helm/v4", "helm.sh/helm/v4/cmd/helm"),
}


def build_tool(name: str) -> Path:
    """Build a tool, or find it in the cache; the test is skipped where there is no Go."""
    if find_go() is None:
        pytest.skip("go is not on PATH")
    folder, package = MODULES[name]
    return build_go_program(FOLDER / folder, package, name, ("-s", "-w"))


def run_tool(tool: Path, *arguments: str, folder: Path | None = None, **environment: str) -> str:
    """Run a tool, and give what it printed; it has to end well."""
    ended = subprocess.run(
        [tool, *arguments], cwd=folder, env=environment or None, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, f"{' '.join(arguments)}: {ended.stderr[-3000:]}"
    return ended.stdout
