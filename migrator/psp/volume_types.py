"""The types of volume that a policy can name.

Source: GetVolumeFSType in pkg/security/podsecuritypolicy/util/util.go of Kubernetes 1.24, whose order this is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

# Field of a volume in the API -> its name in `spec.volumes` of a policy.
VOLUME_TYPES: Final[Mapping[str, str]] = {
    "hostPath": "hostPath",
    "emptyDir": "emptyDir",
    "gcePersistentDisk": "gcePersistentDisk",
    "awsElasticBlockStore": "awsElasticBlockStore",
    "gitRepo": "gitRepo",
    "secret": "secret",
    "nfs": "nfs",
    "iscsi": "iscsi",
    "glusterfs": "glusterfs",
    "persistentVolumeClaim": "persistentVolumeClaim",
    "rbd": "rbd",
    "flexVolume": "flexVolume",
    "cinder": "cinder",
    "cephfs": "cephFS",
    "flocker": "flocker",
    "downwardAPI": "downwardAPI",
    "fc": "fc",
    "azureFile": "azureFile",
    "configMap": "configMap",
    "vsphereVolume": "vsphereVolume",
    "quobyte": "quobyte",
    "azureDisk": "azureDisk",
    "photonPersistentDisk": "photonPersistentDisk",
    "storageos": "storageos",
    "projected": "projected",
    "portworxVolume": "portworxVolume",
    "scaleIO": "scaleIO",
    "csi": "csi",
    "ephemeral": "ephemeral",
}


def find_volume_type(volume: Mapping[str, Any]) -> str | None:
    """Find the type of a volume as policies name it; None for a source that Kubernetes 1.24 does not know.

    A volume without any source is an emptyDir, as the API's defaults say.
    """
    sources = [field for field, source in volume.items() if field != "name" and source is not None]
    if len(sources) == 1:
        return VOLUME_TYPES.get(sources[0])
    return next((VOLUME_TYPES[field] for field in VOLUME_TYPES if field in sources), None if sources else "emptyDir")
