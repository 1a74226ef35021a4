"""PodSecurityPolicy decisions for a person: a table of all, and one of them step by step."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from migrator.model.field import FieldPath, format_path
from migrator.psp.authorize import MASTERS, Grant, Identity
from migrator.psp.fleet import Answer
from migrator.rules.pod_security_policy import (
    NamespaceGrant,
    PolicyAdmission,
    PolicyDecision,
    describe_limit,
    list_refusals,
)
from migrator.yaml.write import write_flow

if TYPE_CHECKING:
    from migrator.review.painter import Painter

_LISTED = 20


def write_policy_decisions(
    decisions: Iterable[PolicyDecision | None], admission: PolicyAdmission, painter: Painter, verbose: bool = False
) -> list[str]:
    """Write under which policy each workload runs and what that policy injects, then why others get none.

    Where it is to be verbose, also why not another policy.
    """
    known = [item for item in decisions if item is not None]
    rows = [(str(item.workload.ref), item.selection.selected or "none", _summarize(item)) for item in known]
    lines = []
    if rows:
        lines += ["", painter.paint("PodSecurityPolicy: what each workload's pods get", "bold")]
        lines += painter.table(("WORKLOAD", "POLICY", "INJECTS"), rows)
    refused = [item for item in known if not item.selection.admitted]
    if refused:
        lines += ["", painter.paint("Pods that are not admitted", "bold")]
        for item in refused[:_LISTED]:
            lines.append(f"  {painter.paint(str(item.workload.ref), 'cyan')} ({item.workload.location})")
            for why in list_refusals(item):
                lines += painter.wrap(why, "      ", "    - ")
        if len(refused) > _LISTED:
            lines.append(f"  … and {len(refused) - _LISTED} more; -o json lists all")
    lines += _write_others(known, painter) if verbose else []
    if any(item.workload.ref.kind == "Pod" and not item.workload.owners for item in known):
        who = "system:masters, who may use every policy" if admission.requester is None else admission.requester.user
        lines += ["", f"Bare pods are decided as applied by {who}; --requester USER[,GROUP...] names somebody"]
    return lines


def _write_others(decisions: Iterable[PolicyDecision], painter: Painter) -> list[str]:
    """Write of the workloads that are admitted why they get no other of the policies that they may use."""
    lines = []
    for item in decisions:
        others = list(_list_others(item)) if item.selection.admitted else []
        if others:
            lines.append(f"  {painter.paint(str(item.workload.ref), 'cyan')} ({item.workload.location})")
        for why in others[:_LISTED]:
            lines += painter.wrap(why, "      ", "    - ")
        if len(others) > _LISTED:
            lines.append(f"    - … and {len(others) - _LISTED} more policies; -o json lists those that refuse")
    return ["", painter.paint("Why not another policy that they may use", "bold"), *lines] if lines else []


def _list_others(decision: PolicyDecision) -> Iterator[str]:
    selection = decision.selection
    answers = {answer.psp: answer for answer in selection.answers}
    for policy in decision.usable:
        answer = answers.get(policy.name)
        if policy.name == selection.selected:
            continue
        if answer is None:
            yield f"{policy.name}: passed over, for it has problems"
        elif answer.messages:
            yield f"{policy.name}: {'; '.join(answer.messages)}"
        elif answer.mutations and not selection.mutations:
            yield f"{policy.name}: would change the pods, which {selection.selected} admits as they are"
        else:
            yield f"{policy.name}: comes after {selection.selected}"


def write_namespace_grants(grants: Iterable[NamespaceGrant], painter: Painter) -> list[str]:
    """Write the Pod Security level that the policies grant in each namespace."""
    rows = [
        (item.name, item.strict or "nothing", item.without_lsm or "nothing", _describe_limits(item))
        for item in grants
    ]
    if not rows:
        return []
    title = "Pod Security levels that the policies grant: strictly, and where no pod uses SELinux or AppArmor"
    header = ("NAMESPACE", "GRANTED", "WITHOUT LSM", "BECAUSE")
    return ["", painter.paint(title, "bold"), *painter.table(header, rows)]


def _describe_limits(grant: NamespaceGrant) -> str:
    if not grant.because:
        return ""
    more = f" and {len(grant.because) - 1} more" if len(grant.because) > 1 else ""
    return f"{describe_limit(*grant.because[0])}{more}"


def _summarize(decision: PolicyDecision) -> str:
    """Name what is injected, by field and value, with how often."""
    selection = decision.selection
    if selection.selected is None:
        return "not admitted"
    counts = Counter(f"{field[-1]}: {write_flow(value)}" for field, value in decision.injected)
    text = ", ".join(f"{what} (×{number})" if number > 1 else what for what, number in counts.items())
    return f"{text}; not admitted: {selection.refusals[0]}" if selection.refusals else text


def explain_policy_decision(decision: PolicyDecision, admission: PolicyAdmission, painter: Painter) -> list[str]:
    """Write one decision step by step: who asks, what they may use, each policy's answer, the outcome."""
    workload = decision.workload
    lines = ["", painter.paint(f"PodSecurityPolicy of {workload.ref} ({workload.location}), step by step", "bold")]
    lines.append("1. Who asks")
    roles = ["the service account of the pods", decision.creator]
    for identity, role in zip(decision.identities, roles, strict=False):
        lines += painter.wrap(f"{identity.user}: {role}; groups {', '.join(identity.groups)}", "     ", "   - ")
    if len(decision.identities) == 1:
        lines += painter.wrap(f"nobody known {decision.creator}: only the service account counts", "     ", "   - ")
    lines += ["2. Which policies they may use", *_explain_grants(decision, admission, painter)]
    lines += ["3. What those policies say, in the order of their names"]
    answers = {answer.psp: answer for answer in decision.selection.answers}
    for policy in decision.usable:
        answer = answers.get(policy.name)
        if answer is None:
            problem = f"{format_path(policy.problems[0].field)}: {policy.problems[0].message}"
            lines += painter.wrap(f"{policy.name}: passed over: {problem}", "     ", "   - ")
        else:
            lines += _explain_answer(answer, workload.kind.template, painter)
    if not decision.usable:
        lines.append("   - none is asked")
    lines += ["4. What comes of it", *_explain_outcome(decision, painter)]
    return lines


