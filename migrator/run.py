"""What the commands share: options become an Inventory and a Plan."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from migrator.errors import InputError
from migrator.model.record import record
from migrator.model.reference import STDIN, is_cluster, is_stream
from migrator.progress import show_progress

if TYPE_CHECKING:
    from migrator.model.inventory import Inventory
    from migrator.model.plan import Plan
    from migrator.model.policy import Policy
    from migrator.model.selection import Selection
    from migrator.planning.plan_file import PlanFile
    from migrator.psp.authorize import Identity
    from migrator.rendering.render import FileChange
    from migrator.review.audit import Audit
    from migrator.simulation.simulate import Simulation
    from migrator.sources.rancher.answers import Question
    from migrator.sources.stacks import StackOptions
    from migrator.verification.claim import Proof

VIEWS = ("markdown", "html", "sarif")
"""Forms in which a plan is shown together with the lines that change."""
PHASE_CHOICES = ("expand", "contract", "enforce", "cleanup", "all")
RULE_CHOICES = ("host-port", "rollout", "pod-security", "pod-security-policy")


@record
class Request:
    """A command's options, as they were given; None and empty stand for not given."""

    sources: list[str]
    policy: Path | None = None
    settings: list[str] = field(default_factory=list)
    exclude: list[str] = field(default_factory=list)
    default_namespace: str | None = None
    namespaces: list[str] = field(default_factory=list)
    workloads: list[str] = field(default_factory=list)
    rules: list[str] = field(default_factory=list)
    port_map: Path | None = None
    requester: str | None = None
    answers: Path | None = None
    stack: str | None = None
    ask: bool = False
    keep_going: bool = False
    jobs: int | None = None
    quiet: bool = False
    save_inventory: Path | None = None


_OPTIONS = {"namespace": "namespaces", "workload": "workloads", "only": "rules"}
"""The options that can be given several times, named for one of their values."""


def make_request(given: Mapping[str, Any]) -> Request:
    """Make the request of a command's options; those that are no part of it, and those not given, are left out."""
    named = {_OPTIONS.get(name, name): value for name, value in given.items() if value is not None}
    known = {item.name for item in fields(Request)}
    return Request(**{name: value for name, value in named.items() if name in known})


