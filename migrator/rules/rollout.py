"""The rollout rule: updates that hang because a host port leaves no room on the node for a second pod."""

from __future__ import annotations

from collections.abc import Iterable

from migrator.model.inventory import Finding
from migrator.model.plan import Decision
from migrator.model.workload import Workload, describe_host_ports
from migrator.rules.host_port import read_ignore_reason
from migrator.rules.spread import blocks_updates

ID = "rollout"


def find_lasting(workload: Workload, decisions: Iterable[Decision]) -> tuple[Decision, ...]:
    """Find the decisions that leave a port on the node for as long as the pod runs.

    () for a workload that its owner rolls out, and for one whose annotations say to leave its ports or its rollout.
    """
    if read_ignore_reason(workload, ID) is not None:
        return ()
    return tuple(
        item
        for item in decisions
        if item.strategy == "keep"
        and item.row not in ("follows-owner", "owner-elsewhere", "ignored")
        and item.port.role in ("container", "sidecar")
    )


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


def waits_for_node(workload: Workload) -> bool:
    """Tell whether an update adds a pod before it takes one away, and that pod needs a node without one."""
    return _adds_first(workload) and blocks_updates(workload)


def _adds_first(workload: Workload) -> bool:
    """Tell whether an update of a Deployment adds a pod before it may take one away.

    25 % of fewer than four replicas are no pod that may be missing.
    """
    rollout = workload.rollout
    replicas = 1 if workload.replicas is None else workload.replicas
    if workload.ref.kind != "Deployment" or not replicas or rollout.type not in (None, "RollingUpdate"):
        return False
    missing = "25%" if rollout.max_unavailable is None else rollout.max_unavailable
    if isinstance(missing, str):
        percent = missing.removesuffix("%")
        missing = int(percent) * replicas // 100 if percent.isdecimal() else 0
    surges = rollout.max_surge not in (0, "0%")
    return surges and not missing


def find_hanging_rollout(workload: Workload, lasting: Iterable[Decision]) -> Finding | None:
    """Say that a Deployment which keeps a host port needs a free node for every update with surge."""
    ports = {item.port.host_port for item in lasting}
    if not ports or not _adds_first(workload):
        return None
    message = (
        f"{workload.ref.kind}/{workload.ref.name} keeps {describe_host_ports(ports)}: a rolling update "
        "with surge waits for a node where it is free; with one per node it never ends (maxSurge: 0 ends that)"
    )
    return Finding(ID, "warning", message, workload.ref, workload.location)
