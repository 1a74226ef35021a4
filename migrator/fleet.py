"""Many clusters by one policy: each is planned by itself, as if it were the only one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from migrator.errors import InputError, MigratorError, PolicyError
from migrator.model.fleet import Fleet, Member
from migrator.model.reference import is_cluster, is_stream
from migrator.run import Request, Run, say


def is_fleet(sources: Sequence[str]) -> bool:
    """Tell whether sources are more than one cluster, live or saved.

    Raises InputError where something else is among them: what would be told about which cluster?
    """
    from migrator.sources.cluster import read_server_version

    clusters = [
        source
        for source in sources
        if is_cluster(source) or (not is_stream(source) and read_server_version(source) is not None)
    ]
    if len(clusters) < 2:
        return False
    for source in sources:
        if source not in clusters:
            hint = "plan many clusters by themselves, or manifests beside one"
            raise InputError(source, "is no cluster, and stands among several", hint=hint)
    return True


def plan_fleet(request: Request, phase: str | None) -> Fleet:
    """Plan cluster by cluster.

    Raises the error of the first that cannot be planned, unless the request is to keep going; then it is said.
    """
    members: list[Member] = []
    errors: list[MigratorError] = []
    for source in request.sources:
        try:
            members.append(_plan_member(replace(request, sources=[source]), phase))
        except MigratorError as error:
            named = error if isinstance(error, InputError) else PolicyError(f"{source}: {error}")
            if not request.keep_going:
                raise named from None
            say(f"error: {named}")
            errors.append(named)
    return Fleet(tuple(members), tuple(errors))


def _plan_member(request: Request, phase: str | None) -> Member:
    run = Run(request)
    plan, inventory = run.make_plan(phase)
    if inventory.errors:
        raise inventory.errors[0]
    cluster = inventory.clusters[0]
    return Member(
        name=cluster.ref.name,
        source=run.sources[0],
        server_version=cluster.server_version,
        workloads=len(inventory.workloads),
        host_ports=sum(len(workload.host_ports) for workload in inventory.workloads),
        plan=plan,
        document=run.describe(plan),
    )
