"""Random PodSecurityPolicies, RBAC and pods that reach every strategy of every field.

Pods carry the API's defaults already, so that a difference to the stored pod is admission's work alone.
"""

from __future__ import annotations

import copy
from random import Random
from typing import Any

Json = dict[str, Any]

NAMESPACES = ("apples", "pears")
# Name -> automountServiceAccountToken.
SERVICE_ACCOUNTS: dict[str, bool | None] = {"default": None, "robot": True, "quiet": False}
RUNTIME_CLASSES = ("fast", "slow")
AUTHENTICATED = "system:authenticated"
CONTROLLER = "replicaset-controller"

_CAPABILITIES = ("NET_ADMIN", "NET_BIND_SERVICE", "SYS_TIME", "CHOWN", "KILL", "CAP_SYS_ADMIN")
_IDS = (0, 1, 999, 1000, 2000, 5000)
_SECCOMP = ("runtime/default", "docker/default", "unconfined", "localhost/profiles/audit.json")
_APPARMOR = ("runtime/default", "unconfined", "localhost/strict")
_SYSCTLS = (
    "kernel.shm_rmid_forced",
    "net.ipv4.tcp_syncookies",
    "net.core.somaxconn",
    "net.core.rmem_max",
    "kernel.msgmax",
)
_SYSCTL_PATTERNS = ("net.core.*", "net.core.somaxconn", "kernel.*", "kernel.msgmax", "*", "net.ipv4.tcp_syncookies")
_LEVELS = ("s0:c1,c2", "s0:c2,c1", "s0:c3", "s1:c1,c2", "s0", "")
_HOST_PATHS = ("/", "/var", "/var/", "/var/log", "/var/logs", "/data", "/data/x")
_DRIVERS = ("example/lvm", "example/nfs")
_CSI_DRIVERS = ("csi.example.com", "other.example.com")

VOLUME_SOURCES: dict[str, Json] = {
    "hostPath": {"path": "/var/log", "type": ""},
    "emptyDir": {},
    "gcePersistentDisk": {"pdName": "disk"},
    "awsElasticBlockStore": {"volumeID": "vol-1"},
    "gitRepo": {"repository": "https://example.com/r.git"},
    "secret": {"secretName": "s", "defaultMode": 420},
    "nfs": {"server": "nfs", "path": "/x"},
    "iscsi": {
        "targetPortal": "1.2.3.4",
        "iqn": "iqn.2015-02.example.com:test",
        "lun": 0,
        "iscsiInterface": "default",
    },
    "glusterfs": {"endpoints": "e", "path": "p"},
    "persistentVolumeClaim": {"claimName": "c"},
    "rbd": {"monitors": ["m"], "image": "i", "pool": "rbd", "user": "admin", "keyring": "/etc/ceph/keyring"},
    "flexVolume": {"driver": "example/lvm"},
    "cinder": {"volumeID": "v"},
    "cephfs": {"monitors": ["m"]},
    "flocker": {"datasetName": "d"},
    "downwardAPI": {"defaultMode": 420},
    "fc": {"targetWWNs": ["w"], "lun": 1},
    "azureFile": {"secretName": "s", "shareName": "n"},
    "configMap": {"name": "c", "defaultMode": 420},
    "vsphereVolume": {"volumePath": "p"},
    "quobyte": {"registry": "r:7861", "volume": "v"},
    "azureDisk": {
        "diskName": "d",
        "diskURI": "https://blob/vhds/d.vhd",
        "cachingMode": "ReadWrite",
        "fsType": "ext4",
        "readOnly": False,
        "kind": "Shared",
    },
    "photonPersistentDisk": {"pdID": "p"},
    "storageos": {"volumeName": "v"},
    "projected": {"defaultMode": 420, "sources": [{"secret": {"name": "s"}}]},
    "portworxVolume": {"volumeID": "v"},
    "scaleIO": {
        "gateway": "https://g",
        "system": "s",
        "secretRef": {"name": "s"},
        "volumeName": "v",
        "storageMode": "ThinProvisioned",
        "fsType": "xfs",
    },
    "csi": {"driver": "csi.example.com"},
    "ephemeral": {
        "volumeClaimTemplate": {
            "metadata": {"creationTimestamp": None},
            "spec": {
                "accessModes": ["ReadWriteOnce"],
                "resources": {"requests": {"storage": "1Gi"}},
                "volumeMode": "Filesystem",
            },
        }
    },
}
_POLICY_VOLUMES = tuple("cephFS" if name == "cephfs" else name for name in VOLUME_SOURCES)
_COMMON_VOLUMES = ("hostPath", "emptyDir", "secret", "projected", "configMap", "flexVolume", "csi")


