"""The fields of PodSecurityPolicy, one rule per file, in the order in which the plugin asks them.

Source: MutatePod and ValidatePod in pkg/security/podsecuritypolicy/provider.go of Kubernetes 1.24.
"""

from __future__ import annotations

from typing import Final

from migrator.psp.field_rule import FieldRule
from migrator.psp.fields import (
    allow_privilege_escalation,
    app_armor,
    capabilities,
    fs_group,
    host_namespaces,
    host_ports,
    privileged,
    proc_mount,
    read_only_root_filesystem,
    run_as_group,
    run_as_user,
    runtime_class,
    se_linux,
    seccomp,
    supplemental_groups,
    sysctls,
    volumes,
)

POD_RULES: Final[tuple[FieldRule, ...]] = (
    fs_group.RULE,
    supplemental_groups.RULE,
    seccomp.RULE,
    se_linux.RULE,
    host_namespaces.RULE,
    sysctls.RULE,
    volumes.RULE,
    runtime_class.RULE,
)

CONTAINER_RULES: Final[tuple[FieldRule, ...]] = (
    run_as_user.RULE,
    run_as_group.RULE,
    se_linux.RULE,
    app_armor.RULE,
    seccomp.RULE,
    privileged.RULE,
    proc_mount.RULE,
    capabilities.RULE,
    host_ports.RULE,
    read_only_root_filesystem.RULE,
    allow_privilege_escalation.RULE,
)
