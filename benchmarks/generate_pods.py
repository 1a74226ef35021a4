"""Writes a dump of a large cluster's pods, as `kubectl get pods -A -o yaml` and `-o json` print it.

    python benchmarks/generate_pods.py DIR [--pods 150000]

DIR gets `pods.yaml` and `pods.json`, about 4 kB a pod: most belong to ReplicaSets, one in ten to a DaemonSet with a
host port, and one in fifty to nobody. The same arguments give the same bytes.
"""

from __future__ import annotations

import argparse
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

TEAMS = ("payments", "search", "media", "checkout", "identity", "reports", "mail", "maps")
NODES, REPLICAS = 5000, 10


def make_pod(owner: str | None, host_port: int | None) -> dict[str, Any]:
    """Make the pod that all pods of a kind are copies of; what differs stands in capitals."""
    container: dict[str, Any] = {
        "args": ["--queue=TEAM", "--listen=:8080"],
        "env": [
            {"name": "POD_NAME", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.name"}}},
            {"name": "DATABASE_HOST", "value": "db.TEAM.svc.cluster.local"},
            {
                "name": "DATABASE_PASSWORD",
                "valueFrom": {"secretKeyRef": {"key": "password", "name": "TEAM-database"}},
            },
        ],
        "image": "images.example.com/TEAM/worker:1.NUMBER",
        "imagePullPolicy": "IfNotPresent",
        "livenessProbe": make_probe("/healthz"),
        "name": "worker",
        "ports": [{"containerPort": 8080, "name": "http", "protocol": "TCP"}],
        "readinessProbe": make_probe("/readyz"),
        "resources": {"limits": {"memory": "512Mi"}, "requests": {"cpu": "100m", "memory": "256Mi"}},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": True,
            "runAsNonRoot": True,
        },
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
        "volumeMounts": [
            {"mountPath": "/tmp", "name": "scratch"},
            {
                "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount",
                "name": "kube-api-SUFFIX",
                "readOnly": True,
            },
        ],
    }
    if host_port is not None:
        container["ports"][0]["hostPort"] = host_port
    metadata: dict[str, Any] = {
        "annotations": {"prometheus.io/port": "8080", "prometheus.io/scrape": "true"},
        "creationTimestamp": "2024-03-01T09:00:00Z",
        "labels": {"app.kubernetes.io/name": "OWNER", "app.kubernetes.io/part-of": "TEAM"},
        "name": "OWNER-SUFFIX",
        "namespace": "TEAM",
        "resourceVersion": "1NUMBER",
        "uid": "7c1f0000-0000-4000-8000-0000NUMBER",
    }
    if owner is not None:
        metadata["generateName"] = "OWNER-"
        metadata["ownerReferences"] = [
            {
                "apiVersion": "apps/v1",
                "blockOwnerDeletion": True,
                "controller": True,
                "kind": owner,
                "name": "OWNER",
                "uid": "1b2e0000-0000-4000-8000-0000NUMBER",
            }
        ]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "spec": {
            "containers": [container],
            "dnsPolicy": "ClusterFirst",
            "enableServiceLinks": True,
            "nodeName": "node-NODE",
            "preemptionPolicy": "PreemptLowerPriority",
            "priority": 0,
            "restartPolicy": "Always",
            "schedulerName": "default-scheduler",
            "securityContext": {"fsGroup": 2000, "seccompProfile": {"type": "RuntimeDefault"}},
            "serviceAccount": "TEAM",
            "serviceAccountName": "TEAM",
            "terminationGracePeriodSeconds": 30,
            "tolerations": [
                {
                    "effect": "NoExecute",
                    "key": f"node.kubernetes.io/{what}",
                    "operator": "Exists",
                    "tolerationSeconds": 300,
                }
                for what in ("not-ready", "unreachable")
            ],
            "volumes": [
                {"emptyDir": {}, "name": "scratch"},
                {
                    "name": "kube-api-SUFFIX",
                    "projected": {
                        "defaultMode": 420,
                        "sources": [
                            {"serviceAccountToken": {"expirationSeconds": 3607, "path": "token"}},
                            {
                                "configMap": {
                                    "items": [{"key": "ca.crt", "path": "ca.crt"}],
                                    "name": "kube-root-ca.crt",
                                }
                            },
                        ],
                    },
                },
            ],
        },
        "status": {
            "conditions": [
                {"lastTransitionTime": "2024-03-01T09:00:07Z", "status": "True", "type": condition}
                for condition in ("Initialized", "Ready", "ContainersReady", "PodScheduled")
            ],
            "containerStatuses": [
                {
                    "containerID": "containerd://NUMBERNUMBERNUMBERNUMBER",
                    "image": "images.example.com/TEAM/worker:1.NUMBER",
                    "name": "worker",
                    "ready": True,
                    "restartCount": 0,
                    "started": True,
                    "state": {"running": {"startedAt": "2024-03-01T09:00:05Z"}},
                }
            ],
            "hostIP": "10.0.0.1",
            "phase": "Running",
            "podIP": "10.8.0.1",
            "qosClass": "Burstable",
            "startTime": "2024-03-01T09:00:00Z",
        },
    }


