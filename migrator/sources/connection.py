"""A connection to an API server through the kubeconfig, that only reads.

The official client knows kubeconfigs, credential plugins and certificates; what is asked goes out as plain GET
requests, so that any kind of any version can be read.
"""

from __future__ import annotations

import importlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from migrator.errors import InputError
from migrator.model.reference import CLUSTER

IN_CLUSTER = "in-cluster"
"""The name of the cluster that a pod runs in, where there is no kubeconfig."""

_KUBECONFIG = "~/.kube/config"
_SECONDS = (10, 120)
"""Until a connection stands, and between two pieces of an answer."""


class AnswerError(Exception):
    """An API server's refusal: the HTTP status, its words, and where a list that took too long goes on."""

    def __init__(self, status: int, message: str, token: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.token = token


class Connection:
    """One API server: `name` is that of its context, `namespace` the one that the context names."""

    def __init__(self, source: str) -> None:
        """Load what the kubeconfig says of a source.

        Raises InputError where the client is not installed, and where there is no such context.
        """
        try:
            # Its modules are typed in parts only.
            client: Any = importlib.import_module("kubernetes.client")
            config: Any = importlib.import_module("kubernetes.config")
        except ImportError:
            hint = "python3 -m pip install 'migrator[cluster]'; or dump it: kubectl get ... -o yaml"
            raise InputError(source, "the Kubernetes client for Python is not installed", hint=hint) from None
        self._failure = client.exceptions.ApiException
        self._impersonated: tuple[tuple[str, str], ...] = ()
        context = source.removeprefix(CLUSTER) or None
        kubeconfig = os.environ.get("KUBECONFIG") or _KUBECONFIG
        if context is None and _is_in_pod(kubeconfig):
            settings = client.Configuration()
            config.load_incluster_config(client_configuration=settings)
            self.name, self.namespace = IN_CLUSTER, "default"
            self._api = client.ApiClient(settings)
            return
        try:
            contexts, current = config.list_kube_config_contexts(kubeconfig)
            known = {item["name"]: item for item in contexts}
            chosen = known[context] if context is not None else current
            self._api = config.new_client_from_config(kubeconfig, chosen["name"])
            users = config.kube_config.KubeConfigMerger(kubeconfig).config["users"]
            named = users.get_with_name(chosen["context"].get("user"), safe=True)
            self._impersonated = _read_impersonation((named.value.get("user") if named else None) or {})
        except KeyError:
            hint = f"one of {', '.join(sorted(known))}" if known else "kubectl config get-contexts lists them"
            raise InputError(source, "the kubeconfig has no such context", hint=hint) from None
        except (config.ConfigException, OSError) as error:
            hint = "name a kubeconfig by KUBECONFIG; kubectl config get-contexts lists what it holds"
            raise InputError(source, f"no usable kubeconfig: {error}", hint=hint) from None
        self.name = chosen["name"]
        self.namespace = chosen["context"].get("namespace") or "default"

    def get(self, path: str, query: Mapping[str, str] | None = None) -> Any:
        """Ask for a path, and give the JSON of the answer.

        Raises AnswerError for what the server refuses, InputError where none answers.
        """
        from urllib3 import HTTPHeaderDict
        from urllib3.exceptions import HTTPError

        request: tuple[Any, ...] = self._api.param_serialize(
            method="GET",
            resource_path=path,
            query_params=list((query or {}).items()),
            header_params={"Accept": "application/json"},
            auth_settings=["BearerToken"],
        )
        try:
            method, url, given, *rest = request
            headers = HTTPHeaderDict(given)
            for name, value in self._impersonated:
                headers.add(name, value)
            answer = self._api.call_api(method, url, headers, *rest, _request_timeout=_SECONDS)
            content = answer.read()
        except (HTTPError, OSError) as error:
            raise self._say_unreachable(str(error)) from None
        except self._failure as error:
            # The client's own words for a connection that cannot be made carry no status.
            raise self._say_unreachable(str(error.reason)) from None
        if answer.status >= 400:
            raise _read_refusal(answer.status, content)
        try:
            return json.loads(content)
        except ValueError:
            raise self._say_unreachable(f"{path} answers with something that is no JSON") from None

    def _say_unreachable(self, why: str) -> InputError:
        hint = f"kubectl --context {self.name} get nodes tells whether it can be reached at all"
        return InputError(f"{CLUSTER}{self.name}", f"the API server cannot be read: {why}", hint=hint)


def _read_impersonation(user: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """Read as whom a user of a kubeconfig acts, as request headers: the client itself passes that over.

    Source: https://kubernetes.io/docs/reference/access-authn-authz/user-impersonation/.
    """
    if not user.get("as"):
        return ()
    headers = [("Impersonate-User", str(user["as"]))]
    headers += [("Impersonate-Group", str(group)) for group in user.get("as-groups") or ()]
    extra = user.get("as-user-extra") or {}
    headers += [(f"Impersonate-Extra-{quote(key)}", str(value)) for key, values in extra.items() for value in values]
    return (*headers, *([("Impersonate-Uid", str(user["as-uid"]))] if user.get("as-uid") else []))


def _is_in_pod(kubeconfig: str) -> bool:
    places = [Path(path).expanduser() for path in kubeconfig.split(os.pathsep)]
    return "KUBERNETES_SERVICE_HOST" in os.environ and not any(path.exists() for path in places)


def _read_refusal(status: int, content: bytes) -> AnswerError:
    try:
        body = json.loads(content)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        return AnswerError(status, content.decode("utf-8", "replace")[:200].strip() or f"HTTP status {status}")
    token = (body.get("metadata") or {}).get("continue") or ""
    return AnswerError(status, str(body.get("message") or f"HTTP status {status}"), token)
