"""Plan files given back: what a person changed in one, and what an earlier one fixes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from migrator.errors import InputError, PolicyError, TextError
from migrator.model.inventory import Inventory
from migrator.model.plan import Change, Plan
from migrator.model.policy import Policy
from migrator.model.reference import ResourceRef
from migrator.planning.plan import Overrides, PortKey, Selection, plan_changes
from migrator.policy.load import parse_policy
from migrator.rules.host_port import STRATEGIES
from migrator.yaml.data import construct
from migrator.yaml.nodes import compose
from migrator.yaml.scan import line_of

SUPPORTED_MAJOR = "1"


@dataclass(frozen=True, slots=True)
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
    def default_namespace(self) -> str | None:
        """Give the namespace of objects that name none."""
        return (self.document.get("selection") or {}).get("defaultNamespace")

    def policy(self) -> Policy:
        """Give the policy that the plan was made with."""
        return parse_policy(self.document.get("policy") or {})


def is_plan_file(path: str) -> bool:
    """Tell by its first bytes whether a file is a plan."""
    try:
        with Path(path).open("rb") as file:
            head = file.read(256)
    except OSError:
        return False
    return b"formatVersion" in head and b"migratorVersion" in head


def load_plan_file(path: str) -> PlanFile:
    """Load a plan file.

    Raises InputError where it is none, or of a form that this version does not know.
    """
    text = ""
    try:
        text = Path(path).read_text(encoding="utf-8")
        document = json.loads(text) if text.lstrip().startswith("{") else construct(compose(text))  # type: ignore[arg-type]
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

    Raises InputError where the file is no plan.
    """
    return _numbers_of(load_plan_file(path))


def _numbers_of(plan_file: PlanFile) -> dict[PortKey, int]:
    numbers: dict[PortKey, int] = {}
    for entry in plan_file.document["portMap"]:
        try:
            key = (_ref(entry["resourceRef"]), str(entry["protocol"]), int(entry["old"]["port"]))
            node_port = entry["new"]["nodePort"]
        except (KeyError, TypeError, ValueError):
            raise InputError(
                plan_file.path, "a portMap entry is not complete", hint="see migrator schema plan"
            ) from None
        if node_port is None:
            continue
        if not isinstance(node_port, int) or isinstance(node_port, bool) or not 1 <= node_port <= 65535:
            raise InputError(plan_file.path, f"nodePort {node_port!r} in portMap is no port number")
        numbers[key] = min(node_port, numbers.get(key, node_port))
    return numbers


def _ref(data: Mapping[str, Any]) -> ResourceRef:
    return ResourceRef(str(data["apiVersion"]), str(data["kind"]), data.get("namespace"), str(data["name"]))


def restore_plan(plan_file: PlanFile, inventory: Inventory, phase: Any, selection: Selection) -> Plan:
    """Make the plan again from the same inputs, with what the person changed in the file.

    A change that is gone from the file is not made; a strategy or number that was edited is taken. Raises
    InputError or PolicyError for edits that cannot be followed.
    """
    policy = plan_file.policy()
    original = plan_changes(inventory, policy, plan_file.phase, plan_file.selection)
    strategies = _find_edited_strategies(plan_file, original)
    numbers = _find_edited_numbers(plan_file, original)
    overrides = Overrides(strategies, numbers)
    plan = plan_changes(inventory, policy, phase, selection, overrides)
    return _drop_changes(plan_file, original, plan, {ref for ref, _, _ in strategies})


def describe_key(change: Mapping[str, Any]) -> str:
    """Name a change of a plan file so that it is found again."""
    field = change.get("field") or {}
    value = field.get("proposedValue") if str(field.get("path", "")).endswith("[-]") else ""
    return json.dumps(
        [
            change.get("rule"),
            change.get("action"),
            change.get("resourceRef"),
            (change.get("file") or {}).get("path"),
            (change.get("file") or {}).get("item"),
            field.get("path"),
            value,
        ],
        sort_keys=True,
    )


def _describe(change: Change) -> dict[str, Any]:
    from migrator.review.document import describe_change

    return describe_change(change)


