"""The form of a MigrationPolicy: what `migrator schema policy` prints and what a policy file is checked against."""

from __future__ import annotations

import json
import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, field_validator

from migrator.model.policy import HostPortStrategy

Port = Annotated[int, Field(ge=0, le=65535)]
OneOrMany = bool | int | str | list[str] | list[int]


class _Form(BaseModel):
    model_config = ConfigDict(extra="forbid", populate_by_name=True)


class ClusterForm(_Form):
    """Facts about the cluster that manifests do not tell."""

    kubernetes_version: str = Field(
        "1.34", alias="kubernetesVersion", description="The version that the result is for, such as 1.34."
    )
    node_port_range: str = Field(
        "30000-32767", alias="nodePortRange", description="kube-apiserver's --service-node-port-range."
    )
    used_node_ports: list[Port] = Field(
        default_factory=list,
        alias="usedNodePorts",
        description="Node ports that are taken in the cluster by Services which the sources do not hold.",
    )
    load_balancer: bool = Field(
        False, alias="loadBalancer", description="Whether the cluster gives Services of type LoadBalancer an address."
    )
    pod_security_policy_admission: Literal["on", "off"] = Field(
        "on",
        alias="podSecurityPolicyAdmission",
        description="Whether the API server runs the PodSecurityPolicy plugin; phase cleanup waits until it is off.",
        # What YAML 1.1 reads, and an editor that follows it, are booleans.
        json_schema_extra={"enum": ["on", "off", True, False]},
    )

    @field_validator("pod_security_policy_admission", mode="before")
    @classmethod
    def _read_switch(cls, value: Any) -> Any:
        return ("off", "on")[value] if isinstance(value, bool) else value

    @field_validator("kubernetes_version", mode="before")
    @classmethod
    def _check_version(cls, value: Any) -> str:
        if isinstance(value, float):
            raise ValueError(f"write the version in quotes: YAML takes {value} for a number, and 1.30 for 1.3")
        text = str(value)
        if not re.fullmatch(r"v?1\.[0-9]{1,3}(\.[0-9]+)?([+-].*)?", text):
            raise ValueError(f"{text!r} is no Kubernetes version such as 1.34 ")
        return text

    @field_validator("node_port_range")
    @classmethod
    def _check_range(cls, value: str) -> str:
        match = re.fullmatch(r"([0-9]+)-([0-9]+)", value)
        if match is None or not 0 < int(match[1]) <= int(match[2]) <= 65535:
            raise ValueError(f"{value!r} is no port range such as 30000-32767")
        return value


class MatchForm(_Form):
    """Facts to compare: equality for a value, membership for a list."""

    kinds: list[str] | str | None = None
    namespaces: list[str] | str | None = None
    names: list[str] | str | None = None
    labels: dict[str, str] | None = Field(None, description="Labels that the workload's pods must all carry.")
    containers: list[str] | str | None = None
    container_roles: list[str] | str | None = Field(None, alias="containerRoles")
    ports: list[Port] | Port | None = None
    container_ports: list[Port] | Port | None = Field(None, alias="containerPorts")
    protocols: list[str] | str | None = None
    host_ips: list[str] | str | None = Field(None, alias="hostIPs", description="any, loopback or address.")
    host_network: bool | None = Field(None, alias="hostNetwork")
    roles: list[str] | str | None = None
    replicas: list[str] | str | None = Field(None, description="one, many, perNode or none.")
    clients: list[str] | str | None = Field(None, description="external, node, cluster or none.")
    has_service: bool | None = Field(None, alias="hasService")
    stack: bool | None = Field(None, description="Whether a Rancher v1.6 stack became the workload.")


class HostPortForm(_Form):
    """A decision about host ports; the first that matches wins."""

    match: MatchForm = Field(default_factory=lambda: MatchForm())
    strategy: HostPortStrategy
    because: Annotated[str, StringConstraints(min_length=1)] = Field(
        ..., description="Why: a reviewer reads it beside the change."
    )
    node_port: Port | None = Field(
        None, alias="nodePort", description="The number to take, instead of a planned one."
    )
    external_traffic_policy: Literal["Local", "Cluster"] | None = Field(None, alias="externalTrafficPolicy")
    spread: Literal["none", "preferred", "required"] | None = Field(
        None, description="Anti-affinity that keeps the pods on different nodes, as the host port did."
    )


class WorkloadKindForm(_Form):
    """A kind that makes pods."""

    kind: str
    api_groups: list[str] = Field(..., alias="apiGroups", description='"" is the core group.')
    template: str = Field(..., description="The path of the pod template in the object, such as spec.template.")


class ExcludeForm(_Form):
    """What is read but never changed."""

    paths: list[str] = Field(default_factory=list, description="Globs of files, as --exclude takes them.")
    namespaces: list[str] = Field(default_factory=list)


