"""Conditions under which a field may change: functions that rows of changes.yaml name."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from migrator.model.field import FieldPath
from migrator.verification.comparison import Pair
from migrator.verification.differences import Difference
from migrator.verification.pods import CONTAINER_LISTS, get_value
from migrator.verification.selectors import selects


@dataclass(frozen=True, eq=False, slots=True)
class Context:
    """What conditions look at: the objects and, for a field of pods, the pods before and after."""

    pair: Pair
    before: Any = None
    after: Any = None


def is_without_host_port(found: Difference, context: Context) -> bool:
    """Tell whether the port of a hostIP has no hostPort any more."""
    return (get_value(context.after, found.path_after[:-1]) or {}).get("hostPort") is None


def is_repeated_port(found: Difference, context: Context) -> bool:
    """Tell whether a port with a host port goes whose entry stands there once more."""
    if "hostPort" not in found.before:
        return False
    rest = {key: value for key, value in found.before.items() if key not in ("hostPort", "hostIP")}
    return rest in (get_value(context.after, found.path_after[:-1]) or ())


def keeps_own_pods_apart(found: Difference, context: Context) -> bool:
    """Tell whether a term of anti-affinity is about the workload's own pods, and about nodes."""
    term = found.after.get("podAffinityTerm", found.after)
    labels = context.after["metadata"].get("labels") or {}
    selector = term.get("labelSelector")
    return (
        term.get("topologyKey") == "kubernetes.io/hostname"
        and bool(selector)
        and selects(selector, labels)
        and set(term) <= {"labelSelector", "matchLabelKeys", "topologyKey"}
    )


def is_respelled(found: Difference, context: Context) -> bool:
    """Tell whether a list names the same capabilities as before."""
    return _spell(context.before, found.path_before) == _spell(context.after, found.path_after)


def _spell(pod: Any, path: FieldPath) -> list[str]:
    return sorted(str(name).upper().removeprefix("CAP_") for name in get_value(pod, path[:-1]) or ())


def is_inherited_by_none(found: Difference, context: Context) -> bool:
    """Tell whether each container names its own user."""
    return all(
        (container.get("securityContext") or {}).get("runAsUser") is not None
        for container in _list_containers(context.after)
    )


def is_unmounted(found: Difference, context: Context) -> bool:
    """Tell whether no container mounts a volume."""
    return not any(
        mount.get("name") == found.before.get("name")
        for container in _list_containers(context.after)
        for key in ("volumeMounts", "volumeDevices")
        for mount in container.get(key) or ()
    )


def is_published(found: Difference, context: Context) -> bool:
    """Tell whether a Service's type changed along: the policy of one that is left as it is stays."""
    return any(other.path == ("spec", "type") for other in context.pair.differences)


def _list_containers(pod: Any) -> Iterator[Any]:
    for key in CONTAINER_LISTS:
        yield from pod["spec"].get(key) or ()
