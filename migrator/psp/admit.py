"""Which policy a pod gets, what that policy writes into it, and why it does not get the others.

Source: computeSecurityContext in plugin/pkg/admission/security/podsecuritypolicy/admission.go, Kubernetes 1.24.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from migrator.model.field import FieldPath
from migrator.psp.fields import CONTAINER_RULES, POD_RULES
from migrator.psp.model import PodSecurityPolicy
from migrator.psp.pod import Object, set_field, visit_containers
from migrator.psp.prepare import find_invalid_values, finish_pod

SELECTED_ANNOTATION: Final = "kubernetes.io/psp"


@dataclass(frozen=True, slots=True)
class Mutation:
    """A value that a policy writes into a pod; `field` starts at the pod, the value is the whole new one."""

    field: FieldPath
    value: Any
    psp: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """One policy's answer to one pod: what it would write, and why it refuses nonetheless (empty: it does not)."""

    psp: str
    mutations: tuple[Mutation, ...]
    messages: tuple[str, ...]
    pod: Object

    @property
    def allowed(self) -> bool:
        """Whether the policy would have the pod, changed or not."""
        return not self.messages


@dataclass(frozen=True, slots=True)
class Selection:
    """What the admission of a pod came to.

    `selected` names the policy that the plugin chose, None where none would have the pod. `pod` is the pod as it
    would be stored, or as it was where nothing was selected. `refusals` say why the API's validation turns the pod
    away all the same, over what the policy wrote. `verdicts` are those of all policies that were asked, in the
    order of their names.
    """

    selected: str | None
    mutations: tuple[Mutation, ...]
    verdicts: tuple[Verdict, ...]
    pod: Object
    refusals: tuple[str, ...] = ()

    @property
    def admitted(self) -> bool:
        """Whether the pod comes to be."""
        return self.selected is not None and not self.refusals

    @property
    def rejected_by(self) -> dict[str, tuple[str, ...]]:
        """The policies that would not have the pod, each with the plugin's messages."""
        return {verdict.psp: verdict.messages for verdict in self.verdicts if verdict.messages}


def select_policy(pod: Object, policies: Iterable[PodSecurityPolicy]) -> Selection:
    """Select a policy for a pod that is created.

    `pod` comes from `prepare_pod`. `policies` are those that the pod's identities may use, in any order; the ones
    with problems are passed over, as the plugin does. The first that need not change the pod wins, else the first
    that admits it changed.
    """
    usable = sort_policies(policy for policy in policies if policy.usable)
    verdicts = tuple(judge_pod(pod, policy) for policy in usable)
    chosen = _choose(verdicts)
    if chosen is None:
        return Selection(None, (), verdicts, pod)
    # The plugin looks once more at what is to be stored. By itself that changes nothing: what a policy writes it
    # also admits, unchanged. Only a mutating webhook in between could.
    stored = finish_pod(set_field(chosen.pod, ("metadata", "annotations", SELECTED_ANNOTATION), chosen.psp))
    return Selection(chosen.psp, chosen.mutations, verdicts, stored, tuple(find_invalid_values(stored)))


def sort_policies(policies: Iterable[PodSecurityPolicy]) -> list[PodSecurityPolicy]:
    """Sort by name, byte by byte."""
    return sorted(policies, key=lambda policy: policy.name.encode())


def judge_pod(pod: Object, policy: PodSecurityPolicy) -> Verdict:
    """Let one policy write its defaults into a pod and judge the result."""
    changed, mutations = _set_policy_defaults(pod, policy)
    return Verdict(policy.name, mutations, tuple(_validate(changed, policy)), changed)


def _choose(verdicts: Sequence[Verdict]) -> Verdict | None:
    allowing = [verdict for verdict in verdicts if verdict.allowed]
    unchanged = (verdict for verdict in allowing if not verdict.mutations)
    return next(unchanged, allowing[0] if allowing else None)


def _set_policy_defaults(pod: Object, policy: PodSecurityPolicy) -> tuple[Object, tuple[Mutation, ...]]:
    mutations: list[Mutation] = []
    for rule in _DEFAULTING_POD_RULES:
        assert rule.default_pod is not None
        mutations += [Mutation(path, value, policy.name) for path, value in rule.default_pod(policy, pod)]
    for path, container in visit_containers(pod):
        for rule in _DEFAULTING_CONTAINER_RULES:
            assert rule.default_container is not None
            defaults = rule.default_container(policy, pod, container, path)
            mutations += [Mutation(place, value, policy.name) for place, value in defaults]
    for mutation in mutations:
        pod = set_field(pod, mutation.field, mutation.value)
    return pod, tuple(mutations)


def _validate(pod: Object, policy: PodSecurityPolicy) -> Iterator[str]:
    for rule in _VALIDATING_POD_RULES:
        assert rule.validate_pod is not None
        yield from rule.validate_pod(policy, pod)
    for path, container in visit_containers(pod):
        for rule in _VALIDATING_CONTAINER_RULES:
            assert rule.validate_container is not None
            yield from rule.validate_container(policy, pod, container, path)


# A container's defaults read only what no other default writes, so they can all be taken from the pod as it was.
_DEFAULTING_POD_RULES: Final = tuple(rule for rule in POD_RULES if rule.default_pod)
_DEFAULTING_CONTAINER_RULES: Final = tuple(rule for rule in CONTAINER_RULES if rule.default_container)
_VALIDATING_POD_RULES: Final = tuple(rule for rule in POD_RULES if rule.validate_pod)
_VALIDATING_CONTAINER_RULES: Final = tuple(rule for rule in CONTAINER_RULES if rule.validate_container)
