"""Dataclasses that are frozen to the type checker, made quickly, and quick to travel between processes."""

from __future__ import annotations

from dataclasses import dataclass, fields
from operator import attrgetter
from typing import Any, TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True)
def record(cls: type[T]) -> type[T]:
    """Make a dataclass with slots, frozen to the type checker, that pickles as a call of its class.

    What dataclasses generate to freeze at run time, and for pickling, sets field by field through a call: a fleet has
    a hundred thousand of these, and that costs more than reading the manifest did.
    """
    made: type[T] = dataclass(slots=True, unsafe_hash=True)(cls)
    names = tuple(field.name for field in fields(made))  # type: ignore[arg-type]
    get = attrgetter(*names)

    def reduce(self: T) -> tuple[Any, ...]:
        values = get(self)
        return made, values if len(names) > 1 else (values,)

    made.__reduce__ = reduce  # type: ignore[assignment, method-assign]
    return made
