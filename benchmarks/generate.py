"""Writes the benchmark input: a team's rendered Deployments, a third of them with host ports.

    python benchmarks/generate.py DIR [--deployments 5000] [--policies 500 --bindings 10000]

DIR gets `tree/` (files of 250 documents), `stream.yaml` (all in one stream), `list.yaml` (one `kind: List`) and
`list.json` (the same as `kubectl get -o json` prints it). With `--policies`, `policies/` gets so many
PodSecurityPolicies, a ClusterRole for each, and bindings of them to the teams' accounts and to others. The same
arguments give the same bytes.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

STACK = """\
version: '2'
services:
  web:
    image: nginx:1.27
    ports:
      - "{port}:80"
    links:
      - api
    volumes:
      - content:/usr/share/nginx/html
  api:
    image: registry.example.com/api:1.0
    expose:
      - "8080"
    environment:
      DATABASE: db
    labels:
      io.rancher.scheduler.affinity:host_label: tier=app
  db:
    image: postgres:16
    volumes:
      - data:/var/lib/postgresql/data
volumes:
  content: {{}}
  data: {{}}
"""
RANCHER_STACK = """\
version: '2'
services:
  web:
    scale: 2
    health_check: {port: 80, request_line: GET / HTTP/1.0, interval: 2000, response_timeout: 2000}
  api:
    scale: 3
"""
TEAMS = ("payments", "search", "media", "checkout", "identity", "reports", "mail", "maps")
DOCUMENTS_PER_FILE = 250


def write_stacks(folder: Path, count: int) -> None:
    """Write so many Rancher v1.6 stacks of three services, each in a folder of its own."""
    for number in range(count):
        stack = folder / f"stack-{number:04d}"
        stack.mkdir(parents=True)
        (stack / "docker-compose.yml").write_text(STACK.format(port=10000 + number), encoding="utf-8")
        (stack / "rancher-compose.yml").write_text(RANCHER_STACK, encoding="utf-8")


def write_deployment(number: int) -> str:
    """Write one Deployment of about 3.6 kB as a chart would render it, comments included."""
    team = TEAMS[number % len(TEAMS)]
    name = f"{team}-worker-{number:05d}"
    host_port = f"              hostPort: {10000 + number % 40000}\n" if number % 3 == 0 else ""
    return f"""\
# Rendered for {team}: change the values, not this file.
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {name}
  namespace: {team}
  labels:
    app.kubernetes.io/name: {name}
    app.kubernetes.io/part-of: {team}
    app.kubernetes.io/version: "1.{number % 90}.0"
  annotations:
    deployment.example.com/owner: "{team}@example.com"
    deployment.example.com/description: >-
      Consumes the {team} queue and writes what it finds into the store;
      see the runbook before it is scaled by hand.
spec:
  replicas: {1 + number % 5}
  revisionHistoryLimit: 3
  selector:
    matchLabels:
      app.kubernetes.io/name: {name}
  strategy:
    type: RollingUpdate
    rollingUpdate:
      maxSurge: 25%
      maxUnavailable: 0
  template:
    metadata:
      labels:
        app.kubernetes.io/name: {name}
        app.kubernetes.io/part-of: {team}
      annotations:
        prometheus.io/scrape: "true"
        prometheus.io/port: "9102"
    spec:
      serviceAccountName: {team}
      automountServiceAccountToken: false
      terminationGracePeriodSeconds: 45
      securityContext:
        fsGroup: 2000
        seccompProfile:
          type: RuntimeDefault
      initContainers:
        - name: migrate
          image: images.example.com/{team}/migrate:1.{number % 90}.0
          args: ["--wait", "--timeout=120s"]
          securityContext:
            runAsNonRoot: true
            allowPrivilegeEscalation: false
            capabilities: {{drop: [ALL]}}
      containers:
        - name: worker
          image: images.example.com/{team}/worker:1.{number % 90}.0
          imagePullPolicy: IfNotPresent
          args:
            - --queue={team}
            - --concurrency=8
            - --listen=:8080
          ports:
            - name: http
              containerPort: 8080
{host_port}              protocol: TCP
            - name: metrics
              containerPort: 9102
          env:
            - name: POD_NAME
              valueFrom:
                fieldRef:
                  fieldPath: metadata.name
            - name: LOG_LEVEL
              value: info
            - name: DATABASE_HOST
              value: db.{team}.svc.cluster.local
            - name: DATABASE_PASSWORD
              valueFrom:
                secretKeyRef:
                  name: {team}-database
                  key: password
            - name: FEATURE_FLAGS
              value: "fast-path,retries,shadow-{number % 7}"
          envFrom:
            - configMapRef:
                name: {team}-defaults
          resources:
            requests:
              cpu: 100m
              memory: 256Mi
            limits:
              memory: 512Mi
          livenessProbe: # restarts a stuck consumer
            httpGet:
              path: /healthz
              port: http
            initialDelaySeconds: 10
            periodSeconds: 20
          readinessProbe:
            httpGet:
              path: /readyz
              port: http
            periodSeconds: 5
          securityContext:
            runAsNonRoot: true
            readOnlyRootFilesystem: true
            allowPrivilegeEscalation: false
            capabilities:
              drop:
                - ALL
          volumeMounts:
            - name: scratch
              mountPath: /tmp
            - name: config
              mountPath: /etc/worker
              readOnly: true
      volumes:
        - name: scratch
          emptyDir: {{}}
        - name: config
          configMap:
            name: {name}
