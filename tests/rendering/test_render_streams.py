"""Whole inputs through reading, planning and rendering: the planned fields go, the planned objects come, no more."""

from __future__ import annotations

import copy
import io
import json
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import yaml
from hypothesis import HealthCheck, Phase, given, settings
from streams import Whole, block_lists, flow_lists, json_streams, json_texts, streams

from migrator.errors import InputError
from migrator.model.edit import APPEND
from migrator.model.inventory import Inventory
from migrator.model.plan import Change, Plan
from migrator.planning.plan import Selection, plan_changes
from migrator.policy.load import built_in_policy
from migrator.rendering.render import FileChange, render_plan
from migrator.sources.ranges import TASK_SIZE
from migrator.sources.read import PARALLEL_FROM, ReadOptions, read_sources
from migrator.templates import render_object

FULL = bool(os.environ.get("FULL"))
SMALLER = 1 if FULL else 10
"""By how much the input is smaller from which on processes share it, and its pieces with it."""
MANY = settings(
    max_examples=1500 if FULL else 25,
    deadline=None,
    derandomize=not FULL,
    phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],
    suppress_health_check=list(HealthCheck),
    database=None,
)
HOST_PORTS_ALONE = Selection(rules=frozenset({"host-port"}))


@dataclass(frozen=True)
class Migrated:
    """What a run made of an input: the plan, the file afterwards, and the new files by name."""

    inventory: Inventory
    plan: Plan
    after: bytes
    created: dict[str, bytes]


@contextmanager
def standard_input(content: bytes) -> Iterator[None]:
    with patch.object(sys, "stdin", io.TextIOWrapper(io.BytesIO(content))):
        yield


def read(whole: Whole, folder: Path, jobs: int = 1) -> Inventory:
    source = "-"
    if whole.name != "-":
        (folder / whole.name).write_bytes(whole.content)
        source = str(folder)
    with standard_input(whole.content):
        return read_sources([source], ReadOptions(kinds=built_in_policy().workload_kinds, jobs=jobs))


def plan_and_render(inventory: Inventory) -> tuple[Plan, tuple[FileChange, ...]]:
    assert not inventory.errors
    plan = plan_changes(inventory, built_in_policy(), "all", HOST_PORTS_ALONE)
    return plan, render_plan(plan, inventory.files)


def migrate(whole: Whole, folder: Path) -> Migrated:
    inventory = read(whole, folder)
    plan, changes = plan_and_render(inventory)
    after, created = whole.content, {}
    for change in changes:
        if change.old is None:
            created[Path(change.path).name] = change.new_content()
        else:
            after = change.new_content()
    return Migrated(inventory, plan, after, created)


def load(content: bytes) -> list[Any]:
    """Read all documents with readers that are not migrator's own."""
    text = content.decode().removeprefix("\ufeff")
    try:
        return list(load_values(text))
    except ValueError:
        return [document for document in yaml.safe_load_all(text) if document is not None]


def load_values(text: str) -> Iterator[Any]:
    """Read JSON values that stand one behind the other."""
    while text := text.lstrip():
        value, end = json.JSONDecoder().raw_decode(text)
        text = text[end:]
        yield value


def expect(before: bytes, plan: Plan) -> list[Any]:
    """Make the plan's changes on what the independent readers read."""
    documents = copy.deepcopy(load(before))
    removals = []
    behind: list[tuple[tuple[int, int], Any]] = []
    for change in plan.changes:
        if change.action == "update":
            target = locate(documents, change.location.document, change.location.item)
            removals += edit(target, change)
        elif change.action == "create" and change.new is not None and change.new.placement != "file":
            anchor = change.new.anchor
            item = -1 if anchor.item is None else anchor.item
            behind.append(((anchor.document, item), yaml.safe_load(render_object(change.new))))
    for parent, step in sorted(removals, key=lambda removal: str(removal[1]), reverse=True):
        del parent[step]
    behind.reverse()
    behind.sort(key=lambda entry: entry[0], reverse=True)
    for place, value in behind:
        document, item = place
        items, index = (documents, document) if item < 0 else (documents[document]["items"], item)
        items.insert(index + 1, value)
    return documents