def _make_downward_source(path: str, field_path: str) -> Json:
    return {"downwardAPI": {"items": [{"path": path, "fieldRef": {"apiVersion": "v1", "fieldPath": field_path}}]}}


_TOKEN_SOURCES: tuple[Json, ...] = (
    {"serviceAccountToken": {"path": "token", "expirationSeconds": 3607}},
    {"serviceAccountToken": {"path": "other", "expirationSeconds": 3607}},
    {"serviceAccountToken": {"path": "token", "expirationSeconds": 3607, "audience": "vault"}},
    {"configMap": {"name": "kube-root-ca.crt"}},
    {"configMap": {"name": "mine"}},
    _make_downward_source("namespace", "metadata.namespace"),
    _make_downward_source("name", "metadata.name"),
    {"secret": {"name": "s"}},
)


def make_policy(random: Random, name: str) -> Json:
    """A policy, open in most fields so that pods pass some of them."""
    annotations = _make_profile_annotations(random)
    spec: Json = {
        "seLinux": _make_se_linux(random),
        "runAsUser": _make_strategy(random, ("MustRunAs", "MustRunAsNonRoot")),
        "supplementalGroups": _make_strategy(random, ("MustRunAs", "MayRunAs")),
        "fsGroup": _make_strategy(random, ("MustRunAs", "MayRunAs")),
        "volumes": _make_policy_volumes(random),
    }
    if random.random() < 0.5:
        spec["runAsGroup"] = _make_strategy(random, ("MustRunAs", "MayRunAs"))
    for field, likely in (
        ("privileged", 0.7), ("hostNetwork", 0.7), ("hostPID", 0.7), ("hostIPC", 0.7),
        ("readOnlyRootFilesystem", 0.15),
    ):  # fmt: skip
        if random.random() < likely:
            spec[field] = True
    _add_capabilities(random, spec)
    _add_privilege_escalation(random, spec)
    if random.random() < 0.8:
        spec["hostPorts"] = random.choice(
            [[{"min": 0, "max": 65535}], [{"min": 80, "max": 80}, {"min": 8000, "max": 8999}], [{"min": 9, "max": 1}]]
        )
    if random.random() < 0.45:
        paths = random.sample(_HOST_PATHS, random.randint(1, 3))
        spec["allowedHostPaths"] = [_make_host_path(random, path) for path in paths]
    if random.random() < 0.3:
        spec["allowedFlexVolumes"] = [{"driver": random.choice(_DRIVERS)}]
    if random.random() < 0.3:
        spec["allowedCSIDrivers"] = [{"name": random.choice(_CSI_DRIVERS)}]
    if random.random() < 0.6:
        spec["allowedUnsafeSysctls"] = [random.choice(_SYSCTL_PATTERNS)]
    if random.random() < 0.3:
        spec["forbiddenSysctls"] = [random.choice(_SYSCTL_PATTERNS)]
    if random.random() < 0.3:
        spec["allowedProcMountTypes"] = random.choice([["Default"], ["Default", "Unmasked"], ["Unmasked"]])
    if random.random() < 0.4:
        spec["runtimeClass"] = _make_runtime_class(random)
    metadata: Json = {"name": name}
    if annotations:
        metadata["annotations"] = annotations
    policy = {"apiVersion": "policy/v1beta1", "kind": "PodSecurityPolicy", "metadata": metadata, "spec": spec}
    if random.random() < 0.15:
        _break_policy(random, policy)
    return policy


