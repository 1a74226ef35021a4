"""Containers must not take ports of the host.

Restricted fields:
    spec.{containers,initContainers,ephemeralContainers}[*].ports[*].hostPort
Allowed values:
    undefined, 0
Policy versions:
    v1.0 and later
Sources:
    https://kubernetes.io/docs/concepts/security/pod-security-standards/#baseline
    https://github.com/kubernetes/pod-security-admission/blob/v0.37.2/policy/check_hostPorts.go
"""

from __future__ import annotations

from migrator.podsecurity.check import Check, Forbidden, from_version
from migrator.podsecurity.level import BASELINE
from migrator.podsecurity.pod import Container, Pod
from migrator.podsecurity.wording import choose_number, name_containers


def forbid_host_ports(pod: Pod) -> Forbidden | None:
    """Forbid every host port; the detail lists them as texts, so 10250 comes before 80."""
    bad = [(container, ports) for container in pod.containers if (ports := _find_host_ports(container))]
    if not bad:
        return None
    containers = [container for container, _ in bad]
    numbers = sorted({str(number) for _, ports in bad for number in ports.values()})
    return Forbidden(
        "hostPort",
        f"{name_containers(containers)} {choose_number('uses', 'use', len(containers))}"
        f" {choose_number('hostPort', 'hostPorts', len(numbers))} {', '.join(numbers)}",
        tuple(container.field("ports", index, "hostPort") for container, ports in bad for index in ports),
    )


def _find_host_ports(container: Container) -> dict[int, int]:
    ports = container.fields.get("ports") or ()
    return {index: port["hostPort"] for index, port in enumerate(ports) if port and port.get("hostPort")}


CHECK = Check("hostPorts", BASELINE, (from_version(0, forbid_host_ports),))
