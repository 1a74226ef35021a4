"""Probes and lifecycle handlers must not name a host: the kubelet would connect to it from the node.

Restricted fields:
    spec.{containers,initContainers,ephemeralContainers}[*].livenessProbe.httpGet.host, .tcpSocket.host
    spec.{containers,initContainers,ephemeralContainers}[*].readinessProbe.httpGet.host, .tcpSocket.host
    spec.{containers,initContainers,ephemeralContainers}[*].startupProbe.httpGet.host, .tcpSocket.host
    spec.{containers,initContainers,ephemeralContainers}[*].lifecycle.postStart.httpGet.host, .tcpSocket.host
    spec.{containers,initContainers,ephemeralContainers}[*].lifecycle.preStop.httpGet.host, .tcpSocket.host
Allowed values:
    undefined, empty
Policy versions:
    v1.34 and later
Sources:
    https://kubernetes.io/docs/concepts/security/pod-security-standards/#baseline
    https://github.com/kubernetes/pod-security-admission/blob/v0.37.2/policy/check_hostProbesAndhostLifecycle.go
"""

from __future__ import annotations

from collections.abc import Iterator

from migrator.model.field import FieldPath
from migrator.podsecurity.check import Check, Forbidden, from_version
from migrator.podsecurity.level import BASELINE
from migrator.podsecurity.pod import Container, Object, Pod
from migrator.podsecurity.wording import choose_number, join_quoted

PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
LIFECYCLE_HANDLERS = ("postStart", "preStop")
ACTIONS = ("httpGet", "tcpSocket")


def forbid_probe_and_lifecycle_hosts(pod: Pod) -> Forbidden | None:
    """Forbid every host; the detail names each container and each host once, sorted."""
    bad = [(container, path, host) for container in pod.containers for path, host in _find_hosts(container)]
    if not bad:
        return None
    names = sorted({container.name for container, _, _ in bad})
    hosts = sorted({host for _, _, host in bad})
    return Forbidden(
        "probe or lifecycle host",
        f"{choose_number('container', 'containers', len(names))} {join_quoted(names)}"
        f" {choose_number('uses', 'use', len(names))}"
        f" {choose_number('probe or lifecycle host', 'probe or lifecycle hosts', len(hosts))} {join_quoted(hosts)}",
        tuple(container.field(*path) for container, path, _ in bad),
    )


def _find_hosts(container: Container) -> Iterator[tuple[FieldPath, str]]:
    for probe in PROBES:
        yield from _find_handler_hosts(container.fields.get(probe), (probe,))
    lifecycle = container.fields.get("lifecycle")
    if lifecycle:
        for handler in LIFECYCLE_HANDLERS:
            yield from _find_handler_hosts(lifecycle.get(handler), ("lifecycle", handler))


def _find_handler_hosts(handler: Object | None, path: FieldPath) -> Iterator[tuple[FieldPath, str]]:
    if not handler:
        return
    for action in ACTIONS:
        target = handler.get(action)
        if target and target.get("host"):
            yield (*path, action, "host"), target["host"]


CHECK = Check("hostProbesAndHostLifecycle", BASELINE, (from_version(34, forbid_probe_and_lifecycle_hosts),))
