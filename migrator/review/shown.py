"""What the reviews show of a plan: its changes by workload and object, lines masked, each beside what asks for it."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Literal

from migrator.model.plan import Change, Plan
from migrator.model.record import record
from migrator.model.reference import Location, ResourceRef
from migrator.rendering.diff import LineChange, find_line_changes, split_lines
from migrator.rendering.render import EditedObject, FileChange
from migrator.rendering.replacement import Replacement, replace_spans
from migrator.review.secrets import mask_secrets
from migrator.review.summary import say_once
from migrator.templates import render_object
from migrator.yaml.scan import decode

CONTEXT = 3

Sign = Literal[" ", "-", "+"]
Place = tuple[str, int, int | None]


@record
class Line:
    """A line that is shown; `number` counts from 1 in the file as it is, or, for an added line, as it will be."""

    sign: Sign
    number: int
    text: str


@record
class Stretch:
    """Lines that follow each other: context, which no change asks for, or what some changes do together.

    `after_gap` tells that lines in front of it are left out.
    """

    lines: tuple[Line, ...]
    changes: tuple[int, ...] = ()
    after_gap: bool = False


@record
class ShownChange:
    """A change by its number in the plan (from 1), with the part of its message that was not said before."""

    number: int
    change: Change
    message: str


@record
class ShownObject:
    """An object that changes, or where something stays, with the changes of it in their order."""

    resource: ResourceRef
    location: Location
    action: str
    changes: tuple[ShownChange, ...]
    stretches: tuple[Stretch, ...] = ()


@record
class ShownWorkload:
    """What is decided for one workload (or namespace), object by object."""

    resource: ResourceRef
    objects: tuple[ShownObject, ...]

    @property
    def changes(self) -> Iterator[Change]:
        """Give the changes of all its objects."""
        return (item.change for shown in self.objects for item in shown.changes)


@record
class EditedText:
    """An edited object's text before and after, in the file `path` from line `line` on."""

    path: str
    line: int
    edited: EditedObject
    before: bytes
    after: bytes
    replacements: tuple[Replacement, ...]


def show_workloads(plan: Plan, files: Iterable[FileChange], context: int = CONTEXT) -> Iterator[ShownWorkload]:
    """Show a plan's changes by the workload that they are for, in the plan's order.

    `files` is what the plan renders to, `context` how many lines stand around a change.
    """
    texts = {_place_of(text): text for text in list_edited(files)}
    order = number_edits(plan.changes)
    grouped: dict[ResourceRef, dict[tuple[ResourceRef, str, Place], list[int]]] = {}
    for index, change in enumerate(plan.changes):
        place = (change.location.path, change.location.document, change.location.item)
        shown_as = (change.resource, change.action, place)
        grouped.setdefault(change.workload, {}).setdefault(shown_as, []).append(index)
    for workload, objects in grouped.items():
        said: set[str] = set()
        shown = []
        for (resource, action, place), numbers in objects.items():
            changes = tuple(
                ShownChange(at + 1, plan.changes[at], say_once(plan.changes[at].reason, said)) for at in numbers
            )
            numbered = {order[at]: at + 1 for at in numbers if at in order}
            if action == "create":
                stretches: Iterable[Stretch] = _show_new(changes, plan.policy.secret_words)
            elif action == "delete" and place in texts:
                stretches = [_show_deleted(texts[place], numbers[0] + 1, plan.policy.secret_words)]
            elif action == "update" and place in texts:
                stretches = _show_edited(texts[place], numbered, plan.policy.secret_words, context)
            else:
                stretches = ()
            shown.append(ShownObject(resource, changes[0].change.location, action, changes, tuple(stretches)))
        yield ShownWorkload(workload, tuple(shown))


def number_edits(changes: Sequence[Change]) -> dict[int, int]:
    """Give, for each change of a field, its place among the edits of its object."""
    counts: dict[Place, int] = {}
    order = {}
    for index, change in enumerate(changes):
        if change.action == "update" and change.edit is not None:
            place = (change.location.path, change.location.document, change.location.item)
            order[index] = counts.get(place, 0)
            counts[place] = order[index] + 1
    return order


