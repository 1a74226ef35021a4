"""Write into a workload's template what a PodSecurityPolicy wrote into its pods."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, Final

from migrator.model.edit import APPEND, FieldEdit, make_edit
from migrator.model.field import FieldPath
from migrator.model.plan import Change, Reason
from migrator.model.workload import Workload
from migrator.psp.admit import Mutation
from migrator.psp.fields.seccomp import convert_annotation
from migrator.psp.pod import (
    APPARMOR_CONTAINER_PREFIX,
    SECCOMP_CONTAINER_PREFIX,
    SECCOMP_POD,
    get_annotations,
    get_security_context,
    visit_containers,
)
from migrator.publishing.proposal import find_effect, strategy_sources, strategy_text
from migrator.rules.pod_security_policy import ID
from migrator.sources.tables import load_table
from migrator.yaml.write import write_flow

STRATEGY: Final = "pod_security_policy"
# The first versions that know the fields which took the place of annotations.
_FIELDS_SINCE: Final = {"seccompProfile": (1, 19), "appArmorProfile": (1, 30)}
# The first version that no longer reads seccomp's annotations (pkg/registry/core/pod/strategy.go before and after).
_SECCOMP_FIELDS_ALONE_SINCE: Final = (1, 27)


def write_out(workload: Workload, mutations: Iterable[Mutation], version: tuple[int, int]) -> Iterator[Change]:
    """Propose the values of mutations for a workload's template; `version` is the cluster's as (major, minor).

    What the template says already in another spelling is left as it is.
    """
    pod = workload.pod.unpack()
    for mutation in mutations:
        for field, value in _spell(pod, mutation, version):
            yield _propose(workload, make_edit(pod, field, value), mutation.psp, "PodSecurityPolicy", mutation.psp)


def convert_annotations(workload: Workload, psp: str, version: tuple[int, int]) -> Iterator[Change]:
    """Propose the fields that the author's seccomp annotations stood for, where the target no longer reads these.

    The policy `psp` looked at the annotations, and older API servers wrote the fields themselves.
    """
    if version < _SECCOMP_FIELDS_ALONE_SINCE:
        return
    pod = workload.pod.unpack()
    annotations = get_annotations(pod)
    holders: list[tuple[str, FieldPath, Any]] = [(SECCOMP_POD, ("spec",), pod["spec"])]
    holders += (
        (f"{SECCOMP_CONTAINER_PREFIX}{item.get('name')}", path, item)
        for path, item in visit_containers(pod)
        if "ephemeralContainers" not in path
    )
    for annotation, path, holder in holders:
        value = convert_annotation(str(annotations.get(annotation, "")))
        if value is not None and get_security_context(holder).get("seccompProfile") is None:
            edit = make_edit(pod, (*path, "securityContext", "seccompProfile"), value)
            yield _propose(workload, edit, psp, "the annotation", annotation)


def _spell(pod: Any, mutation: Mutation, version: tuple[int, int]) -> Iterator[tuple[FieldPath, Any]]:
    """Give what a mutation adds as a template says it, as (field of the pod, value)."""
    field = mutation.field
    if "ephemeralContainers" in field:
        return  # They come and go with their pod.
    if field[0] == "metadata":
        yield from _spell_profile(pod, str(field[-1]), mutation.value, version)
    elif field[-1] == "capabilities":
        yield from _spell_capabilities(pod, field, mutation.value)
    else:
        yield field, mutation.value


def _spell_profile(
    pod: Any, annotation: str, profile: str, version: tuple[int, int]
) -> Iterator[tuple[FieldPath, Any]]:
    """Give a profile as the field of the pod or container that its annotation is about."""
    places: list[tuple[FieldPath, Any]] = [(("spec",), pod["spec"])]
    key = "seccompProfile"
    if annotation != SECCOMP_POD:
        key, name = "appArmorProfile", annotation.removeprefix(APPARMOR_CONTAINER_PREFIX)
        places += [(path, item) for path, item in visit_containers(pod) if item.get("name") == name]
    # The names of profiles are the same for both; that of Docker occurs for seccomp alone.
    value = convert_annotation(profile)
    # A field beside an empty annotation that the author left would contradict it, and the API refuses that.
    annotated = key == "appArmorProfile" and annotation in get_annotations(pod)
    if value is None or annotated or version < _FIELDS_SINCE[key]:
        yield ("metadata", "annotations", annotation), profile
    elif all(get_security_context(holder).get(key) is None for _, holder in places):
        yield (*places[-1][0], "securityContext", key), value


def _spell_capabilities(pod: Any, field: FieldPath, value: Any) -> Iterator[tuple[FieldPath, Any]]:
    """Give the names that join a container's lists, which a mutation carries whole."""
    _, containers, index, *_ = field
    own = get_security_context(pod["spec"][containers][index]).get("capabilities") or {}
    for key, names in value.items():
        known = own.get(key) or ()
        joining = [name for name in names if name not in known]
        if known:
            yield from (((*field, key, APPEND), name) for name in joining)
        elif joining:
            yield (*field, key), joining


def _propose(workload: Workload, edit: FieldEdit, psp: str, origin: str, origin_name: str) -> Change:
    table = load_table(f"strategies/{STRATEGY}.yaml")
    *above, last = edit.path
    name = str(above[-1] if last == APPEND else last)
    what = f"{name}: {write_flow(edit.value)} of {origin} {origin_name} is written out"
    # The name in JSON has no line breaks: the comment cannot end before it does.
    comment = f"from {origin} {json.dumps(origin_name)}"
    return Change(
        rule=ID,
        decision=psp,
        strategy=STRATEGY,
        phase="contract",
        action="update",
        resource=workload.ref,
        location=workload.location,
        workload=workload.ref,
        reason=Reason(
            message=f"{what}: {table['because']}",
            way_back=strategy_text(STRATEGY, "wayBack"),
            caveats=(table["caveats"][name],) if name in table["caveats"] else (),
            sources=strategy_sources(STRATEGY),
            what=what,
        ),
        effect=find_effect(workload),
        edit=FieldEdit(edit.op, (*workload.kind.template, *edit.path), edit.value, edit.before, comment),
    )
