"""No field changed but those that a migration is about."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from migrator.model.field import FieldPath, format_path
from migrator.sources.tables import load_table
from migrator.verification import conditions
from migrator.verification.claim import Claim
from migrator.verification.comparison import Comparison, Pair, WorkloadPair
from migrator.verification.conditions import Context
from migrator.verification.differences import MISSING, Difference
from migrator.verification.injection import list_annotated, list_leaves, list_written
from migrator.verification.pods import CONTAINER_LISTS, get_value

ID = "field"

Row = Mapping[str, Any]
_NAMESPACE: FieldPath = ("metadata", "namespace")
"""Objects are matched by the namespace that they are in, whether or not they say it themselves."""


def find_claims(comparison: Comparison) -> Iterator[Claim]:
    """Claim of each object that is in both trees that its fields are as they were; a claim for each that is not."""
    workloads = {id(item.pair): item for item in comparison.workloads}
    for pair in comparison.pairs:
        if pair.before is None or pair.after is None:
            continue
        item = workloads.get(id(pair))
        differences = [found for found in pair.differences if found.path != _NAMESPACE]
        left = list(_find_unasked(differences, pair))
        if item is not None:
            left = list(_find_unasked_of_pods(comparison, item, left))
        if not left:
            because = f"{len(differences)} field(s) changed, each as a migration does" if differences else "as it was"
            yield Claim(ID, True, pair.ref, *pair.places(), because)
        for found in left:
            yield Claim(ID, False, pair.ref, *pair.places(found), _describe(found))


def _describe(found: Difference) -> str:
    name = format_path(found.path)
    match found.op:
        case "add":
            return f"{name} is new: {_shorten(found.after)}"
        case "remove":
            return f"{name} is gone: {_shorten(found.before)}"
    return f"{name} is {_shorten(found.after)}, was {_shorten(found.before)}"


def _shorten(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:59]}…"


def _find_unasked(differences: Iterable[Difference], pair: Pair) -> Iterator[Difference]:
    """Give the differences that no row for the object's kind allows."""
    rows = [row for row in load_table("verification/changes.yaml")["objects"] if row["kind"] == pair.ref.kind]
    return (found for found in differences if not _is_allowed(rows, found, Context(pair)))


def _find_unasked_of_pods(
    comparison: Comparison, item: WorkloadPair, differences: Iterable[Difference]
) -> Iterator[Difference]:
    """Give the differences that no row for pods allows, and no PodSecurityPolicy would have written."""
    table = load_table("verification/changes.yaml")
    rows = table["pods"] + (table["hardening"] if comparison.policy.pod_security.harden != "none" else [])
    prefix = item.before.kind.template
    before, after = item.pods
    context = Context(item.pair, before, after)
    inside = []
    for found in differences:
        if found.path[: len(prefix)] != prefix:
            yield found
        elif not _is_allowed(rows, inner := _cut(found, len(prefix)), context):
            inside.append((inner, found))
    if not inside:
        return
    written = _list_injected(comparison, item, [inner for inner, _ in inside])
    for inner, found in inside:
        path = inner.path_after
        place = (*path[:-1], "*") if isinstance(path[-1], int) else path
        if inner.op == "remove" or _write(place, inner.after) not in written:
            yield found


def _cut(found: Difference, length: int) -> Difference:
    return Difference(found.path_before[length:], found.path_after[length:], found.before, found.after)


def _is_allowed(rows: Iterable[Row], found: Difference, context: Context) -> bool:
    return any(
        found.op in row["op"]
        and _matches(row["path"], found.path)
        and _is_one_of(found.after, row.get("to"))
        and _is_one_of(found.before, row.get("from"))
        and ("where" not in row or getattr(conditions, row["where"])(found, context))
        for row in rows
    )


def _is_one_of(value: Any, choices: Sequence[Any] | None) -> bool:
    if choices is None or value is MISSING:
        return True
    return any(value == choice and isinstance(value, bool) == isinstance(choice, bool) for choice in choices)


def _matches(pattern: Sequence[str], path: FieldPath) -> bool:
    if pattern[0] == "container":
        if len(path) < 3 or path[0] != "spec" or path[1] not in CONTAINER_LISTS:
            return False
        pattern, path = pattern[1:], path[3:]
    if pattern[-1] == "**":
        pattern, path = pattern[:-1], path[: len(pattern) - 1]
    return len(pattern) == len(path) and all(
        fnmatchcase(str(step), wanted) for wanted, step in zip(pattern, path, strict=True)
    )


def _list_injected(comparison: Comparison, item: WorkloadPair, added: Sequence[Difference]) -> set[str]:
    """List what PodSecurityPolicies would have written, into the pod before and into the one as it was changed.

    And what they read in annotations of the pod's own, as fields.
    """
    before, after = item.pods
    return {
        _write(*leaf)
        for pod in (before, _take_back(after, added))
        if (decision := comparison.before.admission.decide(item.before, pod)) is not None
        for ways in (list_annotated(pod), *(list_written(pod, item) for item in decision.selection.mutations))
        for way in ways
        for leaf in list_leaves(way)
    }


def _write(path: FieldPath, value: Any) -> str:
    return f"{format_path(tuple(map(str, path)))} {value!r}"


def _take_back(pod: Any, added: Sequence[Difference]) -> Any:
    """Give a pod without what was added to it."""
    pod = copy.deepcopy(pod)
    # Items of a list go from its end, so that those before keep their places.
    for found in reversed(added):
        parent, step = get_value(pod, found.path_after[:-1]), found.path_after[-1]
        if found.op == "add" and isinstance(parent, dict):
            parent.pop(step, None)
        elif found.op == "add" and isinstance(parent, list) and isinstance(step, int) and step < len(parent):
            del parent[step]
    return pod
