"""No pod that was admitted is denied: by Pod Security labels, by PodSecurityPolicies that are left."""

from __future__ import annotations

from collections.abc import Iterator

from migrator.podsecurity.evaluate import evaluate_level
from migrator.podsecurity.level import PRIVILEGED
from migrator.podsecurity.pod import MalformedPodError
from migrator.verification.claim import Claim, Note
from migrator.verification.comparison import Comparison, Side, WorkloadPair
from migrator.verification.grants import is_admission_off
from migrator.verification.selectors import selects

ID = "admission"


def find_claims(comparison: Comparison) -> Iterator[Claim | Note]:
    """Claim of each workload that its pods are still admitted, where they were."""
    for item in comparison.workloads:
        if item.ref.kind == "PodTemplate":
            continue
        denied_before = _find_denial(comparison, comparison.before, item, was=True)
        denied = _find_denial(comparison, comparison.after, item)
        because = denied or _say_admitted(comparison, item)
        if denied and denied_before:
            because = f"was denied before too: {denied_before}"
        yield Claim(ID, denied is None or denied_before is not None, item.ref, *item.pair.places(), because)
    yield from _note_expressions(comparison)


def _find_denial(comparison: Comparison, side: Side, item: WorkloadPair, was: bool = False) -> str | None:
    workload = item.before if was else item.after
    pod = item.pods[0 if was else 1]
    if was or not is_admission_off(comparison.policy):
        if comparison.before.admission.policies and not side.admission.policies:
            return "no PodSecurityPolicy is left, and the plugin refuses every pod then (podSecurityPolicyAdmission)"
        decision = side.admission.decide(workload, pod)
        if decision is not None and not decision.selection.admitted:
            reasons = [message for texts in decision.selection.rejected_by.values() for message in texts]
            return f"no PodSecurityPolicy admits its pods ({'; '.join(reasons[:2]) or 'they may use none'})"
        if decision is not None:
            pod = decision.selection.pod
    namespace = workload.ref.namespace or ""
    policy = comparison.policy.pod_security
    if namespace not in side.namespaces or namespace in policy.exempt_namespaces:
        return None
    if (pod.get("spec") or {}).get("runtimeClassName") in policy.exempt_runtime_classes:
        return None
    enforce = side.namespaces[namespace][0].enforce
    if enforce.level == PRIVILEGED:
        return None
    try:
        found = evaluate_level(pod.get("metadata") or {}, pod.get("spec") or {}, enforce.level, enforce.version)
    except MalformedPodError as error:
        return str(error)
    if not found:
        return None
    first = found[0].reason + (f" ({found[0].detail})" if found[0].detail else "")
    return f"namespace {namespace} enforces {enforce}, which forbids {first}"


def _say_admitted(comparison: Comparison, item: WorkloadPair) -> str:
    found = comparison.after.namespaces.get(item.ref.namespace or "")
    enforce = found[0].enforce if found else None
    return f"satisfies {enforce}" if enforce and enforce.level != PRIVILEGED else "nothing is enforced on its pods"


def _note_expressions(comparison: Comparison) -> Iterator[Note]:
    """Note the new policies that deny by expressions, for which only an API server can speak."""
    known = {pair.ref.name for pair in comparison.pairs if pair.before is not None and not pair.differences}
    for document in comparison.after.find_documents("ValidatingAdmissionPolicyBinding"):
        spec = document.data.get("spec") or {}
        if "Deny" not in (spec.get("validationActions") or ()) or document.ref.name in known:
            continue
        selector = (spec.get("matchResources") or {}).get("namespaceSelector") or {}
        workloads = [
            item.ref
            for item in comparison.workloads
            if selects(selector, {"kubernetes.io/metadata.name": item.ref.namespace or ""})
        ]
        if workloads:
            because = (
                f"whether the expressions of {spec.get('policyName')} admit the pods of {len(workloads)} "
                "workload(s) is not judged here: kubectl apply --dry-run=server asks the API server"
            )
            yield Note(ID, document.ref, document.location, because)
