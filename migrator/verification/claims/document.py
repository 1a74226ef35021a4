"""What is no object stays: kustomizations list new files besides, patches and values are byte for byte the same."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence
from typing import Any

from migrator.sources.kustomize import FILE_NAMES
from migrator.verification.claim import Claim
from migrator.verification.comparison import Comparison
from migrator.verification.differences import compare
from migrator.verification.tree import Piece

ID = "document"


def find_claims(comparison: Comparison) -> Iterator[Claim]:
    """Claim of each document that is no object that it is unchanged. A stream has none: it is built already."""
    if comparison.after.tree.is_stream and not comparison.before.tree.is_stream:
        return
    old, new = _by_file(comparison.before.tree.pieces), _by_file(comparison.after.tree.pieces)
    files = {document.file for document in comparison.after.tree.documents}
    files |= {posixpath.dirname(name) for name in new if posixpath.basename(name) in FILE_NAMES}
    for name in sorted({*old, *new}):
        was, now = old.get(name, []), new.get(name, [])
        problem = _find_problem(name, was, now, files)
        places = was[0].location if was else None, now[0].location if now else None
        yield Claim(ID, problem is None, None, *places, problem or "as it was")


def _by_file(pieces: Sequence[Piece]) -> dict[str, list[Piece]]:
    found: dict[str, list[Piece]] = {}
    for piece in pieces:
        found.setdefault(piece.file, []).append(piece)
    return found


def _find_problem(name: str, was: Sequence[Piece], now: Sequence[Piece], files: set[str]) -> str | None:
    if was and not now and posixpath.basename(name) in FILE_NAMES and not _list_present(name, was[0].content, files):
        return None
    if len(was) != len(now):
        return f"{name}: {len(was)} document(s) that are no objects, now {len(now)}"
    for old, new in zip(was, now, strict=True):
        if posixpath.basename(name) in FILE_NAMES:
            problem = _find_kustomization_problem(name, old.content, new.content, files)
            if problem is not None:
                return problem
        elif old.content != new.content:
            return f"{name} is changed"
    return None


def _list_present(name: str, kustomization: Any, files: set[str]) -> list[str]:
    """List the resources of a kustomization that are there."""
    folder = posixpath.dirname(name)
    listed = (kustomization.get("resources") or ()) if isinstance(kustomization, dict) else ()
    return [entry for entry in listed if posixpath.normpath(posixpath.join(folder, str(entry))) in files]


def _find_kustomization_problem(name: str, old: Any, new: Any, files: set[str]) -> str | None:
    """Find what changed besides the list of resources, and what that lists though nothing is there, or no more."""
    folder = posixpath.dirname(name)
    for item in compare(old, new):
        entry = item.before if item.op == "remove" else item.after
        if item.op == "replace" or item.path[0] != "resources" or not isinstance(entry, str):
            return f"{name}: {'.'.join(map(str, item.path))} is changed"
        is_there = posixpath.normpath(posixpath.join(folder, entry)) in files
        if is_there != (item.op == "add"):
            return f"{name}: {entry} is {'listed and not there' if item.op == 'add' else 'there and listed no more'}"
    return None
