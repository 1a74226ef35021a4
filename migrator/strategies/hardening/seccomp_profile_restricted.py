"""Name the container runtime's seccomp profile, on the pod where that speaks for several containers."""

from __future__ import annotations

from collections.abc import Iterator

from migrator.model.edit import FieldEdit
from migrator.model.field import FieldPath
from migrator.model.policy import PodSecurityPolicyData
from migrator.podsecurity.checks.seccomp_profile_baseline import is_bad_profile
from migrator.podsecurity.pod import Pod
from migrator.rules.hardening import can_change, is_for_windows, set_field

FIELD = ("securityContext", "seccompProfile", "type")
PROFILE = "RuntimeDefault"


def propose(pod: Pod, fields: tuple[FieldPath, ...], policy: PodSecurityPolicyData) -> Iterator[FieldEdit]:
    """Propose RuntimeDefault where no profile is named, and in place of one on the pod that no container uses."""
    if is_for_windows(pod):
        return
    of_pod = pod.security_context.get("seccompProfile")
    missing = [item for item in pod.containers if item.security_context.get("seccompProfile") is None]
    if of_pod is not None:
        if not missing and is_bad_profile(of_pod):
            yield set_field(pod, ("spec", *FIELD), PROFILE)
    elif len(missing) == 1 < len(pod.containers) and can_change(missing[0]):
        yield set_field(pod, missing[0].field(*FIELD), PROFILE)
    elif missing:
        yield set_field(pod, ("spec", *FIELD), PROFILE)
