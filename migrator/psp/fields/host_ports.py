"""`hostPorts`: the ranges of the node's ports that containers may take."""

from __future__ import annotations

from collections.abc import Iterator

from migrator.model.field import FieldPath
from migrator.psp.field_rule import FieldRule
from migrator.psp.messages import write_invalid, write_value
from migrator.psp.model import IDRange, PodSecurityPolicy
from migrator.psp.pod import Object


def concerns(policy: PodSecurityPolicy) -> bool:
    """Every policy has a say."""
    return True


def validate_container(policy: PodSecurityPolicy, pod: Object, container: Object, path: FieldPath) -> Iterator[str]:
    """Every host port must lie in a range."""
    for port in container.get("ports") or ():
        number = port.get("hostPort") or 0
        if number > 0 and not any(number in item for item in policy.host_ports):
            ranges = ",".join(_write_range(item) for item in policy.host_ports)
            text = f"Host port {number} is not allowed to be used. Allowed ports: [{ranges}]"
            yield write_invalid((*path, "hostPort"), write_value(number), text)


def _write_range(item: IDRange) -> str:
    return str(item.min) if item.min == item.max else f"{item.min}-{item.max}"


RULE = FieldRule("hostPorts", concerns, validate_container=validate_container)
