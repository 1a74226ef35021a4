"""The page in a browser: filters, links, the console, and that nothing leaves it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from migrator.review.html import write_page
from migrator.review.simulation_svg import render_simulation_svg
from migrator.run import Request, Run
from tests.browser.browser import CHROMIUM, DRIVER, Browser, start_browser
from tests.review.plans import HOSTILE, ROOT, make_policy, plan_folder

MISSING = [name for name, path in (("chromium", CHROMIUM), ("chromium-driver", DRIVER)) if path is None]
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(
        bool(MISSING), reason=f"not found: {', '.join(MISSING)} (apt-get install {' '.join(MISSING)})"
    ),
]

SHOWN = "return [...document.querySelectorAll(arguments[0])].filter((item) => !item.hidden).map((item) => item.id)"
CHOOSE = """
const choice = document.getElementById(arguments[0]);
choice.value = [...choice.options].find((option) => option.text === arguments[1]).value;
choice.dispatchEvent(new Event("input", {bubbles: true}));
"""
DANGLING = """
return [...document.querySelectorAll('a[href^="#"]')]
  .map((link) => decodeURIComponent(link.hash.slice(1))).filter((name) => !document.getElementById(name));
"""
OVERFLOW = "return document.documentElement.scrollWidth - document.documentElement.clientWidth"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with start_browser(tmp_path_factory.mktemp("profile")) as started:
        yield started


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    planned = plan_folder(ROOT / "samples" / "host-port")
    path = tmp_path_factory.mktemp("page") / "plan.html"
    path.write_text(write_page(planned.plan, planned.files))
    return path


@pytest.fixture
def opened(browser: Browser, page: Path) -> Browser:
    browser.resize(1280, 900)
    browser.requests()
    browser.log("browser")
    browser.open(page)
    return browser


def test_the_picture_in_the_readme(browser: Browser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """UPDATE_GOLDEN=1 takes it anew; pixels differ from browser to browser, what it has to show does not."""
    monkeypatch.chdir(ROOT)
    run = Run(Request(["samples/host-port"], quiet=True))
    made, inventory = run.make_plan("all")
    picture = render_simulation_svg(run.simulate(made, inventory, "3"), styled=False)
    page = tmp_path / "plan.html"
    page.write_text(write_page(made, run.render(made, inventory, explained=True), picture))
    browser.resize(1180, 930)
    browser.open(page)
    browser.shoot(tmp_path / "report.png", height=930)
    taken = (tmp_path / "report.png").read_bytes()
    assert "1 Pending" in browser.run("return document.body.innerText")
    if os.environ.get("UPDATE_GOLDEN"):
        (ROOT / "docs" / "report.png").write_bytes(taken)
    assert "](docs/report.png)" in (ROOT / "README.md").read_text()
    assert read_size((ROOT / "docs" / "report.png").read_bytes()) == read_size(taken) == (1180, 930)


def read_size(png: bytes) -> tuple[int, int]:
    """Read width and height: https://www.w3.org/TR/png-3/#11IHDR."""
    assert png.startswith(b"\x89PNG")
    return int.from_bytes(png[16:20]), int.from_bytes(png[20:24])


def test_nothing_is_said_on_the_console_and_nothing_leaves_the_page(opened: Browser, page: Path) -> None:
    opened.run("document.getElementById('open').click(); document.getElementById('close').click()")
    assert opened.log("browser") == []
    assert opened.requests() == [page.as_uri()]


def test_the_page_could_not_ask_if_it_would(opened: Browser) -> None:
    opened.run("new Image().src = 'https://example.com/x.png'; fetch('https://example.com/').catch(() => 0)")
    refused = [entry["message"] for entry in opened.log("browser")]
    assert any("Content Security Policy" in message for message in refused)
    assert not [address for address in opened.requests() if address.startswith("https://")]


def test_links_resolve(opened: Browser) -> None:
    assert opened.run(DANGLING) == []


