"""Make a rolling update take a pod away before it adds the next one."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from migrator.model.edit import FieldEdit
from migrator.model.plan import Change, Decision, Reason
from migrator.model.workload import Workload
from migrator.publishing.proposal import strategy_sources, strategy_text
from migrator.rules.rollout import ID
from migrator.sources.tables import load_table

_KEYS = {"Deployment": "strategy", "DaemonSet": "updateStrategy"}


def fix_rollout(workload: Workload, lasting: Sequence[Decision], kind: str = "DaemonSet") -> Iterator[Change]:
    """Propose a rollout without surge for a workload of a kind that keeps a host port (row 9)."""
    if not lasting or workload.ref.kind != kind:
        return
    decision = lasting[0]
    table = load_table("rules/rollout.yaml")

    def make_reason(_: Decision, message: str) -> Reason:
        return Reason(
            message=f"{message}: {table['because']}",
            way_back=strategy_text("rollout", "wayBack"),
            sources=(*table["sources"], *strategy_sources("rollout")),
        )

    yield from replace_before_adding(workload, decision, make_reason, rule=ID)


def replace_before_adding(
    workload: Workload, decision: Decision, make_reason: Callable[[Decision, str], Reason], rule: str | None = None
) -> Iterator[Change]:
    """Propose maxSurge 0 and maxUnavailable 1 for a workload that updates by rolling, where it says otherwise."""
    key = _KEYS.get(workload.ref.kind)
    rollout = workload.rollout
    if key is None or rollout.type not in (None, "RollingUpdate"):
        return
    path = ("spec", key, "rollingUpdate")
    if rollout.max_surge is None and rollout.max_unavailable is None:
        if workload.ref.kind == "Deployment":
            yield _change(workload, decision, make_reason, rule, path, None, {"maxSurge": 0, "maxUnavailable": 1})
        return
    defaults_fit = workload.ref.kind == "DaemonSet"
    if rollout.max_surge not in (0, "0%") and not (rollout.max_surge is None and defaults_fit):
        yield _change(workload, decision, make_reason, rule, (*path, "maxSurge"), rollout.max_surge, 0)
    if rollout.max_unavailable in (0, "0%") or (rollout.max_unavailable is None and not defaults_fit):
        yield _change(workload, decision, make_reason, rule, (*path, "maxUnavailable"), rollout.max_unavailable, 1)


def _change(
    workload: Workload,
    decision: Decision,
    make_reason: Callable[[Decision, str], Reason],
    rule: str | None,
    path: tuple[str, ...],
    current: int | str | None,
    value: int | dict[str, int],
) -> Change:
    return Change(
        rule=rule or decision.rule,
        decision=decision.row,
        strategy="rollout",
        phase="contract",
        action="update",
        resource=workload.ref,
        location=workload.location,
        workload=workload.ref,
        reason=make_reason(decision, "an update takes a pod away before it adds the next"),
        effect="none",
        edit=FieldEdit("add" if current is None else "replace", path, value, before=("template",)),
        current=current,
    )
