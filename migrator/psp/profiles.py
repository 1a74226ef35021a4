"""Seccomp and AppArmor profiles as policies list them, for the fields that took the place of annotations."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from migrator.psp.demand import write_text
from migrator.psp.model import RUNTIME_DEFAULT_NAMES

_LOCALHOST: Final = "localhost/"


def write_is_allowed(allowed: Collection[str]) -> str:
    """Write that the profile `p`, a `seccompProfile` or `appArmorProfile`, is among those that a policy lists."""
    types = [f"p.type == {write_text(name)}" for name in _list_types(allowed)]
    paths = [f"p.?localhostProfile.orValue('') == {write_text(path)}" for path in _list_paths(allowed)]
    return " || ".join([*types, *paths]) or "false"


def describe_profiles(allowed: Collection[str]) -> str:
    """Say in words which profiles a policy lists."""
    return " or ".join([*_list_types(allowed), *(f"Localhost {path}" for path in _list_paths(allowed))]) or "none"


def _list_types(allowed: Collection[str]) -> list[str]:
    types = [] if RUNTIME_DEFAULT_NAMES.isdisjoint(allowed) else ["RuntimeDefault"]
    return [*types, "Unconfined"] if "unconfined" in allowed else types


def _list_paths(allowed: Collection[str]) -> list[str]:
    paths = (name.removeprefix(_LOCALHOST) for name in allowed if name.startswith(_LOCALHOST))
    return sorted(path for path in paths if path)
