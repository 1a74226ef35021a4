"""Every workload and Service of the tree is in the cluster."""

from __future__ import annotations

from collections.abc import Iterator

from migrator.verification.claim import Claim, Note
from migrator.verification.comparison import Comparison
from migrator.verification.live import find_live, list_reachable

ID = "live-object"


def find_claims(comparison: Comparison) -> Iterator[Claim | Note]:
    """Claim of each workload and Service that it is there; of kinds that were not read, note that."""
    known = {item.ref.kind for item in list_reachable(comparison.after.inventory)}
    for item in list_reachable(comparison.before.inventory):
        found = find_live(comparison, item)
        if found is None and item.ref.kind not in known:
            yield Note(ID, item.ref, None, f"no {item.ref.kind} was read from the cluster")
            continue
        because = "there" if found else "not in the cluster: it was not applied, or was deleted"
        yield Claim(ID, found is not None, item.ref, item.location, found and found.location, because)
