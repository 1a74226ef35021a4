"""What a container may do: privileges, capabilities, users, host namespaces, devices."""

from __future__ import annotations

import re
from typing import Any

from migrator.sources.rancher.stack import StackService
from migrator.sources.rancher.translate.model import KeyFate, Part, report
from migrator.sources.rancher.translate.names import make_name
from migrator.sources.rancher.translate.numbers import read_boolean, read_count
from migrator.sources.rancher.translate.survey import Context

_SYSCTL = re.compile(r"(?:[a-z0-9](?:[-_a-z0-9]*[a-z0-9])?[./])*[a-z0-9](?:[-_a-z0-9]*[a-z0-9])?\Z")


def build_security(service: StackService, context: Context) -> Part:
    """Build `securityContext` of container and pod, host namespaces and device mounts."""
    fates: list[KeyFate] = []
    security: dict[str, Any] = {}
    pod: dict[str, Any] = {}
    if read_boolean(service.get("privileged")):
        security["privileged"] = True
    if read_boolean(service.get("read_only")):
        security["readOnlyRootFilesystem"] = True
    capabilities = _read_capabilities(service)
    if capabilities:
        security["capabilities"] = capabilities
    security.update(_read_user(service, fates))
    profiles, apparmor = _read_security_options(service, fates)
    security.update(profiles)
    for key, field in (("pid", "hostPID"), ("ipc", "hostIPC")):
        mode = service.text(key)
        if mode == "host":
            pod[field] = True
        elif mode and mode not in ("private", "shareable", "none"):
            fates.append(
                report(service.origin_of(key), f"{key}: {mode} has no equivalent; see shareProcessNamespace.")
            )
    pod_security = _read_pod_security(service, fates)
    if pod_security:
        pod["securityContext"] = pod_security
    container: dict[str, Any] = {}
    comments: list[str] = []
    devices = _read_devices(service)
    if devices:
        container["volumeMounts"] = [mount for _, mount in devices]
        pod["volumes"] = [volume for volume, _ in devices]
        security["privileged"] = True
        message = "hostPath and privileged: a device plugin gives the device without privileges."
        fates.append(report(service.origin_of("devices"), message))
        comments.append(f"devices: {message}")
    if "privileged" in security and security.pop("allowPrivilegeEscalation", None) is False:
        message = "no-new-privileges is left out: a privileged container may always gain some."
        fates.append(report(service.origin_of("security_opt"), message))
    if apparmor:
        security["appArmorProfile"] = apparmor
    container["securityContext"] = security
    return Part(container=container, pod=pod, fates=tuple(fates), comments=tuple(comments))


def _read_capabilities(service: StackService) -> dict[str, list[str]]:
    found = {}
    for key, field in (("cap_add", "add"), ("cap_drop", "drop")):
        names = [text.upper().removeprefix("CAP_") for text, _ in service.texts(key) if text]
        if names:
            found[field] = list(dict.fromkeys(names))
    return found


def _read_user(service: StackService, fates: list[KeyFate]) -> dict[str, int]:
    text = service.text("user").strip()
    if not text:
        return {}
    origin = service.origin_of("user")
    user, _, group = text.partition(":")
    found = {}
    for part, field in ((user, "runAsUser"), (group, "runAsGroup")):
        number = 0 if part == "root" else read_count(part)
        if not part:
            continue
        if number is None or number < 0:
            fates.append(report(origin, f"{part!r} is a name: write its number in {field}, or USER in the image."))
        else:
            found[field] = number
    return found


def _read_security_options(
    service: StackService, fates: list[KeyFate]
) -> tuple[dict[str, Any], dict[str, str] | None]:
    security: dict[str, Any] = {}
    apparmor: dict[str, str] | None = None
    linux: dict[str, str] = {}
    for text, origin in service.texts("security_opt"):
        name, _, value = text.replace("=", ":", 1).partition(":")
        if name == "no-new-privileges":
            security["allowPrivilegeEscalation"] = value == "false"
        elif name == "seccomp" and value == "unconfined":
            security["seccompProfile"] = {"type": "Unconfined"}
        elif name == "apparmor" and value:
            local = {"type": "Localhost", "localhostProfile": value}
            apparmor = {"type": "Unconfined"} if value == "unconfined" else local
        elif name == "label" and value.partition(":")[0] in ("user", "role", "type", "level"):
            field, _, setting = value.partition(":")
            linux[field] = setting
        else:
            fates.append(report(origin, f"{text}: write the profile on the nodes and name it in securityContext."))
    if linux:
        security["seLinuxOptions"] = linux
    return security, apparmor


def _read_pod_security(service: StackService, fates: list[KeyFate]) -> dict[str, Any]:
    security: dict[str, Any] = {}
    groups: list[int] = []
    for text, origin in service.texts("group_add"):
        number = read_count(text)
        if number is None:
            fates.append(report(origin, f"{text!r} is a name: write its number in supplementalGroups."))
        else:
            groups.append(number)
    if groups:
        security["supplementalGroups"] = groups
    sysctls = []
    for pair in service.pairs("sysctls"):
        if _SYSCTL.match(pair.name):
            sysctls.append({"name": pair.name, "value": pair.value or ""})
        else:
            fates.append(report(pair.origin, f"{pair.name!r} is no sysctl's name; left out."))
    if sysctls:
        security["sysctls"] = sysctls
    return security


def _read_devices(service: StackService) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    found = []
    for text, _ in service.texts("devices"):
        source, _, rest = text.partition(":")
        target = rest.partition(":")[0] or source
        if source.startswith("/") and target.startswith("/"):
            name = make_name(f"device-{source.strip('/')}")
            volume = {"name": name, "hostPath": {"path": source}}
            found.append((volume, {"name": name, "mountPath": target}))
    return found
