"""Who applies bare pods decides which PodSecurityPolicy they get: `--requester`, kept in the plan file."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.command_line import run

SOURCE = Path(__file__).parents[1] / "psp_audit" / "bare-pods" / "input.yaml"
WRITTEN = "securityContext: {readOnlyRootFilesystem: true}"


def test_the_policy_of_who_applies_bare_pods_is_written_out(tmp_path: Path) -> None:
    (tmp_path / "input.yaml").write_bytes(SOURCE.read_bytes())
    administrator = run("diff", "input.yaml", "--workload", "shop/Pod/alone", cwd=tmp_path)
    jane = run("diff", "input.yaml", "--workload", "shop/Pod/alone", "--requester", "jane", cwd=tmp_path)
    assert (administrator.code, administrator.stdout) == (0, b"")
    assert (jane.code, WRITTEN in jane.stdout.decode()) == (1, True)


def test_a_plan_given_back_decides_as_it_did(tmp_path: Path) -> None:
    (tmp_path / "input.yaml").write_bytes(SOURCE.read_bytes())
    arguments = ("input.yaml", "--workload", "shop/Pod/alone", "--requester", "jane")
    assert run("plan", *arguments, "--save", "plan.json", cwd=tmp_path).code == 0
    assert json.loads((tmp_path / "plan.json").read_bytes())["selection"]["requester"] == "jane"
    given_back = run("diff", "plan.json", cwd=tmp_path)
    assert given_back.stdout == run("diff", *arguments, cwd=tmp_path).stdout
    assert WRITTEN in given_back.stdout.decode()
    assert run("apply", "plan.json", "--in-place", "-o", "json", cwd=tmp_path).code == 0
    assert "readOnlyRootFilesystem: true" in (tmp_path / "input.yaml").read_text().split("name: alone")[1]


def test_another_requester_than_the_plan_files_is_refused_where_it_decides_otherwise(tmp_path: Path) -> None:
    (tmp_path / "input.yaml").write_bytes(SOURCE.read_bytes())
    run("plan", "input.yaml", "--requester", "jane", "--save", "plan.json", cwd=tmp_path)
    refused = run("diff", "plan.json", "--requester", "root,system:masters", cwd=tmp_path)
    assert (refused.code, refused.stdout) == (2, b"")
    assert "is not one that was planned" in refused.stderr


def test_the_proof_asks_for_the_requester_too(tmp_path: Path) -> None:
    (tmp_path / "input.yaml").write_bytes(SOURCE.read_bytes())
    # The policy of administrators lets a pod mount that, jane's does not.
    mounted = "spec: {volumes: [{name: logs, hostPath: {path: /var/log}}], containers:"
    (tmp_path / "after.yaml").write_text(SOURCE.read_text().replace("spec: {containers:", mounted, 1))
    holds = {}
    for requester in ("jane", "root,system:masters"):
        ended = run("verify", "input.yaml", "after.yaml", "--requester", requester, "-o", "json", cwd=tmp_path)
        claims = json.loads(ended.stdout)["claims"]
        holds[requester] = next(item["holds"] for item in claims if item["claim"] == "admission")
    assert holds == {"jane": False, "root,system:masters": True}


def test_a_requester_without_a_name_is_refused(tmp_path: Path) -> None:
    (tmp_path / "input.yaml").write_bytes(SOURCE.read_bytes())
    ended = run("plan", "input.yaml", "--requester", ",", cwd=tmp_path)
    assert (ended.code, "--requester" in ended.stderr) == (2, True)
