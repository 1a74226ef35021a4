"""The order in which a Kubernetes user writes fields."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_CONTAINER = (
    "name", "image", "imagePullPolicy", "command", "args", "workingDir", "stdin", "tty", "ports", "env", "resources",
    "startupProbe", "readinessProbe", "livenessProbe", "lifecycle", "securityContext", "volumeMounts",
)  # fmt: skip
_POD = (
    "hostname", "subdomain", "hostNetwork", "hostPID", "hostIPC", "dnsPolicy", "dnsConfig", "hostAliases",
    "restartPolicy", "terminationGracePeriodSeconds", "affinity", "securityContext", "initContainers", "containers",
    "volumes",
)  # fmt: skip


def order_container(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Order a container's fields; empty ones are left out."""
    return _order(fields, _CONTAINER)


def order_pod(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Order a pod's fields; empty ones are left out."""
    return _order(fields, _POD)


def _order(fields: Mapping[str, Any], order: tuple[str, ...]) -> dict[str, Any]:
    known = {key: fields[key] for key in order if key in fields and fields[key] not in ([], {}, None)}
    rest = {key: value for key, value in fields.items() if key not in order and value not in ([], {}, None)}
    return {**known, **rest}
