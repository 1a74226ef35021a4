"""Rancher v1.6 stacks as a source: translated to the manifests that a person would have written, then read as such.

A compose file that stands among Kubernetes manifests without a rancher-compose.yml is somebody's way to run things
at home, not a stack to migrate: it is said and left alone, unless its folder is given as the source.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from migrator.errors import InputError
from migrator.model.field import format_path
from migrator.model.inventory import BalancedPort, Finding, KeyFate, Unread
from migrator.model.record import record
from migrator.model.reference import Location, is_stream
from migrator.sources.files import display_path

if TYPE_CHECKING:
    from migrator.sources.rancher import RancherPolicy, Renamed, Stack, StackFolder, Translation
    from migrator.sources.rancher.answers import Question

_COMPOSE_NAME = re.compile(r"(?:docker|rancher)-compose\.ya?ml(?:\.tpl)?\Z")


@record
class StackOptions:
    """How stacks are read: answers to their questions, a name instead of the folder's, and the policy for them.

    `ask` answers a required question that nothing else answers; without it the stack is refused.
    """

    policy: RancherPolicy | None = None
    answers: Mapping[str, str] = field(default_factory=dict)
    name: str | None = None
    ask: Callable[[Question], str] | None = None


@dataclass(slots=True)
class StacksRead:
    """What stacks became: manifests by path, the files they were read from, and the fate of every key.

    `makers` names the stack that makes an object, by namespace, kind and name.
    """

    manifests: dict[str, bytes] = field(default_factory=dict)
    inputs: dict[str, bytes] = field(default_factory=dict)
    keys: list[KeyFate] = field(default_factory=list)
    makers: dict[tuple[str, str, str], str] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    balanced: list[BalancedPort] = field(default_factory=list)
    unread: list[Unread] = field(default_factory=list)
    errors: list[InputError] = field(default_factory=list)


def make_rancher_policy(form: Mapping[str, Any], load_balancer: bool) -> RancherPolicy | None:
    """Make the policy for stacks from the policy's `rancher`; None for the built-in one."""
    if not form and not load_balancer:
        return None
    from migrator.sources.rancher import RancherPolicy

    names = {
        "namespace": "namespace",
        "storageClasses": "storage_classes",
        "storageSize": "storage_size",
        "ingressClass": "ingress_class",
        "clusterDomain": "cluster_domain",
        "hostLabels": "host_labels",
        "secretValues": "secret_values",
    }
    given = {names[key]: value for key, value in form.items() if value is not None}
    return RancherPolicy(**given, load_balancer=load_balancer)


def is_compose_file(path: str) -> bool:
    """Tell by its name whether a file belongs to a stack."""
    return _COMPOSE_NAME.match(path.rpartition("/")[2]) is not None


def read_stacks(sources: Sequence[str], options: StackOptions, among_manifests: bool) -> StacksRead:
    """Translate the stacks at or below the sources.

    `among_manifests` tells whether the sources hold Kubernetes manifests too. A stack that cannot be read or has no
    place on Kubernetes stands in `errors`; the others are translated.
    """
    result = StacksRead()
    folders = list(_find_folders(sources, among_manifests, result))
    if not folders:
        return result
    from migrator.sources.rancher import RancherPolicy, survey_stacks, translate_stack

    policy = options.policy or RancherPolicy()
    stacks = list(_read_folders(folders, options, result))
    run = survey_stacks((stack for _, stack in stacks), policy)
    for folder, stack in stacks:
        try:
            _add_translation(folder, stack.name, translate_stack(stack, policy, run), result)
        except InputError as error:
            result.errors.append(error)
    return result


def _read_folders(
    folders: Sequence[StackFolder], options: StackOptions, result: StacksRead
) -> Iterator[tuple[StackFolder, Stack]]:
    for folder, name in zip(folders, _choose_names(folders, options.name), strict=True):
        paths = [folder.docker_compose, *([folder.rancher_compose] if folder.rancher_compose else [])]
        try:
            result.inputs.update((display_path(str(path)), path.read_bytes()) for path in paths)
            yield folder, _read_stack(folder, name, options)
        except InputError as error:
            result.errors.append(error)
        except OSError as error:
            problem = f"cannot be read: {(error.strerror or str(error)).lower()}"
            result.errors.append(InputError(str(error.filename or folder.path), problem))


