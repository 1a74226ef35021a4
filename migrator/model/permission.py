"""Who may run what in a namespace, while PodSecurityPolicy decides and afterwards."""

from __future__ import annotations

from typing import Literal

from migrator.model.field import FieldPath
from migrator.model.record import record

Outcome = Literal["gains", "loses", "keeps"]


@record
class Subject:
    """A subject as RBAC names it; `namespace` is a service account's, None for users and groups."""

    kind: Literal["User", "Group", "ServiceAccount"]
    namespace: str | None
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {f'{self.namespace}/' if self.namespace else ''}{self.name}"


@record
class PermissionChange:
    """What subjects that may use the same policies could run and can run.

    `before` is the weakest level that their `policies` grant where no pod uses SELinux or AppArmor; None where they
    may use no policy, and so could run no pod. `beyond` are the fields by which the policies allow more than the
    namespace's level does.
    """

    subjects: tuple[Subject, ...]
    policies: tuple[str, ...]
    before: str | None
    outcome: Outcome
    beyond: tuple[FieldPath, ...] = ()


@record
class NamespacePermissions:
    """The permissions of a namespace: `level` is what it enforces afterwards, for everybody alike.

    `labelers` may change the namespace's labels, and so the level. `debuggers` may put ephemeral containers into
    running pods, which PodSecurityPolicy never looked at and Pod Security does.
    """

    namespace: str
    level: str
    changes: tuple[PermissionChange, ...]
    labelers: tuple[Subject, ...]
    debuggers: tuple[Subject, ...]
