"""Dataclasses that are frozen to the type checker, made quickly, and quick to travel between processes."""

from __future__ import annotations

from dataclasses import dataclass, fields
from operator import attrgetter
from typing import Any, TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(frozen_default=True)
def record(cls: type[T]) -> type[T]:
    """Make a dataclass with slots, frozen to the type checker, that is compared, hashed and pickled by its fields.

    What dataclasses generate to freeze at run time, and for pickling, sets field by field through a call: a fleet has
    a hundred thousand of these, and that costs more than reading the manifest did. Its other methods are compiled
    anew for each class, at every start of the program; those here are closures, and do the same.
    """
    made: type[Any] = dataclass(slots=True, eq=False, repr=False)(cls)
    names = tuple(field.name for field in fields(made))
    values = _make_getter(names)

    def is_equal(self: Any, other: object) -> Any:
        return values(self) == values(other) if other.__class__ is made else NotImplemented

    def take_hash(self: Any) -> int:
        return hash(values(self))

    def show(self: Any) -> str:
        shown = ", ".join(f"{name}={value!r}" for name, value in zip(names, values(self), strict=True))
        return f"{made.__qualname__}({shown})"

    def reduce(self: Any) -> tuple[type[Any], tuple[Any, ...]]:
        return made, values(self)

    methods = {"__eq__": is_equal, "__hash__": take_hash, "__repr__": show, "__reduce__": reduce}
    for name, method in methods.items():
        if name not in cls.__dict__:
            setattr(made, name, method)
    return made


def _make_getter(names: tuple[str, ...]) -> Any:
    """Make what gives the values of these fields as a tuple."""
    if len(names) > 1:
        return attrgetter(*names)
    return lambda item: tuple(getattr(item, name) for name in names)