class Run:
    """One run of a command over its sources, or over those of a plan file that was given back."""

    def __init__(self, request: Request, policy: Policy | None = None) -> None:
        from migrator.planning.find import is_plan_file

        self.request = request
        self.jobs = request.jobs or os.cpu_count() or 1
        self.plan_file: PlanFile | None = None
        if len(request.sources) == 1 and request.sources[0] != "-" and is_plan_file(request.sources[0]):
            from migrator.planning.plan_file import load_plan_file

            self.plan_file = load_plan_file(request.sources[0])
        self.contents: dict[str, bytes] = {}
        self.sources = list(self.plan_file.sources) if self.plan_file else self._read_pipes(request.sources)
        self.default_namespace = request.default_namespace or (
            self.plan_file.default_namespace if self.plan_file else None
        )
        given = request.requester
        self.requester = self.plan_file.requester if given is None and self.plan_file else given
        self.exclude = (*request.exclude, *(self.plan_file.exclude if self.plan_file else ()))
        if policy is not None:
            self.policy = policy
        elif self.plan_file is not None and request.policy is None and not request.settings:
            self.policy = self.plan_file.policy()
        else:
            self.policy = _load_policy(request, self.sources)
        self._read_clusters(policy is None and self.plan_file is None)

    def _read_pipes(self, sources: list[str]) -> list[str]:
        """Read what can be read once only; it stands for standard input from then on.

        Raises InputError where that is one of the sources too, or another pipe is.
        """
        from migrator.sources.files import is_pipe, read_bytes

        streams = {source for source in sources if source == STDIN or is_pipe(source)}
        if len(streams) > 1:
            raise InputError(max(streams), "one pipe can be read, and there is another", hint="write one to a file")
        for pipe in streams - {STDIN}:
            self.contents[STDIN] = read_bytes(pipe)
        return [STDIN if source in streams else source for source in sources]

    def _read_clusters(self, adopts_version: bool) -> None:
        """Read the live clusters among the sources; the policy adopts the version of the only one that is read.

        Raises InputError where several are: what is planned is for one.
        """
        from migrator.sources.cluster import find_server_version, read_cluster, read_server_version, save_inventory

        saved = self.request.save_inventory
        clusters = [source for source in self.sources if is_cluster(source)]
        if saved is not None and len(clusters) != 1:
            raise InputError("--save-inventory", "saves one cluster", hint="give one source cluster:CONTEXT")
        files = (source for source in self.sources if not is_stream(source))
        versions = list(filter(None, map(read_server_version, files)))
        if len(clusters) + len(versions) > 1:
            hint = "one after the other; `migrator plan` reads many, and plans each by itself"
            raise InputError("sources", "more than one cluster is among them", hint=hint)
        for source in clusters:
            with show_progress("reading the cluster", self.request.quiet):
                if saved is not None:
                    save_inventory(source, self.policy.workload_kinds, saved)
                    name = str(saved)
                    version = read_server_version(name)
                else:
                    name, content = read_cluster(source, self.policy.workload_kinds)
                    self.contents[name] = content
                    version = find_server_version(content)
            self.sources = [name if item == source else item for item in self.sources]
            versions += [version] if version is not None else []
        if versions and adopts_version:
            self.policy = _load_policy(self.request, self.sources, versions[0])

    def read(self) -> Inventory:
        """Read the sources.

        Raises the first error of a file that cannot be read, unless the request is to keep going; then all are said.
        """
        from migrator.rules.pod_security import find_version
        from migrator.sources.read import ReadOptions, read_sources
        from migrator.yaml.nodes import HAS_C_PARSER

        _recover(self.sources)
        if not HAS_C_PARSER:
            say("ruamel.yaml.clib is missing, so reading is slow: pip install ruamel.yaml.clib", self.request.quiet)
        options = ReadOptions(
            kinds=self.policy.workload_kinds,
            exclude=(*self.policy.exclude_paths, *self.exclude),
            default_namespace=self.default_namespace,
            jobs=self.jobs,
            pod_security=find_version(self.policy),
            stacks=_stack_options(self.request, self.policy),
        )
        with show_progress("reading", self.request.quiet):
            inventory = read_sources(self.sources, options, self.contents)
        _report_errors(inventory, self.request.keep_going)
        return inventory

    def make_audit(self) -> Audit:
        """Read the sources and judge them; the request's workloads narrow what is shown."""
        from migrator.review.audit import Audit, refuse_unknown_workloads

        requester = self.identify_requester()
        audit = Audit(self.read(), self.policy, requester, frozenset(self.request.workloads))
        refuse_unknown_workloads(audit)
        return audit

    def make_proof(self, after: str) -> Proof:
        """Read the sources, and another by the same policy, and prove that it is what a migration made of them."""
        from migrator.verification.verify import verify

        if after == STDIN and STDIN in self.request.sources:
            raise InputError("verify", "standard input can be one of the two", hint="write the other to a file")
        other = Run(replace(self.request, sources=[after]), self.policy)
        requester = self.identify_requester()
        before = self.read()
        with show_progress("verifying", self.request.quiet):
            return verify(before, other.read(), self.policy, requester)

    def make_plan(self, phase: str | None) -> tuple[Plan, Inventory]:
        """Read the sources and plan; a plan file is restored with what a person changed in it."""
        from migrator.planning.plan import Overrides, plan_changes

        chosen: Any = phase or (self.plan_file.phase if self.plan_file else "all")
        check_choice("--phase", chosen, PHASE_CHOICES)
        requester = self.identify_requester()
        inventory = self.read()
        if self.plan_file is not None:
            from migrator.planning.plan_file import refuse_stale, restore_plan

            refuse_stale(self.plan_file, inventory)
            return restore_plan(self.plan_file, inventory, chosen, self.selection(), requester), inventory
        overrides = Overrides()
        if self.request.port_map is not None:
            from migrator.planning.plan_file import read_port_map

            overrides = Overrides(node_ports=read_port_map(str(self.request.port_map)))
        with show_progress("planning", self.request.quiet):
            return plan_changes(inventory, self.policy, chosen, self.selection(), overrides, requester), inventory

    def simulate(self, plan: Plan, inventory: Inventory, nodes: str | None) -> Simulation:
        """Simulate where pods land before and after a plan: on a number of nodes, a file's, or the sources' own."""
        from migrator.model.world import World
        from migrator.simulation.simulate import simulate
        from migrator.sources.nodes import find_nodes

        found = find_nodes(nodes) if nodes is not None else inventory.nodes
        if not found:
            hint = "--nodes 3, or --nodes FILE with what `kubectl get nodes -o yaml` prints"
            raise InputError("simulate", "there are no Nodes among the sources", hint=hint)
        with show_progress("simulating", self.request.quiet):
            return simulate(World(inventory, plan.policy), plan, found)

    def render(self, plan: Plan, inventory: Inventory, explained: bool = False) -> tuple[FileChange, ...]:
        """Render a plan into file changes, each edited object checked; a review has them explained edit by edit."""
        from migrator.rendering.render import render_plan

        with show_progress("editing", self.request.quiet):
            return render_plan(plan, inventory.files, self.jobs, explained)

    def describe(self, plan: Plan) -> dict[str, Any]:
        """Give a plan as the plan file holds it."""
        from migrator.planning.document import describe_plan

        return describe_plan(plan, self.selection(), self.default_namespace, self.exclude, self.requester)

    def identify_requester(self) -> Identity | None:
        """Identify who applies bare pods, None for an administrator.

        Raises InputError for text that names nobody.
        """
        if self.requester is None:
            return None
        from migrator.rules.pod_security_policy import parse_requester

        try:
            return parse_requester(self.requester)
        except ValueError as error:
            raise InputError("--requester", f"{self.requester!r} {error}") from None

    def selection(self) -> Selection:
        """Give what may be changed."""
        from migrator.model.selection import Selection

        given = (self.request.namespaces, self.request.workloads, self.request.rules)
        if self.plan_file is not None and not any(given):
            return self.plan_file.selection
        for rule in self.request.rules:
            check_choice("--only", rule, RULE_CHOICES)
        return Selection(*(frozenset(values) if values else None for values in given))


