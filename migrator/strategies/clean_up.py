"""Delete PodSecurityPolicies and what of RBAC is about nothing else, once their admission plugin is off."""

from __future__ import annotations

import dataclasses
import posixpath
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from typing import Any

from migrator.model.edit import FieldEdit
from migrator.model.field import FieldPath
from migrator.model.inventory import Finding
from migrator.model.objects import Kustomization, Role, RoleBinding
from migrator.model.plan import Change, Reason
from migrator.model.record import record
from migrator.model.reference import Location, ResourceRef
from migrator.model.world import World
from migrator.publishing.proposal import strategy_sources, strategy_text
from migrator.rules.host_port import IGNORE_PREFIX
from migrator.rules.pod_security_policy import ID
from migrator.rules.pod_security_policy_access import (
    PolicyRules,
    RoleKey,
    find_empty_roles,
    find_policy_rules,
    name_role,
)

MayChange = Callable[[ResourceRef, Location], bool]

_IGNORE = f"{IGNORE_PREFIX}{ID}"
_NAMED = 5


@record
class CleanUp:
    """What is proposed for phase cleanup, and what a person must know about it.

    `warnings` are to be known long before, `findings` once the phase's turn has come.
    """

    changes: tuple[Change, ...]
    findings: tuple[Finding, ...]
    warnings: tuple[Finding, ...]


def propose_clean_up(world: World, may_change: MayChange) -> CleanUp:
    """Propose to delete PodSecurityPolicies, their rules in roles, empty roles with their bindings, empty files.

    `may_change` says which objects may be deleted or edited. A file in which nothing would be left stays as it is
    where a kustomization lists it that may not be changed.
    """
    proposed = _propose(world, may_change)
    listed = _find_listed(world, _find_empty_files(world, proposed.changes))
    if not listed:
        return proposed
    proposed = _propose(world, lambda ref, location: location.path not in listed and may_change(ref, location))
    stay = [
        Finding(
            ID,
            "error",
            f"stays: {lister.location.path} lists it, and may not be changed",
            None,
            Location(path, 0, None, 1),
        )
        for path, lister in sorted(listed.items())
    ]
    return dataclasses.replace(proposed, findings=(*stay, *proposed.findings))


def _find_listed(world: World, gone: Set[str]) -> dict[str, Kustomization]:
    """Find the files that go although a kustomization lists them, or their folders, which may not be changed."""
    emptied = {item.folder for item in _find_emptied(world.inventory.kustomizations, gone)}
    listed: dict[str, Kustomization] = {}
    for item in world.inventory.kustomizations:
        if item.location.path in world.excluded and any(path in gone | emptied for _, path in item.entries):
            listed |= {path: item for path in world.files_under(item) if path in gone}
    return listed


def _propose(world: World, may_change: MayChange) -> CleanUp:
    inventory = world.inventory
    owned = [
        (item.ref, item.location, item.data.unpack()["metadata"] or {}) for item in inventory.pod_security_policies
    ]
    found = [(role, role.data.unpack()) for role in inventory.roles]
    ignored = {
        location: Finding(
            ID, "info", f"{ref.kind}/{ref.name} is left as it is, says its annotation: {reason}", ref, location
        )
        for ref, location, metadata in (*owned, *((role.ref, role.location, data) for role, data in found))
        if (reason := (metadata.get("annotations") or {}).get(_IGNORE))
    }

    def goes(ref: ResourceRef, location: Location) -> bool:
        return location not in ignored and may_change(ref, location)

    cut = [(role, data, find_policy_rules(data["rules"])) for role, data in found if goes(role.ref, role.location)]
    rules: dict[RoleKey, list[PolicyRules]] = defaultdict(list)
    for role, _, own in cut:
        rules[name_role(role)].append(own)
    bindings: dict[RoleKey, list[RoleBinding]] = defaultdict(list)
    for binding in inventory.role_bindings:
        namespace = None if binding.role_kind == "ClusterRole" else binding.ref.namespace
        bindings[binding.role_kind, namespace, binding.role_name].append(binding)
    empty = find_empty_roles(inventory.roles, rules)
    changes = [_delete(ref, location, _BECAUSE_OFF) for ref, location, _ in owned if goes(ref, location)]
    touched = [(ref, location, metadata) for ref, location, metadata in owned if goes(ref, location)]
    for role, data, own in cut:
        if name_role(role) in empty:
            changes.append(_delete(role.ref, role.location, _say_why_empty(data)))
            changes.extend(_delete_bindings(role, bindings[name_role(role)], may_change))
        else:
            changes.extend(_cut_rules(role, own))
        if name_role(role) in empty or own.removed:
            touched.append((role.ref, role.location, data))
    listing = list(_clean_kustomizations(world, changes))
    findings = [
        *ignored.values(),
        *(_find_wildcards([role for role, _, own in cut if own.wildcard]) if changes else ()),
        *_find_patches(world, changes),
    ]
    return CleanUp((*changes, *listing), tuple(findings), tuple(_find_releases(touched)))


