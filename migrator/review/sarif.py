"""SARIF 2.1.0, for code scanning and editors: a result for every change and finding, with its line and its fix.

https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html; what GitHub reads of it:
https://docs.github.com/en/code-security/code-scanning/integrating-with-code-scanning/sarif-support-for-code-scanning
"""

from __future__ import annotations

import hashlib
import json
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from migrator import __version__
from migrator.errors import TextError
from migrator.model.inventory import Finding
from migrator.model.plan import Change, Plan
from migrator.model.reference import Location
from migrator.planning.document import write_path
from migrator.rendering.render import FileChange
from migrator.rendering.replacement import Replacement
from migrator.review.explain import explain
from migrator.review.links import link_source
from migrator.review.secrets import find_secrets
from migrator.review.shown import EditedText, Place, list_edited, number_edits
from migrator.yaml.scan import decode

if TYPE_CHECKING:
    from migrator.podsecurity.level import Level
    from migrator.review.audit import Audit

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
ROOT = "%SRCROOT%"

_LEVELS: Mapping[str, str] = {"error": "error", "warning": "warning", "info": "note"}
_ACTIONS: Mapping[str, str] = {"keep": "note", "create": "note", "update": "warning", "delete": "warning"}

Result = dict[str, Any]


class _Text:
    """A file's text, to give places in it as lines and columns, which count code points from 1."""

    def __init__(self, content: bytes) -> None:
        self.content = content.removeprefix(b"\xef\xbb\xbf")
        self.skipped = len(content) - len(self.content)
        self.starts = [0]
        position = self.content.find(b"\n")
        while position >= 0:
            self.starts.append(position + 1)
            position = self.content.find(b"\n", position + 1)

    def region(self, start: int, end: int) -> dict[str, int]:
        """Give the region of a span of bytes."""
        first, last = self._place(start - self.skipped), self._place(end - self.skipped)
        return {"startLine": first[0], "startColumn": first[1], "endLine": last[0], "endColumn": last[1]}

    def _place(self, position: int) -> tuple[int, int]:
        line = bisect_right(self.starts, max(position, 0))
        start = self.starts[line - 1]
        return line, len(self.content[start:position].decode("utf-8", "replace")) + 1

    def line(self, number: int) -> dict[str, int]:
        """Give the region of a line, without its indentation."""
        if number > len(self.starts):
            return {"startLine": number}
        end = self.content.find(b"\n", self.starts[number - 1])
        text = self.content[self.starts[number - 1] : end if end >= 0 else None].decode("utf-8", "replace").rstrip()
        column = len(text) - len(text.lstrip()) + 1
        return {"startLine": number, "startColumn": column, "endLine": number, "endColumn": len(text) + 1}


def write_sarif(plan: Plan, files: Iterable[FileChange]) -> str:
    """Write a plan, and what it renders to, as a SARIF log.

    The fixes are the text edits: all of them together make the change, but for files that are new. A fix that would
    show a secret is left out.
    """
    listed = list(files)
    texts = {file.path: _Text(file.base) for file in listed if file.old is not None}
    fixes = _find_fixes(plan, listed, texts)
    results = [_describe_change(change, fixes.get(index, ()), texts) for index, change in enumerate(plan.changes)]
    return _write_log([*results, *(_describe_finding(finding, texts) for finding in plan.findings)], "plan")


def write_audit_sarif(audit: Audit, level: Level | None = None) -> str:
    """Write an audit as a SARIF log: host ports, violations of a level (else of all levels) and findings."""
    results: list[Result] = []
    for workload in audit.workloads:
        for port in workload.host_ports:
            location = Location(workload.location.path, workload.location.document, None, port.line)
            address = "" if port.host_ip == "0.0.0.0" else f"{port.host_ip}:"
            number = f"{address}{port.host_port}/{port.protocol}"
            message = f'{workload.ref}: container "{port.container}" uses hostPort {number}'
            results.append(_make_result("host-port", "warning", message, location, [workload.ref, port.host_port]))
        for violation in workload.pod_security.violations if workload.pod_security else ():
            if level is None or violation.counts_at(level):
                line = violation.fields[0][1] if violation.fields else workload.location.line
                location = Location(workload.location.path, workload.location.document, None, line)
                message = f"{workload.ref} violates {violation.level}: {violation.reason} ({violation.detail})"
                grave = "warning" if level is not None or violation.level == "baseline" else "note"
                results.append(_make_result(violation.check, grave, message, location, [workload.ref]))
    results += [_describe_finding(finding, {}) for finding in audit.findings]
    return _write_log(results, "audit")