def list_edited(files: Iterable[FileChange]) -> Iterator[EditedText]:
    """List the objects whose fields change, with their text before and after."""
    for file in files:
        line, counted = 1, 0
        for edited in sorted(file.edited, key=lambda item: item.start):
            line += file.base.count(b"\n", counted, edited.start)
            counted = edited.start
            moved = tuple(
                dataclasses.replace(item, start=item.start - edited.start, end=item.end - edited.start)
                for item, _ in edited.replacements
            )
            before = file.base[edited.start : edited.end]
            yield EditedText(file.path, line, edited, before, replace_spans(before, moved), moved)


def _place_of(text: EditedText) -> Place:
    return (text.path, text.edited.document, text.edited.item)


def _show_new(changes: Sequence[ShownChange], words: frozenset[str]) -> Iterator[Stretch]:
    for item in changes:
        text = mask_secrets(render_object(item.change.new), words) if item.change.new is not None else ""
        lines = tuple(Line("+", number, line) for number, line in enumerate(text.splitlines(), 1))
        yield Stretch(lines, (item.number,))


def _show_deleted(text: EditedText, number: int, words: frozenset[str]) -> Stretch:
    lines = mask_secrets(decode(text.before), words).rstrip().split("\n")
    return Stretch(tuple(Line("-", text.line + row, _trim(line)) for row, line in enumerate(lines)), (number,))


def _show_edited(
    text: EditedText, numbered: Mapping[int, int], words: frozenset[str], context: int
) -> Iterator[Stretch]:
    """Show the changed lines of an object between its own lines; `numbered` maps its edits to changes of the plan."""
    before, after = (mask_secrets(decode(content), words).split("\n") for content in (text.before, text.after))
    found = find_line_changes(text.before, text.replacements)
    asked: list[set[int]] = [set() for _ in found]
    others: list[set[int]] = [set() for _ in found]
    for item, (_, causes) in zip(text.replacements, text.edited.replacements, strict=True):
        nearest = min(range(len(found)), key=lambda at: _distance(found[at], item), default=None)
        if nearest is not None:
            asked[nearest].update(numbered[cause] for cause in causes if cause in numbered)
            others[nearest].update(cause for cause in causes if cause not in numbered)
    shown, shift = 0, 0
    last = len(before) - (before[-1] == "")
    for at, change in enumerate(found):
        start = text.before.count(b"\n", 0, change.start)
        gone = len(split_lines(text.before[change.start : change.end]))
        if others[at] and not asked[at]:
            shift += len(change.lines) - gone
            continue
        first = max(start - context, shown)
        yield from _show_context(text, before, first, start, first > shown and at > 0)
        minus = (Line("-", text.line + row, _trim(before[row])) for row in range(start, start + gone))
        plus = (
            Line("+", text.line + row + shift, _trim(after[row + shift]))
            for row in range(start, start + len(change.lines))
        )
        yield Stretch((*minus, *plus), tuple(sorted(asked[at])))
        shown, shift = start + gone, shift + len(change.lines) - gone
        following = text.before.count(b"\n", 0, found[at + 1].start) if at + 1 < len(found) else last
        end = min(shown + context, following)
        yield from _show_context(text, before, shown, end, False)
        shown = end


def _distance(change: LineChange, item: Replacement) -> int:
    if change.start <= item.start <= change.end:
        return 0
    return min(abs(change.start - item.start), abs(change.end - item.start))


def _show_context(
    text: EditedText, before: Sequence[str], start: int, end: int, after_gap: bool
) -> Iterator[Stretch]:
    lines = tuple(Line(" ", text.line + row, _trim(before[row])) for row in range(start, end))
    if lines:
        yield Stretch(lines, after_gap=after_gap)


def _trim(line: str) -> str:
    return line.removesuffix("\r")
