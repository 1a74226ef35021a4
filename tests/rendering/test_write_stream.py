"""Writing everything as one stream: its documents are those of the files, whatever stands at their edges."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from migrator.rendering.copy import write_stream
from migrator.rendering.render import FileChange, Replacement


def load_documents(content: bytes) -> list[Any]:
    return [document for document in yaml.safe_load_all(content) if document is not None]


@pytest.mark.parametrize(
    "content", [b"", b"a: 1", b"\xef\xbb\xbfa: 1\r\n", b"--- \na: 1\n...\n", b'{"a": 1}', b"# a\n"]
)
def test_a_single_file_keeps_its_bytes(content: bytes) -> None:
    assert write_stream([], ["a.yaml"], {"a.yaml": content}) == content


def test_nothing_is_an_empty_stream() -> None:
    assert write_stream([], [], {}) == b""


EDGES = {
    "plain": b"a: 1\n",
    "no-newline": b"a: 1",
    "marked": b"---\na: 1\n",
    "marked-line": b"--- {a: 1}\n",
    "ended": b"a: 1\n...\n",
    "comment": b"# about a\na: 1\n",
    "comment-and-mark": b"# about a\n\n---\na: 1\n",
    "directive": b"%YAML 1.1\n---\na: 1\n",
    "comment-and-directive": b"# about a\n%YAML 1.1\n---\na: 1\n",
    "bom": b"\xef\xbb\xbfa: 1\n",
    "bom-and-mark": b"\xef\xbb\xbf---\na: 1\n",
    "crlf": b"\r\n---\r\na: 1\r\n",
    "json": b'{"a": 1}',
    "block": b"a: 1\nb: |+\n  text\n\n",
    "open-comment": b"a: 1\n# the end",
    "three-dashes": b"---a: 1\n",
}


@pytest.mark.parametrize("first", EDGES)
@pytest.mark.parametrize("second", EDGES)
def test_joined_files_hold_their_documents(first: str, second: str) -> None:
    contents = {"1.yaml": EDGES[first], "2.yaml": EDGES[second]}
    expected = [*load_documents(EDGES[first]), *load_documents(EDGES[second])]
    stream = write_stream([], list(contents), contents)
    assert load_documents(stream) == expected
    if first == "json":
        # kubectl takes a stream that starts with a brace for nothing but JSON.
        assert stream.startswith(b"---\n")


def test_changed_files_stand_in_their_place_and_new_ones_behind() -> None:
    contents = {"a.yaml": b"a: 1\n", "z.json": json.dumps({"z": 1}).encode()}
    changes = [
        FileChange("a.yaml", b"a: 1\n", (Replacement(3, 4, b"2"),)),
        FileChange("b-service.yaml", None, (Replacement(0, 0, b"b: 1\n"),)),
    ]
    stream = write_stream(changes, ["z.json", "a.yaml"], contents)
    assert load_documents(stream) == [{"a": 2}, {"z": 1}, {"b": 1}]
