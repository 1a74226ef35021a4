"""What a pod has that two pods cannot have at once."""

from __future__ import annotations

from typing import Any

import pytest

from migrator.rules.exclusive import find_exclusive

DISK = {"name": "data", "persistentVolumeClaim": {"claimName": "data"}}
MOUNT = {"name": "data", "mountPath": "/data"}


def make_spec(volume: dict[str, Any] | None = None, **container: Any) -> dict[str, Any]:
    return {"containers": [{"name": "main", **container}], "volumes": [volume] if volume else []}


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (make_spec(), None),
        ({"hostNetwork": True, **make_spec()}, "the host network"),
        (make_spec(DISK, volumeMounts=[MOUNT]), "the volume data"),
        (make_spec(DISK, volumeDevices=[{"name": "data", "devicePath": "/dev/x"}]), "the volume data"),
        (make_spec(DISK), None),
        (make_spec(DISK, volumeMounts=[{**MOUNT, "readOnly": True}]), None),
        (make_spec({"name": "data", "hostPath": {"path": "/srv"}}, volumeMounts=[MOUNT]), "the volume data"),
        (make_spec({"name": "data", "gcePersistentDisk": {"readOnly": True}}, volumeMounts=[MOUNT]), None),
        (make_spec({"name": "data", "emptyDir": {}}, volumeMounts=[MOUNT]), None),
        (make_spec({"name": "data", "nfs": {"server": "a"}}, volumeMounts=[MOUNT]), None),
        (make_spec(resources={"limits": {"nvidia.com/gpu": 1}}), "the resource nvidia.com/gpu"),
        (make_spec(resources={"limits": {"cpu": 1, "hugepages-2Mi": "4Mi"}}), None),
    ],
)
def test_what_two_pods_cannot_share_is_named(spec: dict[str, Any], expected: str | None) -> None:
    assert find_exclusive(spec) == expected
