"""Reading all sources into one Inventory: the first stage of every command."""

from __future__ import annotations

import dataclasses
import posixpath
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from migrator.errors import InputError, TextError
from migrator.model.inventory import BalancedPort, Finding, Inventory, KeyFate, SourceFile, Unread
from migrator.model.objects import ClusterInventory, Kustomization
from migrator.model.ownership import Owners
from migrator.model.record import record
from migrator.model.reference import STDIN, ResourceRef, is_stream
from migrator.model.workload import Workload, WorkloadKind
from migrator.podsecurity.version import PolicyVersion
from migrator.sources.files import (
    FoundFile,
    FoundFiles,
    find_chart,
    find_files,
    hash_content,
    read_bytes,
)
from migrator.sources.kustomize import FILE_NAMES, find_roots, read_kustomization
from migrator.sources.manifests import HELM_HINT, ManifestRead, ReadSettings, join_reads, read_manifests
from migrator.sources.ranges import FileRead, read_file, read_files
from migrator.sources.rbac import CLUSTER_KINDS
from migrator.sources.stacks import StackOptions, is_compose_file, read_stacks
from migrator.yaml.scan import column_of, decode, line_of

PARALLEL_FROM = 3_000_000
"""Bytes from which on a second process pays: starting it costs what reading a quarter of this does."""

T = TypeVar("T")


@record
class ReadOptions:
    """How to read: kinds that make pods, files not to change, the namespace of objects that name none.

    `pod_security` is the version of the Pod Security Standards that pods are judged by.
    """

    kinds: tuple[WorkloadKind, ...]
    pod_security: PolicyVersion | None = None
    exclude: tuple[str, ...] = ()
    default_namespace: str | None = None
    jobs: int = 1
    stacks: StackOptions = field(default_factory=lambda: StackOptions())


@dataclass(slots=True)
class _Gathered:
    """What was read, file by file, before it is put in order."""

    files: list[SourceFile] = field(default_factory=list)
    reads: list[ManifestRead] = field(default_factory=list)
    unread: list[Unread] = field(default_factory=list)
    errors: list[InputError] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    keys: list[KeyFate] = field(default_factory=list)
    balanced: list[BalancedPort] = field(default_factory=list)
    refused_stacks: list[InputError] = field(default_factory=list)


def read_sources(
    sources: Sequence[str], options: ReadOptions, contents: Mapping[str, bytes] | None = None
) -> Inventory:
    """Read files, directories and streams; `contents` are the bytes of live clusters, and of what is known already.

    What is wrong with single files stands in the inventory's `errors`; raises InputError where a source itself
    cannot be read.
    """
    found = find_files(sources, options.exclude)
    settings = ReadSettings({(kind.api_group, kind.kind): kind for kind in options.kinds}, options.pod_security)
    gathered = _Gathered(unread=list(found.unread))
    kustomizations, kustomization_errors = _read_kustomizations(found.files)
    gathered.errors.extend(kustomization_errors)
    _gather_manifests(found, kustomizations, settings, options, gathered, dict(contents or {}))
    _gather_stacks(sources, settings, options, gathered)
    return _assemble(sources, gathered, kustomizations, options)


def _gather_manifests(
    found: FoundFiles,
    kustomizations: Sequence[Kustomization],
    settings: ReadSettings,
    options: ReadOptions,
    gathered: _Gathered,
    contents: dict[str, bytes],
) -> None:
    if STDIN not in contents and any(file.path == STDIN for file in found.files):
        contents[STDIN] = read_bytes(STDIN)
    patches = {path: item for item in kustomizations for path in item.patch_files}
    by_path = {file.path: file for file in found.files}
    to_read = []
    for file in found.files:
        reason = _say_why_skipped(file, found, patches)
        if reason is not None:
            gathered.unread.append(Unread(file.path, None, reason))
        elif not is_compose_file(file.path):
            to_read.append(file)
    results = _read_files(to_read, settings, options, contents)
    results += [_hash_file(file) for file in found.files if posixpath.basename(file.path) in FILE_NAMES]
    for result in results:
        file = by_path[result.path]
        gathered.files.append(
            SourceFile(
                file.path,
                file.root,
                result.sha256,
                result.size,
                result.read.documents,
                file.excluded,
                contents.get(result.path),
                objects=result.read.count_objects(),
                live=bool(result.read.clusters),
            )
        )
        gathered.reads.append(result.read)
        for error in result.read.errors:
            if file.excluded:
                reason = f"excluded, and not readable: {error.problem}"
                gathered.unread.append(Unread(error.path, None, reason))
            else:
                gathered.errors.append(error)


