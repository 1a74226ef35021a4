"""Several clusters in one run of `plan`: each by itself, then told together."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from migrator.errors import InputError, MigratorError
from migrator.fleet import is_fleet, plan_fleet
from migrator.model.fleet import Fleet
from migrator.review.fleet import describe_fleet, write_fleet
from migrator.review.painter import Painter
from migrator.run import Request, Run
from tests.cli.command_line import run
from tests.cluster.api_server import ApiServer, serving
from tests.cluster.objects import SERVED, make_deployment, make_service

pytest.importorskip("kubernetes")

PLAIN = Painter(False, 110)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "kubeconfig"))
    return tmp_path


def save(name: str, *objects: dict[str, Any]) -> str:
    with serving(ApiServer(SERVED, list(objects)), Path(), (name,)):
        Run(Request([f"cluster:{name}"], quiet=True, save_inventory=Path(f"{name}.json")))
    return f"{name}.json"


def plan(*sources: str, **options: Any) -> Fleet:
    return plan_fleet(Request(list(sources), quiet=True, jobs=1, **options), None)


@pytest.fixture
def saved() -> tuple[str, str]:
    """Two clusters with one workload each on host port 30080; in the second a Service has that number."""
    return (
        save("east", make_deployment(host_port=30080)),
        save("west", make_deployment(host_port=30080), make_service("api", 80, 30080, app="api")),
    )


def test_each_cluster_is_planned_as_if_it_were_alone(saved: tuple[str, str]) -> None:
    fleet = plan(*saved)
    assert [member.name for member in fleet.members] == ["east", "west"]
    for member, source in zip(fleet.members, saved, strict=True):
        run = Run(Request([source], quiet=True, jobs=1))
        assert member.document == run.describe(run.make_plan("all")[0])
    assert [entry.node_port for member in fleet.members for entry in member.plan.port_map] == [30080, 30081]


def test_a_port_is_told_over_all_clusters(saved: tuple[str, str]) -> None:
    fleet = plan(*saved)
    (port,) = describe_fleet(fleet)["overall"]["ports"]
    assert [(item["name"], item["nodePort"]) for item in port["clusters"]] == [("east", 30080), ("west", 30081)]
    assert "any node:30080 in east; any node:30081 in west" in write_fleet(fleet, PLAIN)


def test_verbose_adds_every_plan(saved: tuple[str, str]) -> None:
    fleet = plan(*saved)
    assert "web-node-port" not in write_fleet(fleet, PLAIN)
    assert write_fleet(fleet, PLAIN, verbose=True).count("Phase all: ") == 2


def test_live_clusters_are_a_fleet_too() -> None:
    with serving(ApiServer(SERVED, [make_deployment()]), Path(), ("east", "west")):
        fleet = plan("cluster:east", "cluster:west")
    assert [(member.name, member.source) for member in fleet.members] == [
        ("east", "cluster:east"),
        ("west", "cluster:west"),
    ]


def test_one_cluster_is_none(saved: tuple[str, str]) -> None:
    assert not is_fleet([saved[0]])
    assert not is_fleet(["-"])
    assert is_fleet(list(saved))


def test_manifests_beside_several_clusters_are_refused(saved: tuple[str, str]) -> None:
    Path("web.json").write_text(json.dumps(make_deployment()))
    with pytest.raises(InputError, match=r"web\.json: is no cluster, and stands among several"):
        is_fleet([*saved, "web.json"])


def test_a_broken_inventory_is_named_and_the_others_are_planned(saved: tuple[str, str]) -> None:
    text = Path(saved[0]).read_text()
    Path("north.json").write_text(text[: len(text) // 2])
    with pytest.raises(InputError, match=r"north\.json:"):
        plan("north.json", *saved)
    fleet = plan("north.json", *saved, keep_going=True)
    assert [member.name for member in fleet.members] == ["east", "west"]
    assert len(describe_fleet(fleet)["errors"]) == 1


def test_a_policy_that_one_cluster_cannot_meet_names_it(saved: tuple[str, str]) -> None:
    Path(".migrator.yaml").write_text(
        "spec:\n  hostPorts:\n    - {match: {names: [web]}, strategy: node_port, nodePort: 30080, because: so}\n"
    )
    with pytest.raises(MigratorError, match=r"^west\.json: node port 30080"):
        plan(*saved)


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        ([], 0, ""),
        (["--exit-code"], 1, ""),
        (["--save", "plan.json"], 2, "save them one by one"),
        (["-o", "html"], 2, "one of text, json, yaml"),
    ],
)
def test_options(saved: tuple[str, str], options: list[str], code: int, said: str) -> None:
    ended = run("plan", *saved, *options, cwd=Path())
    assert ended.code == code, ended.stderr
    assert said in ended.stderr
    assert not Path("plan.json").exists()
