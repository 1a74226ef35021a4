"""What kustomize makes of single objects with a patch folder: targets matched, JSON patches made by jsonpatch."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import jsonpatch
import yaml

from migrator.model.inventory import Inventory
from migrator.model.plan import Plan
from migrator.rendering.patch_folder import write_patch_folder
from migrator.rendering.patches import make_patch_set
from migrator.rendering.render import render_plan

Object = dict[str, Any]
Identity = tuple[str, str, str | None, str]


def load_objects(content: bytes) -> Iterator[Object]:
    """Load the objects of a file, Lists taken apart, as a YAML 1.1 reader that is not migrator's own."""
    for document in yaml.load_all(content, yaml.CSafeLoader):
        yield from _flatten(document)


def _flatten(document: Any) -> Iterator[Object]:
    if isinstance(document, dict) and str(document.get("kind")).endswith("List"):
        for item in document.get("items") or ():
            yield from _flatten(item)
    elif isinstance(document, dict) and "kind" in document:
        yield document


def identify(item: Object) -> Identity:
    metadata = item["metadata"]
    return item["apiVersion"], item["kind"], metadata.get("namespace"), metadata.get("name", "")


def canonical(item: Object | None) -> str:
    return json.dumps(item, sort_keys=True, default=str)


def write_patches(plan: Plan, inventory: Inventory, out: Path) -> tuple[str, ...]:
    made = make_patch_set(plan, inventory, out)
    write_patch_folder(made.files, out, plan.sources)
    return made.notes


def list_edited(plan: Plan, inventory: Inventory) -> list[tuple[Object | None, Object | None]]:
    """List the objects that text edits change or add, as they were (None: new) and as they are after."""
    kustomizations = {item.location.path for item in inventory.kustomizations}
    pairs: list[tuple[Object | None, Object | None]] = []
    for change in render_plan(plan, inventory.files):
        if change.path in kustomizations:
            continue
        after = list(load_objects(change.new_content()))
        for item in load_objects(change.old or b""):
            # New objects stand behind those that were there.
            position = next((index for index, new in enumerate(after) if identify(new) == identify(item)), None)
            other = after.pop(position) if position is not None else None
            if canonical(item) != canonical(other):
                pairs.append((item, other))
        pairs += [(None, item) for item in after]
    return pairs


def patch(folder: Path, item: Object, namespace: str | None = None) -> Object | None:
    """Patch an object as the kustomization in `folder` does; None where it deletes it."""
    kustomization = yaml.load((folder / "kustomization.yaml").read_text(), yaml.CSafeLoader)
    for entry in kustomization.get("patches", ()):
        if _is_target(entry["target"], item, namespace):
            operations = yaml.load((folder / entry["path"]).read_text(), yaml.CSafeLoader)
            if isinstance(operations, dict):
                assert operations["$patch"] == "delete"
                return None
            item = jsonpatch.apply_patch(copy.deepcopy(item), operations)
    return item


def _is_target(target: Object, item: Object, namespace: str | None) -> bool:
    group, _, version = item["apiVersion"].rpartition("/")
    metadata = item["metadata"]
    known = {"group": group, "version": version, "kind": item["kind"], "name": metadata.get("name", "")}
    known["namespace"] = namespace or metadata.get("namespace") or "default"
    return all(re.fullmatch(pattern, known[key]) for key, pattern in target.items())


def list_added(folder: Path) -> Iterator[Object]:
    """List the objects that the kustomization in `folder` adds, as they stand in its files."""
    for entry in yaml.load((folder / "kustomization.yaml").read_text(), yaml.CSafeLoader).get("resources", ()):
        path = folder / entry
        if entry.startswith("added-"):
            below = yaml.load((path / "kustomization.yaml").read_text(), yaml.CSafeLoader)
            for name in below["resources"]:
                yield from load_objects((path / name).read_bytes())
        elif path.is_file():
            yield from load_objects(path.read_bytes())


def check_same(folder: Path, pairs: Iterable[tuple[Object | None, Object | None]], built: dict[str, str]) -> int:
    """Check that patches and added files give what the text edits do; tell how many objects that were.

    `built` gives the namespace that a build puts an object into, by the object's canonical form.
    """
    pairs = list(pairs)
    for before, after in pairs:
        if before is not None:
            patched = patch(folder, before, built.get(canonical(before)))
            assert canonical(patched) == canonical(after), identify(before)
    added = {canonical(item) for item in list_added(folder)}
    assert added == {canonical(after) for before, after in pairs if before is None}
    return len(pairs)
