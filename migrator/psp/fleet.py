"""Many pods of few shapes: a policy is asked once per shape, and host ports are then looked up by number.

The answers are those of `select_policy`; only their cost differs.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import field
from functools import cached_property
from typing import Any, Final

from migrator.model.data import dump_by_value
from migrator.model.record import record
from migrator.psp.admit import Mutation, Verdict, judge_pod, store_pod
from migrator.psp.model import PodSecurityPolicy
from migrator.psp.pod import CONTAINER_LISTS, Object
from migrator.psp.prepare import find_invalid_values, prepare_pod
from migrator.psp.shape import strip_pod

# Stands for a pod's n-th host port as this plus n. No policy's range counts for it: its messages are looked for.
_FIRST_STAND_IN: Final = 2**64


@record
class Answer:
    """What a policy says to a pod: what it would write, and why it refuses nonetheless (empty: it does not)."""

    psp: str
    mutations: tuple[Mutation, ...]
    messages: tuple[str, ...]


class PolicySet:
    """Policies that are usable together, in the order of their names, those with problems among them."""

    def __init__(self, policies: Sequence[PodSecurityPolicy]) -> None:
        self.policies = tuple(policies)
        self.asked = tuple(policy for policy in policies if policy.usable)
        self.shapes: dict[bytes, _Shape] = {}

    @cached_property
    def _intervals(self) -> tuple[list[int], list[int]]:
        """Give where the policies that allow a port change, and bit masks of those that allow it from there on."""
        changes = sorted(
            change
            for position, policy in enumerate(self.asked)
            for ports in policy.host_ports
            for change in ((ports.min, 1, position), (ports.max + 1, -1, position))
            if ports.min <= ports.max
        )
        starts, masks, mask = [0], [0], 0
        counts = [0] * len(self.asked)
        for start, step, position in changes:
            counts[position] += step
            mask = mask | 1 << position if counts[position] else mask & ~(1 << position)
            if starts[-1] == start:
                masks[-1] = mask
            else:
                starts.append(start)
                masks.append(mask)
        return starts, masks

    def find_allowing(self, port: int) -> int:
        """Find the policies that allow a host port, as bits of their positions in `asked`."""
        starts, masks = self._intervals
        return masks[bisect_right(starts, port) - 1]


@record
class _JudgedShape:
    """One policy's verdict on a shape; each message with the position of the host port that it is about."""

    verdict: Verdict
    messages: tuple[tuple[str, int | None], ...]
    refusals: list[tuple[str, ...]] = field(default_factory=list)

    def find_refusals(self) -> tuple[str, ...]:
        if not self.refusals:
            self.refusals.append(tuple(find_invalid_values(store_pod(self.verdict))))
        return self.refusals[0]


@record
class _Shape:
    """A shape before a set of policies: their verdicts, and bits of those that may admit it, host ports apart."""

    judged: tuple[_JudgedShape, ...]
    unchanged: int
    changed: int


@record
class FleetSelection:
    """What the admission of a pod came to; see `Selection`."""

    selected: str | None
    mutations: tuple[Mutation, ...]
    refusals: tuple[str, ...]
    _policies: PolicySet
    _shape: _Shape
    _ports: tuple[int, ...]

    @property
    def admitted(self) -> bool:
        """Whether the pod comes to be."""
        return self.selected is not None and not self.refusals

    @property
    def answers(self) -> Iterator[Answer]:
        """Give the answers of all policies that were asked, in the order of their names."""
        allowing = [self._policies.find_allowing(port) for port in self._ports]
        for position, judged in enumerate(self._shape.judged):
            messages = tuple(
                message if index is None else message.replace(str(_FIRST_STAND_IN + index), str(self._ports[index]))
                for message, index in judged.messages
                if index is None or not allowing[index] >> position & 1
            )
            yield Answer(judged.verdict.psp, judged.verdict.mutations, messages)

    @property
    def rejected_by(self) -> dict[str, tuple[str, ...]]:
        """The policies that would not have the pod, each with the plugin's messages."""
        return {answer.psp: answer.messages for answer in self.answers if answer.messages}