def _load_policy(request: Request, sources: list[str], server_version: str | None = None) -> Policy:
    from migrator.policy.load import find_policy, load_policy

    path = request.policy
    if path is None:
        start = Path(sources[0]) if sources and not is_stream(sources[0]) else Path()
        path = find_policy(start if start.is_dir() else start.parent) or find_policy(Path())
    return load_policy(path, request.settings, server_version)


def _recover(sources: list[str]) -> None:
    """Finish or undo what an earlier run left, and say so."""
    from migrator.sources.files import find_journals

    for journal in find_journals(sources):
        from migrator.rendering.write import recover

        found = recover(journal)
        what = "all were written" if found.finished else "undone; they are as they were"
        say(f"an earlier run in {found.folder} was interrupted: {found.files} file(s), {what}")


def _stack_options(request: Request, policy: Policy) -> StackOptions:
    from migrator.sources.stacks import StackOptions, make_rancher_policy

    answers: dict[str, str] = {}
    if request.answers is not None:
        from migrator.sources.rancher.answers import read_answers

        answers = read_answers(request.answers)
    return StackOptions(
        policy=make_rancher_policy(policy.rancher, policy.cluster.load_balancer),
        answers=answers,
        name=request.stack,
        ask=_ask if request.ask and sys.stdin.isatty() else None,
    )


def _ask(question: Question) -> str:
    import typer

    label = f"{question.label} ({question.variable})" if question.label else question.variable
    if question.options:
        label += f" [{'|'.join(question.options)}]"
    return str(typer.prompt(label, hide_input=question.type == "password", err=True))


def _report_errors(inventory: Inventory, keep_going: bool) -> None:
    if not inventory.errors:
        return
    if not keep_going:
        more = len(inventory.errors) - 1
        if more:
            say(f"{more} more file(s) cannot be read; --keep-going reads on and names them all")
        raise inventory.errors[0]
    for error in inventory.errors:
        say(f"error: {error}")


def check_choice(option: str, value: str, choices: tuple[str, ...]) -> None:
    """Raise InputError for an option's value that is not known."""
    if value not in choices:
        raise InputError(option, f"{value!r} is not known", hint=f"one of {', '.join(choices)}")


def say(message: str, quiet: bool = False) -> None:
    """Talk to the person on stderr."""
    if not quiet:
        print(message, file=sys.stderr)
