"""Write runAsNonRoot: true where the container's user is known not to be root."""

from __future__ import annotations

from collections.abc import Iterator

from migrator.model.edit import FieldEdit
from migrator.model.field import FieldPath
from migrator.model.policy import PodSecurityPolicyData
from migrator.podsecurity.pod import Pod
from migrator.rules.hardening import can_change, is_known_non_root, set_field

FIELD = ("securityContext", "runAsNonRoot")


def propose(pod: Pod, fields: tuple[FieldPath, ...], policy: PodSecurityPolicyData) -> Iterator[FieldEdit]:
    """Propose true on the pod where all that inherit it are known, else on each container that is."""
    of_pod = pod.security_context.get("runAsNonRoot")
    own = {container.path: container.security_context.get("runAsNonRoot") for container in pod.containers}
    known = {item.path for item in pod.containers if is_known_non_root(pod, item, policy)}
    inheriting = [item for item in pod.containers if own[item.path] is None]
    explicit = [item for item in pod.containers if own[item.path] is False]
    changed = [item for item in explicit if item.path in known and can_change(item)]
    if of_pod is not True:
        whole = all(item.path in known for item in inheriting)
        alone = len(inheriting) == 1 < len(pod.containers) and of_pod is None and can_change(inheriting[0])
        if whole and not alone and (inheriting or of_pod is False):
            yield set_field(pod, ("spec", *FIELD), True)
        else:
            changed += [item for item in inheriting if item.path in known and can_change(item)]
    for container in changed:
        yield set_field(pod, container.field(*FIELD), True)
