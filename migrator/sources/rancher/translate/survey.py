"""What a stack consists of, before anything is translated: roles, pods, names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from functools import cache
from typing import Any, Literal

from migrator.model.record import record
from migrator.sources.rancher.policy import RancherPolicy
from migrator.sources.rancher.stack import Stack, StackService
from migrator.sources.rancher.translate.model import Blocked
from migrator.sources.rancher.translate.names import make_name, make_names
from migrator.sources.rancher.translate.numbers import read_boolean, read_count
from migrator.sources.tables import load_table

Role = Literal["workload", "sidekick", "load_balancer", "external", "alias", "selector", "blocked"]

NAME_LABEL = "app.kubernetes.io/name"
INSTANCE_LABEL = "app.kubernetes.io/instance"
PART_OF_LABEL = "app.kubernetes.io/part-of"
GLOBAL_LABEL = "io.rancher.scheduler.global"
START_ONCE_LABEL = "io.rancher.container.start_once"
SIDEKICKS_LABEL = "io.rancher.sidekicks"
SELECTOR_LABEL = "io.rancher.service.selector.container"
_LONGEST_NAME = 52  # a StatefulSet's pods carry a label of its name and a hash
_LOAD_BALANCER_IMAGES = ("rancher/load-balancer-service", "rancher/lb-service-haproxy", "rancher/lb-service-")
_BLOCKING_LABELS = {
    "io.rancher.container.create_agent": "it was given a key to Rancher's API (io.rancher.container.create_agent)",
    "io.rancher.container.agent.role": "it held a role in Rancher's API (io.rancher.container.agent.role)",
}


@record
class Context:
    """A stack with everything that topics ask about it.

    `names` maps services to their Kubernetes names, `pods` primaries to the services of their pod (themselves
    first), `primaries` sidekicks to their primaries. `grouped` holds further pod labels by service, for Services
    that select pods of several workloads; `balanced` the container ports and protocols that load balancers reach, by
    service.
    `neighbours` are the stacks of the same run, by name.
    """

    stack: Stack
    policy: RancherPolicy
    namespace: str
    names: Mapping[str, str]
    roles: Mapping[str, Role]
    pods: Mapping[str, tuple[str, ...]]
    primaries: Mapping[str, tuple[str, ...]]
    blocked: tuple[Blocked, ...]
    grouped: Mapping[str, Mapping[str, str]]
    balanced: Mapping[str, frozenset[tuple[int, str]]]
    neighbours: Mapping[str, Context] = field(default_factory=dict)

    def service(self, name: str) -> StackService:
        """Give a service that is known to exist."""
        found = self.stack.service(name)
        if found is None:
            raise KeyError(name)
        return found

    def labels(self, service: str) -> dict[str, str]:
        """Give the standard labels of a service's objects."""
        return {**self.selector(service), PART_OF_LABEL: self.instance}

    def selector(self, service: str) -> dict[str, str]:
        """Give the labels that select exactly the pods of a service."""
        primary = self.primary(service)
        return {NAME_LABEL: self.names[primary], INSTANCE_LABEL: self.instance}

    def primary(self, service: str) -> str:
        """Give the service whose pod a service's container is in."""
        return self.primaries.get(service, (service,))[0]

    @property
    def instance(self) -> str:
        """Give the stack's name as a label's value."""
        return make_name(self.stack.name, fallback="stack")

    def has_pods(self, service: str) -> bool:
        """Tell whether a service of this stack has pods."""
        return self.roles.get(service) in ("workload", "sidekick")

    def neighbour(self, stack: str) -> Context | None:
        """Give the stack of that name, which may be this one; None where it is not in the run."""
        return self if stack == self.stack.name else self.neighbours.get(stack)

    def host_name(self, service: str) -> str:
        """Give the full DNS name of a service of this stack."""
        return f"{self.names[service]}.{self.namespace}.svc.{self.policy.cluster_domain}"


def find_host(context: Context, target: str) -> str | None:
    """Give the full DNS name of `service` or `stack/service`; None where the stack has no such service.

    A stack that is not in the run is taken to have it, under the name that translating would give it.
    """
    stack, slash, service = target.partition("/")
    if slash:
        neighbour = context.neighbour(stack)
        if neighbour is not None:
            return find_host(neighbour, service)
        namespace = context.policy.namespace or make_name(stack, fallback="stack")
        return f"{make_name(service)}.{namespace}.svc.{context.policy.cluster_domain}"
    if target not in context.names or context.roles[target] == "blocked":
        return None
    return context.host_name(target)


def image_name(image: str) -> str:
    """Give an image's name without registry tag and digest."""
    name = image.removeprefix("docker:").partition("@")[0]
    head, _, last = name.rpartition("/")
    last = last.partition(":")[0]
    return f"{head}/{last}" if head else last


def survey_stack(stack: Stack, policy: RancherPolicy) -> Context:
    """Find roles, pods and names."""
    primaries = _find_primaries(stack)
    roles: dict[str, Role] = {}
    blocked: list[Blocked] = []
    for service in stack.services:
        role = find_role(service, service.name in primaries)
        # Rancher's own balancer asked its API for its configuration; what takes its place has no use for that.
        reason = find_block(service) if role != "load_balancer" else None
        roles[service.name] = "blocked" if reason else role
        if reason:
            blocked.append(Blocked(service.name, service.origin.file, service.origin.line, reason))
    for sidekick, owners in primaries.items():
        if roles.get(sidekick) == "sidekick" and not any(roles.get(owner) == "workload" for owner in owners):
            left_out = any(roles.get(owner) == "blocked" for owner in owners)
            reason = (
                f"it is a sidekick of {', '.join(owners)}, which {'is left out' if left_out else 'has no pod here'}"
            )
            origin = next(service.origin for service in stack.services if service.name == sidekick)
            blocked.append(Blocked(sidekick, origin.file, origin.line, reason))
    roles.update((item.service, "blocked") for item in blocked)
    pods = {
        service.name: (
            service.name,
            *(name for name in find_sidekicks(stack, service) if roles.get(name) == "sidekick"),
        )
        for service in stack.services
        if roles[service.name] == "workload"
    }
    return Context(
        stack=stack,
        policy=policy,
        namespace=policy.namespace or make_name(stack.name, fallback="stack"),
        names=make_names((service.name for service in stack.services), _LONGEST_NAME),
        roles=roles,
        pods=pods,
        primaries={name: owners for name, owners in primaries.items() if roles.get(name) == "sidekick"},
        blocked=tuple(blocked),
        grouped={},
        balanced={},
    )


