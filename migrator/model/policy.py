"""The policy: what a person knows about the cluster, and the decisions as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any, Literal, get_args

from migrator.model.record import record
from migrator.model.workload import WorkloadKind

StrategyName = str
HostPortStrategy = Literal[
    "keep",
    "remove",
    "node_port",
    "node_port_per_pod",
    "node_local",
    "cluster_ip",
    "load_balancer",
    "anti_affinity",
]
STRATEGIES: tuple[HostPortStrategy, ...] = get_args(HostPortStrategy)
"""What a policy, an annotation or a plan file can ask for."""

ClientAddresses = Literal["needed", "irrelevant"]


@record
class Cluster:
    """Facts about the cluster: its version as (major, minor), the range of node ports, both ends included.

    `pod_security_policy_admission` tells whether the API server may still run the PodSecurityPolicy plugin.
    """

    version: tuple[int, int] = (1, 34)
    node_ports: tuple[int, int] = (30000, 32767)
    used_node_ports: frozenset[int] = frozenset()
    load_balancer: bool = False
    pod_security_policy_admission: bool = True


@record
class Alternative:
    """A strategy that was considered besides, and why it was not taken."""

    strategy: StrategyName
    because: str


@record
class DecisionRow:
    """A row of a decision table: where all of `match` holds, `strategy` is taken.

    `match` maps the name of a fact to the value, or the list of values, that it must have. `options` are the
    strategy's own (externalTrafficPolicy, nodePort, spread). `because` and `considered` may name facts as
    `{{ port }}`. `row` is the row's number in the published decision table.
    """

    id: str
    strategy: StrategyName
    match: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    because: str = ""
    considered: tuple[Alternative, ...] = ()
    caveats: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    row: int | None = None
    finding: str | None = None


@record
class PodSecurityPolicyData:
    """What is asked of Pod Security.

    `version` is the policy version for labels and verdicts, None for the cluster's own. `complete` names the
    namespaces of which all pods are known, True for all. `harden` is the level that workloads are to be changed for.
    `exempt_namespaces` are never enforced, nor are pods of the exempt users and runtime classes.
    `non_root_images` are globs of images that are known not to run as root.
    """

    version: str | None = None
    complete: bool | frozenset[str] = False
    harden: Literal["none", "baseline", "restricted"] = "none"
    create_namespaces: bool = False
    exempt_namespaces: frozenset[str] = frozenset()
    exempt_users: frozenset[str] = frozenset()
    exempt_runtime_classes: frozenset[str] = frozenset()
    non_root_images: tuple[str, ...] = ()

    def is_complete(self, namespace: str) -> bool:
        """Tell whether all pods of a namespace are known."""
        return self.complete if isinstance(self.complete, bool) else namespace in self.complete


@record
class Policy:
    """What a run is asked to do: the built-in policy with a person's on top.

    `residue` says what becomes of what PodSecurityPolicies forbid and Pod Security does not. `document` is the
    resolved policy as plain data, as the plan file records it; `rancher` the part of it that says how Rancher stacks
    are translated. `secret_words` are words of names whose values no report shows, besides the built-in ones.
    """

    cluster: Cluster = Cluster()
    client_addresses: ClientAddresses = "needed"
    host_ports: tuple[DecisionRow, ...] = ()
    pod_security: PodSecurityPolicyData = PodSecurityPolicyData()
    residue: Literal["admission", "report", "none"] = "admission"
    workload_kinds: tuple[WorkloadKind, ...] = ()
    rancher: Mapping[str, Any] = field(default_factory=dict)
    exclude_paths: tuple[str, ...] = ()
    exclude_namespaces: frozenset[str] = frozenset()
    secret_words: frozenset[str] = frozenset()
    document: Mapping[str, Any] = field(default_factory=dict)
    path: str | None = None
