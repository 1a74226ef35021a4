"""`procMount`: how a container sees /proc.

`allowedProcMountTypes` means nothing here: its feature gate, ProcMountType, is off unless a cluster's
administrator turns it on, and the API server then drops the field from policies as it does from pods.
"""

from __future__ import annotations

from collections.abc import Iterator

from migrator.model.field import FieldPath
from migrator.podsecurity.level import BASELINE, RESTRICTED
from migrator.psp.demand import Demand, Enforced
from migrator.psp.field_rule import FieldRule
from migrator.psp.messages import write_invalid, write_value
from migrator.psp.model import PodSecurityPolicy
from migrator.psp.pod import Object, get_security_context


def concerns(policy: PodSecurityPolicy) -> bool:
    """Every policy has a say."""
    return True


def validate_container(policy: PodSecurityPolicy, pod: Object, container: Object, path: FieldPath) -> Iterator[str]:
    """Only `Default` is allowed, which is what containers have that say nothing."""
    proc_mount = get_security_context(container).get("procMount") or "Default"
    if proc_mount != "Default":
        place = (*path, "securityContext", "procMount")
        yield write_invalid(place, write_value(proc_mount), "ProcMountType is not allowed")


def demand(policy: PodSecurityPolicy, enforced: Enforced) -> Iterator[Demand]:
    """Only `Default`; from v1.35 on baseline lets pods with user namespaces have more."""
    if not enforced.covers(BASELINE, before=35) and not enforced.covers(RESTRICTED):
        yield Demand(
            "variables.containers.all(c, c.?securityContext.?procMount.orValue('Default') == 'Default')",
            "securityContext.procMount must be Default",
        )


RULE = FieldRule("allowedProcMountTypes", concerns, validate_container=validate_container, demand=demand)
