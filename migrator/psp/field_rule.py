"""The shape of a policy field's rule: what it writes into a pod, and what it refuses."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from migrator.model.field import FieldPath
from migrator.model.record import record
from migrator.psp.demand import Demand, Enforced
from migrator.psp.model import PodSecurityPolicy
from migrator.psp.pod import Object

Default = tuple[FieldPath, Any]
PodDefault = Callable[[PodSecurityPolicy, Object], Iterator[Default]]
ContainerDefault = Callable[[PodSecurityPolicy, Object, Object, FieldPath], Iterator[Default]]
PodCheck = Callable[[PodSecurityPolicy, Object], Iterator[str]]
ContainerCheck = Callable[[PodSecurityPolicy, Object, Object, FieldPath], Iterator[str]]
FieldDemand = Callable[[PodSecurityPolicy, Enforced], Iterator[Demand]]


@record
class FieldRule:
    """A field of PodSecurityPolicy.

    `concerns` tells whether the rule can do anything at all under a policy.
    `default_…` yield the fields to set, with full paths from the pod; `validate_…` yield upstream's messages on
    the pod with all defaults in it. The container's functions get the container and its path as well.
    `demand` yields what is left to be asked of pods when the policy is gone.
    """

    name: str
    concerns: Callable[[PodSecurityPolicy], bool]
    demand: FieldDemand
    default_pod: PodDefault | None = None
    default_container: ContainerDefault | None = None
    validate_pod: PodCheck | None = None
    validate_container: ContainerCheck | None = None
