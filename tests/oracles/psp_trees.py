"""Random clusters as files: policies, RBAC and workloads, planned and rewritten as a person's would be."""

from __future__ import annotations

import copy
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from psp_generators import NAMESPACES, SERVICE_ACCOUNTS, Json
from ruamel.yaml import YAML

from migrator.model.plan import Plan
from migrator.model.selection import Selection
from migrator.planning.plan import plan_changes
from migrator.policy.load import parse_policy
from migrator.psp.authorize import Identity
from migrator.rendering.render import render_plan
from migrator.rules.pod_security import find_version
from migrator.sources.read import ReadOptions, read_sources

KINDS = ("Deployment", "DaemonSet", "StatefulSet", "Job", "Pod")
WORKLOADS = "workloads.yaml"
INJECTION = frozenset(("pod-security-policy",))


@dataclass(frozen=True)
class Planned:
    """A plan, and the workloads as it leaves them."""

    plan: Plan
    workloads: list[Json]


def make_workload(random: Random, pod: Json, name: str) -> Json:
    """Make a workload of any kind whose pods are the given one."""
    kind = random.choice(KINDS)
    pod = copy.deepcopy(pod)
    namespace = pod["metadata"].pop("namespace")
    metadata = {"name": name, "namespace": namespace}
    if kind == "Pod":
        return {"apiVersion": "v1", "kind": kind, "metadata": {**pod["metadata"], **metadata}, "spec": pod["spec"]}
    labels = {"app": name}
    del pod["metadata"]["name"]
    spec: Json = {"template": {"metadata": {**pod["metadata"], "labels": labels}, "spec": pod["spec"]}}
    if kind != "Job":
        spec["selector"] = {"matchLabels": labels}
    version = "batch/v1" if kind == "Job" else "apps/v1"
    return {"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec}


def take_pod(workload: Json) -> Json:
    """Take a workload's pod out of it, as its controller would create it."""
    template = workload if workload["kind"] == "Pod" else workload["spec"]["template"]
    metadata = {**(template.get("metadata") or {}), "name": "pod", "namespace": workload["metadata"]["namespace"]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}


def make_accounts() -> list[Json]:
    """Make the service accounts of all namespaces, with their choice about tokens."""
    return [
        {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": {"name": name, "namespace": namespace},
            **({} if automount is None else {"automountServiceAccountToken": automount}),
        }
        for namespace in NAMESPACES
        for name, automount in SERVICE_ACCOUNTS.items()
    ]


def write_cluster(folder: Path, cluster: Sequence[Json], workloads: Sequence[Json]) -> None:
    """Write a cluster's objects, and the workloads into a file of their own."""
    yaml = YAML(typ="safe", pure=True)
    # In flow style ruamel.yaml writes `level: s0:c3` so that it cannot read it again.
    yaml.default_flow_style = False
    for name, documents in (("cluster.yaml", [*cluster, *make_accounts()]), (WORKLOADS, workloads)):
        with (folder / name).open("w") as stream:
            yaml.dump_all(documents, stream)


def plan_folder(
    folder: Path,
    spec: Json | None = None,
    rules: frozenset[str] | None = INJECTION,
    write: bool = True,
    requester: Identity | None = None,
) -> Planned:
    """Plan a folder and, unless told otherwise, write what the plan makes of it."""
    policy = parse_policy({"spec": spec or {}})
    before = Path.cwd()
    os.chdir(folder)
    try:
        inventory = read_sources(["."], ReadOptions(policy.workload_kinds, pod_security=find_version(policy)))
        assert not inventory.errors
        plan = plan_changes(inventory, policy, selection=Selection(rules=rules), requester=requester)
        for change in render_plan(plan, inventory.files):
            if write:
                Path(change.path).parent.mkdir(exist_ok=True)
                Path(change.path).write_bytes(change.new_content())
        documents: list[Any] = list(YAML(typ="safe").load_all(Path(WORKLOADS)))
    finally:
        os.chdir(before)
    return Planned(plan, [item for item in documents if item["kind"] in KINDS])