def _make_strategy(random: Random, rules: tuple[str, ...]) -> Json:
    if random.random() < 0.55:
        return {"rule": "RunAsAny"}
    rule = random.choice(rules)
    return {"rule": rule} if rule == "MustRunAsNonRoot" else {"rule": rule, "ranges": _make_ranges(random)}


def _make_ranges(random: Random) -> list[Json]:
    pairs = ((0, 5000), (1, 5000), (1000, 1000), (999, 2000), (0, 0), (2**31, 2**31 + 5))
    weights = (8, 6, 3, 4, 2, 1)
    count = random.choice((1, 1, 2))
    return [{"min": low, "max": high} for low, high in random.choices(pairs, weights, k=count)]


def _make_se_linux(random: Random) -> Json:
    roll = random.random()
    if roll < 0.65:
        return {"rule": "RunAsAny"}
    return {"rule": "MustRunAs", "seLinuxOptions": _make_se_linux_options(random)}


def _make_se_linux_options(random: Random) -> Json:
    options = {
        "level": random.choice(_LEVELS),
        "role": random.choice(("", "", "", "object_r")),
        "type": random.choice(("", "", "", "spc_t")),
        "user": random.choice(("", "", "", "system_u")),
    }
    return {key: value for key, value in options.items() if value}


def _make_profile_annotations(random: Random) -> dict[str, str]:
    annotations = {}
    seccomp, armor = "seccomp.security.alpha.kubernetes.io/", "apparmor.security.beta.kubernetes.io/"
    if random.random() < 0.6:
        annotations[seccomp + "allowedProfileNames"] = random.choice(
            ["*", "*", "*", "", ",".join(random.sample(_SECCOMP, random.randint(1, 3)))]
        )
    if random.random() < 0.25:
        annotations[seccomp + "defaultProfileName"] = random.choice(_SECCOMP)
    if random.random() < 0.25:
        names = random.sample((*_APPARMOR, ""), random.randint(1, 3))
        annotations[armor + "allowedProfileNames"] = ",".join(names)
    if random.random() < 0.25:
        annotations[armor + "defaultProfileName"] = random.choice(_APPARMOR)
    return annotations


def _make_policy_volumes(random: Random) -> list[str]:
    roll = random.random()
    if roll < 0.45:
        return ["*"]
    if roll < 0.85:
        common = [name for name in _COMMON_VOLUMES if random.random() < 0.75]
        return common + random.sample(_POLICY_VOLUMES, random.randint(0, 12))
    return random.choice([[], ["secret"], ["projected", "emptyDir"], list(_POLICY_VOLUMES)])


def _add_capabilities(random: Random, spec: Json) -> None:
    names = list(_CAPABILITIES)
    random.shuffle(names)
    if random.random() < 0.3:
        spec["requiredDropCapabilities"] = random.choice([names[:1], names[:2], ["ALL"]])
    if random.random() < 0.3:
        spec["defaultAddCapabilities"] = names[2:3]
    if random.random() < 0.8:
        wildcard = "requiredDropCapabilities" not in spec or random.random() < 0.05
        spec["allowedCapabilities"] = ["*"] if wildcard and random.random() < 0.6 else names[2:]


def _add_privilege_escalation(random: Random, spec: Json) -> None:
    if random.random() < 0.3:
        spec["allowPrivilegeEscalation"] = random.choice((True, False))
    if random.random() < 0.25:
        allowed = spec.get("allowPrivilegeEscalation") is not False
        spec["defaultAllowPrivilegeEscalation"] = random.choice((True, False)) if allowed else False


def _make_host_path(random: Random, path: str) -> Json:
    return {"pathPrefix": path, "readOnly": True} if random.random() < 0.5 else {"pathPrefix": path}


