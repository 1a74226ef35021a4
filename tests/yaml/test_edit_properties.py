"""Edits on generated YAML styles: what is asked for happens, and nothing else does."""

from __future__ import annotations

import copy
import os
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st
from yaml_styles import Path, Styled, list_paths, read_as_text, styled_documents, value_at

from migrator.errors import TextError
from migrator.model.edit import APPEND, FieldEdit
from migrator.yaml.data import construct
from migrator.yaml.edit import RefusedEditError, apply_text_edits, apply_to_data, plan_text_edits, same_data
from migrator.yaml.nodes import compose
from migrator.yaml.scan import decode

MANY = settings(
    max_examples=2000 if os.environ.get("FULL") else 25,
    deadline=None,
    derandomize=not os.environ.get("FULL"),
    phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck),
    database=None,
)


def edit_text(text: str, edits: list[FieldEdit]) -> str:
    root = compose(text)
    assert root is not None
    return apply_text_edits(text, plan_text_edits(text, root, edits))


def try_edit(text: str, edits: list[FieldEdit]) -> tuple[str | None, str]:
    """Edit a text; where that is refused, give the reason instead."""
    try:
        return edit_text(text, edits), ""
    except RefusedEditError as error:
        return None, error.reason


def is_verified(before: str, after: str, edit: FieldEdit) -> bool:
    """Tell whether the check that is made before anything is written lets a text through."""
    try:
        return same_data(load(after), apply_to_data(load(before), [edit]))
    except TextError:
        return False


def load(text: str) -> Any:
    root = compose(text)
    return None if root is None else construct(root)


def edit_data(data: Any, edits: list[FieldEdit]) -> Any:
    """Edit plain data, by the plainest means: removals last, from the end."""
    result = copy.deepcopy(data)
    for edit in sorted(edits, key=lambda edit: edit.op == "remove"):
        if edit.op != "remove":
            parent = value_at(result, edit.path[:-1])
            if edit.path[-1] == APPEND:
                parent.append(edit.value)
            else:
                parent[edit.path[-1]] = edit.value
    for edit in sorted(
        (edit for edit in edits if edit.op == "remove"), key=lambda edit: order(edit.path), reverse=True
    ):
        del value_at(result, edit.path[:-1])[edit.path[-1]]
    return result


def order(path: Path) -> list[tuple[bool, int, str]]:
    return [(isinstance(step, int), step if isinstance(step, int) else 0, str(step)) for step in path]


def empties_a_list(data: Any, path: Path) -> bool:
    parent = value_at(data, path[:-1])
    return isinstance(parent, list) and len(parent) == 1


def draw_path(data: st.DataObject, document: Styled) -> Path:
    return data.draw(st.sampled_from(list_paths(document.data)))


@given(styled_documents())
@MANY
def test_styles_mean_what_the_oracle_reads(document: Styled) -> None:
    assert read_as_text(document.text()) == document.data


@given(styled_documents(), st.data())
@MANY
def test_removing_an_entry_cuts_its_lines_and_no_others(document: Styled, data: st.DataObject) -> None:
    path = draw_path(data, document)
    assume(not empties_a_list(document.data, path))
    after, reason = try_edit(document.text(), [FieldEdit("remove", path)])
    if after is None:
        assert "unusually" in reason
        assert "- -" in document.features
        return
    assert read_as_text(after) == edit_data(document.data, [FieldEdit("remove", path)])
    alone = "- -" not in document.features and any(line.owner == path for line in document.lines)
    if alone and len(value_at(document.data, path[:-1])) > 1:
        assert after == document.without(path)


@given(styled_documents(), st.data())
@MANY
def test_removing_several_entries(document: Styled, data: st.DataObject) -> None:
    paths = data.draw(st.lists(st.sampled_from(list_paths(document.data)), min_size=1, max_size=4, unique=True))
    paths = [path for path in paths if not any(path[: len(other)] == other for other in paths if other != path)]
    edits = [FieldEdit("remove", path) for path in paths]
    expected = edit_data(document.data, edits)
    assume(all(value_at(expected, path[:-1]) != [] or not path for path in without_indices(paths)))
    after, reason = try_edit(document.text(), edits)
    if after is None:
        assert "left empty" in reason or "- -" in document.features
    else:
        assert read_as_text(after) == expected


def without_indices(paths: list[Path]) -> list[Path]:
    return [path for path in paths if not any(isinstance(step, int) for step in path)]


@given(styled_documents(), st.data(), st.sampled_from([30080, "Local", "a: b", "", "{{ x }}", "😀", True]))
@MANY
def test_replacing_a_scalar_touches_its_line_alone(document: Styled, data: st.DataObject, value: Any) -> None:
    path = draw_path(data, document)
    assume(not isinstance(value_at(document.data, path), dict | list))
    before = document.text()
    after, reason = try_edit(before, [FieldEdit("replace", path, value)])
    if after is None:
        assert reason in ("a block scalar", "a value with a tag or an anchor")
        return
    written = {True: "true"}.get(value, value) if isinstance(value, bool) else value
    assert read_as_text(after) == edit_data(document.data, [FieldEdit("replace", path, str(written))])
    changed = differing_lines(before, after)
    owned = [line for line in document.lines if path[: len(line.owner)] == line.owner]
    assert len(changed) <= max(len(owned), 1)


