"""Plans to look at: between them they take every strategy, and one holds names that are markup."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from migrator.model.plan import Plan
from migrator.model.policy import Policy
from migrator.planning.plan import plan_changes
from migrator.policy.load import load_policy, parse_policy
from migrator.rendering.render import FileChange, render_plan
from migrator.rules.pod_security import find_version
from migrator.sources.read import ReadOptions, read_sources
from tests.rules.cases import Case, find_cases, working_in

ROOT = Path(__file__).resolve().parents[2]
_DECISION = re.compile(r": (?P<strategy>\w+)(?:, (?P<action>\w+) .*)?$")


@dataclass(frozen=True)
class Planned:
    """A plan and what it renders to; its paths are relative to `folder`."""

    name: str
    folder: Path
    plan: Plan
    files: Sequence[FileChange]

    def __str__(self) -> str:
        return self.name


@cache
def plan_everything() -> tuple[Planned, ...]:
    """Plan the fewest cases of the rules that take every strategy, and the sample that hardens."""
    return (*map(_plan_case, _choose_cases()), _plan_sample("pod-security"))


def _choose_cases() -> Iterator[Case]:
    seen: set[tuple[str, str, str]] = set()
    for case in find_cases():
        summary = json.loads((case.folder / "plan.json").read_text())
        found = {
            (case.folder.parent.name, *match.groups())
            for match in map(_DECISION.search, summary.get("decisions", ()))
            if match
        }
        if not found <= seen:
            seen |= found
            yield case


def _plan_case(case: Case) -> Planned:
    with working_in(case.folder):
        inventory = case.read()
        plan = case.plan(inventory)
        return Planned(str(case), case.folder, plan, render_plan(plan, inventory.files))


def _plan_sample(name: str) -> Planned:
    folder = ROOT / "samples" / name
    return plan_folder(folder, load_policy(folder / ".migrator.yaml", []))


def make_policy(**spec: Any) -> Policy:
    return parse_policy({"apiVersion": "migrator.dev/v1", "kind": "MigrationPolicy", "spec": spec})


def plan_folder(folder: Path, policy: Policy | None = None) -> Planned:
    """Plan the manifests of a folder."""
    given = policy or make_policy()
    options = ReadOptions(kinds=given.workload_kinds, jobs=1, pod_security=find_version(given))
    with working_in(folder):
        inventory = read_sources(["."], options)
        plan = plan_changes(inventory, given)
        return Planned(folder.name, folder, plan, render_plan(plan, inventory.files))


HOSTILE = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  namespace: "a|b`c<script>alert(1)</script>"
  annotations: {migrator.dev/strategy: node_port}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
        - name: "x'><script>alert(2)</script>|`*_[a](b)"
          image: "<img src=x onerror=alert(3)>```"
          ports:
            # </pre><script>alert(4)</script> ```
            - containerPort: 80
              hostPort: 80
"""

SECRETS = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  namespace: shop
  annotations:
    example.com/auth-token: annotated-value-1
    kubectl.kubernetes.io/last-applied-configuration: |
      {"env": "last-applied-2"}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
        - name: web
          env: [{name: DB_PASSWORD, value: flow-value-3}]
          ports:
            - containerPort: 80
              hostPort: 80
          args: ["--password=flow-value-3"]
        - name: side
          ports: [{containerPort: 81, hostPort: 81}]
          env:
            - {name: PIN_SHOP, value: own-word-6}
            - name: API_KEY
              value: >-
                folded-value-4
                goes-on-5
---
apiVersion: v1
kind: Secret
metadata: {name: web, namespace: shop}
stringData: {plain: secret-object-7}
"""
SECRET_VALUES = (
    "annotated-value-1", "last-applied-2", "flow-value-3", "folded-value-4", "goes-on-5", "secret-object-7"
)  # fmt: skip
