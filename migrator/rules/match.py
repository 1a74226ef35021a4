"""Comparing facts: equality for a value, membership for a list, nothing else."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any


def match_facts(match: Mapping[str, Any], facts: Mapping[str, Any]) -> bool:
    """Tell whether all of `match` holds.

    A fact that is a set holds where any of its members is wanted; `labels` hold where all wanted ones are there.
    Raises KeyError for a fact that does not exist, so that a misspelt row cannot pass as one that never matches.
    """
    # Written out: a call for each fact of each row would cost more than what it asks.
    for name, wanted in match.items():
        actual = facts[name]
        if type(wanted) is dict:
            holds = all(actual.get(key) == value for key, value in wanted.items())
        else:
            choices = wanted if type(wanted) is list else (wanted,)
            holds = actual in choices or (isinstance(actual, frozenset) and not actual.isdisjoint(choices))
        if not holds:
            return False
    return True


class Matcher:
    """Finds the rows of a table that facts match, given each row's `match`.

    Thousands of ports share the facts that a table asks for: equal ones are compared once. Facts have to be hashable.
    """

    def __init__(self, matches: Sequence[Mapping[str, Any]]) -> None:
        self.matches = tuple(matches)
        self._names = tuple(dict.fromkeys(name for match in matches for name in match))
        self._found: dict[tuple[Hashable, ...], frozenset[int]] = {}

    def find_rows(self, facts: Mapping[str, Any]) -> frozenset[int]:
        """Find the rows that match, by their positions; raises KeyError for a fact that does not exist."""
        key = tuple([facts[name] for name in self._names])
        found = self._found.get(key)
        if found is None:
            found = frozenset(index for index, match in enumerate(self.matches) if match_facts(match, facts))
            self._found[key] = found
        return found
