from __future__ import annotations

import pytest

from migrator.podsecurity.pod import Container
from migrator.podsecurity.wording import join_quoted, name_containers, name_setters, quote_go


def container(name: str) -> Container:
    return Container(name, ("spec", "containers", 0), {}, {})


@pytest.mark.parametrize(
    ("text", "quoted"),
    [
        ("", '""'),
        ("plain text", '"plain text"'),
        ("käse 世界 😀", '"käse 世界 😀"'),
        ('say "no" \\', '"say \\"no\\" \\\\"'),
        ("\a\b\f\n\r\t\v", '"\\a\\b\\f\\n\\r\\t\\v"'),
        ("\0\x1b\x7f", '"\\x00\\x1b\\x7f"'),
        ("\x80\u00a0\u2028", '"\\u0080\\u00a0\\u2028"'),
        ("\U000e0001", '"\\U000e0001"'),
    ],
)
def test_texts_are_quoted_as_go_does(text: str, quoted: str) -> None:
    assert quote_go(text) == quoted


@pytest.mark.parametrize(
    ("pod", "names", "text"),
    [
        (True, [], "pod"),
        (False, ["a"], 'container "a"'),
        (False, ["a", "a"], 'containers "a", "a"'),
        (True, ["a", "b"], 'pod and containers "a", "b"'),
    ],
)
def test_setters_are_named(pod: bool, names: list[str], text: str) -> None:
    assert name_setters(pod, [container(name) for name in names]) == text


def test_quotes_inside_names_stay_as_they_are() -> None:
    assert name_containers([container('a"b')]) == 'container "a"b"'
    assert join_quoted(()) == ""