def _make_runtime_class(random: Random) -> Json:
    allowed = random.choice([["*"], ["fast"], ["slow"], ["fast", "slow"], []])
    strategy: Json = {"allowedRuntimeClassNames": allowed}
    if allowed and random.random() < 0.5:
        strategy["defaultRuntimeClassName"] = "fast" if allowed == ["*"] else random.choice(allowed)
    return strategy


def _break_policy(random: Random, policy: Json) -> None:
    """Make one thing wrong; what the API server takes all the same is then passed over, or means nothing."""
    spec = policy["spec"]
    annotations = policy["metadata"].setdefault("annotations", {})
    random.choice(
        (
            lambda: spec.update(runAsUser={"rule": "MustRunAs"}),
            lambda: spec.update(seLinux={"rule": "MustRunAs"}),
            lambda: spec.update(fsGroup={"rule": "MayRunAs"}),
            lambda: spec.update(supplementalGroups={"rule": "MustRunAs", "ranges": []}),
            lambda: spec.update(runAsGroup={"rule": "MustRunAs"}),
            lambda: spec.update(runAsGroup={"rule": "RunAsAny", "ranges": [{"min": 1, "max": 2}]}),
            lambda: spec.update(runAsUser={"rule": "MustRunAs", "ranges": [{"min": 5, "max": 1}]}),
            lambda: spec.update(fsGroup={"rule": "MayRunAs", "ranges": [{"min": -1, "max": 1}]}),
            lambda: spec.update(runAsUser={"rule": "MustRunAsRoot"}),
            lambda: spec.pop("seLinux"),
            lambda: spec.update(volumes=["emptydir"]),
            lambda: spec.update(requiredDropCapabilities=["KILL"], allowedCapabilities=["*"]),
            lambda: spec.update(requiredDropCapabilities=["KILL"], defaultAddCapabilities=["KILL"]),
            lambda: spec.update(allowPrivilegeEscalation=False, defaultAllowPrivilegeEscalation=True),
            lambda: spec.update(allowedProcMountTypes=["Masked"]),
            lambda: spec.update(allowedHostPaths=[{"pathPrefix": "/a/../b"}]),
            lambda: spec.update(allowedHostPaths=[{"readOnly": True}]),
            lambda: spec.update(allowedFlexVolumes=[{"driver": ""}]),
            lambda: spec.update(allowedCSIDrivers=[{"name": "not a name"}]),
            lambda: spec.update(allowedUnsafeSysctls=["*", "kernel.msgmax"]),
            lambda: spec.update(allowedUnsafeSysctls=["Kernel"]),
            lambda: spec.update(allowedUnsafeSysctls=["kernel.*"], forbiddenSysctls=["kernel.msg*"]),
            lambda: spec.update(runtimeClass={"allowedRuntimeClassNames": ["*", "fast"]}),
            lambda: spec.update(runtimeClass={"defaultRuntimeClassName": "fast"}),
            lambda: spec.update(runtimeClass={"allowedRuntimeClassNames": ["fast", "fast"]}),
            lambda: spec.update(privileged="yes"),
            lambda: spec.update(hostPorts=[{"min": "80", "max": 90}]),
            lambda: annotations.update(
                {"seccomp.security.alpha.kubernetes.io/allowedProfileNames": "runtime/default,"}
            ),
            lambda: annotations.update({"seccomp.security.alpha.kubernetes.io/defaultProfileName": "strict"}),
            lambda: annotations.update({"apparmor.security.beta.kubernetes.io/defaultProfileName": "strict"}),
        )
    )()


def make_rbac(random: Random, round_name: str, policies: list[str]) -> list[Json]:
    """Roles and bindings of one round, each name carrying the round's."""
    objects: list[Json] = []
    for index in range(6):
        name = f"{round_name}-{index}"
        namespace = random.choice((None, *NAMESPACES))
        role = _make_role(random, name, namespace, policies)
        objects.append(role)
        scopes = (namespace,) if namespace else (None, *NAMESPACES)
        objects += [
            _make_binding(random, f"{name}-{number}", role, random.choice(scopes))
            for number in range(random.randint(1, 2))
        ]
    objects.append(
        _make_binding(
            random, f"{round_name}-dangling",
            {"kind": "ClusterRole", "metadata": {"name": f"{round_name}-none"}}, None,
        )
    )  # fmt: skip
    objects.append(_make_spread(random, round_name, policies))
    objects.append(_make_spread_binding(round_name))
    return objects


