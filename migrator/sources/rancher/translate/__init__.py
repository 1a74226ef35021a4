"""Translating a stack into the faithful Kubernetes objects: published ports stay host ports.

Another stage decides what becomes of the host ports; here a stack only changes its language.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType

from migrator.sources.rancher.policy import RancherPolicy
from migrator.sources.rancher.stack import Stack, StackService
from migrator.sources.rancher.translate.accounting import account_keys, account_refusal, mark_unused
from migrator.sources.rancher.translate.load_balancer import draft_balancer
from migrator.sources.rancher.translate.load_balancer_routes import Balancer, extend_context, read_balancers
from migrator.sources.rancher.translate.model import (
    Draft,
    KeyFate,
    Part,
    Renamed,
    TranslatedObject,
    Translation,
    join_parts,
    mark,
    report,
)
from migrator.sources.rancher.translate.names import make_name
from migrator.sources.rancher.translate.secrets import draft_secrets
from migrator.sources.rancher.translate.services import (
    draft_alias_service,
    draft_external_service,
    draft_links,
    draft_old_names,
    draft_selector_service,
    draft_service,
    find_old_name,
    group_aliases,
    wants_own_service,
)
from migrator.sources.rancher.translate.survey import (
    PART_OF_LABEL,
    SIDEKICKS_LABEL,
    Context,
    find_refusal,
    split_sidekicks,
    survey_stack,
)
from migrator.sources.rancher.translate.volumes import draft_claims, find_shared
from migrator.sources.rancher.translate.workload import build_workload, place_member
from migrator.templates import render_template
from migrator.yaml.data import construct
from migrator.yaml.nodes import compose

_NAMESPACE = "rancher_namespace.yaml.j2"
_FILE_ORDER = ("namespace", "volumes", "secrets")


_ALONE: Mapping[str, Context] = MappingProxyType({})


def translate_stack(stack: Stack, policy: RancherPolicy, run: Mapping[str, Context] = _ALONE) -> Translation:
    """Translate a stack; `run` holds the stacks that are translated with it, as `survey_stacks` gives them.

    A stack that belongs to Rancher itself, or of which nothing is left, is refused with the reason and has no
    objects. Raises InputError with the place for what Rancher would have refused, in its words.
    """
    refused = find_refusal(stack)
    if refused:
        return Translation((), account_refusal(stack, refused), (), (), refused)
    known = run.get(stack.name)
    surveyed = known if known is not None and known.stack is stack else survey_stack(stack, policy)
    context = replace(surveyed, neighbours=run)
    balancers = read_balancers(context)
    context = group_aliases(extend_context(context, balancers))
    part = join_parts(_translate_parts(context, balancers))
    if not part.drafts or all(role == "blocked" for role in context.roles.values()):
        reason = _explain_nothing(context)
        return Translation((), account_refusal(stack, reason), (), context.blocked, reason)
    drafts = (_draft_namespace(context), *part.drafts)
    return Translation(
        objects=tuple(_write_object(context, draft) for draft in _order_drafts(context, drafts)),
        keys=account_keys(stack, context, part.fates),
        renamed=tuple(_find_renamed(context)),
        blocked=context.blocked,
        refused=None,
        published=part.published,
    )


def _explain_nothing(context: Context) -> str:
    if context.blocked:
        names = "; ".join(f"{blocked.service}: {blocked.reason}" for blocked in context.blocked)
        return f"Every service works only beside a Rancher server ({names})"
    return "The stack has no service that makes anything"


def _translate_parts(context: Context, balancers: tuple[Balancer, ...]) -> Iterator[Part]:
    shared = find_shared(context)
    claims: set[str] = set()
    for service in context.stack.services:
        role = context.roles[service.name]
        if role == "workload":
            workload = build_workload(context, service.name, shared)
            claims.update(workload.claims)
            yield workload.part
            if workload.kind != "Job":
                yield from _draft_services(context, service.name, workload.kind == "StatefulSet")
            yield Part(fates=(mark(service.origin, "translated", workload.kind),))
        elif role == "external":
            yield draft_external_service(context, service)
            yield _mark_rest(service, "hostname", "external_ips", "health_check")
        elif role == "alias":
            yield draft_alias_service(context, service)
            yield _mark_rest(service, "links", "external_links")
        elif role == "selector":
            yield draft_selector_service(context, service)
            yield _mark_rest(service)
    names = frozenset(context.names[name] for name, role in context.roles.items() if role != "blocked")
    for balancer in balancers:
        yield draft_balancer(context, balancer, names)
    yield draft_claims(context, frozenset(claims))
    yield draft_secrets(context)
    yield draft_old_names(context)
    yield draft_links(context, names)
    yield Part(fates=tuple(_mark_shared_sidekicks(context)))


def _draft_services(context: Context, primary: str, headless: bool) -> Iterator[Part]:
    yield draft_service(context, primary, headless)
    for member in context.pods[primary][1:]:
        placed = place_member(context, primary, member) == "container"
        if placed and context.primary(member) == primary and wants_own_service(context, member):
            yield draft_service(context, member, False)


def _mark_rest(service: StackService, *handled: str) -> Part:
    return Part(fates=mark_unused(service, (*handled, "labels")))


def _mark_shared_sidekicks(context: Context) -> Iterator[KeyFate]:
    for sidekick, owners in context.primaries.items():
        for owner in owners[1:]:
            message = f"{sidekick} is a sidekick of {' and '.join(owners)}: each pod gets a container of its own."
            yield report(context.service(owner).label_origin(SIDEKICKS_LABEL), message)
        nested = [name for name in split_sidekicks(context.service(sidekick)) if name in context.primaries]
        if nested:
            message = (
                f"{sidekick} is a sidekick itself, and Rancher knew none of a sidekick: {', '.join(nested)} is in the"
                f" pod of {' and '.join(owners)}, too."
            )
            yield report(context.service(sidekick).label_origin(SIDEKICKS_LABEL), message)


def _draft_namespace(context: Context) -> Draft:
    """Draft the stack's namespace; one that all stacks share belongs to none of them."""
    labels = {} if context.policy.namespace else {PART_OF_LABEL: context.instance}
    origin = context.stack.services[0].origin
    return Draft(_NAMESPACE, {"name": context.namespace, "labels": labels}, "namespace", origin)