def list_new_files(plan: Plan) -> list[Any]:
    new = [change for change in plan.changes if change.new is not None and change.new.placement == "file"]
    return [
        yaml.safe_load(render_object(change.new)) for change in sorted(new, key=lambda change: change.location.path)
    ]  # type: ignore[union-attr]


def locate(documents: list[Any], document: int, item: int | None) -> Any:
    return documents[document] if item is None else documents[document]["items"][item]


def edit(target: Any, change: Change) -> list[tuple[Any, Any]]:
    """Make one edit; what it removes is given back, to be removed when all others are made."""
    assert change.edit is not None
    *above, last = change.edit.path
    for step in above:
        target = target[step] if isinstance(step, int) else target.setdefault(step, {})
    if change.edit.op == "remove":
        return [(target, last)]
    if last == APPEND:
        target.append(change.edit.value)
    else:
        target[last] = change.edit.value
    return []


def plain_lines(content: bytes) -> list[str]:
    """Give the lines without what moves when an entry beside them comes or goes: dashes and commas."""
    lines = []
    for line in content.decode().removeprefix("\ufeff").splitlines():
        text = line.strip()
        while text.startswith("- "):
            text = text[2:].strip()
        lines.append(text.rstrip(","))
    return lines


def check(whole: Whole) -> Migrated:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        done = migrate(whole, folder)
        assert load(done.after) == expect(whole.content, done.plan)
        check_lines(whole.content, done)
        check_places(whole.content, done.inventory)
        for path, content in done.created.items():
            (folder / path).write_bytes(content)
        assert [load(content) for content in done.created.values()] == [[new] for new in list_new_files(done.plan)]
        again, nothing = plan_and_render(read(replace(whole, content=done.after), folder))
        assert nothing == ()
        assert [change for change in again.changes if change.action != "keep"] == []
    return done


def check_lines(before: bytes, done: Migrated) -> None:
    """Every line that holds nothing which the plan changes stands in the result, in order."""
    replaced = {str(change.edit.path[-1]) for change in done.plan.changes if change.edit is not None}
    lines, position = plain_lines(done.after), 0
    for line in plain_lines(before):
        # New objects part a line on which one JSON value ends and the next starts.
        if any(key in line for key in {"hostPort", "hostIP", *replaced}) or re.search(r"\}\s*\{", line):
            continue
        if line in lines[position:]:
            position = lines.index(line, position) + 1
        else:
            # Only in flow style does what comes and goes share a line with what stays.
            assert re.search(r"[\[\]{}]", line), line
    if b"\r\n" not in before:
        assert b"\r" not in done.after
    elif not before.removeprefix(b"\xef\xbb\xbf").startswith(b"{"):
        assert done.after.count(b"\n") == done.after.count(b"\r\n")


def check_places(content: bytes, inventory: Inventory) -> None:
    """Each host port's line holds it."""
    lines = content.decode().split("\n")
    for workload in inventory.workloads:
        for port in workload.host_ports:
            around = "".join(lines[port.line - 1 : port.line + 1])
            assert "hostPort" in lines[port.line - 1] or "hostPort" in lines[port.line - 2]
            assert str(port.host_port) in around


@given(streams())
@MANY
def test_streams(whole: Whole) -> None:
    check(whole)


@given(block_lists())
@MANY
def test_block_lists(whole: Whole) -> None:
    check(whole)


@given(flow_lists())
@MANY
def test_flow_lists(whole: Whole) -> None:
    check(whole)


@given(json_texts())
@MANY
def test_json(whole: Whole) -> None:
    check(whole)


@given(json_streams())
@MANY
def test_json_streams(whole: Whole) -> None:
    check(whole)