def _write_log(found: Sequence[Result], run: str) -> str:
    # What stands nowhere in a file is told beside the results, each of which code scanning wants a place for.
    told = [item for item in found if "locations" not in item and "properties" not in item]
    results = [item for item in found if item not in told] if told else list(found)
    rules: dict[str, int] = {}
    seen: dict[str, int] = {}
    for result in results:
        result["ruleIndex"] = rules.setdefault(result["ruleId"], len(rules))
        # Equal results are told apart by their number, as code scanning does it.
        name = result["partialFingerprints"]["primaryLocationLineHash"]
        seen[name] = seen.get(name, 0) + 1
        result["partialFingerprints"]["primaryLocationLineHash"] = f"{name}:{seen[name]}"
    driver = {
        "name": "migrator",
        "version": __version__,
        "semanticVersion": __version__,
        "rules": [_describe_rule(name) for name in rules],
    }
    log = {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": driver},
                "automationDetails": {"id": f"migrator/{run}/"},
                "invocations": [{"executionSuccessful": True, "toolExecutionNotifications": list(map(_tell, told))}],
                "columnKind": "unicodeCodePoints",
                "originalUriBaseIds": {ROOT: {"description": {"text": "The folder that migrator ran in."}}},
                "results": results,
            }
        ],
    }
    return json.dumps(log, indent=1, ensure_ascii=False) + "\n"


def _tell(result: Result) -> dict[str, Any]:
    return {"level": result["level"], "message": {"text": f"{result['message']['text']} [{result['ruleId']}]"}}


def _describe_rule(name: str) -> dict[str, Any]:
    """Describe a rule by what `explain` says of it."""
    text = explain(name) or f"{name}: what a person should know about the sources"
    title, _, rest = text.partition("\n")
    first = rest.strip().partition("\n\n")[0]
    says = title if ":\n" in first else " ".join(first.split())
    rule = {
        "id": name,
        "name": "".join(part[:1].upper() + part[1:] for part in name.split("-")),
        "shortDescription": {"text": title.partition(": ")[2] or title},
        "fullDescription": {"text": says or title},
        "help": {"text": text.strip(), "markdown": f"```text\n{text.strip()}\n```"},
        "properties": {"tags": ["kubernetes", "migration"]},
    }
    sources = [link for line in text.splitlines() if (link := link_source(line.strip()))]
    return {**rule, "helpUri": sources[0]} if sources else rule


def _describe_change(
    change: Change, replaced: Sequence[tuple[Replacement, str]], texts: Mapping[str, _Text]
) -> Result:
    reason = change.reason
    cautions = [f"Look out: {text}" for text in reason.caveats]
    way_back = [f"Way back: {reason.way_back}"] if reason.way_back else []
    # A file that is yet to be written has no lines to show; the object that it is for has.
    location = change.new.anchor if change.new is not None and _is_new_file(change) else change.location
    identity = [change.resource, change.strategy, change.action, write_path(change)]
    message = "\n".join((reason.message, *cautions, *way_back))
    result = _make_result(change.rule, _ACTIONS[change.action], message, location, identity, texts)
    result["properties"] = {
        "phase": change.phase, "strategy": change.strategy, "decision": change.decision, "action": change.action,
        "resource": str(change.resource), "effect": change.effect,
    }  # fmt: skip
    if replaced:
        path = change.location.path
        replacements = [
            {
                "deletedRegion": texts[path].region(item.start, item.end),
                **({"insertedContent": {"text": text}} if text else {}),
            }
            for item, text in replaced
        ]
        changed = {"artifactLocation": _describe_file(path), "replacements": replacements}
        what = reason.what or reason.message
        result["fixes"] = [{"description": {"text": what}, "artifactChanges": [changed]}]
    return result


