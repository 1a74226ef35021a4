"""A plan as a kustomization: JSON Patches of what stands elsewhere, new objects as resources.

Port lists are never merged strategically: their merge key is the containerPort alone, so that an entry for UDP takes
the place of the one for TCP (https://github.com/kubernetes-sigs/kustomize/issues/2767).
Source: https://kubectl.docs.kubernetes.io/references/kustomize/kustomization/patches/.
"""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from migrator.errors import InputError, TextError
from migrator.model.inventory import Inventory, SourceFile
from migrator.model.plan import Change, NewObject, Plan
from migrator.model.record import record
from migrator.model.reference import STDIN, is_stream
from migrator.rendering.builds import Build, Transformers, find_builds
from migrator.rendering.json_patch import make_operations
from migrator.rendering.render import load_source
from migrator.sources.manifests import load_json_values
from migrator.sources.rbac import CLUSTER_KINDS
from migrator.templates import render_object, render_template
from migrator.yaml.data import load_text
from migrator.yaml.edit import RefusedEditError, refuse_repeated_keys
from migrator.yaml.nodes import compose
from migrator.yaml.scan import Span, cut_documents, decode, line_of

BASE = "base"
PATCHES = "patches/"
FILE_NAME = "kustomization.yaml"
_NOT_RENAMED = ("CustomResourceDefinition", "APIService", "Namespace")
"""The kinds whose names kustomize leaves alone (api/internal/builtins/PrefixTransformer.go)."""
_WITHOUT_NAMESPACE = ("Namespace", "PodSecurityPolicy", *CLUSTER_KINDS)
_NO_GROUP = "^$"
_SPECIAL = re.compile(r"[\\.+*?()|\[\]{}^$]")

Json = dict[str, Any]


@record
class PatchSet:
    """A kustomization's files, by their paths in its folder; and what a person must know of it."""

    files: Mapping[str, bytes]
    notes: tuple[str, ...]


def make_patch_set(plan: Plan, inventory: Inventory, out: Path) -> PatchSet:
    """Make the kustomization of a plan, to stand in the folder `out`.

    It refers to the kustomizations among the sources, and brings copies of manifests that are in none. For a stream,
    and where several kustomizations build one file alike, it is a Component for them to include. Raises InputError
    where kustomize could not name an object.
    """
    sources = _Sources(inventory)
    changes = [item for item in plan.changes if item.action != "keep" and not sources.is_kustomization(item)]
    shared = _find_shared(changes, sources)
    component = bool(shared) or all(is_stream(source) for source in inventory.sources)
    files: dict[str, bytes] = {}
    patches = list(_write_patches(changes, sources, component, files))
    resources: list[str] = []
    notes: list[str] = []
    if not component:
        resources += sorted(os.path.relpath(os.path.realpath(build), out) for build in sources.folders)
        loose = sources.find_loose({change.location.path for change in changes if change.action != "create"})
        copied = _copy_loose(loose, sources, notes)
        if copied:
            files.update({f"{BASE}/{path}": content for path, content in copied.items()})
            files[f"{BASE}/{FILE_NAME}"] = _write_kustomization(sorted(copied))
            resources.append(BASE)
    if shared:
        notes.append(f"list {out} under `components:` of {' and '.join(shared)}: they build the same files")
    resources += _write_new_objects(changes, sources, component, files)
    files[FILE_NAME] = _write_kustomization(resources, patches=patches, component=component)
    return PatchSet(files, tuple(notes))


def _write_kustomization(
    resources: Sequence[str],
    transformers: Transformers = MappingProxyType({}),
    patches: Sequence[Json] = (),
    component: bool = False,
) -> bytes:
    return render_template(
        "patches_kustomization.yaml.j2",
        component=component,
        transformers=transformers,
        resources=resources,
        patches=patches,
    ).encode()


