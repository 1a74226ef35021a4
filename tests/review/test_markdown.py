"""The comment: what a manifest says stays text, on its line and in its column."""

from __future__ import annotations

from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from migrator.review.markdown import write_code, write_comment
from tests.review.page import read_page
from tests.review.plans import HOSTILE, Planned, plan_everything, plan_folder

PLANNED = plan_everything()


def render(text: str) -> str:
    return MarkdownIt("commonmark").enable("table").render(text)


@pytest.mark.parametrize("planned", PLANNED, ids=str)
def test_a_comment_is_sound(planned: Planned) -> None:
    page = read_page(render(write_comment(planned.plan, planned.files)))
    assert page.unclosed == []
    tags = [tag for tag, _ in page.tags]
    assert tags.count("summary") == tags.count("details") > 0


def test_names_that_are_markup_stay_text(tmp_path: Path) -> None:
    (tmp_path / "a|b`.yaml").write_text(HOSTILE)
    planned = plan_folder(tmp_path)
    page = read_page(render(write_comment(planned.plan, planned.files)))
    assert not {"script", "img", "a"} & {
        tag for tag, given in page.tags if not str(given.get("href", "")).startswith("https://")
    }
    assert page.unclosed == []
    tags = [tag for tag, _ in page.tags if tag in ("tr", "th", "td")]
    rows = " ".join(tags).split("tr")[1:]
    assert all(row.split().count("td") in (0, 3, 4, 5) for row in rows)


@pytest.mark.parametrize(
    ("text", "written"),
    [("web", "`web`"), ("a\nb", "`a b`"), ("a|b", "<code>a&#124;b</code>"), ("`", "<code>&#96;</code>"), ("", "")],
)
def test_code(text: str, written: str) -> None:
    assert write_code(text) == written
