"""Drop ALL capabilities in each container; an added NET_BIND_SERVICE stays."""

from __future__ import annotations

from collections.abc import Iterator

from migrator.model.edit import APPEND, FieldEdit
from migrator.model.field import FieldPath
from migrator.model.policy import PodSecurityPolicyData
from migrator.podsecurity.checks.capabilities_restricted import ALLOWED
from migrator.podsecurity.pod import Container, Pod
from migrator.rules.hardening import can_change, is_for_windows, list_added, set_field
from migrator.strategies.hardening.capabilities_baseline import spell_capabilities


def propose(pod: Pod, fields: tuple[FieldPath, ...], policy: PodSecurityPolicyData) -> Iterator[FieldEdit]:
    """Propose the drop for each container but privileged ones, which have all capabilities whatever they drop."""
    if is_for_windows(pod):
        return
    yield from spell_capabilities(pod, ALLOWED)
    for container in filter(can_change, pod.containers):
        if not container.security_context.get("privileged") and "ALL" not in list_added(container):
            yield from _drop_all(pod, container)


def _drop_all(pod: Pod, container: Container) -> Iterator[FieldEdit]:
    dropped = (container.security_context.get("capabilities") or {}).get("drop") or ()
    if "ALL" in dropped:
        return
    path = container.field("securityContext", "capabilities", "drop")
    misspelt = next((index for index, name in enumerate(dropped) if str(name).upper() == "ALL"), None)
    if misspelt is not None:
        yield FieldEdit("replace", (*path, misspelt), "ALL")
    else:
        yield set_field(pod, (*path, APPEND), "ALL")