def split_sidekicks(service: StackService) -> tuple[str, ...]:
    """Give the sidekicks that a service names, each once."""
    parts = (part.strip() for part in service.labels().get(SIDEKICKS_LABEL, "").split(","))
    return tuple(dict.fromkeys(part for part in parts if part))


def find_sidekicks(stack: Stack, service: StackService, seen: frozenset[str] = frozenset()) -> tuple[str, ...]:
    """Give the sidekicks in a service's pod: those of a sidekick stand before it, since it takes what they made."""
    seen = seen | {service.name}
    found: list[str] = []
    for name in split_sidekicks(service):
        sidekick = stack.service(name)
        if sidekick is not None and name not in seen:
            found.extend((*find_sidekicks(stack, sidekick, seen), name))
    return tuple(dict.fromkeys(found))


def _find_primaries(stack: Stack) -> dict[str, tuple[str, ...]]:
    """Give each sidekick's primaries: a sidekick's own sidekicks are in the pod of the service that none names."""
    owners: dict[str, tuple[str, ...]] = {}
    for service in stack.services:
        for sidekick in split_sidekicks(service):
            if stack.service(sidekick) is not None and sidekick != service.name:
                owners[sidekick] = (*owners.get(sidekick, ()), service.name)
    found: dict[str, tuple[str, ...]] = {}
    for service in stack.services:
        for sidekick in find_sidekicks(stack, service) if service.name not in owners else ():
            found[sidekick] = (*found.get(sidekick, ()), service.name)
    return {name: found.get(name, named) for name, named in owners.items()}


def find_role(service: StackService, is_sidekick: bool) -> Role:
    """Tell what kind of service Rancher took it for."""
    image = image_name(service.text("image"))
    if image.startswith(_LOAD_BALANCER_IMAGES) or service.text("type") == "loadBalancerService":
        return "load_balancer"
    if image == "rancher/dns-service":
        return "alias"
    if image == "rancher/external-service" or (
        not image and (service.get("external_ips") or (service.get("hostname") and not service.get("build")))
    ):
        return "external"
    if not image and service.get("lb_config"):
        return "load_balancer"
    if image == "rancher/none" or (not image and SELECTOR_LABEL in service.labels()):
        return "selector"
    return "sidekick" if is_sidekick else "workload"


def find_block(service: StackService) -> str | None:
    """Say why a service cannot work without Rancher; None where it can."""
    labels = service.labels()
    for label, reason in _BLOCKING_LABELS.items():
        value = labels.get(label, "")
        if value and (read_boolean(value) or label.endswith("role")):
            return reason
    for label, value in labels.items():
        if label.startswith("io.rancher.container.agent_service.") and read_boolean(value):
            return f"it served Rancher's agents ({label})"
    return None


@cache
def _infrastructure() -> tuple[Mapping[str, str], Mapping[str, str]]:
    table = load_table("sources/rancher/keys.yaml")
    return table["infrastructure"], table["infrastructureImages"]


def find_refusal(stack: Stack) -> str | None:
    """Say why a stack has no business on Kubernetes; None where it has."""
    keys, images = _infrastructure()
    for service in stack.services:
        for key, reason in keys.items():
            if service.get(key):
                return _refuse(service, key, reason)
        if service.text("type").lower() == "virtualmachine":
            return _refuse(service, "type", keys["vcpu"])
        reason = images.get(image_name(service.text("image")), "")
        if reason:
            return _refuse(service, "image", reason)
    return None


def _refuse(service: StackService, key: str, reason: str) -> str:
    origin = service.origin_of(key)
    return f"Rancher's own infrastructure: {service.name} ({origin.file}:{origin.line}) is {reason}"


def read_scale(service: StackService) -> int:
    """Give a service's scale; unset and 0 mean 1, as the executor had it."""
    policy = service.get("scale_policy")
    limit = read_count(policy.get("max")) if isinstance(policy, Mapping) else None
    return max(1, limit or read_count(service.get("scale")) or 1)


def is_global(service: StackService) -> bool:
    """Tell whether a service runs once on every host."""
    return read_boolean(service.labels().get(GLOBAL_LABEL, ""))


def starts_once(service: StackService) -> bool:
    """Tell whether a service's container is left alone once it has ended."""
    return read_boolean(service.labels().get(START_ONCE_LABEL, ""))


def read_network(service: StackService) -> str:
    """Give the network mode, '' where none is set."""
    return service.text("network_mode") or service.text("net")


def is_host_network(service: StackService) -> bool:
    """Tell whether a service's container is on its host's network."""
    return read_network(service) == "host"


def split_link(text: str, value: str | None) -> tuple[str, str]:
    """Give a link's target and alias; the target stands for a missing alias."""
    target = text.strip()
    alias = (value or "").strip()
    return target, alias or target.rpartition("/")[2]


@cache
def words() -> Any:
    """Give the word lists."""
    return load_table("sources/rancher/translate/words.yaml")