def _describe_finding(finding: Finding, texts: Mapping[str, _Text]) -> Result:
    identity = [finding.resource, finding.message]
    return _make_result(finding.rule, _LEVELS[finding.severity], finding.message, finding.location, identity, texts)


def _make_result(
    rule: str,
    level: str,
    message: str,
    location: Location | None,
    identity: Iterable[Any],
    texts: Mapping[str, _Text] | None = None,
) -> Result:
    digest = hashlib.sha256("\0".join(map(str, (rule, *identity))).encode("utf-8", "surrogateescape")).hexdigest()
    result: Result = {"ruleId": rule, "level": level, "message": {"text": message}}
    if location is not None and location.path != "-":
        text = (texts or {}).get(location.path)
        region = text.line(location.line) if text is not None else {"startLine": location.line}
        place = {"artifactLocation": _describe_file(location.path), "region": region}
        result["locations"] = [{"physicalLocation": place}]
    return {**result, "partialFingerprints": {"primaryLocationLineHash": digest[:16]}}


def _describe_file(path: str) -> dict[str, str]:
    """Give a file's address: below the folder that migrator ran in, or a whole one."""
    return (
        {"uri": Path(path).as_uri()}
        if Path(path).is_absolute()
        else {"uri": quote(path, errors="surrogateescape"), "uriBaseId": ROOT}
    )


def _find_fixes(
    plan: Plan, files: Sequence[FileChange], texts: Mapping[str, _Text]
) -> dict[int, list[tuple[Replacement, str]]]:
    """Find the text edits of each change, by its place in the plan; one that several changes make is the first's."""
    words = plan.policy.secret_words
    order = number_edits(plan.changes)
    by_place: dict[Place, dict[int, int]] = {}
    for index, change in enumerate(plan.changes):
        if index in order:
            place = (change.location.path, change.location.document, change.location.item)
            by_place.setdefault(place, {})[order[index]] = index
    found: dict[int, list[tuple[Replacement, str]]] = {}
    for text in list_edited(file for file in files if file.path in texts):
        edits = by_place.get((text.path, text.edited.document, text.edited.item), {})
        secrets = _list_secrets(text, words)
        for item, causes in text.edited.replacements:
            owner = edits.get(causes[0]) if causes else None
            inserted = item.content.decode()
            if owner is not None and not any(secret in inserted for secret in secrets):
                found.setdefault(owner, []).append((item, inserted))
    for file in files:
        if file.path in texts:
            found.update(_find_insertions(plan.changes, file))
    return found


def _list_secrets(text: EditedText, words: frozenset[str]) -> set[str]:
    try:
        listed = [found for content in (text.before, text.after) for found in find_secrets(decode(content), words)]
    except TextError:
        return {""}
    return {value for _, _, value in listed}


def _find_insertions(
    changes: Sequence[Change], file: FileChange
) -> Iterator[tuple[int, list[tuple[Replacement, str]]]]:
    """Find what else becomes of a file: new objects go in, and deleted ones out, at their places."""
    made = {item for edited in file.edited for item, causes in edited.replacements if causes}
    rest = [item for item in file.replacements if item not in made]
    for action, items in (
        ("create", [item for item in rest if item.start == item.end]),
        ("delete", [item for item in rest if item.start < item.end]),
    ):
        places: dict[tuple[int, int], int] = {}
        for index, change in enumerate(changes):
            at = change.new.anchor if change.new is not None else change.location
            if change.action == action and at.path == file.path and not _is_new_file(change):
                places.setdefault((at.document, -1 if at.item is None else at.item), index)
        found = [(item, item.content.decode()) for item in items]
        if len(places) == len(items):
            for (_, index), item in zip(sorted(places.items()), found, strict=True):
                yield index, [item]
        elif places:  # neighbours that go together
            yield min(places.values()), found


def _is_new_file(change: Change) -> bool:
    return change.new is not None and change.new.placement == "file"
