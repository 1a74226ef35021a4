"""The pod inside of a workload's object."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from migrator.model.field import FieldPath
from migrator.model.workload import Workload

CONTAINER_LISTS: Final = ("initContainers", "containers", "ephemeralContainers")


def get_pod(data: Mapping[str, Any], workload: Workload) -> dict[str, Any]:
    """Give the metadata and spec of the pods that an object makes."""
    pod: Any = data
    for step in workload.kind.template:
        pod = pod.get(step) or {}
    return {"metadata": dict(pod.get("metadata") or {}), "spec": dict(pod.get("spec") or {})}


def get_value(data: Any, path: FieldPath) -> Any:
    """Give the value at a path; None where there is none."""
    for step in path:
        if isinstance(data, dict):
            data = data.get(step)
        elif isinstance(data, list) and isinstance(step, int) and step < len(data):
            data = data[step]
        else:
            return None
    return data
