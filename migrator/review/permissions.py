"""The permission delta as text: who gains, who loses, who may change a namespace's level."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from migrator.model.permission import NamespacePermissions, PermissionChange, Subject
from migrator.model.plan import Plan
from migrator.model.record import record
from migrator.podsecurity.level import PRIVILEGED

HEADER = ("NAMESPACE", "WHO", "COULD RUN", "CAN RUN", "")
POLICY = "ValidatingAdmissionPolicy"
_NAMED = 3


@record
class PermissionRow:
    """What subjects could run in a namespace, and can: `before` is None where they could run nothing."""

    namespace: str
    who: str
    before: str | None
    policies: str
    after: str
    outcome: str

    @property
    def could(self) -> str:
        """Say what they could run, and by which policies."""
        return f"{self.before} ({self.policies})" if self.before else "nothing"


def list_permission_rows(delta: Iterable[NamespacePermissions]) -> list[PermissionRow]:
    """List what whose permissions become."""
    return [
        PermissionRow(
            item.namespace,
            _join([_name(subject, item.namespace) for subject in change.subjects]),
            change.before,
            _join(change.policies),
            item.level,
            _say_outcome(change),
        )
        for item in delta
        for change in item.changes
    ]


def _say_outcome(change: PermissionChange) -> str:
    if change.outcome == "loses" and change.beyond:
        return f"loses {_join([str(path[1 if path[0] == 'spec' else -1]) for path in change.beyond])}"
    return "" if change.outcome == "keeps" else change.outcome


def list_permission_notes(plan: Plan) -> list[str]:
    """List who may change a level, and who loses debugging, with the namespaces where that is so."""
    notes: dict[str, list[str]] = {}
    for item in plan.permission_delta:
        if item.labelers:
            who = _join([_name(subject, item.namespace) for subject in item.labelers])
            notes.setdefault(f"{who} may change the namespace's labels, and so its level", []).append(item.namespace)
        if item.debuggers:
            who = _join([_name(subject, item.namespace) for subject in item.debuggers])
            notes.setdefault(_say_debuggers(who, item.level), []).append(item.namespace)
    said = [f"{_join(namespaces)}: {text}" for text, namespaces in notes.items()]
    if plan.permission_delta and any(change.resource.kind == POLICY for change in plan.changes):
        said.append("who gains is told by level; what a level does not say, the ValidatingAdmissionPolicies keep")
    return said


def _say_debuggers(who: str, level: str) -> str:
    what = f"{who} may add ephemeral containers to pods, which no PodSecurityPolicy ever checked"
    return what if level == PRIVILEGED else f"{what}; level {level} does, so they lose"


def _name(subject: Subject, namespace: str) -> str:
    return f"{subject.kind} {subject.name}" if subject.namespace == namespace else str(subject)


def _join(names: Sequence[str]) -> str:
    return ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")
