"""A live cluster as a source: the kinds that decisions look at, listed page by page, and written as one List.

The List is what `kubectl get -o json` would print, led by a ClusterInventory: which cluster it is, its version, and
what could not be read. It is read like any other file.
"""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import IO, Any, Final

from migrator.errors import InputError
from migrator.model.field import FieldPath, parse_path
from migrator.model.record import record
from migrator.model.reference import CLUSTER
from migrator.model.workload import WorkloadKind
from migrator.sources.connection import AnswerError, Connection
from migrator.sources.files import read_head
from migrator.sources.tables import load_table

API_VERSION: Final = "migrator.dev/v1"
KIND: Final = "ClusterInventory"

_PAGE: Final = "500"
"""Objects of one answer: kubectl's own chunk size."""

_IN_MEMORY: Final = 64_000_000
_HEAD: Final = 1024
_VERSION: Final = re.compile(rb'serverVersion"?: *"?v?(1\.[0-9]+)')

Json = dict[str, Any]


@record
class Resource:
    """A kind as a server has it: where its objects are listed, cluster-wide or in one namespace."""

    api_version: str
    kind: str
    name: str
    namespaced: bool

    def path(self, namespace: str | None = None) -> str:
        """Give the path that lists the objects of all namespaces, or of one."""
        root = f"/apis/{self.api_version}" if "/" in self.api_version else f"/api/{self.api_version}"
        return f"{root}/namespaces/{namespace}/{self.name}" if namespace else f"{root}/{self.name}"


def find_server_version(head: bytes) -> str | None:
    """Find the version of the cluster that a content is the inventory of, in its first bytes; None for any other."""
    if KIND.encode() not in head[:_HEAD]:
        return None
    match = _VERSION.search(head)
    return match[1].decode() if match else None


def read_server_version(path: str) -> str | None:
    """Read the version of the cluster that a file is the inventory of; None for any other, or for none at all."""
    return find_server_version(read_head(path, 2 * _HEAD))


def read_cluster(source: str, kinds: Sequence[WorkloadKind]) -> tuple[str, bytes]:
    """Read a cluster's inventory; give the source with its context's name, and the List.

    Raises InputError where the cluster cannot be reached.
    """
    with tempfile.SpooledTemporaryFile(_IN_MEMORY) as stream:
        name = write_inventory(source, kinds, stream)
        stream.seek(0)
        return f"{CLUSTER}{name}", stream.read()


def save_inventory(source: str, kinds: Sequence[WorkloadKind], path: Path) -> None:
    """Write a cluster's inventory to a file, whole or not at all.

    Raises InputError where the cluster cannot be reached or the file not be written.
    """
    staging = path.with_name(f".{path.name}.migrator-new")
    try:
        with staging.open("wb") as stream:
            write_inventory(source, kinds, stream)
        staging.replace(path)
    except OSError as error:
        raise InputError(str(path), f"cannot be written: {(error.strerror or str(error)).lower()}") from None
    finally:
        staging.unlink(missing_ok=True)


def write_inventory(source: str, kinds: Sequence[WorkloadKind], stream: IO[bytes]) -> str:
    """Write what a cluster holds as a List, and give the name of its context."""
    connection = Connection(source)
    try:
        version = connection.get("/version")["gitVersion"]
        resources = list(_find_resources(connection, kinds))
    except AnswerError as error:
        hint = f"kubectl --context {connection.name} auth whoami tells as whom it is asked"
        raise InputError(f"{CLUSTER}{connection.name}", str(error), hint=hint) from None
    unread: list[Json] = []
    with tempfile.SpooledTemporaryFile(_IN_MEMORY) as body:
        for resource in resources:
            for item in _list_objects(connection, resource, unread):
                body.write(b",\n        " + _write_item(item))
        head = {
            "apiVersion": API_VERSION,
            "kind": KIND,
            "metadata": {"name": connection.name},
            "status": {"serverVersion": version, "unread": unread},
        }
        stream.write(b'{\n    "apiVersion": "v1",\n    "items": [\n        ' + _write_item(head))
        body.seek(0)
        shutil.copyfileobj(body, stream)
        stream.write(b'\n    ],\n    "kind": "List"\n}\n')
    return connection.name


def _write_item(item: Json) -> bytes:
    # No string of JSON holds a line break, so all of them are between its tokens.
    return json.dumps(item, indent=4, ensure_ascii=False).replace("\n", "\n        ").encode()


