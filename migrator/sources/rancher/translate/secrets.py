"""Rancher's secrets: mounts below /run/secrets, and Secrets whose values a person fills in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from migrator.sources.rancher.compose import KeyOrigin
from migrator.sources.rancher.stack import StackService
from migrator.sources.rancher.translate.model import Draft, KeyFate, Part, mark, report
from migrator.sources.rancher.translate.names import make_data_key, make_name
from migrator.sources.rancher.translate.numbers import read_boolean, read_integer
from migrator.sources.rancher.translate.survey import PART_OF_LABEL, Context

_FOLDER = "/run/secrets"
_DEFAULT_MODE = 0o444


def build_secrets(service: StackService, context: Context) -> Part:
    """Build the mounts of a service's secrets, each a file of its own."""
    volumes: list[dict[str, Any]] = []
    mounts: list[dict[str, Any]] = []
    fates: list[KeyFate] = []
    value = service.get("secrets")
    items = value if isinstance(value, list) else []
    for place, item in enumerate(items):
        spec = item if isinstance(item, Mapping) else {"source": item}
        source = str(spec.get("source") or "")
        if not source:
            continue
        origin = service.origin_of("secrets", place)
        target = str(spec.get("target") or source)
        path = target if target.startswith("/") else f"{_FOLDER}/{target}"
        key = make_data_key(source)
        mode = _read_mode(spec.get("mode"))
        if mode is None:
            message = f"{spec.get('mode')!r} is no octal mode: {_DEFAULT_MODE:04o}."
            fates.append(report(service.origin_of("secrets", place, "mode"), message))
            mode = _DEFAULT_MODE
        name = make_name(f"secret-{source}" if mode == _DEFAULT_MODE else f"secret-{source}-{mode:o}")
        volume = {
            "name": name,
            "secret": {"secretName": make_name(source, fallback="secret"), "items": [_make_item(key, mode)]},
        }
        if volume not in volumes:
            volumes.append(volume)
        mounts.append({"name": name, "mountPath": path, "subPath": key, "readOnly": True})
        fates.append(mark(origin, "translated", f"the Secret {make_name(source, fallback='secret')} at {path}"))
        fates.extend(
            report(service.origin_of("secrets", place, owner), "A file of a Secret has no owner; see fsGroup.")
            for owner in ("uid", "gid")
            if spec.get(owner) not in (None, "", 0, "0")
        )
    return Part(container={"volumeMounts": mounts}, pod={"volumes": volumes}, fates=tuple(fates))


def _make_item(key: str, mode: int) -> dict[str, Any]:
    return {"key": key, "path": key, "mode": mode}


def _read_mode(value: Any) -> int | None:
    """Read a mode: an octal string, or the number that YAML made of one; None for anything else."""
    if isinstance(value, str) and value:
        try:
            return int(value, 8) & 0o777
        except ValueError:
            return None
    number = read_integer(value)
    return number & 0o777 if number else _DEFAULT_MODE


def draft_secrets(context: Context) -> Part:
    """Draft the Secrets of the top level; values never leave the input."""
    drafts: list[Draft] = []
    fates: list[KeyFate] = []
    declared = context.stack.section("secrets")
    for name, setting in declared.items():
        spec = setting.value if isinstance(setting.value, Mapping) else {}
        secret = make_name(name, fallback="secret")
        key = make_data_key(name)
        external = spec.get("external")
        if read_boolean(external) or isinstance(external, Mapping):
            message = f"Create the Secret {secret} with the key {key}: its value is in Rancher's secrets."
            fates.append(report(setting.origin, message))
            continue
        source = str(spec.get("file") or name)
        drafts.append(_draft_secret(context, secret, key, source, setting.origin))
        fates.append(report(setting.origin, f"Fill in the Secret {secret}, key {key}, from {source}."))
    for service in context.stack.services:
        for source in _find_undeclared(service, declared):
            message = (
                f"Create the Secret {make_name(source, fallback='secret')} with the key {make_data_key(source)}."
            )
            fates.append(report(service.origin_of("secrets"), message))
    return Part(drafts=tuple(drafts), fates=tuple(fates))


def _find_undeclared(service: StackService, declared: Mapping[str, Any]) -> list[str]:
    value = service.get("secrets")
    names = [
        str(item.get("source") if isinstance(item, Mapping) else item) for item in value
    ] if isinstance(value, list) else []  # fmt: skip
    return [name for name in names if name not in declared]


def _draft_secret(context: Context, name: str, key: str, source: str, origin: KeyOrigin) -> Draft:
    command = (
        f"kubectl -n {context.namespace} create secret generic {name} --from-file={key}={source}"
        " --dry-run=client -o yaml"
    )
    return Draft(
        "rancher_secret.yaml.j2",
        {"name": name, "labels": {PART_OF_LABEL: context.instance}, "string_data": {}},
        "secrets",
        origin,
        ("Its value is not written here; the pods wait until it is there:", command),
    )
