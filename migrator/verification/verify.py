"""Verifying: every claim of the registry asked about two trees."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from migrator.model.inventory import Inventory
from migrator.model.policy import Policy
from migrator.psp.authorize import Identity
from migrator.sources.tables import load_table
from migrator.verification.claim import Claim, Note, Proof
from migrator.verification.comparison import Comparison
from migrator.verification.tree import Tree, read_tree

Finder = Callable[[Comparison], Iterator[Claim | Note]]


def list_claims() -> Sequence[Any]:
    """List the kinds of claims: id, title, and whether they compare with a cluster."""
    rows: Sequence[Any] = load_table("verification/claims.yaml")
    return rows


def load_finder(identifier: str) -> Finder:
    """Load what finds the claims of a kind.

    Raises ModuleNotFoundError where there is none.
    """
    module = importlib.import_module(f"migrator.verification.claims.{identifier.replace('-', '_')}")
    finder: Finder = module.find_claims
    return finder


def verify(before: Inventory, after: Inventory, policy: Policy, requester: Identity | None = None) -> Proof:
    """Prove that a migration of one tree to another lost and opened nothing.

    `requester` is who applies bare pods, None for an administrator.
    Where `after` is what a cluster holds, prove that the cluster holds what the tree says.
    Raises InputError where a file that was read is there no more.
    """
    trees = read_tree(before), read_tree(after)
    live = is_live(trees[1]) and not is_live(trees[0])
    comparison = Comparison(*trees, policy, requester)
    found = [
        item for row in list_claims() if row.get("live", False) == live for item in load_finder(row["id"])(comparison)
    ]
    claims = tuple(item for item in found if isinstance(item, Claim))
    return Proof(claims, tuple(item for item in found if isinstance(item, Note)))


def is_live(tree: Tree) -> bool:
    """Tell whether a tree is what a cluster holds: an inventory, or a dump of objects as a server gives them."""
    if tree.inventory.clusters:
        return all(file.live for file in tree.inventory.files)
    return bool(tree.documents) and all(
        (document.data.get("metadata") or {}).get("uid") for document in tree.documents
    )
