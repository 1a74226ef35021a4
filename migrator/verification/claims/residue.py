"""Where PodSecurityPolicies are gone, something stands for them, and what they wrote into pods is written out."""

from __future__ import annotations

from collections.abc import Iterator, Set
from typing import Any

from migrator.model.reference import Location
from migrator.podsecurity.level import PRIVILEGED, is_stricter
from migrator.psp.decide import Decision
from migrator.psp.level import find_granted_level, find_weakest_level
from migrator.psp.model import PodSecurityPolicy
from migrator.verification.claim import Claim, Note
from migrator.verification.comparison import Comparison, WorkloadPair
from migrator.verification.grants import is_admission_off
from migrator.verification.injection import list_written
from migrator.verification.pods import get_value
from migrator.verification.selectors import selects

ID = "residue"


def find_claims(comparison: Comparison) -> Iterator[Claim | Note]:
    """Claim of each workload whose policy is gone that its template says what that wrote, and of its namespace."""
    yield from _judge_bindings(comparison)
    gone = comparison.before.admission.policies.keys() - comparison.after.admission.policies.keys()
    if not gone:
        return
    used: dict[str, set[PodSecurityPolicy]] = {}
    for item in comparison.workloads:
        decision = comparison.before.admission.decide(item.before, item.pods[0])
        if decision is None:
            continue
        usable = {policy for policy in decision.usable if policy.usable}
        if item.ref.namespace and any(policy.name in gone for policy in usable):
            used.setdefault(item.ref.namespace, set()).update(usable)
        if decision.selection.selected in gone and not item.before.owners:
            missing = _find_unwritten(item, decision)
            because = f"PodSecurityPolicy {decision.selection.selected} wrote {missing}, which the template lacks"
            if missing is None:
                because = f"what PodSecurityPolicy {decision.selection.selected} wrote stands in the template"
            yield Claim(ID, missing is None, item.ref, *item.pair.places(), because)
    for namespace, policies in sorted(used.items()):
        yield from _judge_namespace(comparison, namespace, policies)


def _judge_bindings(comparison: Comparison) -> Iterator[Claim]:
    """Claim of each new binding of a ValidatingAdmissionPolicy that this is there."""
    policies = {document.ref.name for document in comparison.after.find_documents("ValidatingAdmissionPolicy")}
    for pair in comparison.pairs:
        if pair.ref.kind == "ValidatingAdmissionPolicyBinding" and pair.before is None and pair.after is not None:
            name = (pair.after.data.get("spec") or {}).get("policyName")
            because = f"binds {name}" + ("" if name in policies else ", which is not there: it refuses nothing")
            yield Claim(ID, name in policies, pair.ref, *pair.places(), because)


def _find_unwritten(item: WorkloadPair, decision: Decision) -> str | None:
    pod = item.pods[1]
    for mutation in decision.selection.mutations:
        spellings = list(list_written(pod, mutation))
        if spellings and not any(all(_holds(pod, path, value) for path, value in way) for way in spellings):
            return f"{mutation.field[-1]}: {mutation.value}"
    return None


def _holds(pod: Any, path: tuple[Any, ...], value: Any) -> bool:
    if path[-1] == "*":
        return value in (get_value(pod, path[:-1]) or ())
    found = get_value(pod, path)
    return bool(found == value or (found is not None and path[-1] in ("appArmorProfile", "seccompProfile")))


def _judge_namespace(
    comparison: Comparison, namespace: str, policies: Set[PodSecurityPolicy]
) -> Iterator[Claim | Note]:
    found = comparison.after.namespaces.get(namespace)
    ref, place = (found[1].ref, found[1].location) if found else (None, None)
    places = _find_policy_place(comparison), place
    enforced = found[0].enforce.level if found else PRIVILEGED
    granted = find_weakest_level(find_granted_level(policy).strict for policy in policies)
    names = ", ".join(sorted(policy.name for policy in policies))
    standing = _find_standing(comparison, namespace)
    if standing:
        yield Claim(ID, True, ref, *places, f"{standing} stands for {names} in namespace {namespace}")
    elif any(_allows_everything(policy) for policy in policies):
        yield Claim(ID, True, ref, *places, f"{names} allowed everything in namespace {namespace}")
    elif enforced != PRIVILEGED and not is_stricter(granted, enforced):
        because = f"namespace {namespace} enforces {enforced}; {names} granted {granted}"
        yield Claim(ID, True, ref, *places, because)
    elif is_admission_off(comparison.policy):
        because = f"{names} refused nothing in namespace {namespace} any more: the plugin is off, says the policy"
        yield Claim(ID, True, ref, *places, because)
        open_end = f"nothing in namespace {namespace}, which enforces {enforced}, refuses what {names} refused once"
        yield Note(ID, ref, place, open_end)
    else:
        because = (
            f"{names} gone, and nothing refuses in namespace {namespace} what was refused: it enforces "
            f"{enforced}, and has no ValidatingAdmissionPolicy that denies"
        )
        yield Claim(ID, False, ref, *places, because)


def _allows_everything(policy: PodSecurityPolicy) -> bool:
    allowed = (policy.privileged, policy.host_network, policy.host_pid, policy.host_ipc)
    return all(allowed) and "*" in policy.volumes and "*" in policy.allowed_capabilities


def _find_policy_place(comparison: Comparison) -> Location | None:
    return next((item.location for item in comparison.before.find_documents("PodSecurityPolicy")), None)


def _find_standing(comparison: Comparison, namespace: str) -> str | None:
    """Find a ValidatingAdmissionPolicy that denies pods of a namespace."""
    policies = {document.ref.name for document in comparison.after.find_documents("ValidatingAdmissionPolicy")}
    for document in comparison.after.find_documents("ValidatingAdmissionPolicyBinding"):
        spec = document.data.get("spec") or {}
        selector = (spec.get("matchResources") or {}).get("namespaceSelector") or {}
        is_for = selects(selector, {"kubernetes.io/metadata.name": namespace})
        if is_for and "Deny" in (spec.get("validationActions") or ()) and spec.get("policyName") in policies:
            return f"ValidatingAdmissionPolicy {spec['policyName']}"
    return None
