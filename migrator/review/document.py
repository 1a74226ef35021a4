"""Audits as plain data, and plain data as JSON or YAML.

Field names are the Kubernetes API's and those of the KRM functions specification's results.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from migrator.model.edit import FieldEdit
from migrator.model.field import format_path
from migrator.model.policy import Policy
from migrator.model.workload import PodSecurity, Workload
from migrator.model.world import World
from migrator.planning.document import (
    FORMAT_VERSION,
    describe_finding,
    describe_host_port,
    describe_keys,
    describe_location,
    describe_ref,
    describe_unread,
    write_edit_path,
)
from migrator.podsecurity.level import Level

if TYPE_CHECKING:
    from migrator.review.audit import Audit
    from migrator.rules.pod_security_policy import NamespaceGrant, PolicyDecision


def describe_audit(audit: Audit, level: Level | None = None) -> dict[str, Any]:
    """Give what an audit found; with a level, what it would take each workload to satisfy it."""
    return {
        "formatVersion": FORMAT_VERSION,
        "workloads": [
            _describe_workload(workload, audit.world, level)
            | ({} if audit.admission is None else {"podSecurityPolicy": _describe_policy_decision(decision)})
            for workload, decision in zip(audit.workloads, audit.decisions, strict=True)
        ],
        "conflicts": [
            {
                "hostPort": conflict.host_port,
                "hostIP": conflict.host_ip,
                "protocol": conflict.protocol,
                "workloads": [describe_ref(ref) for ref in conflict.workloads],
            }
            for conflict in audit.conflicts
        ],
        "namespaces": [
            {"name": verdict.name, "needed": verdict.needed}
            | _describe_grant(audit.grants.get(verdict.name))
            | {"recommended": verdict.after, "because": verdict.because}
            for verdict in audit.verdicts
        ],
        "findings": [describe_finding(finding) for finding in audit.findings],
        "unread": [describe_unread(item) for item in audit.unread],
        **describe_keys(audit.inventory.keys),
    }


def _describe_policy_decision(decision: PolicyDecision | None) -> dict[str, Any] | None:
    if decision is None:
        return None
    selection = decision.selection
    described: dict[str, Any] = {
        "selected": selection.selected,
        "mutations": [{"field": format_path(field), "value": value} for field, value in decision.injected],
        "rejectedBy": {name: list(messages) for name, messages in selection.rejected_by.items()},
    }
    if selection.refusals:
        described["refusals"] = list(selection.refusals)
    return described


def _describe_grant(grant: NamespaceGrant | None) -> dict[str, Any]:
    if grant is None:
        return {}
    from migrator.rules.pod_security_policy import describe_limit

    return {
        "granted": grant.strict,
        "grantedWithoutLSM": grant.without_lsm,
        "grantedBecause": [describe_limit(*item) for item in grant.because],
    }


def _describe_workload(workload: Workload, world: World, level: Level | None) -> dict[str, Any]:
    verdict = _describe_pod_security(workload.pod_security)
    if verdict is not None and level is not None:
        verdict["remedies"] = [] if world.owner_of(workload) else _describe_remedies(workload, level, world.policy)
    return {
        "resourceRef": describe_ref(workload.ref),
        "file": describe_location(workload.location),
        "hostPorts": [{**describe_host_port(port), "line": port.line} for port in workload.host_ports],
        "hostNetwork": workload.host_network,
        "podSecurity": verdict,
    }


def _describe_pod_security(verdict: PodSecurity | None) -> dict[str, Any] | None:
    if verdict is None:
        return None
    return {
        "version": verdict.version,
        "level": verdict.level,
        "violations": [
            {
                "level": violation.level,
                "check": violation.check,
                "reason": violation.reason,
                "detail": violation.detail,
                "fields": [{"path": format_path(path), "line": line} for path, line in violation.fields],
            }
            for violation in verdict.violations
        ],
    }


def _describe_remedies(workload: Workload, level: Level, policy: Policy) -> list[dict[str, Any]]:
    from migrator.strategies.hardening import find_remedies

    described = []
    for remedy in find_remedies(workload, level, policy):
        entry: dict[str, Any] = {"check": remedy.check, "mechanical": remedy.mechanical}
        if remedy.mechanical:
            entry["edits"] = [_describe_edit(edit) for edit in remedy.edits]
            entry["risk"] = remedy.risk
        else:
            entry["fields"] = [format_path(path) for path in remedy.fields]
            entry["options"] = [{"does": option.does, "price": option.price} for option in remedy.options]
        described.append(entry)
    return described


def _describe_edit(edit: FieldEdit) -> dict[str, Any]:
    described = {"op": edit.op, "path": write_edit_path(edit)}
    return described if edit.op == "remove" else {**described, "value": edit.value}


def write_document(document: Any, output: str) -> str:
    """Write plain data as JSON or YAML."""
    if output == "yaml":
        from migrator.yaml.write import write_block

        return "\n".join(write_block(document)) + "\n"
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