class _Sources:
    """The files of the sources, and what kustomize builds of them."""

    def __init__(self, inventory: Inventory) -> None:
        self.files = {file.path: file for file in inventory.files}
        self.builds = find_builds(inventory.kustomizations)
        self.kustomizations = {item.location.path for item in inventory.kustomizations}
        tops = {item.folder for item in inventory.kustomizations}
        self.built_roots = {file.root for file in inventory.files if file.root in tops}
        listed = {path for item in inventory.kustomizations for path in item.resources}
        outermost = (item for item in inventory.kustomizations if item.kind != "Component")
        self.folders = sorted({item.folder for item in outermost if item.folder not in listed})
        self.load_documents = cache(self._load_documents)

    def is_kustomization(self, change: Change) -> bool:
        """Tell whether a change is about a kustomization, where the text edit lists a new file."""
        return change.location.path in self.kustomizations

    def builds_of(self, path: str) -> tuple[Build, ...]:
        """Give the builds that reach a file."""
        return self.builds.get(path, ())

    def find_loose(self, changed: set[str]) -> list[SourceFile]:
        """Find the manifests that are in no kustomization.

        Beside a kustomization at the top of their source they count only where they change.
        """
        return [
            file
            for path, file in sorted(self.files.items())
            if file.documents
            and path not in self.kustomizations
            and not self.builds_of(path)
            and (path in changed or (file.root not in self.built_roots and not self._is_live(path)))
        ]

    def _is_live(self, path: str) -> bool:
        """Tell whether a file is a dump of a cluster: facts to plan with, no manifests to build."""
        objects = [item for _, document in self.load_documents(path) for item in list_objects(document)]
        return bool(objects) and all((item.get("metadata") or {}).get("uid") for item in objects)

    def _load_documents(self, path: str) -> list[tuple[Span, Any]]:
        """Load a file's documents; None stands for what is no YAML."""
        content = load_source(self.files[path])
        values = load_json_values(path, content)
        if values is not None:
            return values
        return [(span, _load(content[span.start : span.end])) for span in cut_documents(content)]

    def load_object(self, change: Change) -> Json:
        """Load the object that a change is about."""
        _, document = self.load_documents(change.location.path)[change.location.document]
        found = document if change.location.item is None else document["items"][change.location.item]
        if not _is_named(found):
            hint = "give it a name, or leave it out with --workload or an annotation"
            place = change.location
            raise InputError(
                place.path, "kustomize cannot patch an object without a name", line=place.line, hint=hint
            )
        return found  # type: ignore[no-any-return]


def _load(content: bytes) -> Any:
    try:
        return load_text(decode(content))
    except (TextError, RecursionError):
        return None


def _refuse_repeated_keys(path: str, content: bytes, span: Span) -> None:
    """Raise InputError where a key is given twice, which kustomize does not read."""
    text = decode(content[span.start : span.end])
    root = compose(text)
    try:
        if root is not None:
            refuse_repeated_keys(text, root)
    except RefusedEditError as error:
        line = content.count(b"\n", 0, span.start) + line_of(text, error.index)
        raise InputError(path, error.reason, line=line, hint="kustomize does not read it as it stands") from None


def list_objects(document: Any) -> Iterator[Json]:
    """List the objects of a document: itself, or a List's items."""
    if isinstance(document, dict) and str(document.get("kind", "")).endswith("List") and "items" in document:
        for item in document["items"] or ():
            yield from list_objects(item)
    elif isinstance(document, dict):
        yield document


def _is_named(item: Any) -> bool:
    metadata = item.get("metadata") if isinstance(item, dict) else None
    return (
        isinstance(metadata, dict)
        and bool(metadata.get("name"))
        and isinstance(item.get("apiVersion"), str)
        and isinstance(item.get("kind"), str)
    )


def _find_shared(changes: Iterable[Change], sources: _Sources) -> list[str]:
    """Find the kustomizations that build a changed file alike, so that kustomize cannot build them together."""
    shared: dict[str, None] = {}
    for path in {change.location.path: None for change in changes}:
        seen: dict[str, str] = {}
        for build in sources.builds_of(path):
            place = repr([build.transformers.get(key) for key in ("namespace", "namePrefix", "nameSuffix")])
            first = seen.setdefault(place, build.folder)
            if first != build.folder:
                shared.update({first: None, build.folder: None})
    return list(shared)


def _write_patches(
    changes: Iterable[Change], sources: _Sources, component: bool, files: dict[str, bytes]
) -> Iterator[Json]:
    """Write the patch of each object that changes or goes, and give the entries that name it with its targets."""
    places: dict[tuple[str, int, int | None], list[Change]] = {}
    for change in changes:
        if change.new is None:
            place = (change.location.path, change.location.document, change.location.item)
            places.setdefault(place, []).append(change)
    known: dict[str, tuple[bytes, Change]] = {}
    for own in places.values():
        item = sources.load_object(own[0])
        content = _write_patch(item, own)
        builds = () if component else sources.builds_of(own[0].location.path)
        targets = []
        for target in [make_target(item, build) for build in builds] or [make_target(item)]:
            text, first = known.setdefault(repr(target), (content, own[0]))
            if text != content:
                raise _refuse_twins(own[0], first)
            if first is own[0] and target not in targets:
                targets.append(target)
        if targets:
            path = _add_file(files, PATCHES, own[0], content)
            yield from ({"path": path, "target": target} for target in targets)


def _refuse_twins(change: Change, first: Change) -> InputError:
    problem = f"{change.resource} stands here and in {first.location}, and they change differently"
    hint = "kustomize takes them for one object: leave one of them out"
    return InputError(change.location.path, problem, line=change.location.line, hint=hint)


def make_target(item: Mapping[str, Any], build: Build | None = None) -> Json:
    """Make the target that means one object, and no other that its names are a pattern of.

    kustomize compares with an object's identity as it was written and as it is then; in a build it is the latter that
    tells copies apart. Where no namespace is written, it is `default` (kyaml/resid/resid.go, EffectiveNamespace).
    """
    group, _, version = item["apiVersion"].rpartition("/")
    name, namespace = item["metadata"]["name"], item["metadata"].get("namespace")
    if build is not None:
        name = name if item["kind"] in _NOT_RENAMED else build.name_of(name)
        namespace = build.transformers.get("namespace", namespace)
    target = {
        "group": _quote(group) or _NO_GROUP,
        "version": _quote(version),
        "kind": _quote(item["kind"]),
        "name": _quote(name),
    }
    return target if item["kind"] in _WITHOUT_NAMESPACE else {**target, "namespace": _quote(namespace or "default")}


