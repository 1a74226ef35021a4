"""Name the container runtime's seccomp profile, on the pod where that speaks for several containers."""

from __future__ import annotations

from collections.abc import Iterator

from migrator.model.edit import FieldEdit
from migrator.model.field import FieldPath
from migrator.model.policy import PodSecurityPolicyData
from migrator.podsecurity.checks.seccomp_profile_baseline import is_bad_profile
from migrator.podsecurity.pod import Pod
from migrator.psp.fields.seccomp import convert_annotation
from migrator.psp.pod import SECCOMP_CONTAINER_PREFIX, SECCOMP_POD
from migrator.rules.hardening import can_change, is_for_windows, set_field

FIELD = ("securityContext", "seccompProfile", "type")
PROFILE = "RuntimeDefault"


def propose(pod: Pod, fields: tuple[FieldPath, ...], policy: PodSecurityPolicyData) -> Iterator[FieldEdit]:
    """Propose RuntimeDefault where no profile is named, and in place of one on the pod that no container uses.

    Not where an annotation names another one: the API server refuses a field that its annotation contradicts.
    """
    if is_for_windows(pod):
        return
    of_pod = pod.security_context.get("seccompProfile")
    missing = [item for item in pod.containers if item.security_context.get("seccompProfile") is None]
    if of_pod is None and len(missing) == 1 < len(pod.containers) and can_change(missing[0]):
        if not _is_contradicted(pod, f"{SECCOMP_CONTAINER_PREFIX}{missing[0].name}"):
            yield set_field(pod, missing[0].field(*FIELD), PROFILE)
    elif (missing if of_pod is None else not missing and is_bad_profile(of_pod)) and not _is_contradicted(
        pod, SECCOMP_POD
    ):
        yield set_field(pod, ("spec", *FIELD), PROFILE)


def _is_contradicted(pod: Pod, annotation: str) -> bool:
    named = pod.annotations.get(annotation)
    return named is not None and convert_annotation(str(named)) != {"type": PROFILE}
