"""Take runAsUser: 0 off a pod whose containers all name their own user."""

from __future__ import annotations

from collections.abc import Iterator

from migrator.model.edit import FieldEdit
from migrator.model.field import FieldPath
from migrator.model.policy import PodSecurityPolicyData
from migrator.podsecurity.pod import Pod


def propose(pod: Pod, fields: tuple[FieldPath, ...], policy: PodSecurityPolicyData) -> Iterator[FieldEdit]:
    """Propose to remove the pod's user where nothing inherits it."""
    if pod.security_context.get("runAsUser") == 0 and all(
        container.security_context.get("runAsUser") is not None for container in pod.containers
    ):
        yield FieldEdit("remove", ("spec", "securityContext", "runAsUser"))
