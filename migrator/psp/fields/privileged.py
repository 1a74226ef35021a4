"""`privileged`: containers that may do what the node may."""

from __future__ import annotations

from collections.abc import Iterator

from migrator.model.field import FieldPath
from migrator.podsecurity.level import BASELINE
from migrator.psp.demand import Demand, Enforced
from migrator.psp.field_rule import FieldRule
from migrator.psp.messages import write_invalid
from migrator.psp.model import PodSecurityPolicy
from migrator.psp.pod import Object, get_security_context


def concerns(policy: PodSecurityPolicy) -> bool:
    """A policy that allows it has nothing to say."""
    return not policy.privileged


def validate_container(policy: PodSecurityPolicy, pod: Object, container: Object, path: FieldPath) -> Iterator[str]:
    """Such a container needs a policy that says so."""
    if get_security_context(container).get("privileged") and not policy.privileged:
        place = (*path, "securityContext", "privileged")
        yield write_invalid(place, "true", "Privileged containers are not allowed")


def demand(policy: PodSecurityPolicy, enforced: Enforced) -> Iterator[Demand]:
    """No such container."""
    if not policy.privileged and not enforced.covers(BASELINE):
        yield Demand(
            "variables.containers.all(c, !c.?securityContext.?privileged.orValue(false))",
            "securityContext.privileged must not be true",
        )


RULE = FieldRule("privileged", concerns, validate_container=validate_container, demand=demand)
