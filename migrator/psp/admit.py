"""Which policy a pod gets, what that policy writes into it, and why it does not get the others.

Source: computeSecurityContext in plugin/pkg/admission/security/podsecuritypolicy/admission.go, Kubernetes 1.24.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any, Final

from migrator.model.field import FieldPath
from migrator.model.record import record
from migrator.psp.field_rule import ContainerCheck, ContainerDefault, Default, PodCheck, PodDefault
from migrator.psp.fields import CONTAINER_RULES, POD_RULES
from migrator.psp.model import PodSecurityPolicy
from migrator.psp.pod import Object, set_fields, visit_containers
from migrator.psp.prepare import find_invalid_values, finish_pod

_Containers = tuple[tuple[FieldPath, Object], ...]

SELECTED_ANNOTATION: Final = "kubernetes.io/psp"


@record
class Mutation:
    """A value that a policy writes into a pod; `field` starts at the pod, the value is the whole new one."""

    field: FieldPath
    value: Any
    psp: str


@record
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


@record
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
    stored = store_pod(chosen)
    return Selection(chosen.psp, chosen.mutations, verdicts, stored, tuple(find_invalid_values(stored)))


def store_pod(chosen: Verdict) -> Object:
    """Make the pod that is stored out of the one that its selected policy left."""
    mark = ("metadata", "annotations", SELECTED_ANNOTATION), chosen.psp
    return finish_pod(set_fields(chosen.pod, [mark]))


def sort_policies(policies: Iterable[PodSecurityPolicy]) -> list[PodSecurityPolicy]:
    """Sort by name, byte by byte."""
    return sorted(policies, key=lambda policy: policy.name.encode())


def judge_pod(pod: Object, policy: PodSecurityPolicy) -> Verdict:
    """Let one policy write its defaults into a pod and judge the result."""
    rules = _find_rules(policy)
    containers = tuple(visit_containers(pod))
    defaults = tuple(_find_defaults(pod, containers, rules, policy))
    changed = pod
    if defaults:
        changed = set_fields(pod, defaults)
        containers = tuple(visit_containers(changed))
    messages = tuple(_validate(changed, containers, rules, policy))
    return Verdict(policy.name, tuple(Mutation(*default, policy.name) for default in defaults), messages, changed)


def _choose(verdicts: Sequence[Verdict]) -> Verdict | None:
    allowing = [verdict for verdict in verdicts if verdict.allowed]
    unchanged = (verdict for verdict in allowing if not verdict.mutations)
    return next(unchanged, allowing[0] if allowing else None)


def _find_defaults(
    pod: Object, containers: _Containers, rules: _Rules, policy: PodSecurityPolicy
) -> Iterator[Default]:
    # A default reads nothing that another default writes, so all can be taken from the pod as it was.
    for default_pod in rules.default_pod:
        yield from default_pod(policy, pod)
    for path, container in containers:
        for default_container in rules.default_container:
            yield from default_container(policy, pod, container, path)


def _validate(pod: Object, containers: _Containers, rules: _Rules, policy: PodSecurityPolicy) -> Iterator[str]:
    for validate_pod in rules.validate_pod:
        yield from validate_pod(policy, pod)
    for path, container in containers:
        for validate_container in rules.validate_container:
            yield from validate_container(policy, pod, container, path)


@record
class _Rules:
    """The functions of the rules that concern a policy."""

    default_pod: tuple[PodDefault, ...]
    default_container: tuple[ContainerDefault, ...]
    validate_pod: tuple[PodCheck, ...]
    validate_container: tuple[ContainerCheck, ...]


@lru_cache(maxsize=4096)
def _find_rules(policy: PodSecurityPolicy) -> _Rules:
    pod = [rule for rule in POD_RULES if rule.concerns(policy)]
    container = [rule for rule in CONTAINER_RULES if rule.concerns(policy)]
    return _Rules(
        tuple(rule.default_pod for rule in pod if rule.default_pod),
        tuple(rule.default_container for rule in container if rule.default_container),
        tuple(rule.validate_pod for rule in pod if rule.validate_pod),
        tuple(rule.validate_container for rule in container if rule.validate_container),
    )
