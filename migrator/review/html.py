"""One self-contained page: nothing is loaded, whoever opens it needs a browser and no network."""

from __future__ import annotations

import base64
import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html import unescape

from markupsafe import Markup, escape

from migrator import __version__
from migrator.model.inventory import Finding
from migrator.model.plan import Plan, PortMapEntry
from migrator.model.record import record
from migrator.model.reference import Location, ResourceRef
from migrator.planning.document import write_path
from migrator.rendering.render import FileChange
from migrator.review.deletions import write_deletions
from migrator.review.links import link_place, link_source, name_place
from migrator.review.permissions import list_permission_notes, list_permission_rows
from migrator.review.reasons import list_reasons
from migrator.review.shown import CONTEXT, Line, ShownWorkload, Sign, show_workloads
from migrator.review.strategies import name_strategy
from migrator.review.summary import (
    count,
    count_changes,
    count_phases,
    list_breaks,
    list_left,
    say_assumptions,
    title_plan,
)
from migrator.rules.pod_security import find_version
from migrator.templates import read_part, render_template

SHARED_FROM = 8
"""Workloads from which on a reason is written once for all of them."""

FOLDED_FROM = 40
"""Workloads from which on their changes are folded away until somebody opens them."""

MANY = 2000
"""Changes from which on less is shown of what stands around them."""

LISTED = 25
"""Places that are listed where many say the same; the rest is counted."""

_CODE = re.compile("`([^`<>&]+)`")
_PLACE = re.compile(r"([^\s,;()<>\"']+):([0-9]+)\b")


@dataclass(slots=True)
class _Facets:
    """What can be filtered by: the values of a dimension, numbered as they come."""

    values: dict[str, dict[str, int]] = field(default_factory=lambda: {name: {} for name in "nrsw"})

    def tag(self, dimension: str, values: Iterable[str]) -> str:
        """Give the tags of values, which the page's script compares: `n0 n3`."""
        known = self.values[dimension]
        return " ".join(f"{dimension}{known.setdefault(value, len(known))}" for value in values)


@record
class _Links:
    """Where places of manifests lead: `files` were read, `absent` are yet to be written."""

    files: frozenset[str]
    absent: frozenset[str]

    def say(self, text: str) -> Markup:
        """Write a sentence: what stands in backticks as code, places of manifests as links."""
        written = _CODE.sub(r"<code>\1</code>", str(escape(text)))
        return Markup(_PLACE.sub(self._link, written))

    def _link(self, match: re.Match[str]) -> str:
        path = unescape(match[1])
        address = link_place(Location(path, 0, None, int(match[2])), self.absent) if path in self.files else None
        return match[0] if address is None else f'<a class="place" href="{escape(address)}">{match[0]}</a>'

    def place(self, location: Location) -> str | None:
        """Give the address of a manifest's line."""
        return link_place(location, self.absent)


def write_page(plan: Plan, files: Iterable[FileChange], figure: str = "") -> str:
    """Write a plan, and what it renders to, as an HTML page; `figure` is markup of a picture for the summary."""
    listed = list(files)
    workloads = list(show_workloads(plan, listed, CONTEXT if len(plan.changes) < MANY else 1))
    facets = _Facets()
    who = _list_who(plan.port_map)
    tags = {workload.resource: _tag_workload(workload, who, facets) for workload in workloads}
    reasons = {workload.resource: list_reasons(workload.changes) for workload in workloads}
    users = Counter(why for own in reasons.values() for why in own)
    shared = [why for why, number in users.items() if number >= SHARED_FROM]
    links = _Links(
        frozenset(path for path, _ in plan.inputs), frozenset(item.path for item in listed if item.old is None)
    )
    style, script = read_part("report.css"), read_part("report.js")
    if figure:
        style += read_part("simulation.css")
    return render_template(
        "report.html.j2",
        plan=plan,
        version=__version__,
        title=title_plan(plan),
        assumptions=say_assumptions(plan.policy),
        counts=count_changes(plan.changes),
        phases=list(count_phases(plan)),
        breaks=list(list_breaks(plan)),
        left=list_left(plan),
        deletions=write_deletions(plan.changes),
        cautions=list(_list_cautions(workloads)),
        findings=list(_group_findings(plan.findings, facets)),
        workloads=workloads,
        ids={workload.resource: number for number, workload in enumerate(workloads, 1)},
        tags=tags,
        levels={item.resource: (item.before, item.after) for item in plan.workloads},
        who=who,
        ports=[(entry, _tag_port(entry, tags, facets)) for entry in plan.port_map],
        namespaces=[(item, facets.tag("n", [item.name])) for item in plan.namespaces],
        permissions=[(row, facets.tag("n", [row.namespace])) for row in list_permission_rows(plan.permission_delta)],
        permission_notes=list_permission_notes(plan),
        pod_security=find_version(plan.policy),
        reasons=reasons,
        shared={why: (number, users[why]) for number, why in enumerate(shared, 1)},
        reported=[item for item in plan.keys if item.fate == "reported" and not item.inherited],
        facets=facets.values,
        folded=len(workloads) >= FOLDED_FROM,
        figure=figure,
        style=style,
        script=script,
        style_hash=_hash(style),
        script_hash=_hash(script),
        count=count,
        say=links.say,
        place=links.place,
        link_source=link_source,
        name_place=name_place,
        name_strategy=name_strategy,
        write_lines=_write_lines,
        write_path=write_path,
        listed=LISTED,
    )