def _order_drafts(context: Context, drafts: tuple[Draft, ...]) -> list[Draft]:
    """Order drafts by file: namespace, volumes and secrets first, services as the stack lists them, aliases last."""
    names = [*_FILE_ORDER, *context.names.values(), "aliases"]
    ranks = {name: position for position, name in reversed(list(enumerate(names)))}
    distinct = {_identify(draft): draft for draft in reversed(drafts)}
    kept = [draft for draft in drafts if distinct[_identify(draft)] is draft]
    return sorted(kept, key=lambda draft: ranks.get(draft.file, len(names)))


def _identify(draft: Draft) -> tuple[str, str, str]:
    return draft.template, draft.values.get("namespace", ""), draft.values["name"]


def _write_object(context: Context, draft: Draft) -> TranslatedObject:
    values = {"namespace": context.namespace, **draft.values}
    text = render_template(draft.template, comments=draft.comments, **values)
    node = compose(text)
    data = construct(node) if node is not None else {}
    return TranslatedObject(
        text=text,
        data=data,
        file_name=_name_file(context, draft),
        origin_path=draft.origin.path,
        origin_line=draft.origin.line,
    )


def _name_file(context: Context, draft: Draft) -> str:
    """Name an object's file: in the stack's folder, or above it where all stacks share it."""
    shared = draft.template == _NAMESPACE and context.policy.namespace is not None
    return f"{draft.file}.yaml" if shared else f"{draft.folder or context.instance}/{draft.file}.yaml"


def _find_renamed(context: Context) -> Iterator[Renamed]:
    stack = context.stack
    first = stack.services[0].origin
    if context.namespace != stack.name and context.policy.namespace is None:
        same = context.namespace == stack.name.lower()
        yield Renamed("Namespace", stack.name, context.namespace, first.file, 1, same)
    for service in stack.services:
        new = context.names[service.name]
        if new != service.name and context.roles[service.name] != "blocked":
            origin = service.origin
            resolves = service.name.lower() == new or find_old_name(context, service.name) is not None
            yield Renamed("Service", service.name, new, origin.file, origin.line, resolves)
    for section, kind in (("volumes", "PersistentVolumeClaim"), ("secrets", "Secret")):
        for name, setting in stack.section(section).items():
            new = make_name(name, fallback=section[:-1])
            if new != name:
                yield Renamed(kind, name, new, setting.origin.file, setting.origin.line, False)