def make_probe(path: str) -> dict[str, Any]:
    """Make a probe with the API's defaults written out, as the server gives it."""
    return {
        "failureThreshold": 3,
        "httpGet": {"path": path, "port": "http", "scheme": "HTTP"},
        "periodSeconds": 10,
        "successThreshold": 1,
        "timeoutSeconds": 1,
    }


KINDS = (("ReplicaSet", None), ("DaemonSet", 9100), (None, None))


def choose_kind(number: int) -> int:
    """Say which of the kinds a pod is of."""
    return 2 if number % 50 == 49 else 1 if number % 10 == 0 else 0


def fill_in(text: str, number: int) -> str:
    """Make one pod of the text that all of its kind share."""
    group = number // REPLICAS
    team = TEAMS[group % len(TEAMS)]
    for word, value in (
        ("OWNER", f"{team}-worker-{group:05d}" if choose_kind(number) != 1 else f"{team}-agent"),
        ("TEAM", team),
        ("NUMBER", f"{number:08d}"),
        ("NODE", f"{number % NODES:04d}"),
        ("SUFFIX", f"{number % 99991:05x}"),
    ):
        text = text.replace(word, value)
    return text


def write_items(forms: tuple[str, ...], pods: int) -> Iterator[str]:
    """Write one pod after the other."""
    for number in range(pods):
        yield fill_in(forms[choose_kind(number)], number)


def write_yaml_form(pod: dict[str, Any]) -> str:
    """Write a pod as an item of the List that kubectl prints."""
    yaml = YAML()
    yaml.default_flow_style = False
    stream = io.StringIO()
    yaml.dump([pod], stream)
    return stream.getvalue()


def write_json_form(pod: dict[str, Any]) -> str:
    """Write a pod as an item of the JSON List that kubectl prints."""
    return "\n".join(" " * 8 + line for line in json.dumps(pod, indent=4).splitlines())


def main() -> None:
    """Write both dumps below the folder that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--pods", type=int, default=150_000)
    options = parser.parse_args()
    options.directory.mkdir(parents=True, exist_ok=True)
    templates = [make_pod(owner, host_port) for owner, host_port in KINDS]
    with (options.directory / "pods.yaml").open("w") as stream:
        stream.write("apiVersion: v1\nitems:\n")
        stream.writelines(write_items(tuple(map(write_yaml_form, templates)), options.pods))
        stream.write('kind: List\nmetadata:\n  resourceVersion: ""\n')
    with (options.directory / "pods.json").open("w") as stream:
        stream.write('{\n    "apiVersion": "v1",\n    "items": [\n')
        for number, item in enumerate(write_items(tuple(map(write_json_form, templates)), options.pods)):
            stream.write(f",\n{item}" if number else item)
        stream.write('\n    ],\n    "kind": "List",\n    "metadata": {\n        "resourceVersion": ""\n    }\n}\n')


if __name__ == "__main__":
    main()
