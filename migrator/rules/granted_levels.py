"""What PodSecurityPolicies granted a namespace, beside what its workloads need: who loses what by its labels."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from migrator.podsecurity.level import is_stricter
from migrator.rules.pod_security import NamespaceVerdict, describe_violation, find_place

if TYPE_CHECKING:
    from migrator.rules.pod_security_policy import NamespaceGrant, PolicyAdmission

# What only pods that make use of SELinux or AppArmor violate.
_LSM_CHECKS: Final = frozenset(("seLinuxOptions", "appArmorProfile"))


def compare_grants(admission: PolicyAdmission, verdict: NamespaceVerdict, enforced: bool) -> Iterator[str]:
    """Compare what a namespace's workloads need with what its policies granted.

    `enforced` tells that all pods are known, so that the level which they satisfy is to be enforced.
    """
    grant = admission.namespace_grants.get(verdict.name)
    if grant is None:
        return
    denied = {
        find_place(item.workload.ref, item.workload.location)
        for item in admission.decisions
        if item is not None and not item.selection.admitted
    }
    out = [item for item in verdict.judged if find_place(item.workload.ref, item.workload.location) in denied]
    rest = verdict.without(out)
    yield from _say_what_is_lost(verdict, rest, grant, enforced)
    if out and rest.judged and is_stricter(rest.after, verdict.after):
        names = ", ".join(f"{item.workload.ref.kind}/{item.workload.ref.name}" for item in out[:2])
        more = f" and {len(out) - 2} more" if len(out) > 2 else ""
        yield (
            f"the level is for {names}{more}, which no PodSecurityPolicy admits today: what else is there satisfies "
            f"{rest.after}"
        )


def _say_what_is_lost(
    verdict: NamespaceVerdict, admitted: NamespaceVerdict, grant: NamespaceGrant, enforced: bool
) -> Iterator[str]:
    if grant.strict is None or grant.without_lsm is None:
        yield "its pods may use no PodSecurityPolicy: they are refused today, or who may use which was not read"
        return
    granted = f"its PodSecurityPolicies granted {grant.strict}{_describe_reasons(grant)}"
    closed = is_stricter(verdict.after, grant.strict)
    if closed and enforced:
        yield (
            f"{granted}; its workloads need no more than {verdict.after}, so to enforce that takes the rest away "
            "from whoever may create pods there"
        )
    elif closed:
        yield f"{granted}: pods that are not among the sources may need as much"
    elif not enforced:
        yield (
            f"{granted}: no more is known of pods that are not among the sources, and what the policies wrote into "
            "them counts for that level"
        )
    beyond = [item for item in admitted.held if item[1].check not in _LSM_CHECKS]
    if beyond and is_stricter(grant.without_lsm, admitted.after):
        item, violation = beyond[0]
        yield (
            f"its PodSecurityPolicies granted {grant.without_lsm} where pods use no SELinux or AppArmor, and "
            f"{describe_violation(item.workload, violation)} needs {admitted.after}: they never looked at "
            f"this, but to enforce {grant.without_lsm} would refuse it"
        )


def _describe_reasons(grant: NamespaceGrant) -> str:
    """Say where the level would be another without SELinux and AppArmor, and what decides it."""
    from migrator.rules.pod_security_policy import describe_limit

    other = "" if grant.strict == grant.without_lsm else f"{grant.without_lsm} where no pod uses SELinux or AppArmor"
    why = describe_limit(*grant.because[0]) if grant.because else ""
    both = "; ".join(part for part in (other, why) if part)
    return f" ({both})" if both else ""
