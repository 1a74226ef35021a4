"""Volumes must not be directories of the host.

A hostPath volume reads, and mostly writes, the files of the node.

Restricted fields:
    spec.volumes[*].hostPath
Allowed values:
    undefined
Policy versions:
    v1.0 and later
Sources:
    https://kubernetes.io/docs/concepts/security/pod-security-standards/#baseline
    https://github.com/kubernetes/pod-security-admission/blob/v0.37.2/policy/check_hostPathVolumes.go
"""

from __future__ import annotations

from migrator.podsecurity.check import Check, Forbidden, from_version
from migrator.podsecurity.level import BASELINE
from migrator.podsecurity.pod import Pod
from migrator.podsecurity.wording import choose_number, join_quoted


def forbid_host_path_volumes(pod: Pod) -> Forbidden | None:
    """Forbid hostPath volumes."""
    bad = [index for index, volume in enumerate(pod.volumes) if volume.get("hostPath") is not None]
    if not bad:
        return None
    names = join_quoted(pod.volumes[index].get("name") or "" for index in bad)
    return Forbidden(
        "hostPath volumes",
        f"{choose_number('volume', 'volumes', len(bad))} {names}",
        tuple(("spec", "volumes", index, "hostPath") for index in bad),
    )


CHECK = Check("hostPathVolumes", BASELINE, (from_version(0, forbid_host_path_volumes),))
