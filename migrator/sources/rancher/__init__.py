"""Rancher v1.6 (Cattle) stacks: found by file names, read as Cattle read them, translated to Kubernetes objects."""

from __future__ import annotations

from migrator.sources.rancher.answers import read_answers
from migrator.sources.rancher.find import StackFolder, find_stacks
from migrator.sources.rancher.stack import Stack, StackService, read_stack
from migrator.sources.rancher.translate import translate_stack
from migrator.sources.rancher.translate.model import Blocked, KeyFate, Renamed, TranslatedObject, Translation
from migrator.sources.rancher.translate.policy import RancherPolicy

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
    "translate_stack",
]
