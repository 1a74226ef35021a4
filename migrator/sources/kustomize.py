"""Kustomizations: what they list, which namespace they set, which patches they lay over it.

Source: https://kubectl.docs.kubernetes.io/references/kustomize/kustomization/.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from migrator.model.objects import Kustomization, KustomizationPatch
from migrator.model.reference import Location
from migrator.yaml.data import construct, find_nearest, load_text
from migrator.yaml.nodes import Node, compose
from migrator.yaml.scan import cut_documents, decode, line_of

FILE_NAMES = ("kustomization.yaml", "kustomization.yml", "Kustomization")

LISTS = ("resources", "bases", "components")
_GENERATORS = ("configMapGenerator", "secretGenerator", "generators", "helmCharts", "helmChartInflationGenerator")
_CONTAINER_LISTS = ("initContainers", "containers", "ephemeralContainers")

_TRANSFORMERS = {
    "namespace": str,
    "namePrefix": str,
    "nameSuffix": str,
    "commonLabels": dict,
    "commonAnnotations": dict,
    "labels": list,
}

LoadText = Callable[[str], str | None]
"""Gives the text of a file by its path, None where there is none to be had."""


def read_kustomization(path: str, text: str, load_file: LoadText) -> Kustomization | None:
    """Read a kustomization file; `load_file` gives the patches that it names.

    None where it holds no mapping. Raises TextError where it is not YAML.
    """
    root = compose(text)
    data = construct(root) if root is not None else None
    if root is None or not isinstance(data, dict):
        return None
    folder = posixpath.dirname(path)

    def resolve(entry: str) -> str:
        return posixpath.normpath(posixpath.join(folder, entry))

    entries = tuple(
        ((key, index), resolve(entry)) for key in LISTS for index, entry in _texts(data, key) if "://" not in entry
    )
    patches = tuple(_read_patches(data, root, text, resolve, load_file))
    return Kustomization(
        location=Location(path, 0, None, line_of(text, root.start_mark.index)),
        folder=folder or ".",
        kind=str(data.get("kind") or "Kustomization"),
        api_version=str(data.get("apiVersion") or "kustomize.config.k8s.io/v1beta1"),
        namespace=data["namespace"] if isinstance(data.get("namespace"), str) else None,
        resources=tuple(path for _, path in entries),
        patch_files=tuple(patch.path for patch in patches if patch.path is not None),
        patches=patches,
        transformers={
            key: data[key] for key, form in _TRANSFORMERS.items() if data.get(key) and isinstance(data[key], form)
        },
        entries=entries,
        lengths={key: len(data[key]) for key in LISTS if isinstance(data.get(key), list)},
        generates=any(data.get(key) for key in _GENERATORS),
    )


def _texts(data: Mapping[str, Any], key: str) -> list[tuple[int, str]]:
    value = data.get(key)
    items = enumerate(value) if isinstance(value, list) else ()
    return [(index, item) for index, item in items if isinstance(item, str)]


def _read_patches(
    data: Mapping[str, Any], root: Node, text: str, resolve: Callable[[str], str], load_file: LoadText
) -> Iterator[KustomizationPatch]:
    for key in ("patchesStrategicMerge", "patchesJson6902", "patches"):
        for index, entry in enumerate(data[key] if isinstance(data.get(key), list) else ()):
            line = line_of(text, find_nearest(root, (key, index)).start_mark.index)
            path, body = None, None
            target: Mapping[str, Any] = {}
            if isinstance(entry, str):
                path, body = (None, entry) if "\n" in entry else (resolve(entry), None)
            elif isinstance(entry, dict):
                target = entry["target"] if isinstance(entry.get("target"), dict) else {}
                if isinstance(entry.get("path"), str):
                    path = resolve(entry["path"])
                elif isinstance(entry.get("patch"), str):
                    body = entry["patch"]
            if path is not None:
                body = load_file(path)
            if path is not None or body is not None:
                for document in _load_documents(body or ""):
                    yield _read_patch(path, document, line, target)


def _load_documents(text: str) -> list[Any]:
    """Load a patch, which may be several in one file; at least one, None where it cannot be read."""
    content = text.encode()
    try:
        documents = [load_text(decode(content[span.start : span.end])) for span in cut_documents(content)]
    except Exception:
        # kustomize will say so itself.
        return [None]
    return documents or [None]


def _read_patch(path: str | None, body: Any, line: int, target: Mapping[str, Any]) -> KustomizationPatch:
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
    touches, found = False, []
    if isinstance(body, list):
        for operation in body:
            if isinstance(operation, dict):
                path = str(operation.get("path", ""))
                numbers = list(_find_host_ports({path.rpartition("/")[2]: operation.get("value")}))
                touches = touches or "/ports" in path or bool(numbers)
                found.extend(numbers)
        return touches, found
    for container in _find_containers(body):
        ports = container.get("ports")
        if isinstance(ports, Sequence):
            touches = True
            found.extend(_find_host_ports(ports))
    return touches, found


def _find_host_ports(data: Any) -> Iterator[int]:
    """Find host ports anywhere in a value: an operation may set a number, an entry, a container or all of a pod."""
    if isinstance(data, dict):
        for key, value in data.items():
            if key == "hostPort" and isinstance(value, int):
                yield value
            else:
                yield from _find_host_ports(value)
    elif isinstance(data, list):
        for item in data:
            yield from _find_host_ports(item)


def _find_containers(data: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(data, dict):
        for key, value in data.items():
            if key in _CONTAINER_LISTS and isinstance(value, list):
                yield from (item for item in value if isinstance(item, dict))
            else:
                yield from _find_containers(value)


def find_roots(kustomizations: Sequence[Kustomization]) -> Mapping[str, tuple[tuple[str, str | None], ...]]:
    """Find, for each path that kustomizations list, the builds that reach it.

    Maps a file's path to (the outermost kustomization's file, the namespace that this build gives it). The
    outermost namespace wins, as kustomize's namespace transformer runs last there. A component works on all that the
    kustomization has which lists it, before that one's own namespace is set.
    """
    by_folder = {kustomization.folder: kustomization for kustomization in kustomizations}
    listed = {path for kustomization in kustomizations for path in kustomization.resources}
    reached: dict[str, list[tuple[str, str | None]]] = {}

    def descend(kustomization: Kustomization, root: str, namespace: str | None, above: frozenset[str]) -> None:
        parts = [by_folder[path] for path in kustomization.resources if path in by_folder]
        by_components = [part.namespace for part in parts if part.kind == "Component" and part.namespace]
        namespace = namespace or kustomization.namespace or (by_components[-1] if by_components else None)
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
