"""What a pod has that two pods cannot have at once, besides host ports."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

# Disks that attach to one node, or to one writer. A claim's access modes stand in another object, which is often not
# among the sources; most claims are ReadWriteOnce.
_VOLUMES = (
    "persistentVolumeClaim",
    "hostPath",
    "awsElasticBlockStore",
    "azureDisk",
    "cinder",
    "fc",
    "gcePersistentDisk",
    "iscsi",
    "rbd",
    "vsphereVolume",
)
_SHARED_RESOURCES = ("hugepages-", "kubernetes.io/")


def find_exclusive(spec: Mapping[str, Any]) -> str | None:
    """Name something of a pod that a second pod beside it would have to wait for or fight over; None without any."""
    if spec.get("hostNetwork") is True:
        return "the host network"
    containers = [
        container
        for key in ("initContainers", "containers")
        for container in spec.get(key) or ()
        if isinstance(container, Mapping)
    ]
    written = set(_list_written(containers))
    for volume in spec.get("volumes") or ():
        for kind in _VOLUMES if isinstance(volume, Mapping) and volume.get("name") in written else ():
            source = volume.get(kind)
            if isinstance(source, Mapping) and source.get("readOnly") is not True:
                return f"the volume {volume['name']}"
    for container in containers:
        limits = (container.get("resources") or {}).get("limits") or {}
        for resource in limits:
            if "/" in resource and not resource.startswith(_SHARED_RESOURCES):
                return f"the resource {resource}"
    return None


def _list_written(containers: list[Mapping[str, Any]]) -> Iterator[str]:
    for container in containers:
        for key in ("volumeMounts", "volumeDevices"):
            for mount in container.get(key) or ():
                if isinstance(mount, Mapping) and mount.get("readOnly") is not True:
                    yield str(mount.get("name"))
