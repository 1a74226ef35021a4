"""Refusals in the API server's own words.

Source: Error in k8s.io/apimachinery/pkg/util/validation/field, whose texts carry Go's notation of values.
"""

from __future__ import annotations

from collections.abc import Sequence

from migrator.model.field import FieldPath, format_path
from migrator.podsecurity.wording import quote_go


def write_invalid(path: FieldPath | str, value: str, detail: str = "") -> str:
    """Say that a field's value is wrong; `value` comes from one of the `write_…` functions here."""
    return _write(path, f"Invalid value: {value}", detail)


def write_required(path: FieldPath | str, detail: str = "") -> str:
    """Say that a field is missing."""
    return _write(path, "Required value", detail)


def write_forbidden(path: FieldPath | str, detail: str) -> str:
    """Say that a field may not be used like this."""
    return _write(path, "Forbidden", detail)


def write_annotation_path(key: str) -> str:
    """Name an annotation of the pod as the plugin does."""
    return f"pod.metadata.annotations[{key}]"


def write_value(value: str | int | bool | None) -> str:
    """Write a simple value."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    return quote_go(value) if isinstance(value, str) else str(value)


def write_ids(ids: Sequence[int] | None) -> str:
    """Write a list of IDs; an unset list and an empty one differ."""
    return "[]int64(nil)" if ids is None else "[]int64{" + ", ".join(str(item) for item in ids) + "}"


def write_capabilities(names: Sequence[str] | None) -> str:
    """Write a list of capabilities; an unset list and an empty one differ."""
    if names is None:
        return "[]core.Capability(nil)"
    return "[]core.Capability{" + ", ".join(write_value(name) for name in names) + "}"


def _write(path: FieldPath | str, kind: str, detail: str) -> str:
    place = path if isinstance(path, str) else format_path(path)
    return f"{place}: {kind}: {detail}" if detail else f"{place}: {kind}"