def _make_spread(random: Random, round_name: str, policies: list[str]) -> Json:
    """A role that gives most pods a few policies to choose from."""
    names = random.sample(policies, min(len(policies), random.randint(1, 5)))
    rule = {"apiGroups": ["policy"], "resources": ["podsecuritypolicies"], "verbs": ["use"], "resourceNames": names}
    return _make_object("ClusterRole", f"{round_name}-spread", None, {"rules": [rule]})


def _make_spread_binding(round_name: str) -> Json:
    subject = {
        "apiGroup": "rbac.authorization.k8s.io",
        "kind": "Group",
        "name": f"system:serviceaccounts:{NAMESPACES[0]}",
    }
    reference = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": f"{round_name}-spread"}
    body = {"roleRef": reference, "subjects": [subject]}
    return _make_object("ClusterRoleBinding", f"{round_name}-spread", None, body)


def _make_role(random: Random, name: str, namespace: str | None, policies: list[str]) -> Json:
    rules = []
    for _ in range(random.choice((1, 1, 2))):
        rule: Json = {
            "apiGroups": random.choice([["policy"], ["policy"], ["extensions"], ["*"], ["apps"], ["apps", "policy"]]),
            "resources": random.choice([["podsecuritypolicies"]] * 4 + [["*"], ["pods"]]),
            "verbs": random.choice([["use"]] * 4 + [["*"], ["get"]]),
        }
        if random.random() < 0.9:
            rule["resourceNames"] = random.sample(policies, min(len(policies), random.randint(1, 3)))
        rules.append(rule)
    return _make_object("Role" if namespace else "ClusterRole", name, namespace, {"rules": rules})


def _make_binding(random: Random, name: str, role: Json, namespace: str | None) -> Json:
    reference = {
        "apiGroup": "rbac.authorization.k8s.io", "kind": role["kind"], "name": role["metadata"]["name"],
    }  # fmt: skip
    body = {"roleRef": reference, "subjects": [_make_subject(random, namespace) for _ in range(random.randint(1, 2))]}
    return _make_object("RoleBinding" if namespace else "ClusterRoleBinding", name, namespace, body)


