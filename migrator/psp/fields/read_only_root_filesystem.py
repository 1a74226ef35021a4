"""`readOnlyRootFilesystem`: containers that may not write into their image."""

from __future__ import annotations

from collections.abc import Iterator

from migrator.model.field import FieldPath
from migrator.psp.demand import Demand, Enforced
from migrator.psp.field_rule import Default, FieldRule
from migrator.psp.messages import write_invalid
from migrator.psp.model import PodSecurityPolicy
from migrator.psp.pod import Object, get_security_context


def concerns(policy: PodSecurityPolicy) -> bool:
    """A policy that does not want it has nothing to say."""
    return policy.read_only_root_filesystem


def default_container(
    policy: PodSecurityPolicy, pod: Object, container: Object, path: FieldPath
) -> Iterator[Default]:
    """Where the policy wants it, a container that says nothing gets it."""
    if policy.read_only_root_filesystem and get_security_context(container).get("readOnlyRootFilesystem") is None:
        yield (*path, "securityContext", "readOnlyRootFilesystem"), True


def validate_container(policy: PodSecurityPolicy, pod: Object, container: Object, path: FieldPath) -> Iterator[str]:
    """Where the policy wants it, it must be true."""
    if not policy.read_only_root_filesystem:
        return
    value = get_security_context(container).get("readOnlyRootFilesystem")
    place = (*path, "securityContext", "readOnlyRootFilesystem")
    if value is None:
        yield write_invalid(place, "null", "ReadOnlyRootFilesystem may not be nil and must be set to true")
    elif not value:
        yield write_invalid(place, "false", "ReadOnlyRootFilesystem must be set to true")


def demand(policy: PodSecurityPolicy, enforced: Enforced) -> Iterator[Demand]:
    """True, where the policy wants it."""
    if policy.read_only_root_filesystem:
        yield Demand(
            "variables.containers.all(c, c.?securityContext.?readOnlyRootFilesystem.orValue(false))",
            "every container must set securityContext.readOnlyRootFilesystem: true",
        )


RULE = FieldRule(
    "readOnlyRootFilesystem",
    concerns,
    default_container=default_container,
    validate_container=validate_container,
    demand=demand,
)