@record
class Fleet:
    """Pods that are decided one after the other; answers are kept, so one value serves a whole run."""

    _prepared: dict[bytes, Object] = field(default_factory=dict)
    _judged: dict[tuple[bytes, str], _JudgedShape] = field(default_factory=dict)

    def select(self, pod: Object, policies: PolicySet, automount_token: bool | None = None) -> FleetSelection:
        """Select a policy for a pod that is created, as `select_policy` does for a prepared one.

        `automount_token` is the service account's `automountServiceAccountToken`. Raises PodShapeError for a pod
        that the API server would not decode.
        """
        stripped = strip_pod(pod)
        for key in ("serviceAccountName", "serviceAccount"):
            # Decides which policies may be used; none looks at it.
            if isinstance((stripped.get("spec") or {}).get(key), str):
                del stripped["spec"][key]
        ports = tuple(_take_host_ports(stripped))
        shape = self._find_shape(stripped, policies, automount_token)
        unchanged, changed = shape.unchanged, shape.changed
        for port in ports:
            allowing = policies.find_allowing(port)
            unchanged &= allowing
            changed &= allowing
        bits = unchanged or changed
        if not bits:
            return FleetSelection(None, (), (), policies, shape, ports)
        chosen = shape.judged[(bits & -bits).bit_length() - 1]
        verdict = chosen.verdict
        return FleetSelection(verdict.psp, verdict.mutations, chosen.find_refusals(), policies, shape, ports)

    def _find_shape(self, stripped: Any, policies: PolicySet, automount_token: bool | None) -> _Shape:
        key = dump_by_value((stripped, automount_token))
        shape = policies.shapes.get(key)
        if shape is None:
            prepared = self._prepared.get(key)
            if prepared is None:
                prepared = prepare_pod(stripped, {"automountServiceAccountToken": automount_token})
                self._prepared[key] = prepared
            judged = tuple(self._judge(key, prepared, policy) for policy in policies.asked)
            admitting = [
                (1 << position, item)
                for position, item in enumerate(judged)
                if all(index is not None for _, index in item.messages)
            ]
            unchanged = sum(bit for bit, item in admitting if not item.verdict.mutations)
            changed = sum(bit for bit, item in admitting if item.verdict.mutations)
            shape = policies.shapes[key] = _Shape(judged, unchanged, changed)
        return shape

    def _judge(self, key: bytes, prepared: Object, policy: PodSecurityPolicy) -> _JudgedShape:
        judged = self._judged.get((key, policy.name))
        if judged is None:
            verdict = judge_pod(prepared, policy)
            judged = _JudgedShape(verdict, tuple((message, _find_port(message)) for message in verdict.messages))
            self._judged[key, policy.name] = judged
        return judged


def _take_host_ports(pod: Any) -> Iterator[int]:
    """Put stand-ins in the place of host ports, and give these."""
    count = 0
    spec = pod.get("spec") or {}
    for key in CONTAINER_LISTS:
        containers = spec.get(key)
        for container in containers if isinstance(containers, list) else ():
            ports = container.get("ports") if isinstance(container, dict) else None
            for port in ports if isinstance(ports, list) else ():
                number = port.get("hostPort") if isinstance(port, dict) else None
                if type(number) is int and number > 0:
                    port["hostPort"] = _FIRST_STAND_IN + count
                    count += 1
                    yield number


def _find_port(message: str) -> int | None:
    """Find the position of the host port that a message is about."""
    _, found, rest = message.partition("hostPort: Invalid value: ")
    if not found:
        return None
    number = int(rest.partition(":")[0])
    return number - _FIRST_STAND_IN if number >= _FIRST_STAND_IN else None