class ExemptForm(_Form):
    """What the cluster's Pod Security admission leaves alone, as its AdmissionConfiguration says."""

    namespaces: list[str] = Field(
        default_factory=lambda: ["kube-system", "kube-public", "kube-node-lease"],
        description="Namespaces that are never enforced.",
    )
    users: list[str] = Field(default_factory=list)
    runtime_classes: list[str] = Field(default_factory=list, alias="runtimeClasses")


class PodSecurityForm(_Form):
    """What is asked of Pod Security."""

    version: str | None = Field(
        None, description="The policy version for labels and verdicts: v1.N or latest; by default the cluster's."
    )
    complete: bool | list[str] = Field(
        False, description="The namespaces of which the sources hold every pod; only those are enforced."
    )
    harden: Literal["none", "baseline", "restricted"] = Field(
        "none", description="The level that workloads are changed for where that can be done mechanically."
    )
    create_namespaces: bool = Field(
        False, alias="createNamespaces", description="Write Namespace objects where the sources hold none."
    )
    exempt: ExemptForm = Field(default_factory=lambda: ExemptForm())
    non_root_images: list[str] = Field(
        default_factory=list,
        alias="nonRootImages",
        description="Globs of images whose user is known not to be root, such as registry.example.com/shop/*.",
    )

    @field_validator("version")
    @classmethod
    def _check_version(cls, value: str | None) -> str | None:
        if value is not None and not re.fullmatch(r"latest|v1\.(0|[1-9][0-9]*)", value):
            raise ValueError(f'{value!r} must be "latest" or "v1.x"')
        return value


class PodSecurityPolicyForm(_Form):
    """What becomes of PodSecurityPolicies."""

    residue: Literal["admission", "report", "none"] = Field(
        "admission",
        description="What they forbid and Pod Security does not: admission writes ValidatingAdmissionPolicies, "
        "report says it, none leaves it.",
    )


class RancherForm(_Form):
    """How Rancher v1.6 stacks become Kubernetes objects."""

    namespace: str | None = Field(None, description="One namespace for all stacks; by default each has its own.")
    storage_classes: dict[str, str] = Field(
        default_factory=dict, alias="storageClasses", description="Storage classes by Rancher volume driver."
    )
    storage_size: str = Field("1Gi", alias="storageSize", description="What a claim asks for where no size is said.")
    ingress_class: str | None = Field(None, alias="ingressClass")
    cluster_domain: str = Field("cluster.local", alias="clusterDomain")
    host_labels: dict[str, str] | None = Field(
        None, alias="hostLabels", description="Node labels by the labels of Rancher's hosts."
    )
    secret_values: Literal["placeholder", "copy"] = Field(
        "placeholder", alias="secretValues", description="Whether values that look like secrets are copied."
    )


class SpecForm(_Form):
    """What a run is asked to do."""

    cluster: ClusterForm = Field(default_factory=lambda: ClusterForm())
    client_addresses: Literal["needed", "irrelevant"] = Field(
        "needed", alias="clientAddresses", description="Whether workloads need to see their clients' addresses."
    )
    host_ports: list[HostPortForm] = Field(default_factory=list, alias="hostPorts")
    workload_kinds: list[WorkloadKindForm] = Field(default_factory=list, alias="workloadKinds")
    pod_security: PodSecurityForm = Field(default_factory=lambda: PodSecurityForm(), alias="podSecurity")
    pod_security_policy: PodSecurityPolicyForm = Field(
        default_factory=lambda: PodSecurityPolicyForm(), alias="podSecurityPolicy"
    )
    rancher: RancherForm = Field(default_factory=lambda: RancherForm())
    exclude: ExcludeForm = Field(default_factory=lambda: ExcludeForm())
    secret_words: list[Annotated[str, StringConstraints(min_length=1, to_lower=True)]] = Field(
        default_factory=list,
        alias="secretWords",
        description="Words of variables' and annotations' names, besides password, token and the like, whose values "
        "no report shows.",
    )


class MetadataForm(BaseModel):
    """The object's name and annotations; of these only `migrator.dev/phase` counts, for the KRM function."""

    model_config = ConfigDict(extra="allow")

    name: str | None = None


class MigrationPolicy(_Form):
    """How migrator shall decide: facts about the cluster, and decisions in front of the built-in ones."""

    api_version: Literal["migrator.dev/v1"] = Field("migrator.dev/v1", alias="apiVersion")
    kind: Literal["MigrationPolicy"] = "MigrationPolicy"
    metadata: MetadataForm | None = None
    spec: SpecForm = Field(default_factory=lambda: SpecForm())


def write_schema(form: type[BaseModel]) -> str:
    """Write the JSON Schema of a form, as editors read it."""
    described = form.model_json_schema(by_alias=True)
    document = {"$schema": "https://json-schema.org/draft/2020-12/schema", **described}
    return json.dumps(document, indent=2) + "\n"
