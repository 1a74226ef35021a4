"""Records behave as the dataclasses that they stand for."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from typing import Any

import pytest

from migrator.model.record import record


@record
class Port:
    number: int
    protocol: str = "TCP"


@record
class Alone:
    names: tuple[str, ...] = ()


@record
class Nothing:
    pass


@record
class OwnWords:
    name: str

    def __repr__(self) -> str:
        return f"<{self.name}>"

    def __hash__(self) -> int:
        return 7


@record
class Named(Port):
    name: str = ""


PORTS: list[Any] = [Port(80), Alone(("a",)), Nothing(), OwnWords("x"), Named(80, "UDP", "dns")]


@pytest.mark.parametrize("item", PORTS)
def test_copies_are_equal_and_of_one_hash(item: Any) -> None:
    for other in (pickle.loads(pickle.dumps(item)), copy.deepcopy(item), dataclasses.replace(item)):
        assert other is not item
        assert other == item
        assert hash(other) == hash(item)


def test_what_differs_in_a_field_or_in_its_class_is_not_equal() -> None:
    assert Port(80) != Port(81)
    assert Port(80) != Port(80, "UDP")
    assert Port(80, "UDP") != Named(80, "UDP")
    assert PORTS[1] != ("a",)
    assert len({Port(80), Port(80), Port(81)}) == 2


def test_it_shows_its_fields_unless_it_has_words_of_its_own() -> None:
    assert repr(Port(80)) == "Port(number=80, protocol='TCP')"
    assert repr(Nothing()) == "Nothing()"
    assert repr(OwnWords("x")) == "<x>"
    assert hash(OwnWords("x")) == 7


def test_nothing_but_its_fields_can_be_set() -> None:
    with pytest.raises(AttributeError):
        Port(80).ports = 1  # type: ignore[attr-defined]
