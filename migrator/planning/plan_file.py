"""Plan files given back: what a person changed in one, and what an earlier one fixes."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence, Set
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from migrator.errors import InputError, PolicyError, TextError
from migrator.model.inventory import Inventory
from migrator.model.plan import Change, Plan
from migrator.model.policy import STRATEGIES, Policy
from migrator.model.record import record
from migrator.model.reference import ResourceRef
from migrator.model.selection import Selection
from migrator.model.workload import describe_host_ports
from migrator.model.world import POD_NAME_LABEL, World
from migrator.planning.balance import PortKey
from migrator.planning.document import describe_change
from migrator.planning.plan import Overrides, narrow_phase, plan_changes, propose_changes
from migrator.policy.load import parse_policy
from migrator.publishing.placement import find_unlisted
from migrator.strategies.pod_security import find_unmet_labels
from migrator.yaml.data import load_text
from migrator.yaml.scan import line_of

if TYPE_CHECKING:
    from migrator.psp.authorize import Identity

SUPPORTED_MAJOR = "1"

MemberKey = tuple[PortKey, str | None]
"""A port of a workload, of one pod where each has its own number."""


@record
class PlanFile:
    """A plan file as it was given back."""

    path: str
    document: Mapping[str, Any]

    @property
    def sources(self) -> tuple[str, ...]:
        """Give the sources that the plan was made from."""
        return tuple(self.document.get("sources") or ())

    @property
    def phase(self) -> Any:
        """Give the phase that the plan was made for."""
        return self.document.get("phase") or "all"

    @property
    def selection(self) -> Selection:
        """Give what the plan was narrowed to."""
        given = self.document.get("selection") or {}
        return Selection(
            *(frozenset(given[key]) if key in given else None for key in ("namespaces", "workloads", "rules"))
        )

    @property
    def exclude(self) -> tuple[str, ...]:
        """Give the files that were read but not to be changed, besides those that the policy names."""
        return tuple((self.document.get("selection") or {}).get("exclude") or ())

    @property
    def default_namespace(self) -> str | None:
        """Give the namespace of objects that name none."""
        return (self.document.get("selection") or {}).get("defaultNamespace")

    @property
    def requester(self) -> str | None:
        """Give who applies bare pods, as `--requester` said it."""
        return (self.document.get("selection") or {}).get("requester")

    def policy(self) -> Policy:
        """Give the policy that the plan was made with."""
        return parse_policy(self.document.get("policy") or {})


def load_plan_file(path: str) -> PlanFile:
    """Load a plan file.

    Raises InputError where it is none, or of a form that this version does not know.
    """
    text = ""
    try:
        text = Path(path).read_text(encoding="utf-8")
        document = json.loads(text) if text.lstrip().startswith("{") else load_text(text)
    except OSError as error:
        raise InputError(path, f"cannot be read: {(error.strerror or str(error)).lower()}") from None
    except json.JSONDecodeError as error:
        raise InputError(path, f"not JSON: {error.msg}", line=error.lineno, column=error.colno) from None
    except TextError as error:
        raise InputError(path, error.problem, line=line_of(text, error.index)) from None
    if not isinstance(document, dict):
        raise InputError(path, "not a plan file")
    version = str(document.get("formatVersion", ""))
    if version.split(".")[0] != SUPPORTED_MAJOR:
        hint = "make the plan again with this version of migrator"
        problem = f"formatVersion {version or 'missing'}; this migrator knows {SUPPORTED_MAJOR}.x"
        raise InputError(path, problem, hint=hint)
    for key, kind in (("changes", list), ("portMap", list), ("inputs", list), ("sources", list)):
        if not isinstance(document.get(key), kind):
            raise InputError(path, f"`{key}` is missing", hint="make the plan again with --save")
    return PlanFile(path, document)


def refuse_stale(plan_file: PlanFile, inventory: Inventory) -> None:
    """Raise InputError where the inputs of a plan are not what they were."""
    then = {item["path"]: item["sha256"] for item in plan_file.document["inputs"]}
    now = {file.path: file.sha256 for file in inventory.files}
    for path in sorted({*then, *now}):
        if then.get(path) != now.get(path):
            what = "is new" if path not in then else "is gone" if path not in now else "has changed"
            raise InputError(path, f"{what} since {plan_file.path} was made", hint="make the plan again")


def read_port_map(path: str) -> Mapping[PortKey, int]:
    """Read the numbers that an earlier plan gave, by workload, protocol and old port.

    Of a StatefulSet's members ordinal 0's, where all follow it. Raises InputError where the file is no
    plan.
    """
    members: dict[PortKey, dict[int, int]] = {}
    for (key, pod), number in _read_port_map(load_plan_file(path)).items():
        if number is not None:
            members.setdefault(key, {})[_ordinal(pod)] = number
    firsts = {key: _find_first(numbers) for key, numbers in members.items()}
    return {key: first for key, first in firsts.items() if first is not None}


def _read_port_map(plan_file: PlanFile) -> dict[MemberKey, int | None]:
    numbers: dict[MemberKey, int | None] = {}
    for entry in plan_file.document["portMap"]:
        try:
            key = (
                _ref(entry["resourceRef"]),
                str(entry["protocol"]),
                int(entry["old"]["port"] or entry["old"]["containerPort"]),
            )
            number = entry["new"]["nodePort"]
            pod = entry.get("pod")
        except (AttributeError, KeyError, TypeError, ValueError):
            hint = "see migrator schema plan"
            raise InputError(plan_file.path, "a portMap entry is not complete", hint=hint) from None
        numbers[(key, pod)] = number if number is None else _check_number(plan_file, number, "portMap")
    return numbers


def _check_number(plan_file: PlanFile, number: Any, where: str) -> int:
    if isinstance(number, int) and not isinstance(number, bool) and 1 <= number <= 65535:
        return number
    raise InputError(plan_file.path, f"nodePort {number!r} in {where} is no port number")


def _known_port(port: Mapping[str, Any]) -> int:
    """Give the number that people know a host port of the file by: the container's where it was random."""
    return int(port["hostPort"] or port["containerPort"])


