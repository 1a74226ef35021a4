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


def test_a_long_list_of_names_is_cut_to_what_an_expression_may_hold() -> None:
    names = [f"system:serviceaccount:team-{number}:deployer" for number in range(4000)]
    few, many = (frozenset(("User", name) for name in listed) for listed in (names[:3], names))
    strict = PodSecurityPolicy(**{**_fields(BASELINE), "name": "strict", "read_only_root_filesystem": True})  # type: ignore[arg-type]
    # The same names exempt from all, are all that may make pods, are one alternative of two.
    cases = ({"baseline": many}, {"baseline": many, "strict": EVERYBODY}, {"strict": many, "baseline": few})
    for subjects in cases:
        residue = find(BASELINE, strict, **subjects)
        assert residue is not None
        written = [item.expression for item in (*residue.variables, *residue.validations)]
        assert max(map(len, written)) < 100_000
        assert all(any(f"'{name}'" in text for text in written) for name in names)
        made = [item.name for item in residue.variables]
        assert len(set(made)) == len(made)
        for position, item in enumerate(residue.variables):
            assert set(re.findall(r"variables\.(\w+)", item.expression)) <= set(made[:position])


def test_accounts_are_left_out_whose_namespace_is_named() -> None:
    home = ("Group", "system:serviceaccounts:ci")
    accounts = {("User", f"system:serviceaccount:{name}:robot") for name in ("ci", "cd")}
    residue = find(BASELINE, baseline=frozenset({home, *accounts}))
    assert residue is not None
    written = "\n".join(item.expression for item in residue.validations)
    assert "'system:serviceaccounts:ci'" in written
    assert "'system:serviceaccount:cd:robot'" in written
    assert "'system:serviceaccount:ci:robot'" not in written


def test_a_message_tells_of_a_few_of_many_alternatives() -> None:
    policies = [
        PodSecurityPolicy(**{**_fields(BASELINE), "name": f"p{number:03}", "allowed_flex_volumes": (f"d/{number}",)})  # type: ignore[arg-type]
        for number in range(300)
    ]
    residue = find(*policies, **{policy.name: EVERYBODY for policy in policies})
    assert residue is not None
    one_of = residue.validations[-1]
    assert one_of.expression.count(" || ") + one_of.expression.count("\n|| ") == 299
    # Sums of more than about a hundred terms are nested too deeply for the API server.
    assert one_of.message_expression.count("+") < 50
    assert "and 290 more" in one_of.message_expression
    assert one_of.message == "none of PodSecurityPolicy p000, p001, p002 and 297 more is met"


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