def _explain_grants(decision: PolicyDecision, admission: PolicyAdmission, painter: Painter) -> Iterator[str]:
    places = {
        (item.ref.kind, item.ref.namespace, item.ref.name): item.location
        for item in admission.world.inventory.role_bindings
    }
    found: dict[Grant, Identity] = {}
    for identity, grant in admission.find_grants(decision):
        found.setdefault(grant, identity)
    for identity in decision.identities:
        if MASTERS in identity.groups:
            yield from painter.wrap(f"{identity.user} is in {MASTERS}: all", "     ", "   - ")
    for grant, identity in found.items():
        policies = "all" if grant.policies is None else ", ".join(sorted(grant.policies))
        namespace = f"{grant.namespace}/" if grant.namespace else ""
        place = places.get((grant.binding_kind, grant.namespace or None, grant.binding_name))
        text = (
            f"{policies}: {grant.binding_kind} {namespace}{grant.binding_name}"
            f"{f' ({place})' if place else ''} gives {grant.role_kind} {grant.role_name} "
            f"to {grant.subject_kind} {grant.subject_name}"
        )
        if grant.subject_name != identity.user:
            text += f", which {identity.user} belongs to"
        yield from painter.wrap(text, "     ", "   - ")
    others = sorted(admission.policies.keys() - {policy.name for policy in decision.usable})
    if others:
        shown = ", ".join(others[:_LISTED]) + (f" and {len(others) - _LISTED} more" if len(others) > _LISTED else "")
        yield from painter.wrap(f"none of them may use {shown}", "     ", "   - ")


def _explain_answer(answer: Answer, prefix: FieldPath, painter: Painter) -> Iterator[str]:
    writes = [((*prefix, *item.field), item.value) for item in answer.mutations]
    changes = "would change the pod" if writes else "would leave the pod as it is"
    end = "and then refuses it" if answer.messages else "and admits it"
    yield from painter.wrap(f"{answer.psp}: {changes} {end}", "     ", "   - ")
    yield from _list_writes(writes, painter)
    for message in answer.messages:
        yield from painter.wrap(f"refuses: {message}", "         ", "       ")


def _list_writes(writes: Sequence[tuple[FieldPath, Any]], painter: Painter) -> Iterator[str]:
    for field, value in writes:
        yield from painter.wrap(f"writes {format_path(field)}: {write_flow(value)}", "         ", "       ")


def _explain_outcome(decision: PolicyDecision, painter: Painter) -> Iterator[str]:
    selection = decision.selection
    if selection.selected is None:
        yield "   - no policy admits the pods: they are not created"
        return
    why = (
        "the first that admits the pod, though changed, for none admits it as it is"
        if selection.mutations
        else "the first that admits the pod as it is"
    )
    yield from painter.wrap(f"{selection.selected} is selected: {why}", "     ", "   - ")
    for message in selection.refusals:
        text = f"the API server's validation then refuses the pod all the same: {message}"
        yield from painter.wrap(text, "     ", "   - ")