def _ordinal(pod: str | None) -> int:
    tail = (pod or "").rpartition("-")[2]
    return int(tail) if tail.isdecimal() else 0


def _find_first(numbers: Mapping[int, int]) -> int | None:
    """Find ordinal 0's of numbers that follow each other as their ordinals do; None where they do not."""
    firsts = {number - ordinal for ordinal, number in numbers.items()}
    return firsts.pop() if len(firsts) == 1 else None


def _ref(data: Mapping[str, Any]) -> ResourceRef:
    return ResourceRef(str(data["apiVersion"]), str(data["kind"]), data.get("namespace"), str(data["name"]))


def restore_plan(
    plan_file: PlanFile,
    inventory: Inventory,
    phase: Any,
    selection: Selection,
    requester: Identity | None = None,
) -> Plan:
    """Make the plan again from the same inputs, with what the person changed in the file.

    A change that is gone from the file is not made; a strategy or number that was edited is taken. Raises
    InputError or PolicyError for edits that cannot be followed.
    """
    try:
        policy = plan_file.policy()
        proposed = propose_changes(inventory, policy, plan_file.phase, plan_file.selection, requester=requester)
        original = narrow_phase(proposed, plan_file.phase)
        strategies = _find_edited_strategies(plan_file, original)
        replanned = {ref for ref, _, _ in strategies}
        numbers = _find_edited_numbers(plan_file, original, replanned)
    except (AttributeError, KeyError, TypeError) as error:
        hint = "see migrator schema plan"
        raise InputError(plan_file.path, f"a change is not complete: {error}", hint=hint) from None
    plan = plan_changes(inventory, policy, phase, selection, Overrides(strategies, numbers), requester)
    _refuse_other_edits(plan_file, original, plan, replanned)
    kept = _drop_changes(plan_file, original, plan, replanned)
    _refuse_unmet_labels(plan_file, kept, inventory)
    return kept


def describe_key(change: Mapping[str, Any]) -> str:
    """Name a change of a plan file so that it is found again, whatever number it was given."""
    field = change.get("field") or {}
    value = field.get("proposedValue") if str(field.get("path", "")).endswith("[-]") else ""
    if isinstance(value, dict):
        value = {key: item for key, item in value.items() if key != "nodePort"}
    file = change.get("file") or {}
    identity = [change.get("rule"), change.get("action"), change.get("resourceRef"), file.get("path")]
    return json.dumps([*identity, file.get("document"), file.get("item"), field.get("path"), value], sort_keys=True)


