"""The command: exit codes, forms, and the picture."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from tests.cli.command_line import Ended, run

CASES = Path(__file__).parent / "cases"
SEED = CASES / "four-replicas-three-nodes/input.yaml"
SVG = "{http://www.w3.org/2000/svg}"


def simulate(*arguments: str | Path, cwd: Path = CASES) -> Ended:
    return run("simulate", "-q", *arguments, cwd=cwd)


def test_the_seed_case_as_json() -> None:
    ended = simulate(SEED, "--nodes", "3", "-o", "json")
    shown = json.loads(ended.stdout)
    before, after = shown["before"], shown["after"]
    assert ended.code == 0
    assert [(item["resourceRef"]["name"], item["count"]) for item in before["pending"]] == [("web", 1)]
    assert before["pending"][0]["reason"].startswith(
        "0/3 nodes are available: 3 node(s) didn't have free ports for the requested pod ports. "
    )
    assert [port["hostPort"] for node in before["nodes"] for port in node["hostPorts"]] == [80, 80, 80]
    assert before["rollouts"][0]["canFinish"] is False
    assert after["pending"] == []
    assert sum(pod["count"] for node in after["nodes"] for pod in node["pods"]) == 4
    assert [port["nodePort"] for node in after["nodes"] for port in node["nodePorts"]] == [30080] * 3
    assert after["rollouts"][0] == {**before["rollouts"][0], "canFinish": True, "reason": ""}


def test_exit_code_1_where_a_pod_stays_pending() -> None:
    folder = CASES / "no-company"
    assert simulate(folder / "input.yaml", "--nodes", "2").code == 1


def test_a_selection_leaves_the_port_and_the_pending_pod() -> None:
    assert simulate(SEED, "--nodes", "3", "--namespace", "elsewhere").code == 1


def test_only_the_phase_that_takes_the_port_away_helps() -> None:
    assert simulate(SEED, "--nodes", "3", "--phase", "expand").code == 1


def test_a_plan_file_is_simulated(tmp_path: Path) -> None:
    saved = tmp_path / "plan.json"
    assert run("plan", "-q", SEED, "--save", saved, cwd=CASES).code == 0
    assert simulate(saved, "--nodes", "3").code == 0


def test_the_sources_order_changes_nothing() -> None:
    cases = [CASES / name / "input.yaml" for name in ("priority", "age", "daemon-set")]
    there, back = (simulate(*order, "--nodes", "2", "-o", "json").stdout for order in (cases, cases[::-1]))
    assert there == back


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--nodes", "0"), "--nodes: 0 is no number of nodes"),
        (("--nodes", "missing.yaml"), "missing.yaml: "),
        (("--nodes", SEED), "holds no Node objects"),
        (("--nodes", "3", "-o", "sarif"), "--output: 'sarif' is not known"),
    ],
)
def test_trouble_is_exit_code_2(arguments: tuple[str, ...], said: str) -> None:
    ended = simulate(SEED, *arguments)
    assert ended.code == 2
    assert said in ended.stderr
    assert ended.stdout == b""


def test_quantities_that_the_api_refuses_have_their_place(tmp_path: Path) -> None:
    text = SEED.read_text().replace("image: web:1", "image: web:1\n          resources: {requests: {cpu: lots}}")
    path = tmp_path / "web.yaml"
    path.write_text(text)
    ended = simulate(path, "--nodes", "3")
    assert ended.code == 2
    assert f"{path}:2: shop/Deployment/web: 'lots' is no quantity" in ended.stderr


def test_the_picture_shows_nodes_ports_and_who_waits() -> None:
    root = ET.fromstring(simulate(SEED, "--nodes", "3", "-o", "svg").stdout)
    texts = [element.text for element in root.iter(f"{SVG}text")]
    assert root.find(f"{SVG}title") is not None
    assert "1 Pending" in (root.findtext(f"{SVG}desc") or "")
    assert texts.count("node-1") == 2
    assert texts.count("80/TCP") == 3
    assert texts.count("30080/TCP") == 3
    assert texts.count("Pending") == 1
    view = [float(value) for value in root.attrib["viewBox"].split()]
    for card in root.iter(f"{SVG}rect"):
        assert float(card.attrib.get("x", 0)) + float(card.attrib["width"]) <= view[2]


def test_the_page_stands_alone_and_escapes(tmp_path: Path) -> None:
    nodes = tmp_path / "nodes.yaml"
    nodes.write_text('kind: Node\nmetadata: {name: "<script>alert(1)</script>"}\n')
    page = simulate(SEED, "--nodes", nodes, "-o", "html").stdout.decode()
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert not re.search(r"""(?:src|href)=|url\(|@import""", page)


def test_many_nodes_are_counted_not_drawn() -> None:
    root = ET.fromstring(simulate(SEED, "--nodes", "60", "-o", "svg").stdout)
    assert [element.text for element in root.iter(f"{SVG}text")].count("and 36 more nodes") == 2


def test_the_plans_page_shows_it_in_its_own_style() -> None:
    page = run("plan", "-q", SEED, "--nodes", "3", "-o", "html", cwd=CASES).stdout.decode()
    assert page.count("<style>") == 1
    assert page.count('<svg xmlns="http://www.w3.org/2000/svg" class="simulation"') == 1
    assert ".simulation .host" in page


def test_the_plans_text_has_no_picture() -> None:
    ended = run("plan", "-q", SEED, "--nodes", "3", cwd=CASES)
    assert ended.code == 2
    assert "--nodes: draws a picture for -o html" in ended.stderr