"""


def write_deployments(count: int) -> Iterator[str]:
    """Write all Deployments, in order."""
    return (write_deployment(number) for number in range(count))


def indent_item(document: str) -> str:
    """Turn a document into an item of a List's `items`."""
    lines = document.splitlines(keepends=True)
    first = next(index for index, line in enumerate(lines) if not line.startswith("#"))
    comments = "".join("  " + line for line in lines[:first])
    return comments + "- " + lines[first] + "".join("  " + line for line in lines[first + 1 :])


def write_policy(number: int) -> str:
    """Write one PodSecurityPolicy with a ClusterRole that lets one use it."""
    first = 10000 + number * 80 % 40000
    return f"""\
apiVersion: policy/v1beta1
kind: PodSecurityPolicy
metadata:
  name: policy-{number:03d}
  annotations:
    seccomp.security.alpha.kubernetes.io/allowedProfileNames: runtime/default,docker/default
spec:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: {str(number % 3 == 0).lower()}
  requiredDropCapabilities:
    - {"ALL" if number % 2 else "NET_RAW"}
  hostPorts:
    - min: {first}
      max: {first + 8000}
  volumes: [configMap, emptyDir, secret, projected{", hostPath" if number % 5 == 0 else ""}]
  runAsUser:
    rule: {"MustRunAs" if number % 4 == 0 else "MustRunAsNonRoot"}
    ranges:
      - min: {1000 + number}
        max: 65535
  seLinux:
    rule: RunAsAny
  supplementalGroups:
    rule: MayRunAs
    ranges:
      - min: 1
        max: 65535
  fsGroup:
    rule: MustRunAs
    ranges:
      - min: {1 + number}
        max: 65535
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: use-policy-{number:03d}
rules:
  - apiGroups: [policy]
    resources: [podsecuritypolicies]
    resourceNames: [policy-{number:03d}]
    verbs: [use]
"""


def write_binding(number: int, policies: int) -> str:
    """Write one RoleBinding: each fiftieth for a team's own account, the others for accounts, groups and users."""
    team = TEAMS[number % len(TEAMS)]
    others = (
        f"{{kind: ServiceAccount, name: {team}-job-{number:05d}, namespace: {team}}}",
        f"{{kind: Group, name: {team}-developers-{number % 90}, apiGroup: rbac.authorization.k8s.io}}",
        f"{{kind: User, name: person-{number:05d}@example.com, apiGroup: rbac.authorization.k8s.io}}",
    )
    own = f"{{kind: ServiceAccount, name: {team}, namespace: {team}}}"
    return f"""\
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  name: binding-{number:05d}
  namespace: {team}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: ClusterRole
  name: use-policy-{(number * 7 + number // 400) % policies:03d}
subjects:
  - {own if number // len(TEAMS) % 50 == 0 else others[number % len(others)]}
"""


def main() -> None:
    """Write the input below the folder that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--deployments", type=int, default=5000)
    parser.add_argument("--policies", type=int, default=0)
    parser.add_argument("--bindings", type=int, default=10000)
    options = parser.parse_args()
    if options.policies:
        write_policies(options.directory / "policies", options.policies, options.bindings)
    documents = list(write_deployments(options.deployments))
    tree = options.directory / "tree"
    tree.mkdir(parents=True, exist_ok=True)
    for start in range(0, len(documents), DOCUMENTS_PER_FILE):
        part = documents[start : start + DOCUMENTS_PER_FILE]
        (tree / f"part-{start // DOCUMENTS_PER_FILE:03d}.yaml").write_text("---\n".join(part))
    (options.directory / "stream.yaml").write_text("---\n".join(documents))
    header, footer = "apiVersion: v1\nitems:\n", 'kind: List\nmetadata:\n  resourceVersion: ""\n'
    (options.directory / "list.yaml").write_text(header + "".join(map(indent_item, documents)) + footer)
    load = YAML(typ="safe", pure=False).load
    items: list[Any] = [load(document) for document in documents]
    whole = {"apiVersion": "v1", "items": items, "kind": "List", "metadata": {"resourceVersion": ""}}
    (options.directory / "list.json").write_text(json.dumps(whole, indent=4) + "\n")


def write_policies(folder: Path, policies: int, bindings: int) -> None:
    """Write PodSecurityPolicies with their RBAC into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "policies.yaml").write_text("---\n".join(map(write_policy, range(policies))))
    for start in range(0, bindings, 1000):
        part = [write_binding(number, policies) for number in range(start, min(start + 1000, bindings))]
        (folder / f"bindings-{start // 1000:03d}.yaml").write_text("---\n".join(part))


if __name__ == "__main__":
    main()
