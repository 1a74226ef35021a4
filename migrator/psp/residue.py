"""What the policies of a namespace forbade beyond its Pod Security level, as one ValidatingAdmissionPolicy.

Policies that one identity may use are alternatives: a pod needs one of them. Where each of them wants the same, that
stands alone; what is left is one disjunction.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Final

from migrator.model.record import record
from migrator.psp.authorize import MASTERS
from migrator.psp.demand import Demand, Enforced, write_text, write_texts
from migrator.psp.fields import CONTAINER_RULES, POD_RULES
from migrator.psp.layout import fold_expression
from migrator.psp.model import PodSecurityPolicy

Subject = tuple[str, str]
"""A User or Group, and its name; a service account is the user of its name."""

_BASE_VARIABLES: Final[Mapping[str, str]] = {
    "containers": "object.spec.containers + object.spec.?initContainers.orValue([])",
    "volumes": "object.spec.?volumes.orValue([])",
    "groups": "request.userInfo.?groups.orValue([])",
}
_LONGEST: Final = 40_000
"""Characters of names in an expression; the API server takes none of more than 100,000."""
_TOLD: Final = 10
"""Alternatives of which a message tells: one of more than five kilobytes is not shown, nor are long sums taken."""


@record
class Alternative:
    """What policies demand that want the same, of the pods of those who may use one; None stands for everybody."""

    policies: tuple[str, ...]
    subjects: frozenset[Subject] | None
    demands: tuple[Demand, ...]


@record
class Variable:
    """A named expression."""

    name: str
    expression: str


@record
class Validation:
    """An expression that must be true, and what a developer is told where it is not.

    That is the text, or what `message_expression` gives, where this is not too long.
    """

    expression: str
    message: str = ""
    message_expression: str = ""


@record
class Residue:
    """The content of a ValidatingAdmissionPolicy; `policies` are those that it takes the place of."""

    policies: tuple[str, ...]
    variables: tuple[Variable, ...]
    validations: tuple[Validation, ...]


@lru_cache(maxsize=4096)
def list_demands(policy: PodSecurityPolicy, enforced: Enforced) -> tuple[Demand, ...]:
    """List what a policy demands beyond what is enforced already."""
    rules = dict.fromkeys((*POD_RULES, *CONTAINER_RULES))
    return tuple(demand for rule in rules for demand in rule.demand(policy, enforced))


def find_residue(
    namespace: str,
    policies: Iterable[PodSecurityPolicy],
    subjects: Mapping[str, frozenset[Subject]],
    enforced: Enforced,
) -> Residue | None:
    """Find what is left to be demanded of the pods of a namespace; None where that is nothing.

    `subjects` are those whom RBAC lets use each policy there; administrators (system:masters) may use all.
    """
    alternatives = _reduce(_list_alternatives(namespace, policies, subjects, enforced))
    # Where nobody may use any policy, no pod was admitted: that is said of the namespace, and asks for no policy.
    if not alternatives:
        return None
    common = [item for item in alternatives[0].demands if all(item in other.demands for other in alternatives)]
    rests = [
        replace(item, demands=tuple(demand for demand in item.demands if demand not in common))
        for item in alternatives
    ]
    exempt = next((item for item in rests if not item.demands), None)
    left = [item for item in rests if item.demands]
    names = [name for item in alternatives for name in item.policies]
    said = _say_policies(names)
    validations = [Validation(item.expression, f"{item.message} ({said})") for item in common]
    own, more = _validate_left(namespace, exempt, left)
    validations += more
    if not validations:
        return None
    texts = "\n".join([*(item.expression for item in own), *(item.expression for item in validations)])
    base = {**_BASE_VARIABLES, "users": _write_users(namespace)}
    used = [Variable(name, text) for name, text in base.items() if f"variables.{name}." in texts]
    folded = (replace(item, expression=fold_expression(item.expression)) for item in validations)
    return Residue(tuple(sorted(names)), (*used, *own), tuple(folded))


def _list_alternatives(
    namespace: str,
    policies: Iterable[PodSecurityPolicy],
    subjects: Mapping[str, frozenset[Subject]],
    enforced: Enforced,
) -> Iterator[Alternative]:
    # Every pod has a service account, which is in the last two; only who is not known at all is not in the first.
    everybody = {
        ("Group", name)
        for name in ("system:authenticated", "system:serviceaccounts", f"system:serviceaccounts:{namespace}")
    }
    for policy in policies:
        own = subjects.get(policy.name, frozenset()) | {("Group", MASTERS)}
        yield Alternative((policy.name,), own if everybody.isdisjoint(own) else None, list_demands(policy, enforced))


def _reduce(alternatives: Iterable[Alternative]) -> list[Alternative]:
    """Join those that demand the same, and take from each whoever may use one that demands less."""
    joined: dict[frozenset[Demand], Alternative] = {}
    for item in alternatives:
        key = frozenset(item.demands)
        known = joined.get(key)
        joined[key] = item if known is None else _join(known, item)
    by_rarest = _index_by_rarest(joined)
    reduced = []
    for key, item in joined.items():
        subjects = item.subjects
        candidates = (joined[other] for demand in (None, *key) for other in by_rarest.get(demand, ()) if other < key)
        for other in candidates:
            if other.subjects is None:
                break
            if subjects is not None:
                subjects -= other.subjects
        else:
            if subjects is None or subjects:
                reduced.append(replace(item, subjects=subjects))
    return reduced


def _index_by_rarest(keys: Iterable[frozenset[Demand]]) -> Mapping[Demand | None, Sequence[frozenset[Demand]]]:
    """Index sets by their rarest demand, None for the empty one: whatever holds a set holds that demand.

    So that not each has to be compared with each, where hundreds of policies differ in a number or two.
    """
    keys = tuple(keys)
    counts = Counter(demand for key in keys for demand in key)
    index: dict[Demand | None, list[frozenset[Demand]]] = {}
    for key in keys:
        rarest = min(key, key=lambda demand: (counts[demand], demand.expression), default=None)
        index.setdefault(rarest, []).append(key)
    return index


def _join(one: Alternative, other: Alternative) -> Alternative:
    everybody = one.subjects is None or other.subjects is None
    subjects = None if everybody else (one.subjects or frozenset()) | (other.subjects or frozenset())
    return Alternative((*one.policies, *other.policies), subjects, one.demands)


def _validate_left(
    namespace: str, exempt: Alternative | None, left: Sequence[Alternative]
) -> tuple[list[Variable], list[Validation]]:
    """Validate what not all alternatives demand; whoever may use one that demands nothing more is exempt."""
    if exempt is not None and exempt.subjects is None:
        return [], []
    variables: list[Variable] = []
    if exempt is not None:
        variables, may = _write_grant("exempt", exempt.subjects)
        if not left:
            return variables, [Validation(may, _say_not_granted(exempt))]
        variables.append(Variable("exempt", fold_expression(may)))
    unless = "variables.exempt || " if exempt is not None else ""
    validations = []
    if all(item.subjects == left[0].subjects for item in left) and left[0].subjects is not None:
        lists, may = _write_grant("all", left[0].subjects)
        variables += lists
        validations = [Validation(fold_expression(unless + may), _say_not_granted(exempt, *left))]
        left = [replace(item, subjects=None) for item in left]
    if len(left) == 1:
        return variables, [*validations, *_validate_demands(left[0], unless)]
    names = _name_variables(left)
    for name, item in zip(names, left, strict=True):
        variables += _write_failures(name, item)
    return variables, [*validations, _validate_one_of(dict(zip(names, left, strict=True)), unless)]


def _validate_demands(item: Alternative, unless: str) -> Iterator[Validation]:
    for demand in item.demands:
        yield Validation(unless + demand.expression, f"{demand.message} ({_say_policies(item.policies)})")


def _validate_one_of(alternatives: Mapping[str, Alternative], unless: str) -> Validation:
    told = [
        f"{write_text(f'; {item.policies[0]}: ')} + variables.{name}.join(', ')"
        for name, item in list(alternatives.items())[:_TOLD]
    ]
    if len(alternatives) > _TOLD:
        told.append(f"'; and {len(alternatives) - _TOLD} more'")
    return Validation(
        unless + " || ".join(f"variables.{name}.size() == 0" for name in alternatives),
        f"none of {_say_policies([name for item in alternatives.values() for name in item.policies])} is met",
        "\n+ ".join(["'none of the PodSecurityPolicies is met'", *told]),
    )


def _write_failures(name: str, item: Alternative) -> list[Variable]:
    """Write the list of what a pod lacks for an alternative, after the lists that it needs."""
    tests = (f"{fold_expression(demand.expression)} ? '' : {write_text(demand.message)}" for demand in item.demands)
    lines = ",\n".join(tests).replace("\n", "\n  ")
    failures = f"[\n  {lines}\n].filter(m, m != '')"
    if item.subjects is None:
        return [Variable(name, failures)]
    lists, may = _write_grant(name, item.subjects)
    return [*lists, Variable(name, f"!({fold_expression(may)}) ? ['not granted'] : {failures}")]


def _write_grant(name: str, subjects: frozenset[Subject] | None) -> tuple[list[Variable], str]:
    """Write that one of some subjects asks; what is too long for an expression becomes variables of their own."""
    left = _drop_covered(subjects or frozenset())
    tests = [
        f"variables.{variable}.exists(s, s in {write_texts(names)})"
        for kind, variable in (("User", "users"), ("Group", "groups"))
        for names in _cut(sorted(name for of, name in left if of == kind))
    ]
    if sum(map(len, tests)) <= _LONGEST:
        return [], " || ".join(tests)
    lists = [Variable(f"granted_{number}_{name}", fold_expression(test)) for number, test in enumerate(tests, 1)]
    return lists, " || ".join(f"variables.{item.name}" for item in lists)


def _drop_covered(subjects: frozenset[Subject]) -> frozenset[Subject]:
    """Leave out the service accounts of namespaces whose accounts are named as a group too."""
    return frozenset(item for item in subjects if (home := _find_home(item)) is None or home not in subjects)


def _find_home(subject: Subject) -> Subject | None:
    """Find the group of all service accounts of an account's namespace."""
    kind, name = subject
    parts = name.split(":")
    if kind != "User" or len(parts) != 4 or parts[:2] != ["system", "serviceaccount"]:
        return None
    return "Group", f"system:serviceaccounts:{parts[2]}"


