"""Write the names of allowed capabilities as the standard writes them."""

from __future__ import annotations

from collections.abc import Iterator

from migrator.model.edit import FieldEdit
from migrator.model.field import FieldPath
from migrator.model.policy import PodSecurityPolicyData
from migrator.podsecurity.checks.capabilities_baseline import ALLOWED
from migrator.podsecurity.pod import Pod
from migrator.rules.hardening import can_change, is_for_windows, list_added


def propose(pod: Pod, fields: tuple[FieldPath, ...], policy: PodSecurityPolicyData) -> Iterator[FieldEdit]:
    """Propose the standard's spelling for each added capability that baseline allows."""
    yield from spell_capabilities(pod, ALLOWED)


def spell_capabilities(pod: Pod, allowed: frozenset[str]) -> Iterator[FieldEdit]:
    """Replace names such as `CAP_CHOWN` and `chown` by `CHOWN`, where that is allowed."""
    if is_for_windows(pod):
        return
    for container in filter(can_change, pod.containers):
        for index, name in enumerate(list_added(container)):
            spelled = name.upper().removeprefix("CAP_")
            if name != spelled and spelled in allowed:
                path = container.field("securityContext", "capabilities", "add", index)
                yield FieldEdit("replace", path, spelled)
