"""Text for a person: aligned columns and wrapped sentences, plain when piped, coloured on a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from migrator.model.field import format_path
from migrator.model.inventory import Finding, Inventory, KeyFate
from migrator.model.plan import Change, Plan, PortMapEntry
from migrator.model.reference import ResourceRef
from migrator.model.workload import Workload
from migrator.planning.document import write_edit_path, write_path
from migrator.podsecurity.labels import ENFORCE
from migrator.podsecurity.level import Level
from migrator.review.deletions import write_deletions
from migrator.review.painter import SHOWN, Painter
from migrator.review.permissions import HEADER, list_permission_notes, list_permission_rows
from migrator.review.summary import count, say_assumptions, say_once, title_plan
from migrator.rules.conflicts import Conflict
from migrator.rules.hardening import Remedy
from migrator.rules.pod_security import find_version
from migrator.yaml.scalars import write_scalar

if TYPE_CHECKING:
    from migrator.review.audit import Audit


def write_audit(audit: Audit, level: Level | None, painter: Painter, verbose: bool = False) -> str:
    """Write what an audit found; with a level, every violation of it."""
    lines: list[str] = []
    with_ports = [workload for workload in audit.workloads if workload.host_ports or workload.host_network]
    ports = sum(len(workload.host_ports) for workload in audit.workloads)
    files = len({workload.location.path for workload in audit.workloads} if audit.names else audit.inventory.files)
    lines.append(
        painter.paint(
            f"{count(len(audit.workloads), 'workload')} in {count(files, 'file')}; {count(ports, 'host port')}",
            "bold",
        )
    )
    if with_ports:
        rows = []
        random = audit.world.translated
        for workload in with_ports:
            if workload.host_network and not workload.host_ports:
                rows.append((str(workload.ref), "host network", "", str(workload.location)))
            for port in workload.host_ports:
                address = "" if port.host_ip == "0.0.0.0" else f"{port.host_ip}:"
                number = "random" if workload.location.path in random and not port.host_port else port.host_port
                note = port.role if port.role != "container" else "host network" if workload.host_network else ""
                rows.append(
                    (
                        str(workload.ref),
                        f"{address}{number}/{port.protocol} → {port.container_port}",
                        f"{port.container}{f' ({note})' if note else ''}",
                        str(workload.location.at(port.line)),
                    )
                )
        lines += ["", *painter.table(("WORKLOAD", "HOST PORT", "CONTAINER", "PLACE"), rows)]
    if audit.conflicts:
        lines += ["", painter.paint("Pods that cannot share a node", "bold")]
        lines += painter.table(("PORT", "WORKLOADS"), [_conflict_row(conflict) for conflict in audit.conflicts])
    lines += _write_levels(audit, painter)
    if level is not None:
        lines += _write_violations(audit.workloads, level, painter)
        lines += _write_remedies(audit, level, painter, verbose)
    lines += _write_policies(audit, painter, verbose)
    lines += [] if audit.names else _write_keys(audit.inventory.keys, painter)
    lines += _write_findings(audit.findings, painter)
    lines += [] if audit.names else _write_unread(audit.inventory, painter, verbose)
    return "\n".join(lines) + "\n"


def _write_policies(audit: Audit, painter: Painter, verbose: bool) -> list[str]:
    if audit.admission is None:
        return []
    from migrator.review.psp_text import explain_policy_decision, write_namespace_grants, write_policy_decisions

    lines = write_policy_decisions(audit.decisions, audit.admission, painter, verbose and not audit.names)
    namespaces = [grant for name, grant in audit.grants.items() if any(item.name == name for item in audit.verdicts)]
    lines += write_namespace_grants(namespaces, painter)
    if verbose and audit.names:
        for decision in audit.decisions:
            lines += [] if decision is None else explain_policy_decision(decision, audit.admission, painter)
    return lines


def _write_levels(audit: Audit, painter: Painter) -> list[str]:
    if not audit.verdicts:
        return []
    rows = []
    for verdict in audit.verdicts:
        more = f" and {len(verdict.because) - 1} more" if len(verdict.because) > 1 else ""
        rows.append((verdict.name, verdict.needed, f"{verdict.because[0]}{more}" if verdict.because else ""))
    title = (
        f"Pod Security {find_version(audit.policy)}: the strictest level that all workloads of a namespace satisfy"
    )
    return ["", painter.paint(title, "bold"), *painter.table(("NAMESPACE", "LEVEL", "BECAUSE"), rows)]


def _write_violations(workloads: Iterable[Workload], level: str, painter: Painter) -> list[str]:
    rows = [
        (str(workload.ref), violation.check, violation.detail or violation.reason, str(workload.location.at(line)))
        for workload in workloads
        if workload.pod_security is not None
        for violation in workload.pod_security.violations
        if violation.counts_at(level)
        for line in [violation.fields[0][1] if violation.fields else workload.location.line]
    ]
    if not rows:
        return ["", f"Every workload satisfies {level}"]
    title = f"Violations of {level}"
    return ["", painter.paint(title, "bold"), *painter.table(("WORKLOAD", "CHECK", "WHAT", "PLACE"), rows)]


def _write_remedies(audit: Audit, level: Level, painter: Painter, verbose: bool) -> list[str]:
    """Write what it would take each workload to satisfy a level; risks and options once per check."""
    from migrator.strategies.hardening import find_remedies

    lines: list[str] = []
    said: set[tuple[str, str]] = set()
    shown = 0
    for workload in audit.workloads:
        remedies = () if audit.world.owner_of(workload) else find_remedies(workload, level, audit.policy)
        if not remedies:
            continue
        shown += 1
        if shown > SHOWN and not verbose:
            lines.append("… and more workloads; -v or -o json shows them all")
            break
        lines.append(f"  {painter.paint(str(workload.ref), 'cyan')} ({workload.location})")
        for remedy in remedies:
            lines += _write_remedy(remedy, painter)
            if (remedy.check, remedy.risk) not in said:
                said.add((remedy.check, remedy.risk))
                notes = [f"risk: {remedy.risk}"] if remedy.mechanical else []
                notes += [f"option: {option.does} Price: {option.price}" for option in remedy.options]
                for note in notes:
                    lines += painter.wrap(note, "        ", "      - ")
    return ["", painter.paint(f"What it would take to satisfy {level}", "bold"), *lines] if lines else []


def _write_remedy(remedy: Remedy, painter: Painter) -> list[str]:
    if not remedy.mechanical:
        places = ", ".join(format_path(path) for path in remedy.fields[:3])
        more = f" and {len(remedy.fields) - 3} more" if len(remedy.fields) > 3 else ""
        return painter.wrap(f"? {remedy.check}, for a person to decide: {places}{more}", "      ", "    ")
    lines = []
    for edit in remedy.edits:
        value = "" if edit.op == "remove" else f": {write_scalar(edit.value)}"
        lines.append(f"    {'-' if edit.op == 'remove' else '~'} {edit.op} {write_edit_path(edit)}{value}")
    return lines


def _conflict_row(conflict: Conflict) -> tuple[str, str]:
    address = "" if conflict.host_ip == "0.0.0.0" else f"{conflict.host_ip}:"
    names = [str(ref) for ref in conflict.workloads]
    shown = ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
    return f"{address}{conflict.host_port}/{conflict.protocol}", shown + (
        " (its replicas)" if len(names) == 1 else ""
    )


def _write_keys(keys: Sequence[KeyFate], painter: Painter) -> list[str]:
    """Write what Rancher keys have no equivalent, with what to do, by file; count the others."""
    if not keys:
        return []
    fates = [key.fate for key in keys]
    reported = [key for key in keys if key.fate == "reported" and not key.inherited]
    below = fates.count("reported") - len(reported)
    title = (
        f"Rancher keys: {fates.count('translated')} translated, {len(reported)} for a person to look at"
        f"{f' (with {below} below them)' if below else ''}, {fates.count('ignored')} without meaning on Kubernetes"
    )
    lines = ["", painter.paint(title, "bold")]
    for number, key in enumerate(reported[:SHOWN]):
        if number == 0 or key.path != reported[number - 1].path:
            lines.append(f"  {painter.paint(key.path, 'cyan')}")
        lines += painter.wrap(f"{key.key}: {key.message}", "          ", f"    {key.line:>4}  ")
    return [*lines, *painter.say_rest(reported)]


def _write_findings(findings: Iterable[Finding], painter: Painter) -> list[str]:
    lines: list[str] = []
    colours = {"error": "red", "warning": "yellow", "info": "dim"}
    for finding in findings:
        place = f"{finding.location}: " if finding.location else ""
        lines += painter.wrap(
            f"{place}{finding.message} [{finding.rule}]",
            "  ",
            painter.paint(finding.severity, colours[finding.severity]) + " ",
        )
    return ["", *lines] if lines else []


def _write_unread(inventory: Inventory, painter: Painter, verbose: bool) -> list[str]:
    unread = inventory.unread
    others = sum(inventory.others.values())
    lines: list[str] = []
    if others:
        lines.append(f"{count(others, 'object')} of other kinds, which have no pods")
    if unread and not verbose:
        lines.append(f"{count(len(unread), 'place')} not read as manifests; -v lists them with the reasons")
    if verbose:
        lines += painter.table(
            ("NOT READ", "REASON"),
            [
                (item.path if item.document is None else f"{item.path}#{item.document}", item.reason)
                for item in unread
            ],
        )
    return ["", *lines] if lines else []


def write_plan(plan: Plan, painter: Painter, verbose: bool = False) -> str:
    """Write a plan: per workload what changes and why, then the port map and what a person must know."""
    lines: list[str] = [painter.paint(title_plan(plan), "bold")]
    lines += [painter.paint(line, "dim") for line in painter.wrap(say_assumptions(plan.policy), "")]
    by_workload: dict[ResourceRef, list[Change]] = {}
    for change in plan.changes:
        by_workload.setdefault(change.workload, []).append(change)
    for index, changes in enumerate(by_workload.values()):
        if index >= SHOWN and not verbose:
            lines += ["", "… and more workloads; -v or -o json shows them all"]
            break
        lines += ["", *_write_workload(changes, painter, verbose)]
    if plan.port_map:
        lines += ["", painter.paint("Port map", "bold")]
        rows = [_port_map_row(entry) for entry in plan.port_map]
        lines += painter.table(("WORKLOAD", "BEFORE", "AFTER", "WHO MUST CHANGE"), rows)
    if plan.namespaces:
        lines += ["", *_write_namespaces(plan, painter)]
    if plan.permission_delta:
        lines += ["", *_write_permissions(plan, painter)]
    told, commands = write_deletions(plan.changes)
    if commands:
        lines += ["", *painter.wrap(told, ""), *(f"  {command}" for command in commands)]
    lines += _write_keys(plan.keys, painter)
    lines += _write_findings(plan.findings, painter)
    open_numbers = plan.open_numbers()
    if open_numbers:
        lines += ["", "Numbers that the cluster chooses are known once the Services are applied:"]
        queries = list(dict.fromkeys(entry.query for entry in open_numbers))
        lines += [f"  {query}" for query in queries[:10]]
        if len(queries) > 10:
            lines.append(f"  … and {len(queries) - 10} more in the port map of -o json")
    return "\n".join(lines) + "\n"


def _write_namespaces(plan: Plan, painter: Painter) -> list[str]:
    lines = [painter.paint(f"Pod Security {find_version(plan.policy)} by namespace", "bold")]
    granted = any(item.granted is not None for item in plan.namespaces)
    rows = [
        (
            item.name,
            item.needed,
            item.after,
            *(tuple(level or "nothing" for level in item.granted or (None, None)) if granted else ()),
            item.because[0] if item.because else "",
        )
        for item in plan.namespaces
    ]
    columns = ("GRANTED", "WITHOUT LSM") if granted else ()
    lines += painter.table(("NAMESPACE", "NOW", "AFTER", *columns, "BECAUSE"), rows)
    notes: dict[str, list[str]] = {}
    for item in plan.namespaces:
        for note in item.notes:
            notes.setdefault(note, []).append(item.name)
    for note, names in notes.items():
        shown = ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")
        lines += painter.wrap(f"{shown}: {note}", "    ", "  - ")
    commands = [command for item in plan.namespaces for command in item.commands]
    if commands:
        lines += ["", "Namespaces without a manifest to edit; label them with:"]
        last = "  # in phase enforce, once the workloads are changed"
        lines += [f"  {command}{last if f'{ENFORCE}=' in command else ''}" for command in commands[:SHOWN]]
    return lines


def _write_permissions(plan: Plan, painter: Painter) -> list[str]:
    lines = [painter.paint("Who could run what under PodSecurityPolicy, and can under Pod Security", "bold")]
    lines += painter.table(
        HEADER,
        [
            (row.namespace, row.who, row.could, row.after, row.outcome)
            for row in list_permission_rows(plan.permission_delta)
        ],
    )
    for note in list_permission_notes(plan):
        lines += painter.wrap(note, "    ", "  - ")
    return lines


_SIGNS = {"keep": (" ", "dim"), "update": ("~", "yellow"), "create": ("+", "green"), "delete": ("-", "red")}


def _write_workload(changes: Sequence[Change], painter: Painter, verbose: bool) -> list[str]:
    first = changes[0]
    lines = [painter.paint(str(first.workload), "cyan")]
    said: set[str] = set()
    for change in changes:
        sign, colour = _SIGNS[change.action]
        field = "" if change.new is not None else f" {write_path(change)}"
        effect = "" if change.effect == "none" else f" [{change.effect}]"
        target = f"{change.resource.kind}/{change.resource.name}"
        when = "keep" if change.action == "keep" else change.phase
        head = f"{sign} {when:<8} {target}{field} ({change.location}){effect}"
        lines.append(f"  {painter.paint(head, colour)}")
        lines += painter.wrap(say_once(change.reason, said), "      ")
        notes = [("look out: ", text) for text in change.reason.caveats]
        if verbose or change is first:
            notes += [(f"considered {item.strategy}: ", item.because) for item in change.reason.considered]
            notes += [("way back: ", change.reason.way_back)] if change.reason.way_back else []
        if verbose:
            notes += [("source: ", text) for text in change.reason.sources]
        for label, text in notes:
            if label + text not in said:
                said.add(label + text)
                lines += painter.wrap(f"{label}{text}", "        ", "      - ")
    return lines


def _port_map_row(entry: PortMapEntry) -> tuple[str, str, str, str]:
    return (
        f"{entry.resource} {entry.pod}" if entry.pod else str(entry.resource),
        f"{entry.before}/{entry.protocol}",
        entry.elsewhere or _say_service(entry),
        entry.who_must_change,
    )


def _say_service(entry: PortMapEntry) -> str:
    """Say where the Service of a port is reached."""
    service = f"{entry.service.name}:{entry.port}" if entry.service else ""
    if entry.node_port is not None:
        return f"any node:{entry.node_port} ({service})"
    if entry.query is not None:
        return f"any node:? ({service})"
    return f"load balancer {service}" if entry.type == "LoadBalancer" else service
