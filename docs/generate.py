"""Writes docs/reference.md from the tables that decide and the fixtures that test them: `python docs/generate.py`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "reference.md"
FIXTURES = ROOT / "tests" / "rules"
sys.path.insert(0, str(ROOT))

from migrator.podsecurity.registry import document_check, find_check, load_checks  # noqa: E402
from migrator.sources.tables import load_table  # noqa: E402
from migrator.strategies.hardening import describe_strategy  # noqa: E402
from migrator.yaml.write import write_flow  # noqa: E402

SHOWN = 40
"""Lines of a diff that the page shows."""

RULES = ("host_port", "host_network", "rollout", "pod_security", "pod_security_policy")
STRATEGIES = sorted(path.stem for path in (ROOT / "migrator" / "strategies").glob("*.yaml"))


def write_reference() -> str:
    """Write the page."""
    lines = [
        "# Rules, decisions, strategies",
        "",
        "Made by `python docs/generate.py` from the tables in `migrator/`, with examples from the fixtures in",
        "`tests/rules/`. `migrator explain ID` says the same on the command line.",
        "",
        "- [Rules](#rules)",
        "- [Decisions about host ports](#decisions-about-host-ports)",
        "- [Strategies](#strategies)",
        "- [Pod Security checks](#pod-security-checks)",
        "",
        "## Rules",
        "",
        *_write_rules(),
        "## Decisions about host ports",
        "",
        "The first that matches wins. `{{ }}` stands for facts of the case.",
        "",
        *(line for row in load_table("rules/host_port.yaml")["strategy"] for line in _write_decision(row)),
        "## Strategies",
        "",
        *(line for name in STRATEGIES for line in _write_strategy(name)),
        "## Pod Security checks",
        "",
        *(line for check in load_checks() for line in _write_check(check.id)),
    ]
    return "\n".join(lines).rstrip("\n") + "\n"


def _write_rules() -> Iterator[str]:
    for name in RULES:
        table = load_table(f"rules/{name}.yaml")
        yield f"- **{name.replace('_', '-')}**: {table['title']}."
    yield ""
    yield 'An annotation leaves an object alone: `ignore-rule.migrator.dev/<rule>: "<reason>"`.'
    yield ""


def _write_decision(row: dict[str, Any]) -> Iterator[str]:
    yield f"### {row['id']}"
    yield ""
    yield f"[{row['strategy']}](#{row['strategy']}): {_join(row['because'])}"
    yield ""
    yield f"Matches `{write_flow(row['match'])}`."
    for item in row.get("considered", ()):
        yield f"Considered `{item['strategy']}`: {_join(item['because'])}."
    yield ""
    yield from _write_sources(row)
    yield from _write_example(_find_example(decision=row["id"], kept=row["strategy"] == "keep"))


def _write_strategy(name: str) -> Iterator[str]:
    table = load_table(f"strategies/{name}.yaml")
    yield f"### {name}"
    yield ""
    yield f"{table['title']}. {_join(table['does'])}"
    yield ""
    for key, label in (("whoMustChange", "Who must change"), ("wayBack", "The way back")):
        if table.get(key):
            yield f"- {label}: {_join(table[key])}"
    if table.get("whoMustChange") or table.get("wayBack"):
        yield ""
    yield from _write_sources(table)
    yield from _write_example(_find_example(strategy=name, kept=name == "keep"))


def _write_check(name: str) -> Iterator[str]:
    check = find_check(name)
    if check is None:
        return
    table = describe_strategy(name)
    yield f"### {name}"
    yield ""
    yield f"Level {check.level}. {document_check(check).partition(chr(10))[0]}"
    yield ""
    if table.get("does"):
        yield f"- Mechanical (`podSecurity.harden`): {_join(table['does'])}"
        yield f"- Risk: {_join(table['risk'])}"
        yield f"- The way back: {_join(table['wayBack'])}"
    for option in table["options"]:
        yield f"- A person may: {_join(option['does'])} Price: {_join(option['price'])}"
    yield ""


def _join(text: str) -> str:
    return " ".join(str(text).split())


def _write_sources(table: dict[str, Any]) -> Iterator[str]:
    if table.get("sources"):
        links = (f"<{item}>" if item.startswith("https://") else f"`{item}`" for item in table["sources"])
        yield f"Sources: {', '.join(links)}"
        yield ""


@cache
def _load_fixtures() -> tuple[tuple[Path, str, tuple[tuple[str, str], ...]], ...]:
    """Load each fixture's folder, its diff, and the decision and the strategy of each of its changes."""
    loaded = []
    for path in sorted(FIXTURES.glob("*/*/plan.json")):
        decided = tuple(
            (text.partition(" ")[0], text.rpartition(": ")[2].partition(",")[0])
            for text in json.loads(path.read_text()).get("decisions", ())
        )
        diff = path.with_name("expected.diff")
        loaded.append((path.parent, diff.read_text(errors="replace") if diff.exists() else "", decided))
    return tuple(loaded)


def _find_example(
    decision: str | None = None, strategy: str | None = None, kept: bool = False
) -> tuple[Path, str] | None:
    """Find the fixture that shows a decision or a strategy, and little else; one without a diff where it keeps."""
    fitting = [
        (bool(diff) == kept, len({one for one, _ in decided}), len(diff), folder, diff)
        for folder, diff, decided in _load_fixtures()
        if any(decision in (None, one) and strategy in (None, other) for one, other in decided)
    ]
    return min(fitting)[3:] if fitting else None


def _write_example(example: tuple[Path, str] | None) -> Iterator[str]:
    if example is None:
        return
    folder, diff = example
    name = folder.relative_to(ROOT)
    yield f"From [{folder.name}](../{name}):" if diff else f"From [{folder.name}](../{name}), which stays as it is."
    yield ""
    if diff:
        lines = diff.rstrip("\n").split("\n")
        yield from ("```diff", *lines[:SHOWN], *(["…"] if len(lines) > SHOWN else []), "```", "")


if __name__ == "__main__":
    PAGE.write_text(write_reference())
