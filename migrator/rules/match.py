"""Comparing facts: equality for a value, membership for a list, nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def match_facts(match: Mapping[str, Any], facts: Mapping[str, Any]) -> bool:
    """Tell whether all of `match` holds.

    A fact that is a set holds where any of its members is wanted; `labels` hold where all wanted ones are there.
    Raises KeyError for a fact that does not exist, so that a misspelt row cannot pass as one that never matches.
    """
    # A generator inside of `all` would cost more than what it asks.
    for name, wanted in match.items():  # noqa: SIM110
        if not _holds(wanted, facts[name]):
            return False
    return True


def _holds(wanted: Any, actual: Any) -> bool:
    if type(wanted) is dict:
        return all(actual.get(key) == value for key, value in wanted.items())
    choices = wanted if type(wanted) is list else (wanted,)
    if isinstance(actual, frozenset):
        return not actual.isdisjoint(choices)
    return actual in choices