def _gather_stacks(sources: Sequence[str], settings: ReadSettings, options: ReadOptions, gathered: _Gathered) -> None:
    """Translate Rancher v1.6 stacks, and read the manifests that they become like any others."""
    among_manifests = any(read.workloads or read.services for read in gathered.reads)
    stacks = read_stacks(sources, options.stacks, among_manifests)
    for path, content in sorted(stacks.inputs.items()):
        gathered.files.append(SourceFile(path, path, hash_content(content), len(content), 0))
    for path, content in sorted(stacks.manifests.items()):
        read = read_manifests(path, content, settings)
        gathered.reads.append(read)
        gathered.errors.extend(read.errors)
        sha256 = hash_content(content)
        gathered.files.append(
            SourceFile(path, path, sha256, len(content), read.documents, content=content, translated=True)
        )
    gathered.unread.extend(stacks.unread)
    gathered.errors.extend(stacks.errors)
    gathered.refused_stacks.extend(stacks.errors)
    gathered.findings.extend(stacks.findings)
    gathered.keys.extend(stacks.keys)
    gathered.balanced.extend(stacks.balanced)


def _hash_file(file: FoundFile) -> FileRead:
    """Hash a kustomization; one that cannot be read is an error already."""
    try:
        content = read_bytes(file.path)
    except InputError:
        return FileRead(file.path, "", 0, ManifestRead())
    return FileRead(file.path, hash_content(content), len(content), ManifestRead(documents=1))


def _read_kustomizations(files: Iterable[FoundFile]) -> tuple[tuple[Kustomization, ...], list[InputError]]:
    kustomizations: list[Kustomization] = []
    errors: list[InputError] = []
    by_path = {file.path for file in files}

    def load_text(path: str) -> str | None:
        try:
            return decode(read_bytes(path)) if path in by_path else None
        except (InputError, TextError):
            return None

    for file in files:
        if posixpath.basename(file.path) not in FILE_NAMES:
            continue
        text = ""
        try:
            text = decode(read_bytes(file.path))
            kustomization = read_kustomization(file.path, text, load_text)
        except InputError as error:
            if not file.excluded:
                errors.append(error)
            continue
        except TextError as error:
            if not file.excluded:
                line, column = line_of(text, error.index), column_of(text, error.index)
                hint = "correct the kustomization, or leave its folder out"
                errors.append(InputError(file.path, error.problem, line=line, column=column, hint=hint))
            continue
        if kustomization is not None:
            kustomizations.append(kustomization)
    return tuple(kustomizations), errors


def _say_why_skipped(file: FoundFile, found: FoundFiles, patches: Mapping[str, Kustomization]) -> str | None:
    """Say why a file holds no whole manifests; None where it may."""
    name = posixpath.basename(file.path)
    if name in FILE_NAMES:
        return "a kustomization: read for what it lists, not a manifest itself"
    if file.path in patches:
        return f"a kustomize patch of {patches[file.path].location.path}: only part of an object"
    chart = find_chart(file.path, found.charts) if found.charts else None
    if chart is None:
        return None
    inside = posixpath.relpath(file.path, chart)
    if inside.startswith("templates/"):
        return f"a Helm template, not a manifest; {HELM_HINT}"
    if "/" not in inside and (name == "Chart.yaml" or name.startswith("values")):
        return f"Helm {'chart metadata' if name == 'Chart.yaml' else 'values'}, not a manifest"
    return None


def _read_files(
    files: Sequence[FoundFile], settings: ReadSettings, options: ReadOptions, contents: Mapping[str, bytes]
) -> list[FileRead]:
    streams = [read_file(file, settings, contents[file.path]) for file in files if is_stream(file.path)]
    rest = [file for file in files if not is_stream(file.path)]
    total = sum(file.size for file in rest)
    jobs = options.jobs if total >= PARALLEL_FROM else 1
    return sorted([*streams, *read_files(rest, settings, jobs)], key=lambda result: result.path)


def _assemble(
    sources: Sequence[str], gathered: _Gathered, kustomizations: tuple[Kustomization, ...], options: ReadOptions
) -> Inventory:
    everything = join_reads(gathered.reads)
    roots = find_roots(kustomizations)
    set_namespace = _namespace_setter(roots, options.default_namespace)
    live = frozenset(file.path for file in gathered.files if file.live)
    workloads, represented = _part_represented(sorted(map(set_namespace, everything.workloads), key=_order), live)
    services, twins = _part_represented(sorted(map(set_namespace, everything.services), key=_order), live)
    unread = [*gathered.unread, *everything.unread]
    for cluster in everything.clusters:
        unread += [Unread(cluster.location.path, None, reason) for reason in _say_unread(cluster)]
    return Inventory(
        sources=tuple(sources),
        files=tuple(sorted(_exclude_clusters(gathered.files), key=lambda file: file.path)),
        workloads=workloads,
        services=services,
        namespaces=tuple(sorted(everything.namespaces, key=_order)),
        network_policies=tuple(sorted(map(set_namespace, everything.network_policies), key=_order)),
        autoscalers=tuple(sorted(map(set_namespace, everything.autoscalers), key=_order)),
        pod_security_policies=tuple(sorted(everything.pod_security_policies, key=_order)),
        roles=tuple(sorted(map(set_namespace, everything.roles), key=_order)),
        role_bindings=tuple(sorted(map(set_namespace, everything.role_bindings), key=_order)),
        service_accounts=tuple(sorted(map(set_namespace, everything.service_accounts), key=_order)),
        priority_classes=tuple(sorted(everything.priority_classes, key=_order)),
        admission_objects=tuple(sorted(everything.admission_objects, key=_order)),
        nodes=tuple(sorted(everything.nodes, key=lambda node: node.name)),
        clusters=tuple(sorted(everything.clusters, key=_order)),
        represented_workloads=represented,
        represented_services=twins,
        kustomizations=kustomizations,
        overlays={path: tuple(root for root, _ in entries) for path, entries in roots.items()},
        others=dict(sorted(everything.others.items())),
        unread=tuple(sorted(unread, key=lambda item: (item.path, item.document or 0))),
        findings=(
            *gathered.findings,
            *_find_gaps(everything.clusters),
            *_find_twins(workloads),
            *_find_unknown_namespaces(workloads, roots),
        ),
        keys=tuple(gathered.keys),
        balanced=tuple(gathered.balanced),
        errors=tuple(sorted(gathered.errors, key=lambda error: (error.path, error.line or 0))),
        refused_stacks=tuple(gathered.refused_stacks),
    )


