"""A comment for a pull request: what a reviewer needs first, details folded, below GitHub's limit.

The limit: https://github.com/orgs/community/discussions/27190 (65,536 characters of a comment's body).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from migrator import __version__
from migrator.model.inventory import Finding
from migrator.model.plan import Plan
from migrator.planning.document import write_path
from migrator.rendering.render import FileChange
from migrator.review.deletions import write_deletions
from migrator.review.links import link_source
from migrator.review.permissions import list_permission_notes, list_permission_rows
from migrator.review.reasons import list_reasons
from migrator.review.shown import ShownObject, ShownWorkload, show_workloads
from migrator.review.strategies import name_strategy
from migrator.review.summary import count, count_phases, list_breaks, list_left, say_assumptions, title_plan
from migrator.rules.pod_security import find_version
from migrator.templates import Written, render_template

LIMIT = 65_536
"""Characters that GitHub takes in a comment."""

RESERVED = 600
"""Characters kept for saying what was left out."""

ROWS = (200, 50, 20, 5)
"""Rows that a table of the summary may have: the most that leave room for the rest."""


def write_comment(plan: Plan, files: Iterable[FileChange]) -> str:
    """Write a plan, and what it renders to, as markdown; what does not fit into a comment is left out, and said."""
    head = next(text for rows in ROWS if len(text := _write_head(plan, rows)) < LIMIT // 2 or rows == ROWS[-1])
    room = LIMIT - RESERVED - len(head)
    parts = [head] if room > 0 else []
    shown: list[ShownWorkload] = []
    without_lines = 0
    for workload in show_workloads(plan, files):
        whole, brief = (_write_workload(plan, workload, lines) for lines in (True, False))
        fitting = next((text for text in (whole, brief) if len(text) <= room), None)
        if fitting is None:
            break
        shown.append(workload)
        without_lines += fitting is not whole
        room -= len(fitting)
        parts.append(fitting)
    workloads = len({change.workload for change in plan.changes}) - len(shown)
    changes = len(plan.changes) - sum(1 for workload in shown for _ in workload.changes)
    notes = [f"the lines of {count(without_lines, 'workload')}"] if without_lines else []
    notes += [f"{count(workloads, 'workload')} with {count(changes, 'change')}"] if workloads else []
    parts.append(render_template("comment_end.md.j2", notes=notes, limit=f"{LIMIT:,}", version=__version__))
    return "".join(parts)


def _write_head(plan: Plan, rows: int) -> str:
    return render_template(
        "comment.md.j2",
        plan=plan,
        title=title_plan(plan),
        assumptions=say_assumptions(plan.policy),
        phases=list(count_phases(plan)),
        breaks=list(list_breaks(plan)),
        left=_list_distinct(list_left(plan)),
        deletions=write_deletions(plan.changes),
        permissions=list_permission_rows(plan.permission_delta),
        permission_notes=list_permission_notes(plan),
        others=_list_distinct(finding for finding in plan.findings if finding.severity == "info"),
        reported=[item for item in plan.keys if item.fate == "reported"],
        pod_security=str(find_version(plan.policy)),
        rows=rows,
        count=count,
        code=write_code,
    )


def _list_distinct(findings: Iterable[Finding]) -> list[Finding]:
    return list({(item.rule, item.message): item for item in reversed(list(findings))}.values())[::-1]


def _write_workload(plan: Plan, workload: ShownWorkload, lines: bool) -> str:
    levels = next(((item.before, item.after) for item in plan.workloads if item.resource == workload.resource), None)
    return render_template(
        "comment_workload.md.j2",
        workload=workload,
        levels=levels,
        reasons=list_reasons(workload.changes),
        lines=lines,
        code=write_code,
        diff=write_diff_block,
        link_source=link_source,
        name_strategy=name_strategy,
        write_path=write_path,
    )


def write_code(text: str) -> Written:
    """Write text as code that stays on its line, also in a table, whatever it holds."""
    flat = " ".join(text.split())
    if re.search(r"[`|]", flat):
        return Written(
            "<code>" + "".join(f"&#{ord(char)};" if not char.isalnum() else char for char in flat) + "</code>"
        )
    return Written(f"`{flat}`") if flat else Written("")


def write_diff_block(objects: Sequence[ShownObject]) -> Written:
    """Write the lines of objects as one block that is fenced by more backticks than it holds."""
    lines: list[str] = []
    for shown in objects:
        if shown.stretches:
            lines.append(f"@@ {shown.resource.kind}/{shown.resource.name} {shown.location} @@")
        for stretch in shown.stretches:
            lines += ["@@"] if stretch.after_gap else []
            lines += [f"{line.sign}{line.text}" for line in stretch.lines]
    body = "\n".join(lines)
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", body)), default=0))
    return Written(f"{fence}diff\n{body}\n{fence}" if body else "")
