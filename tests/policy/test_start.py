"""`migrator init`: the policy file to start from."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from migrator.policy.load import load_policy
from migrator.policy.schema import MigrationPolicy
from migrator.policy.start import write_policy
from migrator.yaml.data import load_text
from tests.cli.command_line import run


def uncomment(text: str) -> str:
    """Take the examples out of their comments; sentences, which start with a capital or go on, stay."""
    return re.sub(r"^( *)# (?=- |[ ]*[a-zA-Z]+:(?! [a-z]+ |.*;)|  )", r"\1", text, flags=re.MULTILINE)


def test_it_is_a_policy_that_decides_nothing(tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text(write_policy())
    policy = load_policy(tmp_path / "policy.yaml")
    built_in = load_policy(None)
    assert (policy.cluster, policy.host_ports, policy.pod_security) == (
        built_in.cluster,
        built_in.host_ports,
        built_in.pod_security,
    )


def test_its_examples_are_right(tmp_path: Path) -> None:
    text = uncomment(write_policy())
    (tmp_path / "policy.yaml").write_text(text)
    policy = load_policy(tmp_path / "policy.yaml")
    assert [row.strategy for row in policy.host_ports] == ["keep", "node_port"]
    keys = {"cluster", "clientAddresses", "hostPorts", "podSecurity", "workloadKinds", "exclude"}
    assert set(load_text(text)["spec"]) == keys


def test_the_schema_that_it_names_stands_beside_it(tmp_path: Path) -> None:
    ended = run("init", cwd=tmp_path)
    assert ended.code == 0, ended.stderr
    first, _, _ = (tmp_path / ".migrator.yaml").read_text().partition("\n")
    schema: Any = json.loads((tmp_path / first.partition("$schema=")[2]).read_text())
    assert first.startswith("# yaml-language-server: ")
    assert schema["title"] == MigrationPolicy.__name__
    assert ended.stderr == "wrote .migrator.yaml\nwrote .migrator.schema.json\n"


@pytest.mark.parametrize("folder", ["", "deploy", "missing"])
def test_nothing_is_overwritten(folder: str, tmp_path: Path) -> None:
    (tmp_path / "deploy").mkdir()
    policy = tmp_path / folder / ".migrator.yaml"
    if folder != "missing":
        policy.write_text("mine")
    ended = run("init", *filter(None, [folder]), cwd=tmp_path)
    assert ended.code == 2
    assert ("is there already" in ended.stderr) == (folder != "missing")
    assert not policy.with_name(".migrator.schema.json").exists()
    assert folder == "missing" or policy.read_text() == "mine"