def _find_edited_strategies(plan_file: PlanFile, original: Plan) -> dict[PortKey, str]:
    proposed: dict[PortKey, str] = {}
    for change in original.changes:
        for port in change.ports:
            proposed[(change.workload, port.protocol, port.host_port)] = change.strategy
    edited: dict[PortKey, str] = {}
    for change_data in plan_file.document["changes"]:
        strategy = change_data.get("strategy")
        for port_data in change_data.get("hostPorts") or ():
            key = (_ref(change_data["workload"]), str(port_data["protocol"]), int(port_data["hostPort"]))
            if key not in proposed or strategy == proposed[key]:
                continue
            if strategy not in STRATEGIES:
                hint = f"one of {', '.join(STRATEGIES)}"
                raise InputError(plan_file.path, f"strategy {strategy!r} for {key[0]} is not known", hint=hint)
            if edited.get(key, strategy) != strategy:
                raise InputError(
                    plan_file.path, f"{key[0]} port {key[2]}: two strategies, {edited[key]} and {strategy}"
                )
            edited[key] = strategy
    return edited


def _find_edited_numbers(plan_file: PlanFile, original: Plan) -> dict[PortKey, int]:
    """Find the numbers of the port map, and those that were edited in a new Service itself."""
    numbers = _numbers_of(plan_file)
    planned: dict[PortKey, int | None] = {
        (entry.resource, entry.protocol, entry.old_port): entry.node_port for entry in reversed(original.port_map)
    }
    for change in plan_file.document["changes"]:
        proposed = (change.get("field") or {}).get("proposedValue")
        if change.get("action") != "create" or not isinstance(proposed, dict):
            continue
        workload = _ref(change["workload"])
        for port in (proposed.get("spec") or {}).get("ports") or ():
            key = (workload, str(port.get("protocol", "TCP")), port.get("port"))
            node_port = port.get("nodePort")
            if (
                key not in planned
                or node_port is None
                or "statefulset" in json.dumps(proposed["spec"].get("selector", ""))
            ):
                continue
            if node_port == planned[key]:
                continue
            if numbers.get(key, node_port) not in (node_port, planned[key]):
                raise InputError(
                    plan_file.path, f"{workload} port {key[2]}: two node ports, {numbers[key]} and {node_port}"
                )
            numbers[key] = node_port
    return numbers


def _drop_changes(plan_file: PlanFile, original: Plan, plan: Plan, replanned: set[ResourceRef]) -> Plan:
    """Leave out the changes that a person took out of the file."""
    import dataclasses

    listed = {describe_key(change) for change in plan_file.document["changes"]}
    proposed = {describe_key(_describe(change)): change for change in original.changes}
    edited_creates = {
        (change.get("action"), json.dumps(change.get("resourceRef"), sort_keys=True))
        for change in plan_file.document["changes"]
    }
    dropped = {key for key in proposed if key not in listed}
    kept = []
    gone: list[Change] = []
    for change in plan.changes:
        described = _describe(change)
        identity = (change.action, json.dumps(described["resourceRef"], sort_keys=True))
        if describe_key(described) in dropped and not (change.action == "create" and identity in edited_creates):
            gone.append(change)
        else:
            kept.append(change)
    _refuse_halves(plan_file, kept, gone, replanned)
    return dataclasses.replace(plan, changes=tuple(kept))


def _refuse_halves(
    plan_file: PlanFile, kept: Sequence[Change], gone: Sequence[Change], replanned: set[ResourceRef]
) -> None:
    """Refuse a file that takes a port away and drops what would have replaced it."""
    for change in gone:
        if change.action != "create" or change.workload in replanned:
            continue
        for other in kept:
            if other.workload == change.workload and other.edit is not None and other.edit.op == "remove":
                ports = {port.host_port for port in other.ports} & {port.host_port for port in change.ports}
                if ports:
                    raise PolicyError(
                        f"{plan_file.path}: {change.resource} was taken out, but host port "
                        f"{', '.join(map(str, sorted(ports)))} of {change.workload} would still go\n"
                        "  take that change out as well, or set its strategy to keep or remove"
                    )
