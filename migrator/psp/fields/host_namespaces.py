"""`hostNetwork`, `hostPID`, `hostIPC`: the node's namespaces."""

from __future__ import annotations

from collections.abc import Iterator

from migrator.podsecurity.level import BASELINE
from migrator.psp.demand import Demand, Enforced
from migrator.psp.field_rule import FieldRule
from migrator.psp.messages import write_invalid
from migrator.psp.model import PodSecurityPolicy
from migrator.psp.pod import Object, get_spec


def concerns(policy: PodSecurityPolicy) -> bool:
    """A policy that allows all three has nothing to say."""
    return not (policy.host_network and policy.host_pid and policy.host_ipc)


def validate_pod(policy: PodSecurityPolicy, pod: Object) -> Iterator[str]:
    """Each must be allowed to be used."""
    spec = get_spec(pod)
    for field, noun, allowed in (
        ("hostNetwork", "network", policy.host_network),
        ("hostPID", "PID", policy.host_pid),
        ("hostIPC", "IPC", policy.host_ipc),
    ):
        if spec.get(field) and not allowed:
            # The API server keeps these in its own pods' security context, and says so.
            yield write_invalid(f"spec.securityContext.{field}", "true", f"Host {noun} is not allowed to be used")


def demand(policy: PodSecurityPolicy, enforced: Enforced) -> Iterator[Demand]:
    """None of those that are not allowed."""
    if enforced.covers(BASELINE):
        return
    for field, allowed in (
        ("hostNetwork", policy.host_network),
        ("hostPID", policy.host_pid),
        ("hostIPC", policy.host_ipc),
    ):
        if not allowed:
            yield Demand(f"!object.spec.?{field}.orValue(false)", f"{field} must not be true")


RULE = FieldRule("hostNamespaces", concerns, validate_pod=validate_pod, demand=demand)