def _cut(names: Sequence[str]) -> Iterator[Sequence[str]]:
    """Cut names into lists that are not too long."""
    start = length = 0
    for index, name in enumerate(names):
        length += len(name) + 4
        if length > _LONGEST and index > start:
            yield names[start:index]
            start, length = index, len(name) + 4
    if names:
        yield names[start:]


def _write_users(namespace: str) -> str:
    account = write_text(f"system:serviceaccount:{namespace}:")
    return f"[request.userInfo.username,\n {account} + object.spec.?serviceAccountName.orValue('default')]"


def _name_variables(items: Sequence[Alternative]) -> list[str]:
    names: dict[str, None] = {}
    for item in items:
        name = stem = "psp_" + re.sub(r"[^A-Za-z0-9]", "_", item.policies[0])
        number = 2
        while name in names:
            name, number = f"{stem}_{number}", number + 1
        names[name] = None
    return list(names)


def _say_policies(names: Sequence[str]) -> str:
    listed = sorted(names)
    shown = ", ".join(listed[:3]) + (f" and {len(listed) - 3} more" if len(listed) > 3 else "")
    return f"PodSecurityPolicy {shown}"


def _say_not_granted(*items: Alternative | None) -> str:
    names = [name for item in items if item is not None for name in item.policies]
    return f"neither the pod's service account nor who creates the pod was granted {_say_policies(names)}"