def _find_resources(connection: Connection, kinds: Iterable[WorkloadKind]) -> Iterator[Resource]:
    """Find how the server serves the kinds that are asked for, in a fixed order; those that it does not, not."""
    table = load_table("sources/cluster_kinds.yaml")["kinds"]
    wanted = [(kind.api_group, kind.kind, None) for kind in kinds]
    wanted += [(group, row["kind"], row.get("with")) for row in table for group in row["apiGroups"]]
    served = _discover(connection, {group for group, _, _ in wanted})
    found = {kind for group, kind in served}
    for group, kind, needed in dict.fromkeys(wanted):
        resource = served.get((group, kind))
        # What the group `extensions` serves, the group that the kind has moved to serves as well.
        twin = group == "extensions" and any((other, kind) in served for other, _, _ in wanted if other != group)
        if resource is not None and not twin and (needed is None or needed in found):
            yield resource


def _discover(connection: Connection, groups: set[str]) -> Mapping[tuple[str, str], Resource]:
    """Ask which kinds of some groups are served, each in the version that the server prefers."""
    versions = {"": ["v1"]}
    for group in connection.get("/apis")["groups"]:
        if group["name"] in groups:
            preferred = group["preferredVersion"]["groupVersion"]
            others = [item["groupVersion"] for item in group["versions"]]
            versions[group["name"]] = list(dict.fromkeys([preferred, *others]))
    served: dict[tuple[str, str], Resource] = {}
    for name, api_versions in versions.items():
        for api_version in api_versions:
            root = "/apis" if name else "/api"
            for item in connection.get(f"{root}/{api_version}")["resources"]:
                if "/" not in item["name"] and "list" in item["verbs"]:
                    resource = Resource(api_version, item["kind"], item["name"], item["namespaced"])
                    served.setdefault((name, item["kind"]), resource)
    return served


def _list_objects(connection: Connection, resource: Resource, unread: list[Json]) -> Iterator[Json]:
    """List the objects of a kind; what may not be read is noted, and the context's own namespace read instead."""
    try:
        yield from _list_pages(connection, resource.path(), resource)
        return
    except AnswerError as error:
        if error.status in (404, 405):
            return
        if error.status != 403:
            raise _say_failed(connection, resource, error) from None
        refused = str(error)
    allowed = None
    if resource.namespaced:
        try:
            yield from _list_pages(connection, resource.path(connection.namespace), resource)
            allowed = connection.namespace
        except AnswerError as error:
            if error.status != 403:
                raise _say_failed(connection, resource, error) from None
    note = {"resource": resource.name, "reason": refused}
    unread.append(note if allowed is None else {**note, "readIn": allowed})


def _say_failed(connection: Connection, resource: Resource, error: AnswerError) -> InputError:
    hint = f"kubectl --context {connection.name} get {resource.name} -A tells more"
    return InputError(f"{CLUSTER}{connection.name}", f"{resource.name} cannot be listed: {error}", hint=hint)


def _list_pages(connection: Connection, path: str, resource: Resource) -> Iterator[Json]:
    token = ""
    while True:
        query = {"limit": _PAGE, **({"continue": token} if token else {})}
        try:
            page = connection.get(path, query)
        except AnswerError as error:
            # The snapshot of the first page is gone; the server says how to go on with a newer one.
            if error.status != 410 or not error.token:
                raise
            token = error.token
            continue
        for item in page.get("items") or ():
            yield _prune({"apiVersion": resource.api_version, "kind": resource.kind, **item})
        token = (page.get("metadata") or {}).get("continue") or ""
        if not token:
            return


def _prune(item: Json) -> Json:
    """Leave out what changes by itself or repeats the object."""
    for path in _list_dropped():
        _drop(item, path)
    kept = load_table("sources/cluster_kinds.yaml")["status"].get(item["kind"], ())
    status = item.pop("status", None) or {}
    if kept:
        item["status"] = {name: status[name] for name in kept if name in status}
    return item


@cache
def _list_dropped() -> tuple[FieldPath, ...]:
    return tuple(map(parse_path, load_table("sources/cluster_kinds.yaml")["dropped"]))


def _drop(data: Any, path: FieldPath) -> None:
    for step in path[:-1]:
        data = data.get(step) if isinstance(data, dict) else None
    if isinstance(data, dict):
        data.pop(path[-1], None)
