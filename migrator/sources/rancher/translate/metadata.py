"""Rancher metadata of a service: a ConfigMap, since nothing answers for rancher-metadata."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from migrator.sources.rancher.answers import format_answer
from migrator.sources.rancher.secret_values import find_secret, is_secret
from migrator.sources.rancher.stack import StackService
from migrator.sources.rancher.translate.model import Draft, KeyFate, Part, report
from migrator.sources.rancher.translate.names import make_data_key
from migrator.sources.rancher.translate.references import find_references
from migrator.sources.rancher.translate.survey import Context


def build_metadata(service: StackService, context: Context) -> Part:
    """Draft a ConfigMap of the metadata; values that look like secrets stay in the input."""
    metadata = service.get("metadata")
    if not isinstance(metadata, Mapping) or not metadata:
        return Part()
    name = f"{context.names[service.name]}-metadata"
    data: dict[str, str] = {}
    fates: list[KeyFate] = []
    for key, value in metadata.items():
        text = _write_value(value)
        origin = service.origin_of("metadata", key)
        if is_secret(key, text) or "PRIVATE KEY" in text or find_secret(text, context.stack.secrets):
            fates.append(report(origin, f"Put {key} into a Secret: its value looks like one and stays in the input."))
        else:
            data[make_data_key(key)] = text
            fates.extend(report(origin, message) for message in find_references(context, text))
    message = f"The ConfigMap {name}: containers read this from rancher-metadata; mount it and read it from there."
    fates.insert(0, report(service.origin_of("metadata"), message))
    draft = Draft(
        "rancher_config_map.yaml.j2",
        {"name": name, "labels": context.labels(service.name), "data": data},
        context.names[context.primary(service.name)],
        service.origin_of("metadata"),
        ("Containers read this from rancher-metadata: mount it and read it from there.",),
    )
    return Part(drafts=(draft,) if data else (), fates=tuple(fates))


def _write_value(value: Any) -> str:
    if isinstance(value, Mapping | list):
        return json.dumps(value, ensure_ascii=False)
    return format_answer(value)
