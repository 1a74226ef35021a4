"""Take out volumes of forbidden types that no container mounts."""

from __future__ import annotations

from collections.abc import Iterator

from migrator.model.edit import FieldEdit
from migrator.model.field import FieldPath
from migrator.model.policy import PodSecurityPolicyData
from migrator.podsecurity.pod import Pod
from migrator.strategies.hardening.host_path_volumes import remove_unmounted


def propose(pod: Pod, fields: tuple[FieldPath, ...], policy: PodSecurityPolicyData) -> Iterator[FieldEdit]:
    """Propose to remove the volumes at fault that nothing mounts."""
    yield from remove_unmounted(pod, fields)
