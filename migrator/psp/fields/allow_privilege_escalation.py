"""`defaultAllowPrivilegeEscalation` and `allowPrivilegeEscalation`: no_new_privs for a container's process."""

from __future__ import annotations

from collections.abc import Iterator

from migrator.model.field import FieldPath
from migrator.podsecurity.level import RESTRICTED
from migrator.psp.demand import Demand, Enforced
from migrator.psp.field_rule import Default, FieldRule
from migrator.psp.messages import write_invalid, write_value
from migrator.psp.model import PodSecurityPolicy
from migrator.psp.pod import Object, get_security_context


def concerns(policy: PodSecurityPolicy) -> bool:
    """A policy that allows it and gives no default has nothing to say."""
    return not policy.allow_privilege_escalation or policy.default_allow_privilege_escalation is not None


def default_container(
    policy: PodSecurityPolicy, pod: Object, container: Object, path: FieldPath
) -> Iterator[Default]:
    """A container that says nothing gets the policy's default, else false where the policy forbids true."""
    if get_security_context(container).get("allowPrivilegeEscalation") is not None:
        return
    place = (*path, "securityContext", "allowPrivilegeEscalation")
    if policy.default_allow_privilege_escalation is not None:
        yield place, policy.default_allow_privilege_escalation
    elif not policy.allow_privilege_escalation:
        yield place, False


def validate_container(policy: PodSecurityPolicy, pod: Object, container: Object, path: FieldPath) -> Iterator[str]:
    """Where the policy forbids it, it must be false."""
    value = get_security_context(container).get("allowPrivilegeEscalation")
    if not policy.allow_privilege_escalation and value is not False:
        place = (*path, "securityContext", "allowPrivilegeEscalation")
        text = "Allowing privilege escalation for containers is not allowed"
        yield write_invalid(place, write_value(value), text)


def demand(policy: PodSecurityPolicy, enforced: Enforced) -> Iterator[Demand]:
    """False, where the policy forbids it."""
    if not policy.allow_privilege_escalation and not enforced.covers(RESTRICTED, since=8):
        yield Demand(
            "variables.containers.all(c, !c.?securityContext.?allowPrivilegeEscalation.orValue(true))",
            "every container must set securityContext.allowPrivilegeEscalation: false",
        )


RULE = FieldRule(
    "allowPrivilegeEscalation",
    concerns,
    default_container=default_container,
    validate_container=validate_container,
    demand=demand,
)
