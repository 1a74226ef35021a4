"""One plan, many views: the forms that reviewers and their tools read."""

from __future__ import annotations

from collections.abc import Sequence

from migrator.model.plan import Plan
from migrator.rendering.render import FileChange


def write_view(form: str, plan: Plan, files: Sequence[FileChange]) -> str:
    """Write a plan, and what it renders to, as markdown, html or sarif."""
    if form == "html":
        from migrator.review.html import write_page

        return write_page(plan, files)
    if form == "markdown":
        from migrator.review.markdown import write_comment

        return write_comment(plan, files)
    from migrator.review.sarif import write_sarif

    return write_sarif(plan, files)
