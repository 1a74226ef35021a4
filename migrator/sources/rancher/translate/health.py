"""Health checks: probes.

Rancher checked over the network from up to three hosts, the kubelet checks on the pod's node. `unhealthy_threshold`
counts failures (failureThreshold), `healthy_threshold` successes (successThreshold). `initializing_timeout` limits
how long a container may take to come up, which is what a startup probe does.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from migrator.sources.rancher.stack import StackService
from migrator.sources.rancher.translate.container import read_words
from migrator.sources.rancher.translate.model import KeyFate, Part, mark, report
from migrator.sources.rancher.translate.numbers import read_count, read_duration, round_up_seconds
from migrator.sources.rancher.translate.references import find_references
from migrator.sources.rancher.translate.survey import Context

_REQUEST = re.compile(
    r"\s*(?P<method>[A-Z]+)\s+(?P<path>\S+)(?:\s+HTTP/(?P<version>[0-9.]+))?(?P<rest>.*)\Z", re.DOTALL
)
_HOST = re.compile(r"Host:\\?\s*(?P<host>[^\\\s\"]+)", re.IGNORECASE)
_DEFAULT_INTERVAL = 2000
_DEFAULT_TIMEOUT = 2000
_KNOWN = frozenset(
    {
        "port", "request_line", "interval", "response_timeout", "healthy_threshold", "unhealthy_threshold",
        "initializing_timeout", "reinitializing_timeout", "strategy", "name", "recreate_on_quorum_strategy_config",
    }
)  # fmt: skip


def build_probes(service: StackService, context: Context) -> Part:
    """Build readiness, liveness and startup probes of `health_check`, else of Docker's own `healthcheck`."""
    check = service.get("health_check")
    docker = service.get("healthcheck")
    if isinstance(check, Mapping) and check:
        part = _build_rancher_probes(service, check, context)
        both = mark(service.origin_of("healthcheck"), "ignored", "Rancher's own health_check counts.")
        return replace(part, fates=(*part.fates, both)) if docker is not None else part
    return _build_docker_probes(service, docker) if isinstance(docker, Mapping) else Part()


def _build_rancher_probes(service: StackService, check: Mapping[str, Any], context: Context) -> Part:
    fates: list[KeyFate] = []
    comments: list[str] = []
    port = read_count(check.get("port"))
    if port is None or not 0 < port <= 65535:
        message = f"The port {check.get('port')!r} is no number from 1 to 65535: no probe."
        return Part(fates=(report(service.origin_of("health_check", "port"), message),), comments=(message,))
    action = _read_action(service, check, port, fates)
    request = str(check.get("request_line") or "")
    asked = service.origin_of("health_check", "request_line")
    fates.extend(report(asked, message) for message in find_references(context, request))
    interval = _read_positive(check, "interval", _DEFAULT_INTERVAL)
    period = round_up_seconds(interval)
    timeout = round_up_seconds(_read_positive(check, "response_timeout", _DEFAULT_TIMEOUT))
    failures = _read_positive(check, "unhealthy_threshold", 3)
    successes = _read_positive(check, "healthy_threshold", 2)
    base = {**action, "periodSeconds": period, "timeoutSeconds": timeout}
    readiness = {**base, "successThreshold": successes, "failureThreshold": failures}
    strategy = str(check.get("strategy") or "recreate")
    container: dict[str, Any] = {"readinessProbe": readiness}
    if strategy == "recreate":
        container["livenessProbe"] = {**base, "failureThreshold": failures}
    startup = _read_positive(check, "initializing_timeout", 0)
    if startup and strategy == "recreate":
        container["startupProbe"] = {**base, "failureThreshold": max(1, math.ceil(startup / 1000 / period))}
    _account_rancher_keys(service, check, strategy, fates, comments)
    return Part(container=container, fates=tuple(fates), comments=tuple(comments))


def _read_positive(check: Mapping[str, Any], key: str, default: int) -> int:
    number = read_count(check.get(key))
    return number if number and number > 0 else default


def _is_positive(value: Any) -> bool:
    number = read_count(value)
    return number is not None and number > 0


