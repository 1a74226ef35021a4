"""The cluster's workloads hold no host port that the tree's do not: client-side apply leaves some behind."""

from __future__ import annotations

from collections.abc import Iterator

from migrator.model.reference import Location
from migrator.verification.claim import Claim
from migrator.verification.comparison import Comparison
from migrator.verification.live import find_live

ID = "live-host-port"


def find_claims(comparison: Comparison) -> Iterator[Claim]:
    """Claim of each workload that its live template has no host port besides its own."""
    for workload in comparison.before.inventory.workloads:
        live = find_live(comparison, workload)
        if live is None:
            continue
        own = {(port.host_port, port.protocol) for port in workload.used_ports()}
        left = [port for port in live.used_ports() if (port.host_port, port.protocol) not in own]
        if not left:
            yield Claim(ID, True, workload.ref, workload.location, live.location, "no host port besides its own")
        for port in left:
            place = Location(live.location.path, live.location.document, live.location.item, port.line)
            because = (
                f"host port {port.host_port}/{port.protocol} of container {port.container} is still there: "
                "client-side apply merges ports and leaves such behind; kubectl replace takes it out"
            )
            yield Claim(ID, False, workload.ref, workload.location, place, because)
