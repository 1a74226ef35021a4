"""The plan as plain data, as the plan file holds it.

Field names are the Kubernetes API's and those of the KRM functions specification's results.
"""

from __future__ import annotations

from typing import Any

from migrator import __version__
from migrator.model.edit import APPEND, FieldEdit
from migrator.model.field import format_path
from migrator.model.inventory import Finding, KeyFate, Unread
from migrator.model.permission import NamespacePermissions, Subject
from migrator.model.plan import Change, NamespacePlan, Plan, PortMapEntry, WorkloadPlan
from migrator.model.reference import Location, ResourceRef
from migrator.model.selection import EVERYTHING, Selection
from migrator.model.workload import HostPort
from migrator.templates import render_object
from migrator.yaml.data import load_text

FORMAT_VERSION = "1.0"
_GRANTED = ("granted", "grantedWithoutLSM")


def describe_ref(ref: ResourceRef) -> dict[str, Any]:
    """Give an object's identity."""
    return {"apiVersion": ref.api_version, "kind": ref.kind, "namespace": ref.namespace, "name": ref.name}


def describe_location(location: Location) -> dict[str, Any]:
    """Give a place in a source."""
    place = {"path": location.path, "document": location.document, "line": location.line}
    return place if location.item is None else {**place, "item": location.item}


def describe_host_port(port: HostPort) -> dict[str, Any]:
    """Give a host port with the API's defaults."""
    return {
        "container": port.container,
        "containerPort": port.container_port,
        "hostPort": port.host_port,
        "hostIP": port.host_ip,
        "protocol": port.protocol,
    }


def _describe_namespace(namespace: NamespacePlan) -> dict[str, Any]:
    granted = {} if namespace.granted is None else dict(zip(_GRANTED, namespace.granted, strict=True))
    return {
        "name": namespace.name,
        "needed": namespace.needed,
        "after": namespace.after,
        **granted,
        "recommended": namespace.recommended,
        "because": list(namespace.because),
        "notes": list(namespace.notes),
        "labels": dict(namespace.labels),
        "commands": list(namespace.commands),
    }


def _describe_permissions(item: NamespacePermissions) -> dict[str, Any]:
    return {
        "namespace": item.namespace,
        "after": item.level,
        "changes": [
            {
                "subjects": [_describe_subject(subject) for subject in change.subjects],
                "policies": list(change.policies),
                "before": change.before,
                "outcome": change.outcome,
                "beyond": [format_path(path) for path in change.beyond],
            }
            for change in item.changes
        ],
        "mayChangeLabels": [_describe_subject(subject) for subject in item.labelers],
        "mayAddEphemeralContainers": [_describe_subject(subject) for subject in item.debuggers],
    }


def _describe_subject(subject: Subject) -> dict[str, Any]:
    return {"kind": subject.kind, "namespace": subject.namespace, "name": subject.name}


def describe_keys(keys: tuple[KeyFate, ...]) -> dict[str, Any]:
    """Give the fate of every key of the Rancher stacks; nothing where there are none."""
    if not keys:
        return {}
    described = [
        {"path": item.path, "line": item.line, "key": item.key, "fate": item.fate, "message": item.message}
        for item in keys
    ]
    return {"keys": described}


def describe_unread(item: Unread) -> dict[str, Any]:
    """Give a place that was not read, and why."""
    return {"path": item.path, "document": item.document, "reason": item.reason}


def describe_finding(finding: Finding) -> dict[str, Any]:
    """Give what a person should know."""
    return {
        "rule": finding.rule,
        "severity": finding.severity,
        "message": finding.message,
        "resourceRef": describe_ref(finding.resource) if finding.resource else None,
        "file": describe_location(finding.location) if finding.location else None,
    }


