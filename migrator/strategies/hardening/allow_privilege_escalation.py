"""Write allowPrivilegeEscalation: false into each container that can have it."""

from __future__ import annotations

from collections.abc import Iterator

from migrator.model.edit import FieldEdit
from migrator.model.field import FieldPath
from migrator.model.policy import PodSecurityPolicyData
from migrator.podsecurity.pod import Pod
from migrator.rules.hardening import can_change, has_all_privileges, is_for_windows, set_field

FIELD = "allowPrivilegeEscalation"


def propose(pod: Pod, fields: tuple[FieldPath, ...], policy: PodSecurityPolicyData) -> Iterator[FieldEdit]:
    """Propose the field for each container without it; the pod has no such field."""
    if is_for_windows(pod):
        return
    for container in pod.containers:
        if (
            container.security_context.get(FIELD) is not False
            and can_change(container)
            and not has_all_privileges(container)
        ):
            yield set_field(pod, container.field("securityContext", FIELD), False)