@pytest.mark.parametrize(
    ("dimension", "value", "names"),
    [
        ("n", "zookeeper", ["zookeeper/StatefulSet/zookeeper", "Namespace/zookeeper"]),
        ("s", "node_local", ["monitoring/DaemonSet/telemetry-agent"]),
        ("w", "pods that reach the agent through status.hostIP", ["monitoring/DaemonSet/telemetry-agent"]),
    ],
)
def test_filters(opened: Browser, dimension: str, value: str, names: list[str]) -> None:
    everything = opened.run(SHOWN, "article")
    opened.run(CHOOSE, dimension, value)
    shown = opened.run(SHOWN, "article")
    titles = opened.run("return arguments[0].map((id) => document.querySelector(`#${id} h3`).textContent)", shown)
    assert titles == names
    rows = opened.run("return [...document.querySelectorAll('#ports tbody tr')].filter((row) => !row.hidden).length")
    assert 0 < rows < 11
    said = opened.run("return document.getElementById('shown').textContent")
    assert said == f"{len(names)} of {len(everything)} workloads shown"
    opened.run("document.querySelector('[type=reset]').click()")
    opened.tell("Runtime.evaluate", expression="new Promise((done) => setTimeout(done, 50))", awaitPromise=True)
    assert opened.run(SHOWN, "article") == everything


def test_filters_together_and_in_vain(opened: Browser) -> None:
    opened.run(CHOOSE, "n", "zookeeper")
    opened.run(CHOOSE, "s", "node_local")
    assert opened.run(SHOWN, "article") == []
    assert opened.run("return document.getElementById('none').hidden") is False


def test_words_are_found(opened: Browser) -> None:
    opened.run("const box = document.getElementById('words'); box.value = 'MAIL-relay';"
               "box.dispatchEvent(new Event('input', {bubbles: true}))")  # fmt: skip
    assert len(opened.run(SHOWN, "article")) == 1


def test_a_link_opens_what_is_folded_or_filtered_away(opened: Browser) -> None:
    opened.run("document.getElementById('close').click()")
    opened.run(CHOOSE, "n", "zookeeper")
    opened.run("location.hash = '#w1'")
    opened.tell("Runtime.evaluate", expression="new Promise((done) => setTimeout(done, 100))", awaitPromise=True)
    assert opened.run(
        "const one = document.getElementById('w1'); return !one.hidden && one.querySelector('details').open"
    )


@pytest.mark.parametrize("width", [1280, 390])
def test_nothing_is_wider_than_the_window(opened: Browser, width: int) -> None:
    opened.resize(width, 844)
    assert opened.run(OVERFLOW) == 0


def test_keys_reach_everything(opened: Browser) -> None:
    skipped = (
        "return [...document.querySelectorAll('summary, a, button, select, input')].filter((one) => one.tabIndex)"
    )
    assert opened.run(skipped) == []


def test_names_that_are_markup_stay_text(browser: Browser, tmp_path: Path) -> None:
    (tmp_path / "web.yaml").write_text(HOSTILE)
    planned = plan_folder(tmp_path, make_policy(podSecurity={"harden": "restricted"}))
    path = tmp_path / "plan.html"
    path.write_text(write_page(planned.plan, planned.files))
    browser.log("browser")
    browser.open(path)
    assert browser.log("browser") == []
    assert browser.run("return document.scripts.length") == 1
    assert browser.run("return document.images.length") == 0
    assert "<script>alert(4)</script>" in browser.run("return document.getElementById('changes').innerText")


def test_on_paper_nothing_is_folded(browser: Browser, page: Path) -> None:
    browser.open(page)
    browser.run("document.getElementById('close').click()")
    folded = browser.run("window.dispatchEvent(new Event('beforeprint'));"
                         "return document.querySelectorAll('main details:not([open])').length")  # fmt: skip
    assert folded == 0