def write_duplicate(form: str, line: str) -> tuple[Whole, int]:
    """Write a stream or List whose last workload names a key twice; the line of the second is given too."""
    body = [
        "apiVersion: apps/v1", "kind: Deployment", "metadata:", "  name: twice", "spec:",
        "  selector: {matchLabels: {app: twice}}", "  template:", "    metadata: {labels: {app: twice}}", "    spec:",
        "      containers:", "      - name: c", "        ports:", "        - containerPort: 80",
        "          hostPort: 80", line,
    ]  # fmt: skip
    first = [text.replace("twice", "once") for text in body[:-1]]
    if form == "stream":
        lines = [*first, "---", *body]
        return Whole("x.yaml", "\n".join(lines).encode()), len(lines)
    if form == "directive":
        lines = ["%YAML 1.1", "---", *first, "...", "%YAML 1.1", "---", *body]
        return Whole("x.yaml", "\r\n".join(lines).encode()), len(lines)
    if form == "list":
        items = [f"{'  ' if index else '- '}{text}" for item in (first, body) for index, text in enumerate(item)]
        lines = ["kind: List", "apiVersion: v1", "items:", *items]
        return Whole("-", "\n".join(lines).encode()), len(lines)
    items = [yaml.safe_load("\n".join(item)) for item in (first, body[:-1])]
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": items}, indent=4)
    second = line.strip().replace("hostPort:", '"hostPort":')
    where = text.rindex('"hostPort": 80') + len('"hostPort": 80')
    text = text[:where] + (f",\n{second}" if second.startswith('"') else "") + text[where:]
    return Whole("x.json", text.encode()), text.count("\n", 0, where) + 2


@pytest.mark.parametrize("form", ["stream", "directive", "list", "json"])
@pytest.mark.parametrize("line", ["          hostPort: 81", "# hostPort: 81"])
def test_a_key_given_twice_where_something_is_edited_is_refused_with_its_line(
    form: str, line: str, tmp_path: Path
) -> None:
    whole, number = write_duplicate(form, line)
    if line.startswith("#"):
        check(whole)
        return
    with pytest.raises(InputError) as refused:
        migrate(whole, tmp_path)
    assert (Path(refused.value.path).name, refused.value.line) == (whole.name, number)
    assert "`hostPort` is given twice" in refused.value.problem


def write_large(form: str) -> Whole:
    """Write an input that several processes share: workloads among large texts."""
    objects: list[Any] = []
    for number in range(42):
        port = {"containerPort": 80, "hostPort": 8000 + number}
        pod = {"containers": [{"name": "c", "image": "c:1", "ports": [port]}]}
        objects.append({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": f"w{number}"}, "spec": pod})
        text = {"text": f"{'é' * (40_000 // SMALLER)} {number}"}
        objects.append({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m"}, "data": text})
    if form in ("json", "dense json"):
        data = {"apiVersion": "v1", "kind": "List", "items": objects, "metadata": {"items": []}}
        return Whole("x.json", json.dumps(data, indent=4 if form == "json" else None, ensure_ascii=False).encode())
    texts = [yaml.safe_dump(item, allow_unicode=True, width=10**6, sort_keys=False) for item in objects]
    if form == "stream":
        texts[7] += "...\n%YAML 1.1\n"
        return Whole("x.yaml", "---\n".join(texts).encode())
    items = ["- " + text.rstrip("\n").replace("\n", "\n  ") + "\n" for text in texts]
    return Whole("x.yaml", "".join(["apiVersion: v1\nitems:\n", *items, "kind: List\n"]).encode())


@pytest.mark.parametrize("form", ["stream", "list", "json", "dense json"])
def test_processes_read_what_one_does(form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("migrator.sources.read.PARALLEL_FROM", PARALLEL_FROM // SMALLER)
    monkeypatch.setattr("migrator.sources.ranges.TASK_SIZE", TASK_SIZE // SMALLER)
    whole = write_large(form)
    assert len(whole.content) > PARALLEL_FROM // SMALLER
    alone, shared = (read(whole, tmp_path, jobs) for jobs in (1, 2))
    assert shared == alone
    assert not alone.errors
    check_places(whole.content, alone)
    # Standard input is read in one piece.
    piece = read(replace(whole, name="-"), tmp_path)
    assert [workload.ref for workload in piece.workloads] == [workload.ref for workload in shared.workloads]
    for one, other in zip(piece.workloads, shared.workloads, strict=True):
        path = other.location.path
        # The same data may be packed differently: what was one string in one reading is two in the other.
        assert one.pod.unpack() == other.pod.unpack()
        assert replace(one, location=replace(one.location, path=path), pod=other.pod) == other
    assert (piece.others, piece.files[0].documents) == (shared.others, shared.files[0].documents)
    assert len(shared.workloads) == 42