def _make_subject(random: Random, namespace: str | None) -> Json:
    owner, account = random.choice(NAMESPACES), random.choice(tuple(SERVICE_ACCOUNTS))
    roll = random.random()
    if roll < 0.4:
        return {"kind": "ServiceAccount", "name": account, "namespace": owner}
    if roll < 0.5:
        return {"kind": "ServiceAccount", "name": CONTROLLER, "namespace": "kube-system"}
    if roll < 0.65:
        accounts = (f"{owner}:{account}", f"kube-system:{CONTROLLER}")
        kind, names = "User", ["alice", *(f"system:serviceaccount:{name}" for name in accounts)]
    else:
        scopes = ("", f":{owner}", f":{owner}", ":kube-system")
        groups = [f"system:serviceaccounts{scope}" for scope in scopes]
        kind, names = "Group", [AUTHENTICATED, "developers", "nobody", *groups]
    return {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": random.choice(names)}


def _make_object(kind: str, name: str, namespace: str | None, body: Json) -> Json:
    metadata = {"name": name, "namespace": namespace} if namespace else {"name": name}
    return {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": kind, "metadata": metadata, **body}


def make_pod(random: Random) -> Json:
    """A pod that the API's validation takes."""
    volumes = _make_volumes(random)
    containers = [_make_container(random, f"c{index}", volumes) for index in range(random.choice((1, 1, 2)))]
    spec: Json = {
        "containers": containers,
        "dnsPolicy": "ClusterFirst",
        "enableServiceLinks": True,
        "restartPolicy": "Always",
        "schedulerName": "default-scheduler",
        "terminationGracePeriodSeconds": 30,
    }
    names = [container["name"] for container in containers]
    if random.random() < 0.25:
        spec["initContainers"] = [_make_container(random, "i0", volumes)]
        names.append("i0")
    if volumes:
        spec["volumes"] = volumes
    context = _make_pod_security_context(random)
    if context or random.random() < 0.5:
        spec["securityContext"] = context
    for field in ("hostPID", "hostIPC"):
        if random.random() < 0.08:
            spec[field] = True
    if random.random() < 0.1:
        spec["hostNetwork"] = True
    _add_ports(random, spec)
    if random.random() < 0.2:
        spec["runtimeClassName"] = random.choice(RUNTIME_CLASSES)
    account = random.choice((None, *SERVICE_ACCOUNTS))
    if account is not None:
        spec[random.choice(("serviceAccountName", "serviceAccount"))] = account
    if random.random() < 0.4:
        spec["automountServiceAccountToken"] = random.choice((True, False, False, False))
    metadata: Json = {"name": "pod", "namespace": random.choice(NAMESPACES)}
    annotations = _make_pod_annotations(random, spec, names)
    if annotations:
        metadata["annotations"] = annotations
    _add_nulls(random, spec)
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def _add_nulls(random: Random, spec: Json) -> None:
    """Say nothing in another way."""
    for holder, fields in (
        (spec, ("initContainers", "securityContext", "volumes", "runtimeClassName")),
        *((container, ("securityContext", "ports", "volumeMounts")) for container in spec["containers"]),
    ):
        if random.random() < 0.05:
            holder.setdefault(random.choice(fields), None)
        context = holder.get("securityContext")
        if context and random.random() < 0.1:
            context.setdefault(random.choice(("runAsUser", "runAsNonRoot", "seLinuxOptions", "seccompProfile")), None)


def _make_container(random: Random, name: str, volumes: list[Json]) -> Json:
    container: Json = {
        "name": name,
        "image": "nginx:1",
        "imagePullPolicy": "IfNotPresent",
        "resources": {},
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
    }
    mounts = []
    for volume in volumes:
        if random.random() < 0.7:
            place = f"/mnt/{volume['name']}"
            if random.random() < 0.05 and not mounts:
                place = "/var/run/secrets/kubernetes.io/serviceaccount"
            mount: Json = {"name": volume["name"], "mountPath": place}
            if random.random() < 0.5:
                mount["readOnly"] = True
            mounts.append(mount)
    if mounts:
        container["volumeMounts"] = mounts
    context = _make_container_security_context(random)
    if context or random.random() < 0.1:
        container["securityContext"] = context
    return container


def _make_container_security_context(random: Random) -> Json:
    context: Json = {}
    for field, likely, values in (
        ("runAsUser", 0.3, _IDS),
        ("runAsGroup", 0.25, _IDS),
        ("runAsNonRoot", 0.25, (True, True, False)),
        ("readOnlyRootFilesystem", 0.3, (True, True, False)),
        ("procMount", 0.05, ("Default", "Unmasked")),
    ):
        if random.random() < likely:
            context[field] = random.choice(values)
    if random.random() < 0.12:
        context["privileged"] = random.choice((True, True, False))
    if random.random() < 0.3:
        context["capabilities"] = _make_capabilities(random)
    adds = context.get("capabilities", {}).get("add", ())
    if random.random() < 0.4:
        forced = context.get("privileged") or "CAP_SYS_ADMIN" in adds
        context["allowPrivilegeEscalation"] = True if forced else random.choice((True, False, False))
    if random.random() < 0.12:
        context["seLinuxOptions"] = _make_se_linux_options(random)
    if random.random() < 0.15:
        context["seccompProfile"] = _make_seccomp_field(random)
    return context


def _make_capabilities(random: Random) -> Json:
    lists = {}
    if random.random() < 0.5:
        lists["add"] = random.choices(_CAPABILITIES, k=random.randint(1, 2))
    if random.random() < 0.6:
        lists["drop"] = random.choices((*_CAPABILITIES, "ALL"), k=random.randint(1, 3))
    return lists


def _make_seccomp_field(random: Random) -> Json:
    return random.choice(
        (
            {"type": "RuntimeDefault"},
            {"type": "Unconfined"},
            {"type": "Localhost", "localhostProfile": "profiles/audit.json"},
        )
    )


def _make_pod_security_context(random: Random) -> Json:
    context: Json = {}
    for field, likely, values in (
        ("runAsUser", 0.2, _IDS),
        ("runAsGroup", 0.15, _IDS),
        ("runAsNonRoot", 0.15, (True, True, False)),
        ("fsGroup", 0.3, _IDS),
    ):
        if random.random() < likely:
            context[field] = random.choice(values)
    if random.random() < 0.3:
        context["supplementalGroups"] = random.sample(_IDS, random.randint(0, 2))
    if random.random() < 0.2:
        context["seLinuxOptions"] = _make_se_linux_options(random)
    if random.random() < 0.15:
        context["seccompProfile"] = _make_seccomp_field(random)
    if random.random() < 0.15:
        names = random.sample(_SYSCTLS, random.randint(1, 2))
        context["sysctls"] = [{"name": name, "value": "1"} for name in names]
    return context


def _make_volumes(random: Random) -> list[Json]:
    kinds: list[str] = []
    if random.random() < 0.5:
        kinds = random.choices(_COMMON_VOLUMES, k=random.randint(1, 2))
    if random.random() < 0.25:
        kinds.append(random.choice(tuple(VOLUME_SOURCES)))
    return [_make_volume(random, kind, f"v{index}") for index, kind in enumerate(kinds)]


def _make_volume(random: Random, kind: str, name: str) -> Json:
    source = copy.deepcopy(VOLUME_SOURCES[kind])
    if kind == "hostPath":
        source["path"] = random.choice(_HOST_PATHS)
    elif kind == "flexVolume":
        source["driver"] = random.choice(_DRIVERS)
    elif kind == "csi":
        source["driver"] = random.choice(_CSI_DRIVERS)
    elif kind == "projected" and random.random() < 0.8:
        one_of_each = {next(iter(item)): item for item in random.sample(_TOKEN_SOURCES, random.randint(1, 3))}
        source["sources"] = copy.deepcopy(list(one_of_each.values()))
    return {"name": name, kind: source}


def _add_ports(random: Random, spec: Json) -> None:
    number = 7998
    for container in spec["containers"]:
        if random.random() < 0.4:
            number += random.choice((1, 2, 1000))
            port: Json = {"containerPort": number, "protocol": "TCP"}
            if spec.get("hostNetwork"):
                if random.random() < 0.5:
                    port["hostPort"] = number
            elif random.random() < 0.6:
                port["hostPort"] = random.choice((80, number)) if number < 8100 else number
            container["ports"] = [port]
    if len({p.get("hostPort") for c in spec["containers"] for p in c.get("ports", ())}) == 1:
        for container in spec["containers"][1:]:
            container.pop("ports", None)


def _make_pod_annotations(random: Random, spec: Json, names: list[str]) -> dict[str, str]:
    annotations: dict[str, str] = {}
    holders = [("seccomp.security.alpha.kubernetes.io/pod", spec)]
    for field in ("containers", "initContainers"):
        holders += [
            (f"container.seccomp.security.alpha.kubernetes.io/{container['name']}", container)
            for container in spec.get(field) or ()
        ]
    for key, holder in holders:
        field = (holder.get("securityContext") or {}).get("seccompProfile")
        if random.random() < 0.15:
            annotations[key] = _write_seccomp(field) if field else random.choice(_SECCOMP)
    for name in names:
        if random.random() < 0.2:
            annotations[f"container.apparmor.security.beta.kubernetes.io/{name}"] = random.choice((*_APPARMOR, ""))
    if random.random() < 0.1:
        annotations["kubernetes.io/psp"] = "made-up"
    return annotations


def _write_seccomp(field: Json) -> str:
    names = {"RuntimeDefault": "runtime/default", "Unconfined": "unconfined"}
    return names.get(field["type"]) or f"localhost/{field['localhostProfile']}"


def tame_pod(random: Random, pod: Json, level: str) -> None:
    """Take out of a pod most of what a Pod Security level forbids, so that such pods are not rare."""
    spec = pod["spec"]
    for field in ("hostPID", "hostIPC", "hostNetwork"):
        spec.pop(field, None)
    if spec.get("volumes"):
        kinds = (
            "emptyDir",
            "configMap",
            "csi",
            "projected",
            "secret",
            *(("flexVolume", "nfs") if level == "baseline" else ()),
        )
        spec["volumes"] = [_make_volume(random, random.choice(kinds), item["name"]) for item in spec["volumes"]]
    context = spec["securityContext"] = spec.get("securityContext") or {}
    context.pop("sysctls", None)
    if random.random() < 0.1:
        names = ("kernel.shm_rmid_forced", "net.ipv4.tcp_syncookies", "net.ipv4.tcp_keepalive_time")
        context["sysctls"] = [{"name": random.choice(names), "value": "1"}]
    _tame_context(random, context, level)
    annotations = pod["metadata"].get("annotations", {})
    for key in [key for key, value in annotations.items() if value == "unconfined" or "seccomp" in key]:
        del annotations[key]
    if level == "restricted":
        context["runAsNonRoot"] = True
        context["seccompProfile"] = {"type": "RuntimeDefault"}
    for container in (*spec["containers"], *(spec.get("initContainers") or ())):
        for port in container.get("ports") or ():
            port.pop("hostPort", None)
        own = container.get("securityContext")
        if own is None and level != "restricted":
            continue
        own = container["securityContext"] = own or {}
        own.pop("privileged", None)
        own.pop("procMount", None)
        _tame_context(random, own, level)
        adds = ("NET_BIND_SERVICE",) if level == "restricted" else ("NET_BIND_SERVICE", "CHOWN", "KILL")
        if own.get("capabilities", {}).get("add"):
            own["capabilities"]["add"] = [random.choice(adds)]
        if level == "restricted":
            own["allowPrivilegeEscalation"] = False
            own.setdefault("capabilities", {})["drop"] = ["ALL"]
            own.pop("runAsNonRoot", None)


def _tame_context(random: Random, context: Json, level: str) -> None:
    if context.get("seLinuxOptions"):
        context["seLinuxOptions"] = {"level": random.choice(_LEVELS[:-1])}
    if (context.get("seccompProfile") or {}).get("type") == "Unconfined":
        context["seccompProfile"] = {"type": "RuntimeDefault"}
    if level == "restricted" and context.get("runAsUser") == 0:
        context["runAsUser"] = 1000


def loosen_policy(random: Random, policy: Json) -> None:
    """Take out of a policy most of what no ordinary pod meets, so that more pods are admitted."""
    profiles = policy["metadata"].setdefault("annotations", {})
    for key in list(profiles):
        if random.random() < 0.8:
            del profiles[key]
    if random.random() < 0.8:
        profiles["seccomp.security.alpha.kubernetes.io/allowedProfileNames"] = "*"
    for field in ("seLinux", "runAsUser", "supplementalGroups", "fsGroup"):
        if random.random() < 0.5:
            policy["spec"][field] = {"rule": "RunAsAny"}
    for field in ("runAsGroup", "runtimeClass", "allowedHostPaths", "allowedCSIDrivers", "requiredDropCapabilities"):
        if random.random() < 0.5:
            policy["spec"].pop(field, None)
    if random.random() < 0.7:
        policy["spec"]["volumes"] = ["*"]
