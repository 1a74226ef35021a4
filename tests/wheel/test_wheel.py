"""The wheel as a user gets it: built from this tree, installed alone, run somewhere else."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest

pytestmark = pytest.mark.wheel

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = "samples/host-port"


def run(command: Sequence[str | Path], folder: Path, exit_code: int = 0) -> str:
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert result.returncode == exit_code, f"{command}: {result.returncode}\n{result.stdout}\n{result.stderr}"
    return result.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    run([sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, ROOT], folder)
    (built,) = folder.iterdir()
    return built


@pytest.fixture(scope="module")
def program(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The installed command, in an environment that has nothing else."""
    folder = tmp_path_factory.mktemp("environment")
    run([sys.executable, "-m", "venv", folder], folder)
    run([folder / "bin" / "python", "-m", "pip", "install", "--quiet", wheel], folder)
    return folder / "bin" / "migrator"


@pytest.fixture
def workplace(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / SAMPLE, tmp_path / SAMPLE)
    return tmp_path


def test_holds_every_module_table_and_template(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        held = set(archive.namelist())
    package = ROOT / "migrator"
    wanted = {
        path.relative_to(ROOT).as_posix()
        for path in package.rglob("*")
        if path.is_file() and path.suffix not in (".pyc", ".pyo") and not path.name.startswith(".")
    }
    wanted |= {f"migrator/templates/{path.name}" for path in (ROOT / "templates").iterdir() if path.is_file()}
    assert {name for name in held if ".dist-info/" not in name} == wanted
    assert any(name.endswith("licenses/LICENSE") for name in held)


def test_audit_reads_the_sample(program: Path, workplace: Path) -> None:
    assert "10 workloads" in run([program, "audit", SAMPLE], workplace)


def test_plan_decides_by_the_tables(program: Path, workplace: Path) -> None:
    text = run([program, "plan", SAMPLE], workplace)
    assert "zookeeper-2-node-port" in text
    assert "4 host ports kept" in text


def test_diff_is_written_by_the_templates(program: Path, workplace: Path) -> None:
    expected = (ROOT / "tests" / "samples" / "host-port.diff").read_text()
    assert run([program, "diff", SAMPLE], workplace, exit_code=1) == expected


def test_nothing_to_do_is_nothing_said(program: Path, workplace: Path) -> None:
    run([program, "apply", SAMPLE, "--out", "migrated", "--quiet"], workplace, exit_code=1)
    assert run([program, "diff", "migrated"], workplace) == ""


def test_explain_and_schema_need_nothing_else(program: Path, workplace: Path) -> None:
    for name in ("host-port", "one-replica", "node_port"):
        assert name in run([program, "explain", name], workplace)
    assert '"MigrationPolicy"' in run([program, "schema", "policy"], workplace)


def test_the_tests_tools_are_not_needed(program: Path, workplace: Path) -> None:
    listed = run([program.parent / "python", "-m", "pip", "list", "--format", "freeze"], workplace).lower()
    assert "pytest" not in listed
    assert "migrator" in run([program, "--version"], workplace)
