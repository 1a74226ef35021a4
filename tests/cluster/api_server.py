"""An API server of nothing but discovery and lists, on loopback, for the length of a test."""

from __future__ import annotations

import copy
import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

Json = dict[str, Any]

PLURALS = {"NetworkPolicy": "networkpolicies", "PriorityClass": "priorityclasses"}


@dataclass
class ApiServer:
    """What the server holds, what it refuses, and what it was asked.

    `served` maps (groupVersion) to the kinds that it has, as (kind, whether they have a namespace); `forbidden` are
    resources that nobody may list in the whole cluster, `allowed_in` the namespaces where they may be listed.
    """

    served: dict[str, list[tuple[str, bool]]]
    objects: list[Json] = field(default_factory=list)
    version: str = "v1.34.4"
    forbidden: frozenset[str] = frozenset()
    allowed_in: frozenset[str] = frozenset()
    page: int = 500
    expires_once: bool = False
    broken: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def answer(self, target: str) -> tuple[int, Any]:
        path, query = urlsplit(target).path, parse_qs(urlsplit(target).query)
        self.asked.append(target)
        if path in self.broken:
            return self.broken[path]
        if path == "/version":
            return 200, {"gitVersion": self.version}
        if path == "/apis":
            return 200, {"groups": list(self._list_groups())}
        group_version = path.removeprefix("/apis/").removeprefix("/api/")
        if group_version in self.served:
            kinds = self.served[group_version]
            return 200, {"resources": [self._describe(kind, namespaced) for kind, namespaced in kinds]}
        return self._list(path, query)

    def _list_groups(self) -> Iterator[Json]:
        groups: dict[str, list[str]] = {}
        for group_version in self.served:
            if "/" in group_version:
                groups.setdefault(group_version.split("/")[0], []).append(group_version)
        for name, versions in groups.items():
            listed = [{"groupVersion": version} for version in versions]
            yield {"name": name, "versions": listed, "preferredVersion": listed[0]}

    def _describe(self, kind: str, namespaced: bool) -> Json:
        return {"name": name_resource(kind), "kind": kind, "namespaced": namespaced, "verbs": ["get", "list"]}

    def _list(self, path: str, query: dict[str, list[str]]) -> tuple[int, Any]:
        head, _, resource = path.rpartition("/")
        base, _, namespace = head.partition("/namespaces/")
        group_version = base.removeprefix("/apis/").removeprefix("/api/")
        if resource in self.forbidden and namespace not in self.allowed_in:
            message = f'{resource} is forbidden: User "reader" cannot list resource "{resource}" at the cluster scope'
            return 403, {"kind": "Status", "message": message}
        found = [
            item
            for item in self.objects
            if item["apiVersion"] == group_version
            and name_resource(item["kind"]) == resource
            and (not namespace or item["metadata"].get("namespace") == namespace)
        ]
        start = int(query.get("continue", ["0"])[0])
        if start and self.expires_once:
            self.expires_once = False
            return 410, {"kind": "Status", "message": "too old", "metadata": {"continue": str(start)}}
        page = copy.deepcopy(found[start : start + self.page])
        for item in page:
            # A server leaves out what the list says for all of them.
            del item["apiVersion"], item["kind"]
        more = {"continue": str(start + self.page)} if start + self.page < len(found) else {}
        return 200, {"metadata": {"resourceVersion": "7", **more}, "items": page}


def name_resource(kind: str) -> str:
    return PLURALS.get(kind, f"{kind.lower()}s")


@contextmanager
def serving(server: ApiServer, folder: Path, contexts: Sequence[str] = ("production",)) -> Iterator[Path]:
    """Serve, and give a kubeconfig whose contexts all lead there; the first is the current one."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = server.answer(self.path)
            content = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=listening.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield write_kubeconfig(folder, f"http://127.0.0.1:{listening.server_port}", contexts)
    finally:
        listening.shutdown()
        listening.server_close()
        thread.join()


def write_kubeconfig(folder: Path, address: str, contexts: Sequence[str] = ("production",)) -> Path:
    path = folder / "kubeconfig"
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "test", "cluster": {"server": address}}],
        "users": [{"name": "reader", "user": {"token": "none"}}],
        "contexts": [
            {"name": name, "context": {"cluster": "test", "user": "reader", "namespace": "shop"}} for name in contexts
        ],
        "current-context": contexts[0],
    }
    path.write_text(json.dumps(config))
    return path