_BECAUSE_OFF = "the admission plugin is off: nothing reads a PodSecurityPolicy any more"


def _say_why_empty(data: Mapping[str, Any]) -> str:
    if data["aggregationRule"]:
        return "every ClusterRole of the sources that it gathers is deleted too"
    return "its rules are about PodSecurityPolicies and nothing else"


def _delete_bindings(role: Role, bindings: Iterable[RoleBinding], may_change: MayChange) -> Iterator[Change]:
    for binding in bindings:
        if may_change(binding.ref, binding.location):
            message = f"{role.ref.kind} {role.ref.name}, which it gives, is deleted"
            yield dataclasses.replace(_delete(binding.ref, binding.location, message), workload=role.ref)


def _cut_rules(role: Role, rules: PolicyRules) -> Iterator[Change]:
    for path, current in rules.removed:
        if len(path) > 2:
            message = "the rule keeps the other resources that it names"
        else:
            message = f"{'the rule is' if len(path) == 2 else 'they are'} about PodSecurityPolicies and nothing else"
        yield _edit(role.ref, role.location, path, current, message)


def _delete(ref: ResourceRef, location: Location, message: str) -> Change:
    return Change(
        rule=ID,
        decision=ID,
        strategy="clean_up",
        phase="cleanup",
        action="delete",
        resource=ref,
        location=location,
        workload=ref,
        reason=Reason(message, way_back=strategy_text("clean_up", "wayBack"), sources=strategy_sources("clean_up")),
    )


def _edit(ref: ResourceRef, location: Location, path: FieldPath, current: Any, message: str) -> Change:
    edit = FieldEdit("remove", path)
    return dataclasses.replace(_delete(ref, location, message), action="update", edit=edit, current=current)


def _clean_kustomizations(world: World, changes: Sequence[Change]) -> Iterator[Change]:
    """Take the files of which nothing is left out of the kustomizations that list them.

    A kustomization that makes nothing else is deleted as well, and taken out of those that list its folder.
    """
    gone = _find_empty_files(world, changes)
    emptied = _find_emptied(world.inventory.kustomizations, gone)
    gone |= {item.folder for item in emptied}
    for item in world.inventory.kustomizations:
        ref = ResourceRef(item.api_version, item.kind, None, item.location.path)
        if item in emptied:
            yield _delete(ref, item.location, "nothing is left of what it lists")
        else:
            yield from _unlist(item, ref, [(path, field) for field, path in item.entries if path in gone])


def _find_emptied(kustomizations: Sequence[Kustomization], gone: Set[str]) -> list[Kustomization]:
    """Find the kustomizations that list nothing but what is gone, or but each other, and make nothing themselves."""
    emptied: list[Kustomization] = []
    while True:
        paths = gone | {item.folder for item in emptied}
        more = [item for item in kustomizations if item not in emptied and _is_emptied(item, paths)]
        if not more:
            return emptied
        emptied += more


def _find_empty_files(world: World, changes: Sequence[Change]) -> set[str]:
    objects = Counter(change.location.path for change in changes if change.action == "delete")
    documents: dict[str, set[int]] = defaultdict(set)
    for change in changes:
        if change.action == "delete":
            documents[change.location.path].add(change.location.document)
    return {
        file.path
        for file in world.inventory.files
        if objects[file.path] and (objects[file.path], len(documents[file.path])) == (file.objects, file.documents)
    }


