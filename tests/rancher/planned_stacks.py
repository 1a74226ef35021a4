"""Stacks read, planned and rendered as one run of the program does it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from migrator.model.plan import Plan
from migrator.planning.plan import plan_changes
from migrator.policy.load import load_policy
from migrator.rendering.render import render_plan
from migrator.sources.rancher.answers import Question
from migrator.sources.read import ReadOptions, read_sources
from migrator.sources.stacks import StackOptions


def plan_stacks(
    folder: Path, answers: dict[str, str] | None = None, ask: Callable[[Question], str] | None = None
) -> tuple[Plan, list[dict[str, Any]], int]:
    """Plan all stacks below a folder: the plan, the objects as written, and how many are refused."""
    policy = load_policy(None, [])
    options = StackOptions(answers=answers or {}, ask=ask)
    inventory = read_sources([str(folder)], ReadOptions(policy.workload_kinds, stacks=options))
    plan = plan_changes(inventory, policy)
    changed = {change.path: change.new_content() for change in render_plan(plan, inventory.files, 1)}
    loader = YAML(typ="safe")
    objects = [item for content in changed.values() for item in loader.load_all(content.decode())]
    return plan, objects, len(inventory.refused_stacks)