def _find_edited_strategies(plan_file: PlanFile, original: Plan) -> dict[PortKey, str]:
    proposed: dict[PortKey, str] = {}
    for change in original.changes:
        for port in change.ports:
            proposed[(change.workload, port.protocol, port.known_port)] = change.strategy
    edited: dict[PortKey, str] = {}
    for change_data in plan_file.document["changes"]:
        strategy = change_data.get("strategy")
        for port_data in change_data.get("hostPorts") or ():
            key = (_ref(change_data["workload"]), str(port_data["protocol"]), _known_port(port_data))
            if key not in proposed or strategy == proposed[key]:
                continue
            if strategy not in STRATEGIES:
                hint = f"one of {', '.join(STRATEGIES)}"
                raise InputError(plan_file.path, f"strategy {strategy!r} for {key[0]} is not known", hint=hint)
            if edited.get(key, strategy) != strategy:
                problem = f"{key[0]} port {key[2]}: two strategies, {edited[key]} and {strategy}"
                raise InputError(plan_file.path, problem)
            edited[key] = strategy
    return edited


def _planned_numbers(plan: Plan) -> dict[MemberKey, int | None]:
    return {
        ((entry.resource, entry.protocol, entry.known_port), entry.pod): entry.node_port for entry in plan.port_map
    }


def _find_edited_numbers(plan_file: PlanFile, original: Plan, replanned: Set[ResourceRef]) -> dict[PortKey, int]:
    """Find the numbers that were edited, in the port map or in a Service's own ports."""
    planned = _planned_numbers(original)
    edited: dict[MemberKey, int] = {}
    listed = _read_port_map(plan_file)
    for member, number in [*listed.items(), *_read_service_numbers(plan_file)]:
        name = f"{member[1] or member[0][0]} port {member[0][2]}"
        if member[0][0] in replanned or planned.get(member, 0) == number:
            continue
        if member not in planned or number is None:
            raise InputError(plan_file.path, f"portMap: {name} is not planned with node port {number}")
        if edited.setdefault(member, number) != number:
            raise InputError(plan_file.path, f"{name}: two node ports, {edited[member]} and {number}")
    members: dict[PortKey, dict[int, int]] = {}
    for (key, pod), planned_number in planned.items():
        if any(other == key for other, _ in edited):
            members.setdefault(key, {})[_ordinal(pod)] = edited.get((key, pod), planned_number or 0)
    firsts = {}
    for port_key, numbers in members.items():
        first = _find_first(numbers)
        if first is None:
            hint = "edit all of them, in the order of the ordinals"
            raise InputError(plan_file.path, f"the node ports of {port_key[0]} do not follow each other", hint=hint)
        firsts[port_key] = first
    return firsts


def _read_service_numbers(plan_file: PlanFile) -> Iterator[tuple[MemberKey, int]]:
    """Read the node ports that changes write into Services."""
    for change in plan_file.document["changes"]:
        field = change.get("field") or {}
        path, value = str(field.get("path", "")), field.get("proposedValue")
        if (change.get("resourceRef") or {}).get("kind") != "Service" or value is None:
            continue
        workload, pod = _ref(change["workload"]), None
        ports: list[tuple[str, int, Any]] = []
        if path.endswith(".nodePort"):
            ports = [(str(item["protocol"]), _known_port(item), value) for item in change.get("hostPorts") or ()]
        else:
            spec: Any = value.get("spec", {}) if change.get("action") == "create" else {"ports": [value]}
            pod = (spec.get("selector") or {}).get(POD_NAME_LABEL)
            entries = [entry for entry in spec.get("ports") or () if isinstance(entry, dict)]
            ports = [(str(item.get("protocol", "TCP")), item["port"], item.get("nodePort")) for item in entries]
        for protocol, host_port, number in ports:
            if number is not None:
                key = (workload, protocol, host_port)
                yield (key, pod), _check_number(plan_file, number, str(change["resourceRef"].get("name")))


