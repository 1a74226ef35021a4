"""What translating yields: objects, the fate of every key, names that changed, what stays behind."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import field
from typing import Any, Literal

from migrator.model.field import FieldPath
from migrator.model.inventory import BalancedPort
from migrator.model.record import record
from migrator.sources.rancher.compose import KeyOrigin

Fate = Literal["translated", "reported", "ignored"]


@record
class KeyFate:
    """What became of a key: `message` names the Kubernetes field, or says what to do.

    `inherited` tells whether it only shares the fate of the key above it.
    """

    path: FieldPath
    file: str
    line: int
    fate: Fate
    message: str
    inherited: bool = False


@record
class TranslatedObject:
    """An object as written: `text` is one YAML document without markers, `data` what it says.

    `file_name` is relative to the folder that is written to; the origin is the service or key that it comes from.
    """

    text: str
    data: Mapping[str, Any]
    file_name: str
    origin_path: FieldPath
    origin_line: int


@record
class Renamed:
    """A name that Kubernetes does not take: `still_resolves` tells whether the old name answers in DNS."""

    kind: str
    old: str
    new: str
    file: str
    line: int
    still_resolves: bool


@record
class Blocked:
    """A service that is left out, and why."""

    service: str
    file: str
    line: int
    reason: str


@record
class Translation:
    """A stack's objects in a fixed order; `refused` says why there are none.

    `published` are the ports that load balancers published; those of containers are host ports in the objects.
    """

    objects: tuple[TranslatedObject, ...]
    keys: tuple[KeyFate, ...]
    renamed: tuple[Renamed, ...]
    blocked: tuple[Blocked, ...]
    refused: str | None
    published: tuple[BalancedPort, ...] = ()


@record
class Draft:
    """An object before it is written: the template's name, its values, and where it comes from.

    `file` is the name without ending of the file that it goes into, in the stack's folder or in the one named;
    `comments` stand above it.
    """

    template: str
    values: Mapping[str, Any]
    file: str
    origin: KeyOrigin
    comments: tuple[str, ...] = ()
    folder: str | None = None


@record
class Part:
    """What one topic adds for one service: fields of the container and of the pod, labels, fates, comments."""

    container: Mapping[str, Any] = field(default_factory=dict)
    pod: Mapping[str, Any] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    drafts: tuple[Draft, ...] = ()
    fates: tuple[KeyFate, ...] = ()
    comments: tuple[str, ...] = ()
    published: tuple[BalancedPort, ...] = ()


def mark(origin: KeyOrigin, fate: Fate, message: str) -> KeyFate:
    """Make the fate of the key at a place."""
    return KeyFate(origin.path, origin.file, origin.line, fate, message)


def report(origin: KeyOrigin, message: str, inherited: bool = False) -> KeyFate:
    """Make the fate of a key that a person must look at, or that shares such a key's fate."""
    return KeyFate(origin.path, origin.file, origin.line, "reported", message, inherited)


def join_fields(base: Mapping[str, Any], added: Mapping[str, Any]) -> dict[str, Any]:
    """Join fields of two parts: lists without repeats, mappings by key; of single values the first stays."""
    joined = dict(base)
    for key, value in added.items():
        known = joined.get(key)
        if known is None:
            joined[key] = value
        elif isinstance(known, list) and isinstance(value, list):
            joined[key] = known + [item for item in value if item not in known]
        elif isinstance(known, Mapping) and isinstance(value, Mapping):
            joined[key] = join_fields(known, value)
    return joined


def join_parts(parts: Iterable[Part]) -> Part:
    """Join the parts of one service's topics, in their order."""
    container: dict[str, Any] = {}
    pod: dict[str, Any] = {}
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    drafts: list[Draft] = []
    fates: list[KeyFate] = []
    comments: list[str] = []
    published: list[BalancedPort] = []
    for part in parts:
        container = join_fields(container, part.container)
        pod = join_fields(pod, part.pod)
        labels.update(part.labels)
        annotations.update(part.annotations)
        drafts.extend(part.drafts)
        fates.extend(part.fates)
        comments.extend(part.comments)
        published.extend(part.published)
    return Part(container, pod, labels, annotations, tuple(drafts), tuple(fates), tuple(comments), tuple(published))
