"""Kustomizations: what they list, which namespace they set, which patches they lay over it.

Source: https://kubectl.docs.kubernetes.io/references/kustomize/kustomization/.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from migrator.model.objects import Kustomization, KustomizationPatch
from migrator.model.reference import Location
from migrator.yaml.data import construct, find_nearest
from migrator.yaml.nodes import Node, compose
from migrator.yaml.scan import line_of

FILE_NAMES = ("kustomization.yaml", "kustomization.yml", "Kustomization")

LoadText = Callable[[str], str | None]
"""Gives the text of a file by its path, None where there is none to be had."""


def read_kustomization(path: str, text: str, load_text: LoadText) -> Kustomization | None:
    """Read a kustomization file; `load_text` gives the patches that it names.

    None where it holds no mapping. Raises TextError where it is not YAML.
    """
    root = compose(text)
    data = construct(root) if root is not None else None
    if root is None or not isinstance(data, dict):
        return None
    folder = posixpath.dirname(path)

    def resolve(entry: str) -> str:
        return posixpath.normpath(posixpath.join(folder, entry))

    listed = [*_texts(data, "resources"), *_texts(data, "bases"), *_texts(data, "components")]
    patches = tuple(_read_patches(data, root, text, resolve, load_text))
    return Kustomization(
        location=Location(path, 0, None, line_of(text, root.start_mark.index)),
        folder=folder or ".",
        kind=str(data.get("kind") or "Kustomization"),
        api_version=str(data.get("apiVersion") or "kustomize.config.k8s.io/v1beta1"),
        namespace=data["namespace"] if isinstance(data.get("namespace"), str) else None,
        resources=tuple(resolve(entry) for entry in listed if "://" not in entry),
        patch_files=tuple(patch.path for patch in patches if patch.path is not None),
        patches=patches,
        name_prefix=str(data.get("namePrefix") or ""),
        name_suffix=str(data.get("nameSuffix") or ""),
    )


def _texts(data: Mapping[str, Any], key: str) -> list[str]:
    value = data.get(key)
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def _maps(data: Mapping[str, Any], key: str) -> list[tuple[int, Mapping[str, Any]]]:
    value = data.get(key)
    items = enumerate(value) if isinstance(value, list) else ()
    return [(index, item) for index, item in items if isinstance(item, dict)]


def _read_patches(
    data: Mapping[str, Any], root: Node, text: str, resolve: Callable[[str], str], load_text: LoadText
) -> Iterator[KustomizationPatch]:
    for key in ("patchesStrategicMerge", "patchesJson6902", "patches"):
        for index, entry in enumerate(data[key] if isinstance(data.get(key), list) else ()):
            line = line_of(text, find_nearest(root, (key, index)).start_mark.index)
            if isinstance(entry, str):
                if "\n" in entry:
                    yield _read_patch(None, entry, line, {})
                else:
                    path = resolve(entry)
                    yield _read_patch(path, load_text(path), line, {})
            elif isinstance(entry, dict):
                target = entry.get("target") if isinstance(entry.get("target"), dict) else {}
                if isinstance(entry.get("path"), str):
                    path = resolve(entry["path"])
                    yield _read_patch(path, load_text(path), line, target or {})
                elif isinstance(entry.get("patch"), str):
                    yield _read_patch(None, entry["patch"], line, target or {})


def _read_patch(path: str | None, text: str | None, line: int, target: Mapping[str, Any]) -> KustomizationPatch:
    try:
        root = compose(text) if text else None
        body = construct(root) if root is not None else None
    except Exception:
        # A patch that holds several documents or does not parse: kustomize will say so itself.
        body = None
    metadata = body.get("metadata") if isinstance(body, dict) and isinstance(body.get("metadata"), dict) else {}
    kind = target.get("kind") or (body.get("kind") if isinstance(body, dict) else None)
    name = target.get("name") or (metadata.get("name") if metadata else None)
    touches, host_ports = _find_ports(body)
    return KustomizationPatch(
        path=path,
        line=line,
        target_kind=kind if isinstance(kind, str) else None,
        target_name=name if isinstance(name, str) else None,
        touches_ports=touches,
        host_ports=tuple(host_ports),
    )


def _find_ports(body: Any) -> tuple[bool, list[int]]:
    """Find host ports that a patch sets, and whether it writes into a container's `ports` at all."""
    if isinstance(body, list):
        operations = [item for item in body if isinstance(item, dict)]
        touching = [item for item in operations if "/ports" in str(item.get("path", ""))]
        found: list[int] = []
        for item in operations:
            value = item.get("value")
            if str(item.get("path", "")).endswith("/hostPort") and isinstance(value, int):
                found.append(value)
            _, nested = _find_ports(value) if isinstance(value, dict | list) else (False, [])
            found.extend(nested)
            if isinstance(value, dict) and isinstance(value.get("hostPort"), int):
                found.append(value["hostPort"])
        return bool(touching) or bool(found), found
    if not isinstance(body, dict):
        return False, []
    touches, found = False, []
    for container in _find_containers(body):
        ports = container.get("ports")
        if isinstance(ports, Sequence):
            touches = True
            found.extend(
                port["hostPort"] for port in ports if isinstance(port, dict) and isinstance(port.get("hostPort"), int)
            )
    return touches, found


def _find_containers(data: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(data, dict):
        for key, value in data.items():
            if key in ("containers", "initContainers") and isinstance(value, list):
                yield from (item for item in value if isinstance(item, dict))
            else:
                yield from _find_containers(value)


def find_roots(kustomizations: Sequence[Kustomization]) -> Mapping[str, tuple[tuple[str, str | None], ...]]:
    """Find, for each path that kustomizations list, the builds that reach it.

    Maps a file's path to (the outermost kustomization's file, the namespace that this build gives it). The
    outermost namespace wins, as kustomize's namespace transformer runs last there.
    """
    by_folder = {kustomization.folder: kustomization for kustomization in kustomizations}
    listed = {path for kustomization in kustomizations for path in kustomization.resources}
    reached: dict[str, list[tuple[str, str | None]]] = {}

    def descend(kustomization: Kustomization, root: str, namespace: str | None, above: frozenset[str]) -> None:
        namespace = namespace or kustomization.namespace
        for path in kustomization.resources:
            below = by_folder.get(path)
            if below is None:
                entry = (root, namespace)
                entries = reached.setdefault(path, [])
                if entry not in entries:
                    entries.append(entry)
            elif path not in above:
                descend(below, root, namespace, above | {path})

    for kustomization in kustomizations:
        if kustomization.folder not in listed and kustomization.kind != "Component":
            descend(kustomization, kustomization.location.path, None, frozenset((kustomization.folder,)))
    return {path: tuple(entries) for path, entries in reached.items()}
