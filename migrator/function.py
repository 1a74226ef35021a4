"""A KRM function: a ResourceList in, the same with the changes made and results out.

Source: https://github.com/kubernetes-sigs/kustomize/blob/master/cmd/config/docs/api-conventions/functions-spec.md.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from migrator.errors import InputError, PolicyError
from migrator.model.edit import FieldEdit
from migrator.model.inventory import Finding, Inventory, Severity
from migrator.model.plan import Change, Plan
from migrator.model.policy import Policy
from migrator.model.record import record
from migrator.model.reference import STDIN, Location, ResourceRef
from migrator.planning.document import describe_change
from migrator.planning.plan import plan_changes
from migrator.policy.load import built_in_policy, load_policy, parse_policy
from migrator.rendering.render import render_plan
from migrator.rules.pod_security import find_version
from migrator.run import PHASE_CHOICES, check_choice
from migrator.sources.manifests import is_json
from migrator.sources.read import ReadOptions, read_sources
from migrator.sources.resource_list import PATH_KEYS, ResourceList, read_resource_list
from migrator.yaml.data import load_text
from migrator.yaml.edit import apply_text_edits, plan_text_edits
from migrator.yaml.json_text import compose_json
from migrator.yaml.nodes import compose
from migrator.yaml.scan import decode

PHASE_KEY = "migrator.dev/phase"
_PLACE = re.compile(r"(?<!\S)-:(\d+)")
"""A place in standard input, as messages name it."""

Result = dict[str, Any]


@record
class FunctionOutput:
    """What a function gives back: the ResourceList's text, and its results."""

    content: bytes
    results: tuple[Result, ...]

    def errors(self) -> list[str]:
        """Give the messages of the results that make the function fail."""
        return [result["message"] for result in self.results if result["severity"] == "error"]


def run_function(content: bytes, phase: str | None = None) -> FunctionOutput:
    """Run the function on a ResourceList's text.

    An item that cannot be read or edited is an error among the results, and then no item is changed. Raises
    InputError where the text is no ResourceList, PolicyError for a functionConfig that cannot be used.
    """
    given = read_resource_list(content)
    policy, configured = read_function_config(given.function_config)
    chosen: Any = phase or configured or "all"
    check_choice("--phase", chosen, PHASE_CHOICES)
    try:
        made, results = _change_items(content, given, policy, chosen)
    except InputError as error:
        made, results = content, [_report_error(error, given)]
    return FunctionOutput(_write_results(made, results), tuple(results))


def read_function_config(config: Mapping[str, Any]) -> tuple[Policy, str | None]:
    """Read the policy and the phase of a functionConfig: a MigrationPolicy, or a ConfigMap of `--set` values.

    Raises PolicyError for anything else.
    """
    kind = config.get("kind")
    if not config:
        return built_in_policy(), None
    if kind == "ConfigMap":
        data = {str(key): str(value) for key, value in (config.get("data") or {}).items()}
        phase = data.pop("phase", None)
        return load_policy(None, [f"{key}={value}" for key, value in data.items()]), phase
    if kind != "MigrationPolicy":
        raise PolicyError(f"functionConfig is of kind {kind}; migrator takes a MigrationPolicy, or a ConfigMap")
    annotations = (config.get("metadata") or {}).get("annotations") or {}
    policy = parse_policy(config)
    if policy.exclude_paths:
        raise PolicyError("exclude.paths has no meaning for a function, whose items have no files of their own")
    return policy, annotations.get(PHASE_KEY)


def _change_items(content: bytes, given: ResourceList, policy: Policy, phase: Any) -> tuple[bytes, list[Result]]:
    options = ReadOptions(kinds=policy.workload_kinds, pod_security=find_version(policy))
    inventory = read_sources([STDIN], options, {STDIN: content})
    if inventory.errors:
        return content, [_report_error(error, given) for error in inventory.errors]
    plan = plan_changes(inventory, policy, phase)
    made = next((change.new_content() for change in render_plan(plan, inventory.files, explained=False)), content)
    return _edit(made, list(_name_files(plan.changes, given))), list(_report_plan(plan, inventory, given))


