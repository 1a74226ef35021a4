"""Rancher v1.6 (Cattle) stacks: found by file names, read as Cattle read them, translated to Kubernetes objects.

Names are loaded when they are asked for: most runs have no stack, and looking for one needs `find` alone.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from migrator.sources.rancher.answers import read_answers
    from migrator.sources.rancher.find import StackFolder, find_stacks
    from migrator.sources.rancher.policy import RancherPolicy
    from migrator.sources.rancher.stack import Stack, StackService, read_stack
    from migrator.sources.rancher.translate import translate_stack
    from migrator.sources.rancher.translate.load_balancer_routes import survey_stacks
    from migrator.sources.rancher.translate.model import Blocked, KeyFate, Renamed, TranslatedObject, Translation

_MODULES = {
    "answers": ("read_answers",),
    "find": ("StackFolder", "find_stacks"),
    "stack": ("Stack", "StackService", "read_stack"),
    "translate": ("translate_stack",),
    "translate.load_balancer_routes": ("survey_stacks",),
    "translate.model": ("Blocked", "KeyFate", "Renamed", "TranslatedObject", "Translation"),
    "policy": ("RancherPolicy",),
}

__all__ = [
    "Blocked",
    "KeyFate",
    "RancherPolicy",
    "Renamed",
    "Stack",
    "StackFolder",
    "StackService",
    "TranslatedObject",
    "Translation",
    "find_stacks",
    "read_answers",
    "read_stack",
    "survey_stacks",
    "translate_stack",
]


def __getattr__(name: str) -> Any:
    for module, names in _MODULES.items():
        if name in names:
            return getattr(importlib.import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
