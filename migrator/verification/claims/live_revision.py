"""No pod of an old revision is left: one that OnDelete, a partition or a rollout that hangs kept."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Final

from migrator.model.workload import Workload
from migrator.verification.claim import Claim
from migrator.verification.comparison import Comparison
from migrator.verification.live import find_live

ID = "live-revision"

_TEMPLATE_HASH: Final = "pod-template-hash"
_REVISION_HASH: Final = "controller-revision-hash"
_REVISION: Final = "deployment.kubernetes.io/revision"
_GENERATION: Final = "deprecated.daemonset.template.generation"
_GENERATION_HASH: Final = "pod-template-generation"
_SHOWN: Final = 5


def find_claims(comparison: Comparison) -> Iterator[Claim]:
    """Claim of each workload of which pods were read that all of them are made from its template as it is now."""
    pods: dict[tuple[str | None, str], list[Workload]] = defaultdict(list)
    for pod in comparison.after.inventory.known_workloads:
        if pod.ref.kind == "Pod" and pod.owners:
            pods[pod.ref.namespace, comparison.after.find_origin(pod)].append(pod)
    for workload in comparison.before.inventory.workloads:
        live = find_live(comparison, workload)
        own = pods[live.ref.namespace, f"{live.ref.kind}/{live.ref.name}"] if live is not None else []
        if not own:
            continue
        current = _find_current(comparison, live)
        old = {pod.ref.name: reason for pod in own if (reason := _say_why_old(pod, live, current)) is not None}
        if not old:
            because = f"{len(own)} pod(s) of the current template"
            yield Claim(ID, True, workload.ref, workload.location, live.location, because)
            continue
        first = next(pod for pod in own if pod.ref.name in old)
        names = ", ".join(list(old)[:_SHOWN]) + (f" and {len(old) - _SHOWN} more" if len(old) > _SHOWN else "")
        because = f"{len(old)} of {len(own)} pod(s) are old ({names}): {old[first.ref.name]}; {_say_remedy(live)}"
        yield Claim(ID, False, workload.ref, workload.location, first.location, because)


def _find_current(comparison: Comparison, live: Workload) -> Mapping[str, str]:
    """Find the hash label that pods of the current template have; empty where it cannot be told."""
    if live.ref.kind == "Deployment":
        revision = live.annotations.get(_REVISION)
        for item in comparison.after.inventory.known_workloads:
            is_own = item.ref.kind == "ReplicaSet" and f"Deployment/{live.ref.name}" in item.owners
            if is_own and item.ref.namespace == live.ref.namespace and item.annotations.get(_REVISION) == revision:
                return {_TEMPLATE_HASH: item.labels.get(_TEMPLATE_HASH, "")}
        return {}
    if live.ref.kind == "DaemonSet" and _GENERATION in live.annotations:
        return {_GENERATION_HASH: live.annotations[_GENERATION]}
    document = comparison.after.tree.find_document(live)
    status = (document.data.get("status") or {}) if document is not None else {}
    update = status.get("updateRevision")
    return {_REVISION_HASH: str(update)} if update else {}


def _say_why_old(pod: Workload, live: Workload, current: Mapping[str, str]) -> str | None:
    ports = {(port.host_port, port.protocol) for port in live.used_ports()}
    for port in pod.used_ports():
        if (port.host_port, port.protocol) not in ports:
            return f"it still holds host port {port.host_port}/{port.protocol}"
    for label, value in current.items():
        if pod.labels.get(label, value) != value:
            return f"its {label} is {pod.labels[label]}, the current one {value}"
    return None


def _say_remedy(live: Workload) -> str:
    rollout = live.rollout
    if rollout.type == "OnDelete":
        return "its update strategy is OnDelete: delete them one by one"
    if rollout.partition:
        return f"its rollout stops at partition {rollout.partition}: set it to 0"
    kind = live.ref.kind.lower()
    return f"kubectl rollout status {kind} {live.ref.name} says what they wait for"
