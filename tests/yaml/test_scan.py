"""Cutting JSON Lists of any layout, and checking text piece by piece."""

from __future__ import annotations

import json

import pytest

from migrator.errors import TextError
from migrator.yaml import scan
from migrator.yaml.scan import check_text, cut_dense_json_list, decode

ITEMS = [{"a": 'é"}],{[\\'}, {"items": [{"b": []}]}, {}]


@pytest.mark.parametrize("indent", [None, 0, 3, "\t"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("around", [{"apiVersion": "v1", "metadata": {"items": [{}]}}, {}])
def test_items_are_cut_from_any_layout(indent: int | str | None, mark: bytes, around: dict[str, object]) -> None:
    content = mark + json.dumps({**around, "items": ITEMS, "kind": "List"}, indent=indent).encode()
    cut = cut_dense_json_list(content)
    assert cut is not None
    assert [json.loads(content[span.start : span.end]) for span in cut.items] == ITEMS
    frame = (content[: cut.header.end] + content[cut.footer.start :]).removeprefix(mark)
    assert json.loads(frame) == {**around, "items": [], "kind": "List"}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[{}]",
        "{}",
        '{"items": []}',
        '{"items": {}}',
        '{"items": [{}',
        '{"items": [{} {}]}',
        '{"items": [{}}',
        '{"items" [{}]}',
        '{"kind": "List"; "items": [{}]}',
        '{"items": ' + "[" * 100_000,
    ],
)
def test_what_is_no_list_is_not_cut(text: str) -> None:
    assert cut_dense_json_list(text.encode()) is None


@pytest.mark.parametrize("content", [b"", b"plain", "é€😀".encode() * 9])
def test_text_is_taken_in_pieces(content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan, "_PIECE", 4)
    check_text(content)


@pytest.mark.parametrize("content", [b"text caf\xc3", b"a\xffb", b"\xff\xfea\0", b"a\0b"])
def test_what_is_no_text_is_refused_as_in_one_piece(content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scan, "_PIECE", 4)
    with pytest.raises(TextError) as whole:
        decode(content)
    with pytest.raises(TextError) as pieces:
        check_text(content)
    assert (pieces.value.problem, pieces.value.index) == (whole.value.problem, whole.value.index)