def _quote(text: str) -> str:
    """Take the meaning from what a target's regular expression would read as more than itself."""
    return _SPECIAL.sub(lambda match: f"\\{match[0]}", text)


def _write_patch(item: Json, changes: Sequence[Change]) -> bytes:
    gone = next((change for change in changes if change.action == "delete"), None)
    if gone is not None:
        identity = {key: item["metadata"][key] for key in ("name", "namespace") if item["metadata"].get(key)}
        entry = {"$patch": "delete", "apiVersion": item["apiVersion"], "kind": item["kind"], "metadata": identity}
        steps = [(gone.reason.message, entry)]
        return _render_steps(steps)
    because = {id(change.edit): change.reason.message for change in changes}
    edits = [change.edit for change in changes if change.edit is not None]
    try:
        made = make_operations(item, edits)
    except RefusedEditError as error:
        place = changes[0].location
        raise InputError(place.path, f"cannot be patched: {error.reason}", line=place.line) from None
    return _render_steps([(because[id(edit)], operations) for edit, operations in made])


def _render_steps(steps: Iterable[tuple[str, Any]]) -> bytes:
    return render_template(
        "json_patch.yaml.j2", steps=[{"because": text, "data": data} for text, data in steps]
    ).encode()


def _write_new_objects(
    changes: Iterable[Change], sources: _Sources, component: bool, files: dict[str, bytes]
) -> list[str]:
    """Write the new objects, and give the entries that list them.

    Those beside a built file go through what their build does to names, namespaces and labels, in a folder each.
    """
    groups: dict[str, tuple[Transformers, list[tuple[Change, NewObject]]]] = {}
    for change in changes:
        if change.new is not None:
            builds = () if component else sources.builds_of(change.new.anchor.path)
            for transformers in {repr(build.transformers): build.transformers for build in builds}.values() or ({},):
                groups.setdefault(repr(transformers), (transformers, []))[1].append((change, change.new))
    entries = []
    for number, (transformers, own) in enumerate(groups.values(), 1):
        folder = f"added-{_slug(transformers.get('namespace', str(number)))}/" if transformers else ""
        folder = folder.replace("/", f"-{number}/") if f"{folder}{FILE_NAME}" in files else folder
        paths = [_add_file(files, folder, change, render_object(new).encode()) for change, new in own]
        if transformers:
            listed = [path.removeprefix(folder) for path in paths]
            files[f"{folder}{FILE_NAME}"] = _write_kustomization(listed, transformers)
        entries += [folder.rstrip("/")] if transformers else paths
    return entries


def _add_file(files: dict[str, bytes], folder: str, change: Change, content: bytes) -> str:
    """Add a file that is named after the object which a change is about."""
    ref = change.resource
    parts = (ref.namespace, ref.kind, ref.name) if folder == PATCHES else (ref.kind, ref.name)
    stem = f"{folder}{_slug('-'.join(filter(None, parts)))}"
    path, number = f"{stem}.yaml", 2
    while path in files:
        path, number = f"{stem}-{number}.yaml", number + 1
    files[path] = content
    return path


def _slug(text: str) -> str:
    """Write a name as part of a file name: nothing in it leads elsewhere."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def _copy_loose(loose: Iterable[SourceFile], sources: _Sources, notes: list[str]) -> dict[str, bytes]:
    """Copy the documents that kustomize takes, each file under its path in its source."""
    copied: dict[str, bytes] = {}
    known: dict[str, str] = {}
    for file in loose:
        content = load_source(file)
        parts = []
        for span, document in sources.load_documents(file.path):
            objects = list(list_objects(document))
            if objects and all(map(_is_named, objects)):
                _refuse_repeated_keys(file.path, content, span)
                parts.append(content[span.start : span.end])
                for item in objects:
                    _refuse_second(item, file.path, known)
            elif document is not None:
                notes.append(f"{file.path}: kustomize takes no document without kind and name, so one is left out")
        if parts:
            path = _place(file)
            if path in copied:
                raise InputError(file.path, f"would be a second {path} in {BASE}", hint="patch source by source")
            copied[path] = b"".join(parts)
    return copied


def _refuse_second(item: Json, path: str, known: dict[str, str]) -> None:
    first = known.get(identity := repr(make_target(item)))
    if first is not None:
        name = f"{item['kind']}/{item['metadata']['name']}"
        hint = "kustomize builds an object once: leave one of them out of the sources"
        raise InputError(path, f"{name} stands twice, here and in {first}", hint=hint)
    known[identity] = path


def _place(file: SourceFile) -> str:
    if file.path == STDIN:
        return "stdin.yaml"
    return posixpath.basename(file.path) if file.path == file.root else posixpath.relpath(file.path, file.root)
