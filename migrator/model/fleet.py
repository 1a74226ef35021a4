"""The plans of many clusters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from migrator.errors import MigratorError
from migrator.model.plan import Plan
from migrator.model.record import record


@record
class Member:
    """A cluster of a fleet: its name, where it was read from, how much it holds, and its plan, also as plain data."""

    name: str
    source: str
    server_version: str
    workloads: int
    host_ports: int
    plan: Plan
    document: Mapping[str, Any]


@record
class Fleet:
    """Clusters in the order that they were given in; `errors` are those of clusters that could not be planned."""

    members: tuple[Member, ...]
    errors: tuple[MigratorError, ...] = ()
