"""The tables are whole: every row is reached, every name that one mentions exists."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path

import pytest
from cases import RULES, find_cases, find_stack_cases, make_pattern, working_in

from migrator.model.policy import STRATEGIES
from migrator.model.world import World
from migrator.planning.plan import propose_changes
from migrator.policy.load import parse_policy
from migrator.review.explain import explain, list_ids
from migrator.rules.host_port import decide_host_ports, find_roles
from migrator.sources.tables import load_table

TABLE = load_table("rules/host_port.yaml")
CAVEATS = load_table("rules/caveats.yaml")
ROLES = load_table("rules/roles.yaml")
STRATEGY_FOLDER = RULES.parent.parent / "migrator" / "strategies"
TEMPLATES = RULES.parent.parent / "templates"
WITHOUT_TEMPLATE = {"keep", "remove", "rollout"}


def test_rows_have_ids_of_their_own() -> None:
    ids = [row["id"] for row in (*TABLE["strategy"], *TABLE["number"])]
    assert [name for name, count in Counter(ids).items() if count > 1] == []
    caveats = [row["id"] for row in CAVEATS]
    assert len(caveats) == len(set(caveats))


def test_every_decision_is_reached_by_a_case() -> None:
    reached = {
        decision.partition(" ")[0]
        for path in RULES.glob("*/*/plan.json")
        for decision in json.loads(path.read_text()).get("decisions", ())
    }
    assert {row["id"] for row in TABLE["strategy"]} - reached == set()


def test_every_number_row_is_reached_by_a_case() -> None:
    sentences = []
    for case in (*find_cases(), *find_stack_cases()):
        with working_in(case.folder):
            try:
                plan = propose_changes(case.read(), case.policy())
            except Exception:
                continue
        sentences += [
            change.reason.message for change in plan.changes if change.new or change.resource.kind == "Service"
        ]
    for row in TABLE["number"]:
        text = row["because"][:1].upper() + row["because"][1:]
        pattern = re.compile(make_pattern(text).pattern)
        alternative = re.compile(make_pattern(row["because"]).pattern)
        assert any(pattern.search(sentence) or alternative.search(sentence) for sentence in sentences), row["id"]


def test_every_caveat_is_reached_by_a_case() -> None:
    reached = {
        name for path in RULES.glob("*/*/plan.json") for name in json.loads(path.read_text()).get("caveats", ())
    }
    assert {row["id"] for row in CAVEATS} - reached == set()


def test_decisions_name_caveats_and_strategies_that_exist() -> None:
    caveats = {row["id"] for row in CAVEATS}
    for row in TABLE["strategy"]:
        assert set(row.get("caveats", ())) <= caveats
        assert {row["strategy"], *(item["strategy"] for item in row.get("considered", ()))} <= set(STRATEGIES)
        assert row["because"].strip()
    named = {name for row in TABLE["strategy"] for name in row.get("caveats", ())}
    assert all("match" in row or row["id"] in named for row in CAVEATS)


def test_rows_match_on_facts_that_exist() -> None:
    case = next(case for case in find_cases() if case.folder.name == "row-10-one-replica")
    with working_in(case.folder):
        decisions, _ = decide_host_ports(World(case.read(), case.policy()))
    facts = set(decisions[0].facts)
    for row in (*TABLE["strategy"], *TABLE["clients"]):
        assert set(row["match"]) <= facts | {"clients"}, row


def test_rows_of_a_policy_may_match_on_what_the_table_does() -> None:
    from migrator.policy.schema import MatchForm

    known = {field.alias or name for name, field in MatchForm.model_fields.items()}
    internal = {"follows", "ignored", "requested", "staticPod", "selectors", "clientAddresses", "loadBalancer"}
    internal |= {"ambiguous", "ownerElsewhere"}
    assert {key for row in TABLE["strategy"] for key in row["match"]} <= known | internal


@pytest.mark.parametrize("name", list_ids())
def test_everything_is_explained(name: str) -> None:
    text = explain(name)
    assert text is not None
    assert name in text.splitlines()[0]
    assert "{%" not in text


def test_what_does_not_exist_is_not_explained() -> None:
    assert explain("no-such-rule") is None


@pytest.mark.parametrize("name", sorted(path.stem for path in STRATEGY_FOLDER.glob("*.yaml")))
def test_a_strategy_has_its_code_data_and_template(name: str) -> None:
    table = load_table(f"strategies/{name}.yaml")
    assert {"title", "does", "wayBack", "sources"} <= set(table)
    assert (STRATEGY_FOLDER / f"{name}.py").exists()
    if name in STRATEGIES:
        assert (TEMPLATES / f"{name}.yaml.j2").exists() != (name in WITHOUT_TEMPLATE)
        assert table["wayBack"] or name == "keep"


def test_strategies_that_can_be_asked_for_exist() -> None:
    from typing import get_args

    from migrator.policy.schema import HostPortForm

    assert set(get_args(HostPortForm.model_fields["strategy"].annotation)) == set(STRATEGIES)
    assert all((STRATEGY_FOLDER / f"{name}.yaml").exists() for name in STRATEGIES)


def test_strategies_without_data_are_none() -> None:
    code = {path.stem for path in STRATEGY_FOLDER.glob("*.py")} - {"__init__"}
    data = {path.stem for path in STRATEGY_FOLDER.glob("*.yaml")}
    assert code == data


def test_roles_have_no_duplicates() -> None:
    for row in ROLES:
        apps, images = Counter(row["apps"]), row["images"]
        assert [name for name, count in apps.items() if count > 1] == []
        repeated = {(one, other) for one in images for other in images if one != other and one.endswith(f"/{other}")}
        assert repeated == set()
        assert len(images) == len(set(images))


@pytest.mark.parametrize(
    ("image", "roles"),
    [
        ("registry.k8s.io/ingress-nginx/controller:v1.13.0@sha256:0123", {"ingress-controller", "ingress-nginx"}),
        ("rancher/mirrored-library-traefik:3.5", {"ingress-controller"}),
        ("example.com/rancher/mirrored-cilium-cilium:v1.18", {"cni"}),
        ("rancher/mirrored-library-nginx:1.29", set()),
        ("ghcr.io/projectcontour/contour:v1.33", {"ingress-controller"}),
        ("rancher/klipper-lb:v0.4.13", {"service-load-balancer"}),
        ("localhost:5000/calico/node", {"cni"}),
        ("traefik", {"ingress-controller"}),
        ("nginx:1.29", set()),
        ("example.com/mytraefik:1", set()),
        ("example.com/traefik/whoami:1", set()),
        ("quay.io/coreos/etcd:v3.6.1", set()),
    ],
)
def test_roles_are_told_by_the_end_of_the_repository(image: str, roles: set[str], tmp_path: Path) -> None:
    from migrator.sources.read import ReadOptions, read_sources

    path = tmp_path / "pod.yaml"
    path.write_text(
        "apiVersion: v1\nkind: Pod\nmetadata:\n  name: p\n"
        f"spec:\n  containers:\n    - name: main\n      image: {image}\n"
    )
    policy = parse_policy({"apiVersion": "migrator.dev/v1", "kind": "MigrationPolicy", "spec": {}})
    inventory = read_sources([str(path)], ReadOptions(kinds=policy.workload_kinds))
    assert find_roles(inventory.workloads[0]) == roles
