"""Edits of fields as JSON Patch operations."""

from __future__ import annotations

from typing import Any

import jsonpatch
import pytest
from hypothesis import given
from hypothesis import strategies as st

from migrator.model.edit import APPEND, FieldEdit
from migrator.rendering.json_patch import make_operations
from migrator.yaml.edit import apply_to_data

PORTS = {"ports": [{"hostPort": 80, "name": "a"}, {"hostPort": 443}, {"hostPort": 53}]}


def operate(data: Any, edits: list[FieldEdit]) -> list[dict[str, Any]]:
    return [operation for _, operations in make_operations(data, edits) for operation in operations]


@pytest.mark.parametrize(
    ("data", "edit", "operations"),
    [
        pytest.param(
            PORTS,
            FieldEdit("remove", ("ports", 0, "hostPort")),
            [
                {"op": "test", "path": "/ports/0/hostPort", "value": 80},
                {"op": "remove", "path": "/ports/0/hostPort"},
            ],
            id="what goes is tested first",
        ),
        pytest.param(
            {"hostPort": 0},
            FieldEdit("replace", ("hostPort",), 1),
            [
                {"op": "test", "path": "/hostPort", "value": 0},
                {"op": "replace", "path": "/hostPort", "value": 1},
            ],
            id="nought is a value",
        ),
        pytest.param(
            {"spec": {}},
            FieldEdit("add", ("spec", "affinity", "podAntiAffinity", APPEND), {"weight": 1}),
            [{"op": "add", "path": "/spec/affinity", "value": {"podAntiAffinity": [{"weight": 1}]}}],
            id="missing parents come along",
        ),
        pytest.param(
            {"resources": None},
            FieldEdit("add", ("resources", APPEND), "a.yaml"),
            [{"op": "add", "path": "/resources", "value": ["a.yaml"]}],
            id="null is nothing",
        ),
        pytest.param(
            {"resources": []},
            FieldEdit("add", ("resources", APPEND), "a.yaml"),
            [{"op": "add", "path": "/resources/-", "value": "a.yaml"}],
            id="an empty list is added to",
        ),
        pytest.param(
            {"labels": {"a/b~c": "x"}},
            FieldEdit("add", ("labels", "a/b~d"), "y"),
            [{"op": "add", "path": "/labels/a~1b~0d", "value": "y"}],
            id="slashes and tildes in names",
        ),
    ],
)
def test_operations(data: Any, edit: FieldEdit, operations: list[dict[str, Any]]) -> None:
    assert operate(data, [edit]) == operations
    assert jsonpatch.apply_patch(data, operations) == apply_to_data(data, [edit])


@given(st.sets(st.integers(0, 5)), st.sets(st.integers(0, 5)), st.booleans())
def test_items_go_from_the_back(gone: set[int], edited: set[int], added: bool) -> None:
    data = {"ports": [{"containerPort": number, "hostPort": number} for number in range(6)]}
    edits = [FieldEdit("remove", ("ports", index)) for index in gone]
    edits += [FieldEdit("remove", ("ports", index, "hostPort")) for index in edited - gone]
    edits += [FieldEdit("add", ("ports", APPEND), {"containerPort": 9})] if added else []
    patched = jsonpatch.apply_patch(data, operate(data, edits))
    assert patched == apply_to_data(data, edits)
    assert len(patched["ports"]) == 6 - len(gone) + added