def differing_lines(before: str, after: str) -> list[str]:
    old, new = before.split("\n"), after.split("\n")
    while old and new and old[0] == new[0]:
        old, new = old[1:], new[1:]
    while old and new and old[-1] == new[-1]:
        old, new = old[:-1], new[:-1]
    return old


NEW_VALUES = st.sampled_from(
    [30080, "Local", {"maxSurge": 0}, {"a": {"b": ["c", {"d": "e: f"}]}}, ["x", "80"], "😀", "yes", {}, []]
)


def as_text(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: as_text(item) for key, item in value.items()}
    return [as_text(item) for item in value] if isinstance(value, list) else str(value)


@given(styled_documents(), st.data(), NEW_VALUES, st.sampled_from([None, "why it is here"]))
@MANY
def test_adding_a_key_keeps_all_lines_in_order(
    document: Styled, data: st.DataObject, value: Any, comment: str | None
) -> None:
    parents = [(), *(path for path in list_paths(document.data) if isinstance(value_at(document.data, path), dict))]
    parent = data.draw(st.sampled_from(parents))
    siblings = list(value_at(document.data, parent))
    before = tuple(data.draw(st.lists(st.sampled_from([*siblings, "absent"]), max_size=2)))
    text = document.text()
    after = edit_text(text, [FieldEdit("add", (*parent, "newKey"), value, before=before, comment=comment)])
    assert read_as_text(after) == edit_data(document.data, [FieldEdit("add", (*parent, "newKey"), as_text(value))])
    if siblings and any(line.owner[:-1] == parent for line in document.lines):
        assert_only_inserted(text, after)
        assert comment is None or f"# {comment}" in after


@given(styled_documents(), st.data(), NEW_VALUES)
@MANY
def test_appending_an_item_keeps_all_lines_in_order(document: Styled, data: st.DataObject, value: Any) -> None:
    parents = [path for path in list_paths(document.data) if isinstance(value_at(document.data, path), list)]
    assume(parents)
    parent = data.draw(st.sampled_from(parents))
    text = document.text()
    after = edit_text(text, [FieldEdit("add", (*parent, APPEND), value)])
    assert read_as_text(after) == edit_data(document.data, [FieldEdit("add", (*parent, APPEND), as_text(value))])
    if any(line.owner[:-1] == parent for line in document.lines):
        assert_only_inserted(text, after)


@given(styled_documents(), st.data())
@MANY
def test_adding_below_missing_or_empty_parents(document: Styled, data: st.DataObject) -> None:
    empty = [path for path in list_paths(document.data) if value_at(document.data, path) in ({}, "null", "")]
    parent = data.draw(st.sampled_from([(), *empty]))
    quoted = parent and value_at(document.data, parent) == ""
    edit = FieldEdit("add", (*parent, "podAntiAffinity", "new", APPEND), {"weight": "100"})
    after, _ = try_edit(document.text(), [edit])
    if after is None:
        assert quoted or "&" in document.features
        return
    expected = copy.deepcopy(document.data)
    target = expected
    for step in parent[:-1]:
        target = target[step]
    added = {"podAntiAffinity": {"new": [{"weight": "100"}]}}
    if not parent:
        expected.update(added)
    else:
        target[parent[-1]] = added
    assert read_as_text(after) == expected


def assert_only_inserted(before: str, after: str) -> None:
    """Check that one run of lines was inserted, and every other line stayed."""
    old, new = before.splitlines(), after.splitlines()
    start = 0
    while start < len(old) and old[start] == new[start]:
        start += 1
    count = len(new) - len(old)
    assert count > 0
    assert new[start + count :] == old[start:]
    assert before.count("\r\n") == before.count("\n") or "\r\n" not in after
    assert ("\r\n" in before) == ("\r\n" in after)


@given(styled_documents(refusable=True), st.data())
@MANY
def test_odd_layouts_are_edited_rightly_or_refused(document: Styled, data: st.DataObject) -> None:
    path = draw_path(data, document)
    text = document.text()
    edits = [
        FieldEdit("remove", path),
        FieldEdit("add", (*path[:-1], "newKey" if isinstance(path[-1], str) else APPEND), "1"),
    ]
    for edit in edits:
        after, reason = try_edit(text, [edit])
        assert (after is None) == bool(reason)
        if after is not None and is_verified(text, after, edit):
            assert read_as_text(after) == edit_data(read_as_text(text), [edit])


@given(styled_documents())
@MANY
def test_no_edit_keeps_the_text(document: Styled) -> None:
    assert edit_text(document.text(), []) == document.text()
    assert decode(document.text().encode()) == document.text()


@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_oracle_reads_a_byte_order_mark(mark: str) -> None:
    assert read_as_text(f"{mark}a: 1\n") == {"a": "1"}
