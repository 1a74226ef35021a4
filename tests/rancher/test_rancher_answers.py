from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from migrator.errors import InputError
from migrator.sources.rancher.answers import complete_answers, format_answer, read_answers, read_questions
from migrator.sources.rancher.compose import read_text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("PORT: 80\nHTTPS: true\nEMPTY:\n", {"PORT": "80", "HTTPS": "true", "EMPTY": ""}),
        ('{"PORT": 80, "NAME": "a=b"}', {"PORT": "80", "NAME": "a=b"}),
        ('# comment\nPORT=80\n\nexport NAME=a=b\nQUOTED="x"\n', {"PORT": "80", "NAME": "a=b", "QUOTED": '"x"'}),
        ("", {}),
    ],
)
def test_answers_are_a_mapping_or_lines(tmp_path: Path, text: str, expected: dict[str, str]) -> None:
    path = tmp_path / "answers"
    path.write_text(text, encoding="utf-8")
    assert read_answers(path) == expected


def test_a_line_without_a_value_is_refused_with_its_number(tmp_path: Path) -> None:
    path = tmp_path / "answers"
    path.write_text("PORT=80\nnonsense\n", encoding="utf-8")
    with pytest.raises(InputError) as refusal:
        read_answers(path)
    assert refusal.value.line == 2


@pytest.mark.parametrize(
    ("value", "expected"),
    [(True, "true"), (None, ""), (3, "3"), (0.5, "0.5"), (1e6, "1e+06"), (2.0, "2"), (1234567.0, "1.234567e+06")],
)
def test_values_are_written_as_go_prints_them(value: Any, expected: str) -> None:
    assert format_answer(value) == expected


QUESTIONS = read_questions(
    {
        ".catalog": {
            "questions": [
                {"variable": "PORT", "required": True, "default": 80, "type": "int"},
                {"variable": "TOKEN", "required": True, "label": "API token"},
                {"variable": "HOST", "required": True},
                {"variable": "NOTE"},
            ]
        }
    }
)


def test_defaults_answer_and_optional_questions_become_blank() -> None:
    answers = complete_answers(QUESTIONS, {"TOKEN": "t", "HOST": "h", "OTHER": "o"}, "f")
    assert answers == {"PORT": "80", "TOKEN": "t", "HOST": "h", "NOTE": "", "OTHER": "o"}


def test_all_missing_answers_are_named_at_once() -> None:
    with pytest.raises(InputError, match=r"no answer for TOKEN \(API token\), HOST"):
        complete_answers(QUESTIONS, {}, "f")


@pytest.mark.parametrize(
    "data", [None, [], {}, {".catalog": None}, {"catalog": {"questions": "x"}}, {"services": {"web": {}}}]
)
def test_no_questions(data: Any) -> None:
    assert read_questions(data) == ()


def test_questions_stand_in_catalog_or_below_services() -> None:
    question = {"questions": [{"variable": "A"}]}
    for data in ({"catalog": question}, {".catalog": question}, {"services": {".catalog": question}}):
        assert [item.variable for item in read_questions(data)] == ["A"]


def test_an_answer_is_one_value(tmp_path: Path) -> None:
    path = tmp_path / "answers.yaml"
    path.write_text("a: b\nc: {d: e}\n")
    with pytest.raises(InputError, match="c: an answer is one value") as refused:
        read_answers(path)
    assert refused.value.line == 2


def test_bytes_that_are_no_text_are_refused_with_their_line(tmp_path: Path) -> None:
    path = tmp_path / "docker-compose.yml"
    path.write_bytes(b"web:\n  image: \xff\n")
    with pytest.raises(InputError, match="not UTF-8") as refused:
        read_text(path)
    assert refused.value.line == 2