_TAGS: Mapping[Sign, str] = {" ": "span", "-": "del", "+": "ins"}


def _write_lines(lines: Iterable[Line], action: str) -> Markup:
    """Write lines with their numbers; the style sheet counts those of a new object."""
    return Markup("").join(
        Markup("<{0}{1}>{2}</{0}>").format(
            _TAGS[line.sign], "" if action == "create" else Markup(" data-n={}").format(line.number), line.text or " "
        )
        for line in lines
    )


def _hash(text: str) -> str:
    """Give the hash by which the page's own policy knows a style or script that it allows."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _list_who(port_map: Iterable[PortMapEntry]) -> dict[ResourceRef, tuple[str, ...]]:
    """List who must change, by workload."""
    found: dict[ResourceRef, dict[str, None]] = {}
    for entry in port_map:
        found.setdefault(entry.resource, {})[entry.who_must_change] = None
    return {resource: tuple(names) for resource, names in found.items()}


def _tag_workload(workload: ShownWorkload, who: Mapping[ResourceRef, Sequence[str]], facets: _Facets) -> str:
    ref = workload.resource
    namespace = ref.name if ref.kind == "Namespace" else ref.namespace
    rules = dict.fromkeys(change.rule for change in workload.changes)
    strategies = dict.fromkeys(change.strategy for change in workload.changes)
    found = (
        facets.tag("n", [namespace or "-"]),
        facets.tag("r", rules),
        facets.tag("s", strategies),
        facets.tag("w", who.get(ref, ())),
    )
    return " ".join(filter(None, found))


def _tag_port(entry: PortMapEntry, tags: Mapping[ResourceRef, str], facets: _Facets) -> str:
    known = tags.get(entry.resource) or facets.tag("n", [entry.resource.namespace or "-"])
    others = [tag for tag in known.split() if not tag.startswith("w")]
    return " ".join((*others, facets.tag("w", [entry.who_must_change])))


def _list_cautions(workloads: Iterable[ShownWorkload]) -> Iterator[tuple[str, list[ResourceRef]]]:
    """List what to look out for, the most frequent first, with the workloads where."""
    found: dict[str, list[ResourceRef]] = {}
    for workload in workloads:
        texts = dict.fromkeys(text for change in workload.changes for text in change.reason.caveats)
        for text in texts:
            found.setdefault(text, []).append(workload.resource)
    yield from sorted(found.items(), key=lambda item: -len(item[1]))


def _group_findings(findings: Iterable[Finding], facets: _Facets) -> Iterator[tuple[Finding, list[Location], str]]:
    """Group findings that say the same, with their places and tags."""
    found: dict[tuple[str, str, str], list[Finding]] = {}
    for item in findings:
        found.setdefault((item.severity, item.rule, item.message), []).append(item)
    for items in sorted(found.values(), key=lambda group: ("error", "warning", "info").index(group[0].severity)):
        names = dict.fromkeys(item.resource.namespace or "-" for item in items if item.resource is not None)
        tags = f"{facets.tag('n', names)} {facets.tag('r', [items[0].rule])}".strip()
        yield items[0], [item.location for item in items if item.location is not None], tags
