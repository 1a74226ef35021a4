"""The rollout rule: updates that hang because a host port leaves no room on the node for a second pod."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from migrator.model.inventory import Finding
from migrator.model.plan import Change, Decision, Reason
from migrator.model.workload import Workload
from migrator.planning.proposal import strategy_sources, strategy_text
from migrator.sources.tables import load_table
from migrator.strategies.rollout import replace_before_adding

ID = "rollout"


def fix_rollout(workload: Workload, kept: Iterable[Decision]) -> Iterator[Change]:
    """Propose a rollout without surge for a DaemonSet that keeps a host port (row 9)."""
    decision = next((item for item in kept if item.port.role in ("container", "sidecar")), None)
    if decision is None or workload.ref.kind != "DaemonSet":
        return
    table = load_table("rules/rollout.yaml")

    def make_reason(_: Decision, message: str) -> Reason:
        return Reason(
            message=f"{message}: {table['because']}",
            way_back=strategy_text("rollout", "wayBack"),
            sources=(*table["sources"], *strategy_sources("rollout")),
        )

    yield from replace_before_adding(workload, decision, make_reason, rule=ID)


def describe_workaround(workload: Workload) -> str:
    """Describe a rollout that was made for a host port; "" where it looks ordinary."""
    rollout = workload.rollout
    if workload.ref.kind not in ("Deployment", "DaemonSet"):
        return ""
    if rollout.type == "Recreate":
        return "strategy Recreate"
    if workload.ref.kind == "Deployment" and rollout.max_surge in (0, "0%"):
        return f"maxSurge {rollout.max_surge}"
    return ""


def find_hanging_rollout(workload: Workload, kept: Iterable[Decision]) -> Finding | None:
    """Say that a Deployment which keeps a host port needs a free node for every update with surge."""
    ports = sorted({item.port.host_port for item in kept if item.port.role in ("container", "sidecar")})
    surges = workload.rollout.type in (None, "RollingUpdate") and workload.rollout.max_surge not in (0, "0%")
    if not ports or workload.ref.kind != "Deployment" or not surges:
        return None
    message = (
        f"{workload.ref.kind}/{workload.ref.name} keeps host port {', '.join(map(str, ports))}: a rolling update "
        "with surge waits for a node where it is free; with one per node it never ends (maxSurge: 0 ends that)"
    )
    return Finding(ID, "warning", message, workload.ref, workload.location)
