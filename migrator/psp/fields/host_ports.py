"""`hostPorts`: the ranges of the node's ports that containers may take."""

from __future__ import annotations

from collections.abc import Iterator

from migrator.model.field import FieldPath
from migrator.podsecurity.level import BASELINE
from migrator.psp.demand import Demand, Enforced, describe_ranges, write_in_ranges
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


def demand(policy: PodSecurityPolicy, enforced: Enforced) -> Iterator[Demand]:
    """Host ports in the ranges."""
    ranges = [item for item in policy.host_ports if 0 < item.max >= item.min]
    if enforced.covers(BASELINE) or any(item.min <= 1 and item.max >= 65535 for item in ranges):
        return
    inside = f" || {write_in_ranges('p.hostPort', ranges)}" if ranges else ""
    yield Demand(
        f"variables.containers.all(c, c.?ports.orValue([]).all(p, p.?hostPort.orValue(0) == 0{inside}))",
        f"hostPort must be {describe_ranges(ranges)}" if ranges else "hostPort must not be set",
    )


RULE = FieldRule("hostPorts", concerns, validate_container=validate_container, demand=demand)
