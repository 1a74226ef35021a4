"""Explanations of rules, decisions and strategies, made from the data that they are."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from migrator.rules.pod_security import ID
from migrator.sources.tables import load_table
from migrator.yaml.write import write_block, write_flow

_PACKAGE = Path(__file__).parent.parent


def list_ids() -> tuple[str, ...]:
    """List everything that can be explained: rules, strategies, decisions, Pod Security checks."""
    return tuple(sorted({*_rules(), *_strategies(), *_decisions(), *_checks()}))


def _rules() -> Mapping[str, str]:
    names = ("host_port", "host_network", "rollout", "pod_security", "pod_security_policy")
    return {name.replace("_", "-"): name for name in names}


def _strategies() -> tuple[str, ...]:
    return tuple(sorted(path.stem for path in (_PACKAGE / "strategies").glob("*.yaml")))


def _checks() -> tuple[str, ...]:
    from migrator.podsecurity.registry import load_checks

    return tuple(check.id for check in load_checks())


def _decisions() -> Mapping[str, Mapping[str, Any]]:
    table = load_table("rules/host_port.yaml")
    return {row["id"]: row for row in (*table["strategy"], *table["number"], *table["balanced"])}


def explain(identifier: str) -> str | None:
    """Explain a rule, strategy, decision or Pod Security check by its id; None for one that is not known.

    A check goes by upstream's id, and by the name of the strategy that hardens for it.
    """
    if identifier in _strategies():
        return "\n".join(_explain_strategy(identifier)) + "\n"
    if identifier in _rules():
        return "\n".join(_explain_rule(identifier)) + "\n"
    for check in _checks():
        if identifier in (check, _name_module(check)):
            return "\n".join(_explain_check(check)) + "\n"
    row = _decisions().get(identifier)
    return "\n".join(_explain_decision(identifier, row)) + "\n" if row is not None else None


def _wrap(text: str) -> list[str]:
    return textwrap.wrap(text, width=100, break_long_words=False, break_on_hyphens=False)


def _list_sources(table: Mapping[str, Any]) -> Iterator[str]:
    if table.get("sources"):
        yield from ("", "Sources:", *(f"  {source}" for source in table["sources"]))


def _explain_strategy(name: str) -> Iterator[str]:
    table = load_table(f"strategies/{name}.yaml")
    yield f"strategy {name}: {table['title']}"
    yield ""
    yield from _wrap(table["does"])
    if table["wayBack"]:
        yield from ("", *_wrap(f"The way back: {table['wayBack']}"))
    if table.get("whoMustChange"):
        yield from _wrap(f"Who must change: {table['whoMustChange']}.")
    taken = [row["id"] for row in load_table("rules/host_port.yaml")["strategy"] if row["strategy"] == name]
    if taken:
        yield from ("", *_wrap(f"Decisions that take it: {', '.join(taken)}"))
    yield from _list_sources(table)


def _explain_rule(name: str) -> Iterator[str]:
    table = load_table(f"rules/{_rules()[name]}.yaml")
    yield f"rule {name}: {table['title']}"
    if "because" in table:
        yield from ("", *_wrap(table["because"][:1].upper() + table["because"][1:]))
    if name == ID:
        yield from ("", "Checks (explain one by its id):", *(f"  {check}" for check in _checks()))
    if "strategy" in table:
        yield from ("", "Decisions, the first that matches wins (explain one by its id):")
        width = max(len(row["id"]) for row in table["strategy"])
        for row in table["strategy"]:
            yield f"  {row['id']:<{width}}  {row['strategy']:<18} {write_flow(row['match'])}"
    yield from ("", f'To leave an object alone: annotation ignore-rule.migrator.dev/{name}: "<reason>"')
    yield from _list_sources(table)


def _name_module(check: str) -> str:
    from migrator.podsecurity.registry import name_module

    return name_module(check)


def _explain_check(name: str) -> Iterator[str]:
    """Explain a check by its module's documentation, and what it would take to satisfy it by its strategy's data."""
    from migrator.podsecurity.registry import document_check, find_check
    from migrator.strategies.hardening import describe_strategy

    check = find_check(name)
    if check is None:
        return
    table = describe_strategy(name)
    yield f"Pod Security check {name} (level {check.level})"
    yield from ("", document_check(check))
    if table.get("does"):
        yield from ("", *_wrap(f"What is mechanical (podSecurity.harden): {table['does']}"))
        yield from _wrap(f"Risk: {table['risk']}")
        yield from _wrap(f"The way back: {table['wayBack']}")
    yield from ("", "What a person may do besides:" if table.get("does") else "What a person may do:")
    for option in table["options"]:
        yield from textwrap.wrap(
            f"{option['does']} Price: {option['price']}", 100, initial_indent="  - ", subsequent_indent="    "
        )
    yield from ("", "Sources of that:", *(f"  {source}" for source in table["sources"]))


def _explain_decision(name: str, row: Mapping[str, Any]) -> Iterator[str]:
    number = f" (row {row['row']} of the decision table)" if row.get("row") else ""
    chosen = f"number {row['number']}" if "number" in row else row.get("strategy", "port of a Rancher load balancer")
    yield f"decision {name}{number}: {chosen}"
    yield from ("", *_wrap(row["because"][:1].upper() + row["because"][1:]))
    for item in row.get("considered", ()):
        yield from _wrap(f"Considered {item['strategy']}: {item['because']}")
    if row.get("caveats"):
        texts = {caveat["id"]: caveat["text"] for caveat in load_table("rules/caveats.yaml")}
        yield from ("", *(line for caveat in row["caveats"] for line in _wrap(f"Look out: {texts[caveat]}")))
    if row.get("whoMustChange"):
        yield from ("", *_wrap(f"Who must change: {row['whoMustChange']}."))
    if "strategy" in row:
        copied = {"match": row["match"], "strategy": row["strategy"], **row.get("options", {})}
        copied["because"] = row["because"]
        yield from ("", "To copy into a policy's spec.hostPorts and change:")
        yield from ("  " + line for line in write_block([copied]))
    yield from _list_sources(row)
