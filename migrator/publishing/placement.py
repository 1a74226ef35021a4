"""Where a new object goes: where its owner would put it."""

from __future__ import annotations

import dataclasses
import posixpath
from collections.abc import Iterator

from migrator.model.edit import APPEND, FieldEdit
from migrator.model.plan import Change, Placement, Reason
from migrator.model.reference import Location, ResourceRef, is_stream
from migrator.model.workload import Workload
from migrator.model.world import World
from migrator.sources.kustomize import LISTS


def list_new_file(world: World, created: Change, beside: Location) -> Iterator[Change]:
    """List a new object's file in the kustomizations that list the file which it stands beside."""
    for kustomization in world.kustomizations_listing.get(beside.path, ()):
        entry = posixpath.relpath(created.location.path, kustomization.folder)
        name = kustomization.location.path
        yield dataclasses.replace(
            created,
            action="update",
            resource=ResourceRef(kustomization.api_version, kustomization.kind, None, name),
            location=kustomization.location,
            reason=Reason(f"{entry} is listed, so that kustomize builds it."),
            edit=FieldEdit("add", ("resources", APPEND), entry),
            new=None,
            ports=(),
        )


def find_unlisted(change: Change) -> frozenset[str]:
    """Find the files and folders that a change takes out of a kustomization."""
    edit = change.edit
    if edit is None or edit.op != "remove" or edit.path[0] not in LISTS:
        return frozenset()
    entries = change.current if isinstance(change.current, list) else [change.current]
    folder = posixpath.dirname(change.location.path)
    return frozenset(posixpath.normpath(posixpath.join(folder, str(entry))) for entry in entries)


class Places:
    """Gives places for new objects, never one twice."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.taken = set(world.paths)
        self.documents = {file.path: file.documents for file in world.inventory.files}

    def choose(self, workload: Workload, name: str) -> tuple[Placement, Location]:
        """Choose where an object for a workload goes: beside its file, behind its document, or into its List."""
        return self.choose_beside(workload.location, name)

    def choose_beside(self, location: Location, name: str) -> tuple[Placement, Location]:
        """Choose where an object goes that belongs to the one at a place."""
        if location.item is not None:
            return "item", location
        suffix = ".json" if location.path.endswith(".json") else ".yaml"
        listing = self.world.kustomizations_listing.get(location.path, ())
        # A kustomization that may not be changed cannot list a new file.
        fixed = suffix == ".yaml" and any(item.location.path in self.world.excluded for item in listing)
        if is_stream(location.path) or self.documents.get(location.path, 1) > 1 or fixed:
            return "behind", location
        return "file", self.choose_file(location, f"{name}{suffix}")

    def choose_file(self, location: Location, name: str) -> Location:
        """Choose a file of its own for an object, `name` being its path from the folder of the one at a place."""
        stem, suffix = posixpath.splitext(posixpath.join(posixpath.dirname(location.path), name))
        path, number = f"{stem}{suffix}", 2
        while path in self.taken:
            path, number = f"{stem}-{number}{suffix}", number + 1
        self.taken.add(path)
        return dataclasses.replace(location, path=path, document=0, line=1, item=None)
