"""The form of a plan file: what `migrator schema plan` prints, for editors."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from migrator.policy.schema import MigrationPolicy


class _Form(BaseModel):
    # Fields may be added in later versions of the same major format.
    model_config = ConfigDict(extra="allow", populate_by_name=True)


class ResourceRefForm(_Form):
    """An object's identity."""

    api_version: str = Field(..., alias="apiVersion")
    kind: str
    namespace: str | None = None
    name: str


class FileForm(_Form):
    """A place in a source: its document and List item count from 0, its line from 1."""

    path: str
    document: int
    line: int
    item: int | None = None


class FieldForm(_Form):
    """What a field is and shall be; null for a field that is or shall be absent."""

    path: str
    current_value: Any = Field(None, alias="currentValue")
    proposed_value: Any = Field(None, alias="proposedValue")


class HostPortForm(_Form):
    """A host port with the API's defaults."""

    container: str
    container_port: int = Field(..., alias="containerPort")
    host_port: int = Field(..., alias="hostPort")
    host_ip: str = Field(..., alias="hostIP")
    protocol: str


class AlternativeForm(_Form):
    """A strategy that was considered, and why it was not taken."""

    strategy: str
    because: str


class ChangeForm(_Form):
    """One change. Take it out to leave it undone; edit `strategy` to have the port planned anew."""

    rule: str
    decision: str
    strategy: str
    phase: Literal["expand", "contract", "enforce", "cleanup"]
    action: Literal["keep", "update", "create", "delete"]
    resource_ref: ResourceRefForm = Field(..., alias="resourceRef")
    file: FileForm
    field: FieldForm
    workload: ResourceRefForm
    message: str
    effect: Literal["none", "rolling restart", "delete and re-create"]
    considered: list[AlternativeForm] = Field(default_factory=list)
    way_back: str = Field("", alias="wayBack")
    caveats: list[str] = Field(default_factory=list)
    sources: list[str] = Field(default_factory=list)
    host_ports: list[HostPortForm] = Field(default_factory=list, alias="hostPorts")


class OldPortForm(_Form):
    """Where the port was reached on the pod's node; port null was a random one."""

    host_ip: str = Field(..., alias="hostIP")
    port: int | None
    container_port: int | None = Field(None, alias="containerPort")


class NewPortForm(_Form):
    """Where the port will be reached; nodePort null is the cluster's choice, or none at all.

    `type` is a Service's type, Ingress or hostPort; null where nothing answers any more.
    """

    type: str | None = None
    service: ResourceRefForm | None
    port: int | None
    node_port: int | None = Field(None, alias="nodePort")
    hosts: list[str] = Field(default_factory=list)


class PortMapForm(_Form):
    """One line of the port map. Edit `new.nodePort` to fix a number."""

    resource_ref: ResourceRefForm = Field(..., alias="resourceRef")
    protocol: str
    old: OldPortForm
    new: NewPortForm
    who_must_change: str = Field(..., alias="whoMustChange")
    pod: str | None = None
    query: str | None = None


class SubjectForm(_Form):
    """A subject of RBAC; `namespace` is a service account's."""

    kind: Literal["User", "Group", "ServiceAccount"]
    namespace: str | None = None
    name: str


class PermissionChangeForm(_Form):
    """What subjects that may use the same PodSecurityPolicies could run; `before` null: nothing.

    `beyond` are the fields by which these policies allow more than the namespace's level.
    """

    subjects: list[SubjectForm]
    policies: list[str]
    before: str | None
    outcome: Literal["gains", "loses", "keeps"]
    beyond: list[str] = Field(default_factory=list)


class NamespacePermissionsForm(_Form):
    """Who could run what in a namespace while PodSecurityPolicy decided; `after` is the level for everybody."""

    namespace: str
    after: str
    changes: list[PermissionChangeForm]
    may_change_labels: list[SubjectForm] = Field(default_factory=list, alias="mayChangeLabels")
    may_add_ephemeral_containers: list[SubjectForm] = Field(default_factory=list, alias="mayAddEphemeralContainers")


class InputForm(_Form):
    """A file that the plan was made from."""

    path: str
    sha256: str


class PlanForm(_Form):
    """A plan: everything that a run proposes. Its inputs must be unchanged when it is given back."""

    format_version: str = Field(..., alias="formatVersion")
    migrator_version: str = Field(..., alias="migratorVersion")
    policy: MigrationPolicy
    sources: list[str]
    phase: Literal["expand", "contract", "enforce", "cleanup", "all"]
    inputs: list[InputForm]
    changes: list[ChangeForm]
    port_map: list[PortMapForm] = Field(..., alias="portMap")
    findings: list[dict[str, Any]] = Field(default_factory=list)
    namespaces: list[dict[str, Any]] = Field(default_factory=list)
    workloads: list[dict[str, Any]] = Field(default_factory=list)
    permission_delta: list[NamespacePermissionsForm] = Field(default_factory=list, alias="permissionDelta")
    unread: list[dict[str, Any]] = Field(default_factory=list)
