"""A proof for people and programs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from migrator.model.reference import Location, ResourceRef
from migrator.planning.document import FORMAT_VERSION, describe_ref
from migrator.review.painter import Painter
from migrator.verification.claim import Claim, Note, Proof
from migrator.verification.verify import list_claims


def describe_proof(proof: Proof) -> dict[str, Any]:
    """Give a proof as `-o json` prints it."""
    return {
        "formatVersion": FORMAT_VERSION,
        "proven": proof.proven,
        "claims": [_describe_claim(claim) for claim in proof.claims],
        "notes": [
            {
                "claim": note.claim,
                "resourceRef": _describe_ref(note.ref),
                "after": _describe_place(note.after),
                "because": note.because,
            }
            for note in proof.notes
        ],
    }


def _describe_claim(claim: Claim) -> dict[str, Any]:
    return {
        "claim": claim.claim,
        "holds": claim.holds,
        "resourceRef": _describe_ref(claim.ref),
        "before": _describe_place(claim.before),
        "after": _describe_place(claim.after),
        "because": claim.because,
    }


def _describe_ref(ref: ResourceRef | None) -> Mapping[str, Any] | None:
    return describe_ref(ref) if ref is not None else None


def _describe_place(place: Location | None) -> Mapping[str, Any] | None:
    return {"path": place.path, "line": place.line} if place is not None else None


def write_proof(proof: Proof, painter: Painter, verbose: bool = False) -> str:
    """Write what was proven, counted by kind, and each failure with both places; verbose lists every claim."""
    failed = [claim for claim in proof.claims if not claim.holds]
    lines = [_write_verdict(proof, failed, painter)]
    for row in list_claims():
        own = [claim for claim in proof.claims if claim.claim == row["id"]]
        if own:
            holding = sum(claim.holds for claim in own)
            count = f"{len(own)}" if holding == len(own) else f"{holding} of {len(own)}"
            lines.append(f"  {count:>12}  {row['title']} ({row['id']})")
            if verbose:
                lines += [line for claim in own if claim.holds for line in _write_claim(claim, painter)]
    for claim in failed:
        lines += ["", *_write_failure(claim, painter)]
    for note in proof.notes:
        lines += ["", *_write_note(note, painter)]
    return "\n".join(lines) + "\n"


def _write_verdict(proof: Proof, failed: Sequence[Claim], painter: Painter) -> str:
    if proof.proven:
        return painter.paint(f"proven: {len(proof.claims)} claims hold", "green")
    return painter.paint(f"not proven: {len(failed)} of {len(proof.claims)} claims fail", "red")


def _write_claim(claim: Claim, painter: Painter) -> Iterator[str]:
    yield from painter.wrap(f"{claim.ref or claim.after or claim.before}: {claim.because}", " " * 18, " " * 16)


def _write_failure(claim: Claim, painter: Painter) -> Iterator[str]:
    yield painter.paint(f"{claim.claim}  {claim.ref or ''}".rstrip(), "bold")
    yield f"  before  {claim.before or '–'}"
    yield f"  after   {claim.after or '–'}"
    yield from painter.wrap(claim.because, "  ")


def _write_note(note: Note, painter: Painter) -> Iterator[str]:
    yield painter.paint(f"not judged: {note.claim}  {note.ref or ''}".rstrip(), "yellow")
    yield from painter.wrap(f"{note.because}" + (f" ({note.after})" if note.after else ""), "  ")