def _account_rancher_keys(
    service: StackService, check: Mapping[str, Any], strategy: str, fates: list[KeyFate], comments: list[str]
) -> None:
    fields = {
        "port": "the probes' port",
        "interval": "periodSeconds",
        "response_timeout": "timeoutSeconds",
        "unhealthy_threshold": "failureThreshold",
        "healthy_threshold": "readinessProbe.successThreshold",
    }
    for key, field in fields.items():
        if key in check and key != "port" and check[key] not in (None, "") and not _is_positive(check[key]):
            fates.append(
                report(service.origin_of("health_check", key), f"{check[key]!r} counts nothing: the default.")
            )
        elif key in check:
            fates.append(mark(service.origin_of("health_check", key), "translated", field))
    if "initializing_timeout" in check:
        origin = service.origin_of("health_check", "initializing_timeout")
        if strategy == "recreate":
            fates.append(mark(origin, "translated", "startupProbe: failureThreshold x periodSeconds"))
        else:
            fates.append(report(origin, "Nothing restarts this container, so there is no startup probe."))
    if "reinitializing_timeout" in check:
        message = "No equivalent: a restarted container starts under the startup probe again."
        fates.append(report(service.origin_of("health_check", "reinitializing_timeout"), message))
    origin = service.origin_of("health_check", "strategy")
    if strategy == "none":
        fates.append(mark(origin, "translated", "a readiness probe alone: nothing is restarted"))
    elif strategy == "recreateOnQuorum":
        message = (
            "A readiness probe alone; a PodDisruptionBudget keeps a quorum, a liveness probe restarts regardless."
        )
        fates.append(report(origin, message))
        comments.append(f"health_check.strategy recreateOnQuorum: {message}")
    elif "strategy" in check:
        message = "livenessProbe: restarts the container on its node; Cattle made a new one, maybe elsewhere"
        fates.append(mark(origin, "translated", message))
    for key in check:
        if key not in _KNOWN:
            fates.append(report(service.origin_of("health_check", key), "Unknown to Rancher's health checks."))
        elif key == "name":
            fates.append(mark(service.origin_of("health_check", key), "ignored", "Probes have no names."))
        elif key == "recreate_on_quorum_strategy_config":
            message = "The quorum is a PodDisruptionBudget's minAvailable."
            fates.append(report(service.origin_of("health_check", key), message))


def _read_action(
    service: StackService, check: Mapping[str, Any], port: int, fates: list[KeyFate]
) -> dict[str, dict[str, Any]]:
    text = str(check.get("request_line") or "").replace('"', "").replace("'", "").strip()
    socket = {"tcpSocket": {"port": port}}
    if not text:
        return socket
    origin = service.origin_of("health_check", "request_line")
    match = _REQUEST.match(text)
    if match is None:
        fates.append(report(origin, f"{text!r} is no request line; the probe only connects."))
        return socket
    if match["method"] != "GET":
        fates.append(report(origin, f"Probes only GET; {match['method']} becomes a connection test."))
        return socket
    path = match["path"] if match["path"].startswith("/") else "/" + match["path"]
    request: dict[str, Any] = {"path": path, "port": port}
    host = _HOST.search(match["rest"])
    if host:
        request["httpHeaders"] = [{"name": "Host", "value": host["host"]}]
    fates.append(mark(origin, "translated", "httpGet; any status from 200 to 399 is healthy, as for Rancher"))
    return {"httpGet": request}


def _build_docker_probes(service: StackService, check: Mapping[str, Any]) -> Part:
    test = check.get("test")
    if check.get("disable") or test in (None, [], ["NONE"]):
        return Part()
    parts = test if isinstance(test, list) else ["CMD-SHELL", str(test)]
    command = ["sh", "-c", " ".join(map(str, parts[1:]))] if parts[0] == "CMD-SHELL" else read_words(parts[1:])
    probe: dict[str, Any] = {
        "exec": {"command": command},
        "periodSeconds": read_duration(check.get("interval")) or 30,
        "timeoutSeconds": read_duration(check.get("timeout")) or 30,
        "failureThreshold": read_count(check.get("retries")) or 3,
    }
    fates = [mark(service.origin_of("healthcheck"), "translated", "readinessProbe: Docker restarted nothing for it")]
    if "start_period" in check:
        message = (
            "A container that is not ready gets no traffic; add a startup probe where a liveness probe is added."
        )
        fates.append(report(service.origin_of("healthcheck", "start_period"), message))
    return Part(container={"readinessProbe": probe}, fates=tuple(fates))
