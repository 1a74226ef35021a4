"""A claim: one thing that is proven, or not, of one object, with its place in both trees."""

from __future__ import annotations

from migrator.model.record import record
from migrator.model.reference import Location, ResourceRef


@record
class Claim:
    """What was looked at, whether it holds, and why. `before` and `after` are None where the object is not there."""

    claim: str
    holds: bool
    ref: ResourceRef | None
    before: Location | None
    after: Location | None
    because: str


@record
class Note:
    """What could not be judged from the trees alone, and who can."""

    claim: str
    ref: ResourceRef | None
    after: Location | None
    because: str


@record
class Proof:
    """All claims, in the order of their kinds, and what stays open."""

    claims: tuple[Claim, ...]
    notes: tuple[Note, ...]

    @property
    def proven(self) -> bool:
        """Tell whether all claims hold."""
        return all(claim.holds for claim in self.claims)
