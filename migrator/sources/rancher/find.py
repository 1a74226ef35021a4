"""Finding stacks: folders with a compose file of Rancher v1.6, by their file names."""

from __future__ import annotations

import os
import re
from pathlib import Path

from migrator.model.record import record

_DOCKER_COMPOSE = ("docker-compose.yml.tpl", "docker-compose.yaml.tpl", "docker-compose.yml", "docker-compose.yaml")
_RANCHER_COMPOSE = (
    "rancher-compose.yml.tpl",
    "rancher-compose.yaml.tpl",
    "rancher-compose.yml",
    "rancher-compose.yaml",
)
_CATALOG_FOLDERS = frozenset({"templates", "infra-templates", "kubernetes-templates", "swarm-templates"})
_SKIPPED = frozenset({".git", ".hg", ".svn", "node_modules", "__pycache__"})
_VERSION = re.compile(r"[0-9]+\Z")


@record
class StackFolder:
    """A folder that holds a stack: `rancher_compose` is None where there is none, `name` what the folder suggests.

    `version` is the template version of the catalog layout NAME/N, None elsewhere.
    """

    path: Path
    docker_compose: Path
    rancher_compose: Path | None
    name: str
    version: str | None


def find_stacks(path: Path) -> tuple[StackFolder, ...]:
    """Find the stacks at or below a path, in the order of their paths; () where it holds none.

    A file is taken for its folder where it is a compose file. Only file names are looked at.
    """
    if path.is_file():
        return (_describe_folder(path.parent, [path.name]),) if path.name in _DOCKER_COMPOSE else ()
    found = []
    for folder, folders, files in os.walk(path):
        folders[:] = sorted(name for name in folders if name not in _SKIPPED)
        if any(name in _DOCKER_COMPOSE for name in files):
            found.append(_describe_folder(Path(folder), files))
    return tuple(sorted(found, key=lambda stack: _sort_key(stack.path)))


def _sort_key(path: Path) -> tuple[tuple[int, int, str], ...]:
    """Order template versions as numbers: 2 before 10."""
    return tuple((0, int(part), "") if _VERSION.match(part) else (1, 0, part) for part in path.parts)


def _describe_folder(folder: Path, files: list[str]) -> StackFolder:
    present = set(files) if len(files) > 1 else {item.name for item in folder.iterdir()}
    chosen = next(name for name in _DOCKER_COMPOSE if name in files)
    companion = next((name for name in _RANCHER_COMPOSE if name in present), None)
    resolved = folder.resolve()
    versioned = bool(_VERSION.match(resolved.name)) and resolved.parent.parent.name in _CATALOG_FOLDERS
    return StackFolder(
        path=folder,
        docker_compose=folder / chosen,
        rancher_compose=folder / companion if companion else None,
        name=resolved.parent.name if versioned else resolved.name,
        version=resolved.name if versioned else None,
    )