def _order(item: Any) -> tuple[Any, ...]:
    location = item.location
    ref: ResourceRef = item.ref
    return (ref.namespace or "", ref.name, ref.kind, location.path, location.document, location.item or 0)


def _namespace_setter(
    roots: Mapping[str, tuple[tuple[str, str | None], ...]], default: str | None
) -> Callable[[T], T]:
    """Make the function that gives an object its effective namespace.

    Its own, else the one that every kustomize build which reaches its file sets, else the default.
    """

    def set_namespace(item: T) -> T:
        ref: ResourceRef = item.ref  # type: ignore[attr-defined]
        if ref.namespace is not None or ref.kind in CLUSTER_KINDS:
            return item
        builds = {namespace for _, namespace in roots.get(item.location.path, ())}  # type: ignore[attr-defined]
        namespace = builds.pop() if len(builds) == 1 else None
        if namespace is None and not builds:
            namespace = default
        if namespace is None:
            return item
        return dataclasses.replace(item, ref=dataclasses.replace(ref, namespace=namespace))  # type: ignore[type-var]

    return set_namespace


def _exclude_clusters(files: Sequence[SourceFile]) -> Sequence[SourceFile]:
    """Exclude clusters from change where they are read beside manifests: then they tell what these cannot."""
    if all(file.live for file in files):
        return files
    return [dataclasses.replace(file, excluded=True) if file.live else file for file in files]


def _part_represented(items: Sequence[Any], live: frozenset[str]) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """Part what decides for itself from what a cluster holds of it: copies of manifests, pods of workloads."""
    if not live:
        return tuple(items), ()
    written = {item.ref for item in items if item.location.path not in live}
    owners = Owners([item for item in items if isinstance(item, Workload)])
    kept: list[Any] = []
    represented: list[Any] = []
    for item in items:
        is_made = isinstance(item, Workload) and bool(item.owners) and owners.owner_of(item) is not None
        stands_for_itself = item.location.path not in live or not (item.ref in written or is_made)
        (kept if stands_for_itself else represented).append(item)
    return tuple(kept), tuple(represented)


def _say_unread(cluster: ClusterInventory) -> Iterator[str]:
    for resource, reason, namespace in cluster.unread:
        limit = f"; only those of namespace {namespace} were read" if namespace else ""
        yield f"{resource} of the cluster: {reason}{limit}"


def _find_gaps(clusters: Iterable[ClusterInventory]) -> Iterator[Finding]:
    """Say what nobody may read in a cluster, since decisions are made without it."""
    for cluster in clusters:
        for reason in _say_unread(cluster):
            message = f"{reason}; what is planned knows nothing of them"
            yield Finding("source", "warning", message, None, cluster.location)


def _find_twins(workloads: Sequence[Workload]) -> list[Finding]:
    """Find objects that stand in two places."""
    findings = []
    first: dict[ResourceRef, Workload] = {}
    for workload in workloads:
        known = first.setdefault(workload.ref, workload)
        if known is not workload and workload.ref.name and not workload.ref.name.endswith("*"):
            message = f"{workload.ref} stands in two places: {known.location} and {workload.location}"
            findings.append(Finding("source", "warning", message, workload.ref, workload.location))
    return findings


def _find_unknown_namespaces(
    workloads: Sequence[Workload], roots: Mapping[str, tuple[tuple[str, str | None], ...]]
) -> list[Finding]:
    """Say of which workloads with host ports the namespace is unknown, and why."""
    findings = []
    for workload in workloads:
        if workload.ref.namespace is None and workload.host_ports:
            builds = [namespace for _, namespace in roots.get(workload.location.path, ())]
            known = sorted({namespace for namespace in builds if namespace})
            if len(known) > 1:
                why = f"several overlays put it into {', '.join(known)}"
            else:
                why = "neither it nor a kustomization names one; --default-namespace does"
            message = f"the namespace of {workload.ref.kind}/{workload.ref.name} is unknown: {why}"
            findings.append(Finding("source", "info", message, workload.ref, workload.location))
    return findings