def _refuse_other_edits(plan_file: PlanFile, original: Plan, plan: Plan, replanned: Set[ResourceRef]) -> None:
    """Refuse what was edited and would not be followed, rather than pass over it."""
    then = {describe_key(described): described for described in map(describe_change, original.changes)}
    now = {describe_key(described): described for described in map(describe_change, plan.changes)}
    hint = "strategies and node ports can be edited, and changes taken out; make the plan again for more"
    for change in plan_file.document["changes"]:
        key = describe_key(change)
        name = f"{change['resourceRef'].get('kind')}/{change['resourceRef'].get('name')}"
        if key in then:
            value = change["field"].get("proposedValue")
            if value not in (then[key]["field"]["proposedValue"], now.get(key, then[key])["field"]["proposedValue"]):
                where = change["field"].get("path") or "the new object"
                raise InputError(plan_file.path, f"{name}: {where} was edited", hint=hint)
        elif _ref(change["workload"]) not in replanned:
            raise InputError(plan_file.path, f"a change of {name} is not one that was planned", hint=hint)
    planned = _planned_numbers(original)
    wanted = {
        member: number
        for member, number in _read_port_map(plan_file).items()
        if member[0][0] not in replanned and planned.get(member) != number
    }
    for entry in plan.port_map:
        member = ((entry.resource, entry.protocol, entry.known_port), entry.pod)
        if wanted.get(member, entry.node_port) != entry.node_port:
            problem = f"portMap: {entry.service} has node port {entry.node_port} already, not {wanted[member]}"
            raise InputError(plan_file.path, problem, hint="change the Service itself, and make the plan again")


def _drop_changes(plan_file: PlanFile, original: Plan, plan: Plan, replanned: Set[ResourceRef]) -> Plan:
    """Leave out the changes that a person took out of the file."""
    listed = {describe_key(change) for change in plan_file.document["changes"]}
    dropped = {describe_key(describe_change(change)) for change in original.changes} - listed
    kept: list[Change] = []
    gone: list[Change] = []
    for change in plan.changes:
        is_gone = describe_key(describe_change(change)) in dropped and change.workload not in replanned
        (gone if is_gone else kept).append(change)
    _refuse_halves(plan_file, kept, gone)
    return dataclasses.replace(plan, changes=tuple(kept))


def _refuse_unmet_labels(plan_file: PlanFile, plan: Plan, inventory: Inventory) -> None:
    """Refuse a file that enforces a level on pods which reach it only by a change that was taken out."""
    for verdict, level in find_unmet_labels(World(inventory, plan.policy), plan.changes):
        raise PolicyError(
            f"{plan_file.path}: namespace {verdict.name} would enforce {level}, and refuse {verdict.because[0]}\n"
            "  a change that this counts on was taken out: take the enforce label out as well"
        )


def _refuse_halves(plan_file: PlanFile, kept: Sequence[Change], gone: Sequence[Change]) -> None:
    """Refuse a file that takes a port away but not to its Service, or gives its number twice."""
    _refuse_unlisted_files(plan_file, kept, gone)
    for change in gone:
        for other in kept:
            ports = {port.known_port for port in other.ports} & {port.known_port for port in change.ports}
            if other.workload != change.workload or not ports:
                continue
            named = describe_host_ports(ports)
            if change.resource.kind == "Service" and _takes_port_away(other):
                raise PolicyError(
                    f"{plan_file.path}: {change.resource} was taken out, but {named} of "
                    f"{change.workload} would still go\n"
                    "  take that change out as well, or set its strategy to keep or remove"
                )
            if _takes_port_away(change) and other.resource.kind == "Service" and other.phase == "contract":
                raise PolicyError(
                    f"{plan_file.path}: {named} of {change.workload} stayed in, but {other.resource} "
                    "would have the same number\n  take that change out as well, or give it another node port"
                )


def _refuse_unlisted_files(plan_file: PlanFile, kept: Sequence[Change], gone: Sequence[Change]) -> None:
    """Refuse a file that leaves an object in its place but takes its file out of a kustomization."""
    staying = {change.location.path: change for change in gone if change.action == "delete"}
    for other in kept if staying else ():
        entries = find_unlisted(other)
        for path, change in staying.items():
            if entries.intersection((path, *map(str, PurePath(path).parents))):
                raise PolicyError(
                    f"{plan_file.path}: {change.resource} was taken out, but {other.location.path} would no longer "
                    f"list {path}\n  take that change out as well"
                )


def _takes_port_away(change: Change) -> bool:
    return change.edit is not None and change.edit.op == "remove" and change.resource == change.workload
