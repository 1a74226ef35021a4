"""Volumes must be of the types that hold nothing of the host and no remote storage inline.

Storage beyond these goes through a PersistentVolumeClaim. A volume without any source passes, since the API makes it
an emptyDir before admission sees it; one of a type that Kubernetes does not know fails as "unknown".

Restricted fields:
    spec.volumes[*]
Allowed values:
    none of its own, configMap, csi, downwardAPI, emptyDir, ephemeral, image, persistentVolumeClaim, projected,
    secret
Policy versions:
    v1.0 and later, in place of hostPathVolumes
Sources:
    https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted
    https://github.com/kubernetes/pod-security-admission/blob/v0.37.2/policy/check_restrictedVolumes.go
"""

from __future__ import annotations

from migrator.model.field import FieldPath
from migrator.podsecurity.check import Check, Forbidden, from_version
from migrator.podsecurity.level import RESTRICTED
from migrator.podsecurity.pod import Object, Pod
from migrator.podsecurity.wording import choose_number, join_quoted

ALLOWED = frozenset(
    (
        "configMap",
        "csi",
        "downwardAPI",
        "emptyDir",
        "ephemeral",
        "image",
        "persistentVolumeClaim",
        "projected",
        "secret",
    )
)
# In the order in which upstream looks: a volume with several sources is named after the first.
RESTRICTED_TYPES = (
    "hostPath",
    "gcePersistentDisk",
    "awsElasticBlockStore",
    "gitRepo",
    "nfs",
    "iscsi",
    "glusterfs",
    "rbd",
    "flexVolume",
    "cinder",
    "cephfs",
    "flocker",
    "fc",
    "azureFile",
    "vsphereVolume",
    "quobyte",
    "azureDisk",
    "photonPersistentDisk",
    "portworxVolume",
    "scaleIO",
    "storageos",
)
UNKNOWN = "unknown"


def forbid_restricted_volumes(pod: Pod) -> Forbidden | None:
    """Forbid volumes whose source is not in ALLOWED."""
    bad = [index for index, volume in enumerate(pod.volumes) if not _has_allowed_source(volume)]
    if not bad:
        return None
    names = join_quoted(pod.volumes[index].get("name") or "" for index in bad)
    type_of = {index: _name_type(pod.volumes[index]) for index in bad}
    types = sorted(set(type_of.values()))
    return Forbidden(
        "restricted volume types",
        f"{choose_number('volume', 'volumes', len(bad))} {names} {choose_number('uses', 'use', len(bad))}"
        f" {choose_number('restricted volume type', 'restricted volume types', len(types))} {join_quoted(types)}",
        tuple(_locate_source(index, type_of[index]) for index in bad),
    )


def _has_allowed_source(volume: Object) -> bool:
    sources = [key for key, value in volume.items() if value is not None and key != "name"]
    return not sources or not ALLOWED.isdisjoint(sources)


def _name_type(volume: Object) -> str:
    return next((source for source in RESTRICTED_TYPES if volume.get(source) is not None), UNKNOWN)


def _locate_source(index: int, volume_type: str) -> FieldPath:
    path: FieldPath = ("spec", "volumes", index)
    return path if volume_type == UNKNOWN else (*path, volume_type)


CHECK = Check(
    "restrictedVolumes",
    RESTRICTED,
    (from_version(0, forbid_restricted_volumes),),
    overrides=("hostPathVolumes",),
)
