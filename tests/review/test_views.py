"""Every view of a plan: each change once, nothing that is markup, no secret."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from migrator.model.policy import STRATEGIES
from migrator.rendering.diff import write_diff
from migrator.review.fields import compare_objects, write_fields, write_fields_json
from migrator.review.html import write_page
from migrator.review.markdown import LIMIT, write_comment
from migrator.review.painter import Painter
from migrator.review.sarif import write_sarif
from migrator.review.text import write_plan
from migrator.review.views import write_view
from tests.review.page import read_page
from tests.review.plans import SECRET_VALUES, SECRETS, Planned, make_policy, plan_everything, plan_folder

PLANNED = plan_everything()
VIEWS: dict[str, Callable[[Planned], str]] = {
    "html": lambda planned: write_page(planned.plan, planned.files),
    "markdown": lambda planned: write_comment(planned.plan, planned.files),
    "sarif": lambda planned: write_sarif(planned.plan, planned.files),
    "fields": lambda planned: write_fields(compare_objects(planned.plan, planned.files)),
    "fields json": lambda planned: write_fields_json(compare_objects(planned.plan, planned.files)),
    "text": lambda planned: write_plan(planned.plan, Painter(False, 110), verbose=True),
}


def test_the_plans_take_every_strategy() -> None:
    taken = {change.strategy for planned in PLANNED for change in planned.plan.changes}
    assert {*STRATEGIES, "pod_security", "rollout", "run_as_non_root"} <= taken
    assert {change.action for planned in PLANNED for change in planned.plan.changes} == {
        "keep", "create", "update", "delete"
    }  # fmt: skip


@pytest.mark.parametrize("planned", PLANNED, ids=str)
def test_a_page_shows_each_change_once(planned: Planned) -> None:
    page = read_page(VIEWS["html"](planned))
    shown = [name for name in page.ids if name[0] == "c" and name[1:].isdigit()]
    assert sorted(shown) == sorted(f"c{number}" for number in range(1, len(planned.plan.changes) + 1))
    for number, change in enumerate(planned.plan.changes, 1):
        said = " ".join(change.reason.what.replace("`", "").split()[:6])
        assert said in " ".join(page.texts[f"c{number}"].split())


@pytest.mark.parametrize("planned", PLANNED, ids=str)
def test_a_comment_shows_each_change_once(planned: Planned) -> None:
    changes = [line for line in VIEWS["markdown"](planned).splitlines() if line.startswith("- **")]
    expected = Counter("keep" if change.action == "keep" else change.phase for change in planned.plan.changes)
    assert Counter(line.split("**")[1] for line in changes) == expected
    assert len(set(changes)) == len(changes)


@pytest.mark.parametrize("planned", PLANNED, ids=str)
def test_sarif_has_a_result_for_each_change(planned: Planned) -> None:
    run = json.loads(VIEWS["sarif"](planned))["runs"][0]
    results = [result for result in run["results"] if "properties" in result]
    described = Counter(
        (item["properties"]["resource"], item["message"]["text"].partition("\n")[0]) for item in results
    )
    expected = Counter(
        (str(change.resource), change.reason.message.partition("\n")[0]) for change in planned.plan.changes
    )
    assert described == expected
    fingerprints = [item["partialFingerprints"]["primaryLocationLineHash"] for item in run["results"]]
    assert len(set(fingerprints)) == len(fingerprints)


@pytest.mark.parametrize("planned", PLANNED, ids=str)
def test_the_field_view_shows_each_object_once(planned: Planned) -> None:
    shown = [(change.resource, change.location.path) for change in compare_objects(planned.plan, planned.files)]
    changed = [change for change in planned.plan.changes if change.action != "keep"]
    assert sorted(map(str, shown)) == sorted(map(str, {(item.resource, item.location.path) for item in changed}))


@pytest.mark.parametrize("planned", PLANNED, ids=str)
def test_text_shows_each_change_once(planned: Planned) -> None:
    heads = [
        line
        for line in VIEWS["text"](planned).splitlines()
        if line[:2] == "  " and line[3:4] == " " and line[2] in " ~+-"
    ]
    phases = ("keep", "expand", "contract", "enforce", "cleanup")
    assert sum(1 for line in heads if line[4:].startswith(phases)) == len(planned.plan.changes)


@pytest.fixture(scope="module")
def secretive(tmp_path_factory: pytest.TempPathFactory) -> Planned:
    folder = tmp_path_factory.mktemp("secretive")
    (folder / "web.yaml").write_text(SECRETS)
    return plan_folder(folder, make_policy(secretWords=["pin"], podSecurity={"harden": "restricted"}))


@pytest.mark.parametrize("name", VIEWS)
def test_no_view_shows_a_secret(name: str, secretive: Planned) -> None:
    text = VIEWS[name](secretive)
    assert [value for value in (*SECRET_VALUES, "own-word-6") if value in text] == []


def test_the_patch_shows_the_bytes_as_they_are(secretive: Planned) -> None:
    assert "flow-value-3" in write_diff(secretive.files).decode()


def test_a_word_that_no_policy_names_is_no_secret(tmp_path: Path) -> None:
    (tmp_path / "web.yaml").write_text(SECRETS)
    planned = plan_folder(tmp_path)
    assert "own-word-6" in write_page(planned.plan, planned.files)


def test_a_comment_that_would_be_too_long_says_what_it_left_out(tmp_path: Path) -> None:
    one = (Path(__file__).parents[1] / "rules/host-port/row-08-daemon-set/input.yaml").read_text()
    name = one.split("name: ")[1].split()[0].strip(",}")
    documents = [one.replace(name, f"{name}-{number}") for number in range(150)]
    (tmp_path / "many.yaml").write_text("---\n".join(documents))
    planned = plan_folder(tmp_path)
    comment = write_comment(planned.plan, planned.files)
    assert len(comment) <= LIMIT
    shown = comment.count("\n- **")
    left_out = int(comment.split("workloads with ")[1].split()[0].replace(",", ""))
    assert shown > 0
    assert shown + left_out == len(planned.plan.changes)


def test_a_small_plan_leaves_nothing_out() -> None:
    assert not any("Left out" in VIEWS["markdown"](planned) for planned in PLANNED)


@pytest.mark.parametrize("form", ["html", "markdown", "sarif"])
def test_a_plan_without_changes_is_shown_too(form: str, tmp_path: Path) -> None:
    (tmp_path / "service.yaml").write_text("apiVersion: v1\nkind: Service\nmetadata: {name: web}\n")
    planned = plan_folder(tmp_path)
    text = write_view(form, planned.plan, planned.files)
    assert ("Nothing to change" in text) == (form != "sarif")
