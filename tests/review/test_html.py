"""The page: well formed, everything in it resolves, nothing in it is markup of a manifest."""

from __future__ import annotations

import itertools
import re
from pathlib import Path
from urllib.parse import unquote

import pytest

from migrator.review.html import SHARED_FROM, write_page
from tests.review.page import read_page
from tests.review.plans import HOSTILE, Planned, plan_everything, plan_folder

PLANNED = plan_everything()


@pytest.mark.parametrize("planned", PLANNED, ids=str)
def test_a_page_is_sound(planned: Planned) -> None:
    page = read_page(write_page(planned.plan, planned.files))
    assert page.unclosed == []
    assert len(set(page.ids)) == len(page.ids)
    assert {link[1:] for link in page.links if link.startswith("#")} <= set(page.ids)
    assert set(page.references) <= set(page.ids)
    assert all(link.startswith(("#", "./", "https://")) for link in page.links)
    for link in page.links:
        if link.startswith("./"):
            path, _, line = unquote(link).partition("#L")
            assert 0 < int(line) <= len((planned.folder / path).read_bytes().splitlines())


@pytest.mark.parametrize("planned", PLANNED, ids=str)
def test_what_is_read_aloud_makes_sense(planned: Planned) -> None:
    page = read_page(write_page(planned.plan, planned.files))
    tags = [tag for tag, _ in page.tags]
    assert tags.count("h1") == tags.count("main") == tags.count("header") == tags.count("nav") == 1
    assert tags.count("caption") == tags.count("table")
    levels = [int(tag[1]) for tag in tags if re.fullmatch("h[1-6]", tag)]
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
    fields = [given for tag, given in page.tags if tag in ("input", "select")]
    assert all(given["id"] in page.references for given in fields)
    assert all(given.get("scope") for tag, given in page.tags if tag == "th")


def test_a_page_forbids_itself_the_network() -> None:
    text = write_page(PLANNED[0].plan, PLANNED[0].files)
    page = read_page(text)
    policy = next(given["content"] for _, given in page.tags if given.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy
    assert not {"link", "img", "iframe", "object", "base"} & {tag for tag, _ in page.tags}
    assert not [
        given
        for _, given in page.tags
        if "src" in given or "style" in given or any(key.startswith("on") for key in given)
    ]
    assert "@import" not in text
    assert "url(" not in text


def test_names_that_are_markup_stay_text(tmp_path: Path) -> None:
    (tmp_path / "<b>&'\".yaml").write_text(HOSTILE)
    planned = plan_folder(tmp_path)
    assert len(planned.plan.changes) > 1
    page = read_page(write_page(planned.plan, planned.files))
    assert [tag for tag, _ in page.tags].count("script") == 1
    assert not {"img", "b>"} & {tag for tag, _ in page.tags}
    assert page.unclosed == []
    shown = page.texts["changes"]
    assert "<script>alert(1)</script>" in shown
    assert "</pre><script>alert(4)</script> ```" in shown


def test_a_reason_that_many_share_is_written_once(tmp_path: Path) -> None:
    one = (Path(__file__).parents[1] / "rules/host-port/row-08-daemon-set/input.yaml").read_text()
    name = one.split("name: ")[1].split()[0].strip(",}")
    for many in (SHARED_FROM - 1, SHARED_FROM):
        documents = [one.replace(name, f"{name}-{number}") for number in range(many)]
        (tmp_path / "many.yaml").write_text("---\n".join(documents))
        planned = plan_folder(tmp_path)
        text = write_page(planned.plan, planned.files)
        way_back = planned.plan.changes[0].reason.way_back.replace("`hostPort`", "<code>hostPort</code>")
        assert text.count(way_back) == (1 if many == SHARED_FROM else many)
        page = read_page(text)
        assert {link[1:] for link in page.links if link.startswith("#")} <= set(page.ids)


def test_a_figure_stands_in_the_summary() -> None:
    planned = PLANNED[0]
    assert 'id="figure"' not in write_page(planned.plan, planned.files)
    page = read_page(write_page(planned.plan, planned.files, figure="<svg><title>pods</title></svg>"))
    assert page.texts["figure"] == "pods"
