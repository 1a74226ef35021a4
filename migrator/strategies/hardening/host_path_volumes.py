"""Take out hostPath volumes that no container mounts."""

from __future__ import annotations

from collections.abc import Iterator

from migrator.model.edit import FieldEdit
from migrator.model.field import FieldPath
from migrator.model.policy import PodSecurityPolicyData
from migrator.podsecurity.pod import Pod


def propose(pod: Pod, fields: tuple[FieldPath, ...], policy: PodSecurityPolicyData) -> Iterator[FieldEdit]:
    """Propose to remove the volumes at fault that nothing mounts."""
    yield from remove_unmounted(pod, fields)


def remove_unmounted(pod: Pod, fields: tuple[FieldPath, ...]) -> Iterator[FieldEdit]:
    """Remove those of the volumes that `fields` lead to which no container mounts."""
    mounted = {
        (mount or {}).get("name")
        for container in pod.containers
        for key in ("volumeMounts", "volumeDevices")
        for mount in container.fields.get(key) or ()
    }
    removed = sorted({field[2] for field in fields if pod.volumes[int(field[2])].get("name") not in mounted}, key=int)
    if len(removed) == len(pod.volumes):
        yield FieldEdit("remove", ("spec", "volumes"))
        return
    for index in removed:
        yield FieldEdit("remove", ("spec", "volumes", index))
