"""What is left of policies: alternatives are reduced, and folding an expression changes nothing but its lines."""

from __future__ import annotations

import re

import pytest

from migrator.psp.demand import Enforced, write_text
from migrator.psp.layout import fold_expression
from migrator.psp.model import IDStrategy, PodSecurityPolicy, ProfileStrategy, SELinuxStrategy
from migrator.psp.residue import Residue, find_residue

ANY = IDStrategy("RunAsAny")
EVERYBODY = frozenset({("Group", "system:serviceaccounts")})
BASELINE = PodSecurityPolicy(
    "baseline",
    volumes=("*",),
    allowed_capabilities=("*",),
    se_linux=SELinuxStrategy("RunAsAny"),
    run_as_user=ANY,
    supplemental_groups=ANY,
    fs_group=ANY,
    seccomp=ProfileStrategy(allowed=frozenset("*")),
)


def find(*policies: PodSecurityPolicy, **subjects: frozenset[tuple[str, str]]) -> Residue | None:
    return find_residue("shop", policies, subjects, Enforced())


def test_who_may_use_a_policy_that_demands_less_needs_no_other() -> None:
    strict = PodSecurityPolicy(**{**_fields(BASELINE), "name": "strict", "read_only_root_filesystem": True})
    assert find(BASELINE, strict, baseline=EVERYBODY) == find(BASELINE, baseline=EVERYBODY)
    residue = find(BASELINE, strict, strict=EVERYBODY, baseline=frozenset({("User", "ann")}))
    assert residue is not None
    assert residue.validations[-1].expression.startswith("variables.exempt")
    assert "'ann'" in next(item.expression for item in residue.variables if item.name == "exempt")


@pytest.mark.parametrize("width", [20, 60, 100])
def test_folding_changes_only_lines(width: int) -> None:
    residue = find(BASELINE, baseline=EVERYBODY)
    assert residue is not None
    for item in residue.validations:
        assert _squeeze(fold_expression(item.expression, width)) == _squeeze(item.expression)
    assert fold_expression("a == ') || ('", 5) == "a == ') || ('"


def test_texts_stay_in_their_quotes() -> None:
    assert write_text("O'Neil\\\n") == "'O\\'Neil\\\\\\U0000000a'"


def _fields(policy: PodSecurityPolicy) -> dict[str, object]:
    return {name: getattr(policy, name) for name in PodSecurityPolicy.__slots__}


def _squeeze(text: str) -> str:
    return re.sub(r"\s", "", text)