def _is_emptied(kustomization: Kustomization, gone: Set[str]) -> bool:
    hits = sum(path in gone for _, path in kustomization.entries)
    alone = hits == sum(kustomization.lengths.values()) and not kustomization.generates
    return hits > 0 and alone and kustomization.kind != "Component"


def _unlist(item: Kustomization, ref: ResourceRef, hits: Sequence[tuple[str, FieldPath]]) -> Iterator[Change]:
    for key, length in item.lengths.items():
        own = [(field, path) for path, field in hits if field[0] == key]
        entries = [posixpath.relpath(path, item.folder) for _, path in own]
        message = "nothing is left of what it lists there"
        if own and len(own) == length:
            yield _edit(ref, item.location, (key,), entries, message)
        else:
            for (field, _), entry in zip(own, entries, strict=True):
                yield _edit(ref, item.location, field, entry, f"nothing is left of {entry}")


def _find_wildcards(roles: Sequence[Role]) -> Iterator[Finding]:
    if roles:
        names = sorted({f"{role.ref.kind}/{role.ref.name}" for role in roles})
        message = (
            f"rules that name every resource (`*`) let their holders use PodSecurityPolicies too, and stay: "
            f"{_join_names(names)}"
        )
        yield Finding(ID, "info", message, roles[0].ref, roles[0].location)


def _find_releases(owned: Iterable[tuple[ResourceRef, Location, Mapping[str, Any]]]) -> Iterator[Finding]:
    """Find the Helm releases that hold what is deleted or edited: they have to be upgraded without it."""
    releases: dict[str, list[tuple[ResourceRef, Location]]] = {}
    for ref, location, metadata in owned:
        name = _name_release(metadata)
        if name is not None:
            releases.setdefault(name, []).append((ref, location))
    for name, objects in sorted(releases.items()):
        held = _join_names([f"{ref.kind}/{ref.name}" for ref, _ in objects])
        if any(ref.kind == "PodSecurityPolicy" for ref, _ in objects):
            why = (
                "upgrade it without the PodSecurityPolicy before the cluster becomes 1.25: from then on every helm "
                "upgrade of it fails, since the release still names a kind that is gone"
            )
        else:
            why = "upgrade it without those rules, or its next upgrade brings them back"
        yield Finding(ID, "warning", f"{name} holds {held}: {why}", *objects[0])


def _name_release(metadata: Mapping[str, Any]) -> str | None:
    """Name the Helm release that an object says it belongs to, as far as its labels and annotations tell.

    https://helm.sh/docs/chart_best_practices/labels/#standard-labels
    """
    labels, annotations = metadata.get("labels") or {}, metadata.get("annotations") or {}
    namespace = annotations.get("meta.helm.sh/release-namespace")
    chart = labels.get("helm.sh/chart") or labels.get("chart")
    release = annotations.get("meta.helm.sh/release-name")
    if release is None and (chart or "Helm" in (labels.get("app.kubernetes.io/managed-by"), labels.get("heritage"))):
        release = labels.get("app.kubernetes.io/instance") or labels.get("release")
    if release is None:
        return f"a Helm release of chart {chart}" if chart else None
    details = ", ".join(f"{what} {name}" for what, name in (("chart", chart), ("namespace", namespace)) if name)
    return f"Helm release {release} ({details})" if details else f"Helm release {release}"


def _find_patches(world: World, changes: Sequence[Change]) -> Iterator[Finding]:
    """Find kustomize patches of objects that are deleted: kustomize refuses a patch without its object."""
    deleted: dict[str, list[ResourceRef]] = defaultdict(list)
    for change in changes:
        if change.action == "delete":
            deleted[change.location.path].append(change.resource)
    for kustomization in world.inventory.kustomizations:
        reached = world.files_under(kustomization) if kustomization.patches and deleted else frozenset()
        refs = {(ref.kind, ref.name) for path in sorted(reached) for ref in deleted.get(path, ())}
        for patch in kustomization.patches:
            if (patch.target_kind, patch.target_name) in refs:
                message = (
                    f"the patch {patch.path or 'written here'} is for {patch.target_kind}/{patch.target_name}, "
                    "which is deleted: take the patch out by hand"
                )
                location = kustomization.location.at(patch.line)
                yield Finding(ID, "error", message, None, location)


def _join_names(names: Sequence[str]) -> str:
    return ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")
