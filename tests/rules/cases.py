"""Cases of the decision table: a folder is one.

    <rule>/options.yaml            optional: options of all cases of the rule
    <rule>/<case>/input.yaml       or input.json, or a tree input/, or a tree stacks/ of Rancher stacks
                  options.yaml     optional: row, phase, policy (a spec), namespaces, workloads, only, exclude,
                                   podSecurity (true: pods are judged, and namespaces labelled)
                  expected.diff    what `diff` prints; empty where nothing is to be done
                  plan.json        what the plan says besides: decisions, port map, caveats, findings, or the refusal

UPDATE_GOLDEN=1 writes the last two anew.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from migrator.errors import MigratorError
from migrator.model.inventory import Inventory
from migrator.model.plan import Plan
from migrator.model.selection import Selection
from migrator.planning.document import write_path
from migrator.planning.plan import NOTHING_FIXED, Overrides, plan_changes
from migrator.policy.load import parse_policy
from migrator.rendering.diff import write_diff
from migrator.rendering.render import FileChange, render_plan
from migrator.rules.pod_security import find_version
from migrator.sources.read import ReadOptions, read_sources
from migrator.sources.tables import load_table

RULES = Path(__file__).parent
INPUTS = ("input.yaml", "input.json", "input")
STACKS = "stacks"


@dataclass(frozen=True)
class Case:
    folder: Path

    def __str__(self) -> str:
        return f"{self.folder.parent.name}/{self.folder.name}"

    @cached_property
    def options(self) -> dict[str, Any]:
        path = self.folder / "options.yaml"
        return {**self._defaults, **(YAML(typ="safe").load(path) if path.exists() else {})}

    @property
    def _defaults(self) -> dict[str, Any]:
        path = self.folder.parent / "options.yaml"
        return YAML(typ="safe").load(path) if path.exists() else {}

    @property
    def row(self) -> Any:
        return self.options.get("row")

    @property
    def source(self) -> str:
        return next(name for name in (*INPUTS, STACKS) if (self.folder / name).exists())

    @property
    def phase(self) -> Any:
        return self.options.get("phase", "all")

    @property
    def expected_diff(self) -> str:
        path = self.folder / "expected.diff"
        return path.read_bytes().decode() if path.exists() else ""

    def copy_to(self, folder: Path) -> Path:
        """Copy the input, without what the case expects of it."""
        target = folder / self.source
        source = self.folder / self.source
        if source.is_dir():
            shutil.copytree(source, target)
        else:
            shutil.copy(source, target)
        return target

    def read(self, sources: Sequence[str] | None = None, jobs: int = 1) -> Inventory:
        """Read the input below the working directory."""
        policy = self.policy()
        options = ReadOptions(
            kinds=policy.workload_kinds,
            exclude=(*policy.exclude_paths, *self.options.get("exclude", ())),
            default_namespace=self.options.get("defaultNamespace"),
            jobs=jobs,
            pod_security=find_version(policy) if self.options.get("podSecurity") else None,
        )
        inventory = read_sources(list(sources or [self.source]), options)
        assert not inventory.errors
        return inventory

    def policy(self) -> Any:
        spec = {**self._defaults.get("policy", {}), **self.options.get("policy", {})}
        return parse_policy({"apiVersion": "migrator.dev/v1", "kind": "MigrationPolicy", "spec": spec})

    def plan(
        self, inventory: Inventory | None = None, phase: Any = None, overrides: Overrides = NOTHING_FIXED
    ) -> Plan:
        given = (self.options.get(key) for key in ("namespaces", "workloads", "only"))
        selection = Selection(*(frozenset(names) if names else None for names in given))
        return plan_changes(inventory or self.read(), self.policy(), phase or self.phase, selection, overrides)


def find_cases() -> list[Case]:
    return [Case(path.parent) for name in INPUTS for path in sorted(RULES.glob(f"*/*/{name}"))]


def find_stack_cases() -> list[Case]:
    """Find the cases whose input is a tree of Rancher stacks; what they become is written elsewhere."""
    return [Case(path.parent) for path in sorted(RULES.glob(f"*/*/{STACKS}"))]


@contextmanager
def working_in(folder: Path) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def write_files(changes: Sequence[FileChange]) -> None:
    """Write the files as they are to be, below the working directory."""
    for change in changes:
        assert not Path(change.path).is_absolute()
        if change.deleted:
            Path(change.path).unlink()
        else:
            Path(change.path).parent.mkdir(exist_ok=True)
            Path(change.path).write_bytes(change.new_content())


def diff_case(case: Case, plan: Plan, inventory: Inventory) -> str:
    return write_diff(render_plan(plan, inventory.files)).decode()


def judge(case: Case) -> tuple[str, dict[str, Any]]:
    """Plan a case where it stands: its diff, and what its plan says besides."""
    with working_in(case.folder):
        inventory = case.read()
        try:
            plan = case.plan(inventory)
        except MigratorError as error:
            return "", {"refused": str(error)}
        return diff_case(case, plan, inventory), summarize(plan)


def summarize(plan: Plan) -> dict[str, Any]:
    """Give the part of a plan that the diff does not show."""
    decisions: dict[str, None] = {}
    caveats: set[str] = set()
    for change in plan.changes:
        caveats.update(name_caveat(text) for text in change.reason.caveats)
        if change.ports or change.rule == "rollout":
            ports = ", ".join(dict.fromkeys(f"{port.host_port}/{port.protocol}" for port in change.ports))
            name = f"{change.workload.kind}/{change.workload.name}"
            what = f"{change.action} {change.resource.kind}/{change.resource.name} {write_path(change)}".rstrip()
            decisions[f"{change.decision} [{change.phase}] {name} {ports}: {change.strategy}, {what}"] = None
        elif change.rule == "pod-security-policy":
            who = f"{change.resource.kind}/{change.resource.name} [{change.effect}]"
            decisions[f"{change.decision} [{change.phase}] {who}: {change.strategy}"] = None
    summary: dict[str, Any] = {"decisions": list(decisions)}
    if plan.port_map:
        summary["portMap"] = [
            f"{entry.pod or entry.resource.name} {entry.old_ip}:{entry.old_port}/{entry.protocol} -> "
            f"{entry.service.name if entry.service else entry.type}:{entry.port} node port {entry.node_port}"
            for entry in plan.port_map
        ]
    if caveats:
        summary["caveats"] = sorted(caveats)
    if any(item.granted for item in plan.namespaces):
        summary["namespaces"] = [
            f"{item.name}: {item.needed} -> {item.after}, granted {item.granted}" for item in plan.namespaces
        ]
        summary["notes"] = [f"{item.name}: {note}" for item in plan.namespaces for note in item.notes]
        summary["commands"] = [command for item in plan.namespaces for command in item.commands]
    findings = [item for item in plan.findings if item.rule != "pod-security"]
    if findings:
        summary["findings"] = [f"{item.severity} {item.rule}: {item.message}" for item in findings]
    return summary


@cache
def _caveat_patterns() -> list[tuple[str, re.Pattern[str]]]:
    return [(row["id"], make_pattern(row["text"])) for row in load_table("rules/caveats.yaml")]


def make_pattern(template: str) -> re.Pattern[str]:
    """Make the pattern of the sentences that a template gives."""
    return re.compile(".*".join(re.escape(part) for part in re.split(r"\{\{.*?\}\}", template)))


def name_caveat(text: str) -> str:
    return next((name for name, pattern in _caveat_patterns() if pattern.fullmatch(text)), text)


def write_summary(summary: dict[str, Any]) -> str:
    return json.dumps(summary, indent=2, ensure_ascii=False) + "\n"
