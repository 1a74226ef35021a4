"""Selectors of labels, as the API's LabelSelector and NodeSelector say them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

Requirement = tuple[str, str, frozenset[str]]
"""A key, an operator of the API, and its values."""

Selector = tuple[Requirement, ...]
"""Requirements that have to hold together: () selects everything; None, where allowed, nothing."""


def read_selector(data: Any, more: Iterable[Requirement] = ()) -> Selector | None:
    """Read a LabelSelector, with more requirements; None where there is none, which selects nothing."""
    if not isinstance(data, Mapping):
        return None
    labels = data.get("matchLabels") or {}
    equal = [(key, "In", frozenset((str(value),))) for key, value in sorted(labels.items())]
    return (*equal, *read_expressions(data.get("matchExpressions")), *more)


def read_expressions(data: Any) -> Selector:
    """Read a list of expressions: key, operator, values."""
    return tuple(
        (str(item.get("key")), str(item.get("operator")), frozenset(map(str, item.get("values") or ())))
        for item in data or ()
    )


def selects(selector: Selector | None, labels: Mapping[str, str]) -> bool:
    """Tell whether a selector selects labels; NotIn holds where the key is missing, as in the API."""
    return selector is not None and all(_holds(requirement, labels) for requirement in selector)


def _holds(requirement: Requirement, labels: Mapping[str, str]) -> bool:
    key, operator, values = requirement
    value = labels.get(key)
    if operator == "In":
        return value in values
    if operator == "NotIn":
        return value not in values
    if operator == "Exists":
        return value is not None
    if operator == "DoesNotExist":
        return value is None
    return _compares(operator, value, values)


def _compares(operator: str, value: str | None, values: frozenset[str]) -> bool:
    """Compare whole numbers: Gt and Lt, which node affinity has besides."""
    try:
        number, bound = int(value or ""), int(next(iter(values), ""))
    except ValueError:
        return False
    return (operator == "Gt" and number > bound) or (operator == "Lt" and number < bound)