def _read_stack(folder: StackFolder, name: str, options: StackOptions) -> Stack:
    from migrator.sources.rancher import read_stack
    from migrator.sources.rancher.answers import MissingAnswersError

    try:
        return read_stack(folder, options.answers, name)
    except MissingAnswersError as missing:
        if options.ask is None:
            raise
        asked = {question.variable: options.ask(question) for question in missing.questions}
        return read_stack(folder, {**options.answers, **asked}, name)


def _find_folders(sources: Sequence[str], among_manifests: bool, result: StacksRead) -> Iterable[StackFolder]:
    from migrator.sources.rancher.find import find_stacks

    for source in sources:
        if is_stream(source):
            continue
        root = Path(display_path(source))
        for folder in find_stacks(root):
            sure = folder.rancher_compose is not None or folder.docker_compose.suffix == ".tpl"
            if sure or not among_manifests or folder.path == (root if root.is_dir() else root.parent):
                yield folder
            else:
                reason = "a compose file among manifests; give its folder as SOURCE to convert it as a stack"
                result.unread.append(Unread(display_path(str(folder.docker_compose)), None, reason))


def _choose_names(folders: Sequence[StackFolder], name: str | None) -> list[str]:
    """Name each stack after its folder; versions of one catalog template are told apart by their number."""
    if name is not None:
        if len(folders) > 1:
            raise InputError("--stack", f"names one stack, and there are {len(folders)}", hint="give one folder")
        return [name]
    given = [folder.name for folder in folders]
    return [
        f"{folder.name}-{folder.version}" if folder.version and given.count(folder.name) > 1 else folder.name
        for folder in folders
    ]


def _add_translation(folder: StackFolder, name: str, translation: Translation, result: StacksRead) -> None:
    path = display_path(str(folder.docker_compose))
    result.keys.extend(
        KeyFate(display_path(key.file), key.line, format_path(key.path), key.fate, key.message, key.inherited)
        for key in translation.keys
    )
    if translation.refused is not None:
        hint = "leave it out; --keep-going converts the other stacks"
        result.errors.append(InputError(path, f"stack {name} is refused: {translation.refused}", hint=hint))
        return
    made = [_name_object(item.data) for item in translation.objects if item.data["kind"] != "Namespace"]
    taken = [key for key in made if key in result.makers]
    if taken:
        namespace, kind, named = taken[0]
        what = f"{kind} {named} in namespace {namespace}" if namespace else f"{kind} {named}"
        problem = f"stack {name} would make {what}, as stack {result.makers[taken[0]]} does"
        hint = "give each stack a namespace of its own: leave rancher.namespace out"
        if name == result.makers[taken[0]]:
            hint = "two stacks of one name: convert one of them in a run of its own, with --stack NAME"
        result.errors.append(InputError(path, problem, hint=hint))
        return
    result.makers.update(dict.fromkeys(made, name))
    texts: dict[str, list[str]] = {}
    for item in translation.objects:
        texts.setdefault(item.file_name, []).append(item.text if item.text.endswith("\n") else f"{item.text}\n")
    result.balanced.extend(
        replace(port, location=replace(port.location, path=display_path(port.location.path)))
        for port in translation.published
    )
    result.manifests.update((file, "---\n".join(parts).encode()) for file, parts in texts.items())
    for blocked in translation.blocked:
        location = Location(display_path(blocked.file), 0, None, blocked.line)
        message = f"service {blocked.service} of stack {name} is left out: {blocked.reason}"
        result.findings.append(Finding("rancher", "error", message, None, location))
    for renamed in translation.renamed:
        severity, answers = _judge_name(renamed)
        location = Location(display_path(renamed.file), 0, None, renamed.line)
        message = f"{renamed.kind} {renamed.old} is {renamed.new} now: {answers}"
        result.findings.append(Finding("rancher", severity, message, None, location))


def _judge_name(renamed: Renamed) -> tuple[Literal["info", "warning"], str]:
    if renamed.kind in ("PersistentVolumeClaim", "Secret"):
        return "info", "the pods here use the new name; give it to what makes or fills it"
    if renamed.still_resolves:
        return "info", "the old name still resolves"
    return "warning", "clients must use the new name"


def _name_object(data: Mapping[str, Any]) -> tuple[str, str, str]:
    metadata = data["metadata"]
    return metadata.get("namespace", ""), data["kind"], metadata["name"]