def _name_files(changes: Iterable[Change], given: ResourceList) -> Iterator[FieldEdit]:
    """Say of new items which files they go into: one each, beside that of the item that they stand behind."""
    taken = {item.path for item in given.items}
    created = [change for change in changes if change.new is not None]
    # They stand behind their items in the order of the changes.
    created.sort(key=_find_anchor)
    for shift, change in enumerate(created, 1):
        beside = given.items[_find_anchor(change)]
        if beside.path:
            path = _choose_path(posixpath.dirname(beside.path), change.resource, taken)
            taken.add(path)
            for key in beside.keys:
                value = path if key in PATH_KEYS else "0"
                yield FieldEdit("add", ("items", _find_anchor(change) + shift, "metadata", "annotations", key), value)


def _find_anchor(change: Change) -> int:
    return (change.new.anchor.item or 0) if change.new is not None else 0


def _choose_path(folder: str, resource: ResourceRef, taken: set[str]) -> str:
    stem = posixpath.join(folder, f"{resource.kind.lower()}-{resource.name}")
    path, number = f"{stem}.yaml", 2
    while path in taken:
        path, number = f"{stem}-{number}.yaml", number + 1
    return path


def _edit(content: bytes, edits: list[FieldEdit]) -> bytes:
    """Edit a ResourceList's text."""
    if not edits:
        return content
    text = decode(content)
    root = compose_json(text) if is_json(STDIN, content) else compose(text)
    return apply_text_edits(text, plan_text_edits(text, root, edits)).encode() if root is not None else content


def _write_results(content: bytes, results: list[Result]) -> bytes:
    """Write results into a ResourceList's text, in the place of those that are there."""
    if "results" in (load_text(decode(content)) or {}):
        content = _edit(content, [FieldEdit("remove", ("results",))])
    return _edit(content, [FieldEdit("add", ("results",), results)] if results else [])


def _report_plan(plan: Plan, inventory: Inventory, given: ResourceList) -> Iterator[Result]:
    for change in plan.changes:
        field = describe_change(change)["field"]
        result = _make_result("info", change.reason.message, change.resource, change.location, given)
        yield {**result, "field": _drop_none(field)} if field["path"] else result
    for finding in plan.findings:
        yield _report_finding(finding, given)
    for entry in plan.open_numbers():
        message = f"the node port for {entry.known_port} is the cluster's choice; once applied, ask: {entry.query}"
        yield _make_result("warning", message, entry.service, None, given)
    for item in inventory.unread:
        yield _make_result("warning", f"not read: {item.reason}", None, None, given)


def _report_finding(finding: Finding, given: ResourceList) -> Result:
    return _make_result(finding.severity, finding.message, finding.resource, finding.location, given)


def _report_error(error: InputError, given: ResourceList) -> Result:
    item = given.find_item(error.line) if error.line is not None else None
    hint = f" ({error.hint})" if error.hint else ""
    place = f"line {error.line} of the ResourceList: " if error.line is not None else ""
    result = _make_result("error", f"{place}{error.problem}{hint}", None, None, given)
    return {**result, "file": {"path": item.path, "index": item.index}} if item is not None and item.path else result


def _make_result(
    severity: Severity, message: str, resource: ResourceRef | None, location: Location | None, given: ResourceList
) -> Result:
    result: Result = {"message": _PLACE.sub(r"line \1 of the ResourceList", message), "severity": severity}
    if resource is not None and resource.name:
        described = {
            "apiVersion": resource.api_version,
            "kind": resource.kind,
            "namespace": resource.namespace,
            "name": resource.name,
        }
        result["resourceRef"] = _drop_none(described)
    item = given.items[location.item] if location is not None and location.item is not None else None
    if item is not None and item.path:
        result["file"] = {"path": item.path, "index": item.index}
    return result


def _drop_none(data: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in data.items() if value is not None}
