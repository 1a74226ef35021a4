from __future__ import annotations

import pytest

from migrator.sources.rancher.interpolate import InterpolationError, interpolate_text, interpolate_value


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("nothing to do", "nothing to do"),
        ("$NAME", "web"),
        ("${NAME}", "web"),
        ("x${NAME}y$NAME-z", "xwebyweb-z"),
        ("$$NAME", "$NAME"),
        ("$$${NAME}", "$web"),
        ("$NAME_2", "two"),
        ("${MISSING}", ""),
        ("$MISSING.", "."),
        ("${2}", ""),
        ("{NAME}", "{NAME}"),
    ],
)
def test_variables_are_replaced_as_the_executor_did(text: str, expected: str) -> None:
    assert interpolate_text(text, {"NAME": "web", "NAME_2": "two"}, []) == expected


@pytest.mark.parametrize("text", ["${NAME:-default}", "$", "a $ b", "${}", "${NA-ME}", "${NAME", "$1", "$(NAME)"])
def test_other_dollars_are_refused(text: str) -> None:
    with pytest.raises(InterpolationError):
        interpolate_text(text, {"NAME": "web"}, [])


def test_unset_variables_are_named() -> None:
    unset: list[str] = []
    interpolate_value({"a": ["$ONE", {"b": "${TWO}"}], "c": 3}, {"ONE": "1"}, unset)
    assert unset == ["TWO"]


def test_keys_stay_and_values_of_other_types_stay() -> None:
    assert interpolate_value({"$KEY": True, "n": 1.5, "z": None}, {"KEY": "x"}, []) == {
        "$KEY": True,
        "n": 1.5,
        "z": None,
    }
