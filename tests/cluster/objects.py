"""Objects as a server holds them."""

from __future__ import annotations

from typing import Any

Json = dict[str, Any]

SERVED = {
    "v1": [("Namespace", False), ("Node", False), ("Pod", True), ("Secret", True), ("Service", True)],
    "apps/v1": [("Deployment", True), ("ReplicaSet", True), ("StatefulSet", True), ("DaemonSet", True)],
    "batch/v1": [("Job", True), ("CronJob", True)],
}
SERVED_WITH_POLICIES = {
    **SERVED,
    "v1": [*SERVED["v1"], ("ServiceAccount", True)],
    "policy/v1": [("PodDisruptionBudget", True)],
    "policy/v1beta1": [("PodDisruptionBudget", True), ("PodSecurityPolicy", False)],
    "rbac.authorization.k8s.io/v1": [
        ("Role", True),
        ("ClusterRole", False),
        ("RoleBinding", True),
        ("ClusterRoleBinding", False),
    ],
}


def make(api_version: str, kind: str, name: str, namespace: str | None = "shop", **more: Any) -> Json:
    metadata = {
        "name": name,
        "uid": f"uid-{kind}-{name}",
        "resourceVersion": "12",
        "managedFields": [{"manager": "kubectl"}],
        **more.pop("metadata", {}),
    }
    if namespace is not None:
        metadata["namespace"] = namespace
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **more}


def make_spec(host_port: int | None = 8080) -> Json:
    port = {"containerPort": 8080, "protocol": "TCP"} | ({"hostPort": host_port} if host_port else {})
    return {"containers": [{"name": "web", "image": "images.example.com/web:1", "ports": [port]}]}


def make_deployment(name: str = "web", host_port: int | None = 8080, namespace: str = "shop") -> Json:
    labels = {"app": name}
    spec = {
        "replicas": 2,
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": make_spec(host_port)},
    }
    return make("apps/v1", "Deployment", name, namespace, spec=spec, status={"replicas": 2})


def make_owned(api_version: str, kind: str, name: str, owner: Json, host_port: int | None = 8080) -> Json:
    """Make what a workload makes: a Pod, or what makes Pods in between."""
    by = {"apiVersion": owner["apiVersion"], "kind": owner["kind"], "name": owner["metadata"]["name"]}
    labels = {"app": "web"}
    spec: Json = make_spec(host_port)
    if kind != "Pod":
        spec = {"template": {"metadata": {"labels": labels}, "spec": spec}}
    metadata = {"labels": labels, "ownerReferences": [{**by, "controller": True, "uid": owner["metadata"]["uid"]}]}
    return make(api_version, kind, name, spec=spec, metadata=metadata, status={"phase": "Running"})


def make_service(name: str, port: int, node_port: int | None = None, **selector: str) -> Json:
    entry = {"port": port, "protocol": "TCP", "targetPort": port} | ({"nodePort": node_port} if node_port else {})
    type_ = "NodePort" if node_port else "ClusterIP"
    return make("v1", "Service", name, spec={"type": type_, "selector": selector, "ports": [entry]})


def make_node(name: str) -> Json:
    labels = {"kubernetes.io/hostname": name}
    status = {"allocatable": {"cpu": "4", "memory": "8Gi", "pods": "110"}, "conditions": [{"type": "Ready"}]}
    return make("v1", "Node", name, None, metadata={"labels": labels}, status=status)


def make_cluster() -> list[Json]:
    """Make a small cluster: workloads and what they made, a Service, nodes, a Secret."""
    deployment = make_deployment()
    replica_set = make_owned("apps/v1", "ReplicaSet", "web-5d", deployment)
    cron_spec = {"template": {"spec": make_spec(None)}}
    cron_job = make("batch/v1", "CronJob", "report", spec={"jobTemplate": {"spec": cron_spec}})
    job = make_owned("batch/v1", "Job", "report-28", cron_job, None)
    return [
        make("v1", "Namespace", "shop", None),
        deployment,
        replica_set,
        make_owned("v1", "Pod", "web-5d-a", replica_set),
        make_owned("v1", "Pod", "web-5d-b", replica_set),
        cron_job,
        job,
        make_owned("v1", "Pod", "report-28-x", job, None),
        make_service("api", 443, 30443, app="api"),
        make("v1", "Secret", "tls", data={"key": "c2VjcmV0"}),
        *map(make_node, ("node-a", "node-b", "node-c")),
    ]
