"""Every case of the decision table gives the diff and the plan that it shall."""

from __future__ import annotations

import os
from collections import Counter

import pytest
from cases import Case, find_cases, judge, write_summary

CASES = find_cases()


@pytest.mark.parametrize("case", CASES, ids=str)
def test_case_gives_what_it_shall(case: Case) -> None:
    diff, summary = judge(case)
    if os.environ.get("UPDATE_GOLDEN"):
        (case.folder / "expected.diff").write_bytes(diff.encode())
        (case.folder / "plan.json").write_text(write_summary(summary))
    assert diff == case.expected_diff
    assert write_summary(summary) == (case.folder / "plan.json").read_text()


def test_every_row_has_a_case() -> None:
    rows = Counter(case.row for case in CASES)
    assert set(range(1, 29)) <= set(rows)


def test_half_of_the_cases_change_nothing() -> None:
    unchanged = [case for case in CASES if not case.expected_diff]
    assert 2 * len(unchanged) >= len(CASES) - 1