def describe_plan(
    plan: Plan,
    selection: Selection = EVERYTHING,
    default_namespace: str | None = None,
    exclude: tuple[str, ...] = (),
    requester: str | None = None,
) -> dict[str, Any]:
    """Give a plan as the plan file holds it."""
    return {
        "formatVersion": FORMAT_VERSION,
        "migratorVersion": __version__,
        "policy": plan.policy.document,
        "sources": list(plan.sources),
        "phase": plan.phase,
        "selection": _describe_selection(selection, default_namespace, exclude, requester),
        "inputs": [{"path": path, "sha256": sha256} for path, sha256 in plan.inputs],
        "findings": [describe_finding(finding) for finding in plan.findings],
        "changes": [describe_change(change) for change in plan.changes],
        "portMap": [_describe_port_map(entry) for entry in plan.port_map],
        "namespaces": [_describe_namespace(namespace) for namespace in plan.namespaces],
        "workloads": [_describe_workload_plan(item) for item in plan.workloads],
        "permissionDelta": [_describe_permissions(item) for item in plan.permission_delta],
        "unread": [describe_unread(item) for item in plan.unread],
        **describe_keys(plan.keys),
    }


def _describe_workload_plan(item: WorkloadPlan) -> dict[str, Any]:
    return {
        "resourceRef": describe_ref(item.resource),
        "file": describe_location(item.location),
        "podSecurity": {"before": item.before, "after": item.after},
    }


def _describe_selection(
    selection: Selection, default_namespace: str | None, exclude: tuple[str, ...], requester: str | None
) -> dict[str, Any]:
    given = {
        "namespaces": sorted(selection.namespaces) if selection.namespaces is not None else None,
        "workloads": sorted(selection.workloads) if selection.workloads is not None else None,
        "rules": sorted(selection.rules) if selection.rules is not None else None,
        "defaultNamespace": default_namespace,
        "exclude": list(exclude) or None,
        "requester": requester,
    }
    return {key: value for key, value in given.items() if value is not None}


def describe_change(change: Change) -> dict[str, Any]:
    """Give a change as the plan file holds it."""
    described: dict[str, Any] = {
        "rule": change.rule,
        "decision": change.decision,
        "strategy": change.strategy,
        "phase": change.phase,
        "action": change.action,
        "resourceRef": describe_ref(change.resource),
        "file": describe_location(change.location),
        "field": _describe_field(change),
        "workload": describe_ref(change.workload),
        "message": change.reason.message,
        "effect": change.effect,
        "considered": [{"strategy": item.strategy, "because": item.because} for item in change.reason.considered],
        "wayBack": change.reason.way_back,
        "caveats": list(change.reason.caveats),
        "sources": list(change.reason.sources),
    }
    if change.ports:
        described["hostPorts"] = [describe_host_port(port) for port in change.ports]
    return described


def _describe_field(change: Change) -> dict[str, Any]:
    if change.new is not None:
        return {"path": "", "currentValue": None, "proposedValue": load_text(render_object(change.new))}
    if change.edit is None:
        return {"path": "", "currentValue": change.current, "proposedValue": None}
    proposed = None if change.edit.op == "remove" else change.edit.value
    return {"path": write_path(change), "currentValue": change.current, "proposedValue": proposed}


def write_path(change: Change) -> str:
    """Write the path of the field that a change is about; `[-]` stands for a new item of a list."""
    return write_edit_path(change.edit) if change.edit is not None else ""


def write_edit_path(edit: FieldEdit) -> str:
    """Write the path of the field that an edit is about."""
    *above, last = edit.path
    return f"{format_path(tuple(above))}[-]" if last == APPEND else format_path(edit.path)


def _describe_port_map(entry: PortMapEntry) -> dict[str, Any]:
    described: dict[str, Any] = {
        "resourceRef": describe_ref(entry.resource),
        "protocol": entry.protocol,
        "old": {"hostIP": entry.old_ip, "port": entry.old_port, "containerPort": entry.container_port},
        "new": {
            "type": entry.type,
            "service": describe_ref(entry.service) if entry.service else None,
            "port": entry.port,
            "nodePort": entry.node_port,
        },
        "whoMustChange": entry.who_must_change,
    }
    if entry.hosts:
        described["new"]["hosts"] = list(entry.hosts)
    if entry.pod is not None:
        described["pod"] = entry.pod
    if entry.query is not None:
        described["query"] = entry.query
    return described
