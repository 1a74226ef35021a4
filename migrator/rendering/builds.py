"""What kustomize builds of the sources: which kustomizations reach a file, and what they do to all that they build.

Source: https://kubectl.docs.kubernetes.io/references/kustomize/kustomization/.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from migrator.model.objects import Kustomization
from migrator.model.record import record

Transformers = Mapping[str, Any]


@record
class Build:
    """An outermost kustomization, by its folder, and the transformers that a file is under there."""

    folder: str
    transformers: Transformers

    def name_of(self, name: str) -> str:
        """Give the name that an object ends up with."""
        return f"{self.transformers.get('namePrefix', '')}{name}{self.transformers.get('nameSuffix', '')}"


def find_builds(kustomizations: Sequence[Kustomization]) -> Mapping[str, tuple[Build, ...]]:
    """Find, for each path that kustomizations list, the builds that reach it."""
    by_folder = {kustomization.folder: kustomization for kustomization in kustomizations}
    listed = {path for kustomization in kustomizations for path in kustomization.resources}
    reached: dict[str, list[Build]] = {}

    def descend(kustomization: Kustomization, root: str, outer: Transformers, above: frozenset[str]) -> None:
        parts = [by_folder[path] for path in kustomization.resources if path in by_folder]
        by_itself = transformers = join_transformers(kustomization.transformers, outer)
        for part in reversed(parts):
            # A component works on all that the kustomization has which lists it, before that one does.
            if part.kind == "Component":
                transformers = join_transformers(part.transformers, transformers)
        for path in kustomization.resources:
            below = by_folder.get(path)
            if below is None:
                reached.setdefault(path, []).append(Build(root, transformers))
            elif path not in above:
                own = by_itself if below.kind == "Component" else transformers
                descend(below, root, own, above | {path})

    for kustomization in kustomizations:
        if kustomization.folder not in listed and kustomization.kind != "Component":
            descend(kustomization, kustomization.folder, {}, frozenset((kustomization.folder,)))
    return {path: tuple(builds) for path, builds in reached.items()}


def join_transformers(inner: Transformers, outer: Transformers) -> Transformers:
    """Join what two kustomizations do to an object, the inner one first."""
    joined = {
        "namespace": outer.get("namespace") or inner.get("namespace"),
        "namePrefix": outer.get("namePrefix", "") + inner.get("namePrefix", ""),
        "nameSuffix": inner.get("nameSuffix", "") + outer.get("nameSuffix", ""),
        "commonLabels": {**inner.get("commonLabels", {}), **outer.get("commonLabels", {})},
        "commonAnnotations": {**inner.get("commonAnnotations", {}), **outer.get("commonAnnotations", {})},
        "labels": [*inner.get("labels", ()), *outer.get("labels", ())],
    }
    return {key: value for key, value in joined.items() if value}
