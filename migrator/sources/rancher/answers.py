"""Answers to a catalog template's questions: from a file, and from the questions' own defaults."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from migrator.errors import InputError, TextError
from migrator.model.record import record
from migrator.yaml.data import construct, find_nearest
from migrator.yaml.nodes import compose
from migrator.yaml.scan import decode, line_of


@record
class Question:
    """A question of `.catalog.questions`; `default` is None where the question has none."""

    variable: str
    type: str
    label: str
    required: bool
    default: str | None
    options: tuple[str, ...] = ()


class MissingAnswersError(InputError):
    """Required questions that nothing answers."""

    def __init__(self, path: str, questions: tuple[Question, ...], text: str) -> None:
        self.questions = questions
        asked = re.search(rf"\bvariable:[ \t]*[\"']?{re.escape(questions[0].variable)}\b", text)
        super().__init__(
            path,
            "no answer for " + ", ".join(_name_question(question) for question in questions),
            line=line_of(text, asked.start()) if asked else None,
            hint="Give them with --answers FILE, one KEY=VALUE a line, or on a terminal with --ask.",
        )


def format_answer(value: Any) -> str:
    """Write a YAML value as Go prints it: `true`, `3`, `0.5`, `` for null."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return _format_float(value)
    if isinstance(value, dict | list):
        return json.dumps(value)
    return str(value)


def _format_float(value: float) -> str:
    """Write a float as Go's %v does: the shortest digits, an exponent from a million up."""
    if not math.isfinite(value):
        return {math.inf: "+Inf", -math.inf: "-Inf"}.get(value, "NaN")
    sign, digits, exponent = Decimal(repr(value)).normalize().as_tuple()
    power = len(digits) + int(exponent) - 1
    if value and not -4 <= power < 6:
        tail = "".join(map(str, digits[1:]))
        mantissa = f"{digits[0]}.{tail}" if tail else str(digits[0])
        return f"{'-' if sign else ''}{mantissa}e{'-' if power < 0 else '+'}{abs(power):02d}"
    return format(Decimal(repr(value)).normalize(), "f")


def read_answers(path: Path) -> dict[str, str]:
    """Read answers: a YAML or JSON mapping, or KEY=VALUE lines as rancher-compose's `--env-file` takes them.

    Raises InputError for a file that is neither.
    """
    try:
        text = decode(path.read_bytes())
    except OSError as error:
        raise InputError(str(path), error.strerror or str(error)) from None
    except TextError as error:
        raise InputError(str(path), error.problem) from None
    data = _read_mapping(str(path), text)
    return data if data is not None else _read_lines(str(path), text)


def _read_mapping(path: str, text: str) -> dict[str, str] | None:
    try:
        node = compose(text)
        data = construct(node) if node is not None else {}
    except TextError:
        return None
    if not isinstance(data, dict):
        return None
    for key, value in data.items():
        if isinstance(value, dict | list):
            line = line_of(text, find_nearest(node, (key,)).start_mark.index) if node is not None else None
            raise InputError(path, f"{key}: an answer is one value", line=line, hint="Write KEY: VALUE.")
    return {str(key): format_answer(value) for key, value in data.items()}


def _read_lines(path: str, text: str) -> dict[str, str]:
    answers = {}
    for number, line in enumerate(text.splitlines(), 1):
        entry = line.strip()
        if not entry or entry.startswith("#"):
            continue
        name, separator, value = entry.removeprefix("export ").partition("=")
        if not separator or not name.strip():
            raise InputError(
                path, f"no answer: {entry!r}", line=number, hint="Write KEY=VALUE lines, or a YAML or JSON mapping."
            )
        answers[name.strip()] = value
    return answers


def read_questions(data: Any) -> tuple[Question, ...]:
    """Read the questions of a compose file's data: `.catalog` or `catalog`, () where there are none."""
    if not isinstance(data, dict):
        return ()
    services = data.get("services")
    nested = services.get(".catalog") if isinstance(services, dict) else None
    catalog = data.get("catalog") or data.get(".catalog") or nested
    questions = catalog.get("questions") if isinstance(catalog, dict) else None
    if not isinstance(questions, list):
        return ()
    return tuple(_read_question(item) for item in questions if isinstance(item, dict) and item.get("variable"))


def _read_question(item: Mapping[str, Any]) -> Question:
    default = item.get("default")
    options = item.get("options")
    return Question(
        variable=str(item["variable"]),
        type=str(item.get("type") or "string"),
        label=str(item.get("label") or ""),
        required=item.get("required") in (True, "true", "True"),
        default=None if default is None else format_answer(default),
        options=tuple(map(format_answer, options)) if isinstance(options, list) else (),
    )


def complete_answers(
    questions: tuple[Question, ...], answers: Mapping[str, str], path: str, text: str = ""
) -> dict[str, str]:
    """Add the questions' defaults to the answers given; an optional question without one is answered with a blank.

    Raises MissingAnswersError that names every required question without an answer, and the line of the first in
    the `text` that asks.
    """
    missing = tuple(
        question
        for question in questions
        if question.required and not answers.get(question.variable) and not question.default
    )
    if missing:
        raise MissingAnswersError(path, missing, text)
    defaults = {question.variable: question.default or "" for question in questions}
    given = {key: value for key, value in answers.items() if value or not defaults.get(key)}
    return {**defaults, **given}


def _name_question(question: Question) -> str:
    return f"{question.variable} ({question.label})" if question.label else question.variable
