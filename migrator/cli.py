"""The command line: parse, call, print."""

# Without `from __future__ import annotations`, which has typer evaluate each annotation three times at every start.

import gc
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from migrator import __version__
from migrator.errors import InputError, MigratorError
from migrator.model.reference import is_cluster
from migrator.run import RULE_CHOICES, VIEWS, Request, Run, check_choice, make_request, say

if TYPE_CHECKING:
    from migrator.model.inventory import Inventory
    from migrator.model.plan import Plan
    from migrator.model.workload import Workload
    from migrator.rendering.render import FileChange
    from migrator.review.painter import Painter

TROUBLE = 2
INTERRUPTED = "interrupted; nothing was written"
TYPER_INTERRUPTED = 130
BROKEN_PIPE = 141

app = typer.Typer(
    name="migrator",
    help="Moves Kubernetes workloads off host ports, and Rancher v1.6 stacks along, as diffs a reviewer can trust.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Start with: migrator plan PATH. Exit code 2 means trouble, and that nothing was written.",
)


def main() -> None:
    """Run the command line; trouble ends with one message on stderr and exit code 2."""
    # One run, then the process ends: collecting cycles would only walk over what is still in use.
    gc.disable()
    _leave_out_others(sys.argv[1:2])
    try:
        app()
    except MigratorError as error:
        _fail(str(error))
    except KeyboardInterrupt:
        _fail(INTERRUPTED)
    except SystemExit as ended:
        if ended.code == TYPER_INTERRUPTED:
            _fail(INTERRUPTED)
        _leave(ended.code if isinstance(ended.code, int) else int(ended.code is not None))
    except MemoryError:
        _fail("out of memory")
    except RecursionError:
        _fail("something is nested too deeply to be read")
    except OSError as error:
        _fail(f"{error.filename or 'output'}: {(error.strerror or str(error)).lower()}")
    except Exception:
        import traceback

        traceback.print_exc()
        _fail("a defect of migrator; nothing was written. Please report what stands above")


def _leave_out_others(named: list[str]) -> None:
    """Leave out the commands that are not asked for: typer makes the options of every command at each start."""
    asked = [
        command for command in app.registered_commands if command.callback and command.callback.__name__ in named
    ]
    app.registered_commands = asked or app.registered_commands


def _leave(code: int) -> NoReturn:
    """End the process at once: taking a large inventory apart would cost time that nobody gets anything for."""
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except BrokenPipeError:
        code = 141
    os._exit(code)


def _fail(message: str) -> NoReturn:
    print(f"error: {message}", file=sys.stderr)
    sys.exit(TROUBLE)


def _complete_ids(incomplete: str) -> list[str]:
    from migrator.review.explain import list_ids

    return [name for name in list_ids() if name.startswith(incomplete)]


def _complete_rules(incomplete: str) -> list[str]:
    return [name for name in RULE_CHOICES if name.startswith(incomplete)]


Sources = Annotated[
    list[str],
    typer.Argument(metavar="SOURCE...", help="Files, directories, - for standard input, or cluster:CONTEXT."),
]
SourcesOrPlan = Annotated[
    list[str],
    typer.Argument(
        metavar="SOURCE...|PLAN", help="Files, directories, - for standard input, cluster:CONTEXT, or a plan file."
    ),
]
PolicyPath = Annotated[
    Path | None,
    typer.Option("--policy", metavar="FILE", help="The policy; else the nearest .migrator.yaml up the tree."),
]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="A policy value, such as cluster.kubernetesVersion=1.34."),
]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Say more.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print data only.")]
Jobs = Annotated[
    int | None, typer.Option("--jobs", metavar="N", min=1, help="Processes to use; all cores by default.")
]
KeepGoing = Annotated[bool, typer.Option("--keep-going", help="Read on past files with errors; exit code 2 stays.")]
ReviewForm = Annotated[
    str, typer.Option("--output", "-o", metavar="FORMAT", help="text, json, yaml, markdown, html or sarif.")
]
Exclude = Annotated[
    list[str] | None, typer.Option("--exclude", metavar="GLOB", help="Files that are read but not changed.")
]
DefaultNamespace = Annotated[
    str | None,
    typer.Option("--default-namespace", "-n", metavar="NS", help="The namespace of objects that name none."),
]
Namespaces = Annotated[
    list[str] | None, typer.Option("--namespace", metavar="NS", help="Change only workloads of this namespace.")
]
Workloads = Annotated[
    list[str] | None, typer.Option("--workload", metavar="NS/KIND/NAME", help="Change only this workload.")
]
ShownWorkloads = Annotated[
    list[str] | None,
    typer.Option("--workload", metavar="NS/KIND/NAME", help="Show only this workload; -v explains its policy."),
]
Only = Annotated[
    list[str] | None,
    typer.Option("--only", metavar="RULE", help="Make only this rule's changes.", autocompletion=_complete_rules),
]
Answers = Annotated[
    Path | None,
    typer.Option(
        "--answers", metavar="FILE", help="Answers to a Rancher stack's questions: a map, or KEY=VALUE lines."
    ),
]
StackName = Annotated[
    str | None, typer.Option("--stack", metavar="NAME", help="The Rancher stack's name, instead of its folder's.")
]
Ask = Annotated[bool, typer.Option("--ask", help="Ask on the terminal for answers that a Rancher stack misses.")]
PhaseOption = Annotated[
    str | None, typer.Option("--phase", metavar="PHASE", help="expand, contract, enforce, cleanup or all.")
]
PortMap = Annotated[
    Path | None, typer.Option("--port-map", metavar="PLAN", help="An earlier plan, whose numbers are kept.")
]
Requester = Annotated[
    str | None,
    typer.Option("--requester", metavar="USER[,GROUP...]", help="Who applies bare pods; else an administrator."),
]

SaveInventory = Annotated[
    Path | None,
    typer.Option("--save-inventory", metavar="FILE", help="Keep what a cluster:CONTEXT held: a source for later."),
]


def _version(value: bool) -> None:
    if value:
        print(f"migrator {__version__}")
        raise typer.Exit


@app.callback()
def _start(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


@app.command(short_help="What is there: host ports, levels, conflicts.")
def audit(
    sources: Sources,
    output: Annotated[
        str, typer.Option("--output", "-o", metavar="FORMAT", help="text, json, yaml or sarif.")
    ] = "text",
    level: Annotated[
        str | None, typer.Option("--level", metavar="LEVEL", help="Exit with 1 below baseline or restricted.")
    ] = None,
    pod_security_version: Annotated[
        str | None,
        typer.Option("--pod-security-version", metavar="VERSION", help="latest or v1.N; else the cluster's."),
    ] = None,
    requester: Requester = None,
    save_inventory: SaveInventory = None,
    policy: PolicyPath = None,
    settings: Settings = None,
    workload: ShownWorkloads = None,
    exclude: Exclude = None,
    default_namespace: DefaultNamespace = None,
    answers: Answers = None,
    stack: StackName = None,
    ask: Ask = False,
    keep_going: KeepGoing = False,
    jobs: Jobs = None,
    verbose: Verbose = False,
    quiet: Quiet = False,
) -> None:
    """Show what is there: host ports, pods that cannot share a node, Pod Security levels, PodSecurityPolicies.

    Example: migrator audit deploy/ --level baseline
    Example: migrator audit deploy/ --workload shop/Deployment/cart -v
    Example: migrator audit cluster:production --save-inventory production.json
    """
    given = dict(locals())
    check_choice("--output", output, ("text", "json", "yaml", "sarif"))
    if level is not None:
        check_choice("--level", level, ("baseline", "restricted"))
    from migrator.podsecurity.level import parse_level

    asked = parse_level(level) if level is not None else None
    given["settings"] = _set_pod_security(pod_security_version, settings, quiet)
    run = Run(make_request(given))
    made = run.make_audit()
    if output == "text":
        from migrator.review.text import write_audit

        _print(write_audit(made, asked, _painter(), verbose))
    elif output == "sarif":
        from migrator.review.sarif import write_audit_sarif

        _print(write_audit_sarif(made, asked))
    else:
        from migrator.review.document import describe_audit, write_document

        _print(write_document(describe_audit(made, asked), output))
    _exit(TROUBLE if made.inventory.errors else 1 if level and _violates(made.workloads, level) else 0)


def _violates(workloads: "Iterable[Workload]", level: str) -> bool:
    return any(
        violation.counts_at(level)
        for workload in workloads
        if workload.pod_security is not None
        for violation in workload.pod_security.violations
    )


def _set_pod_security(version: str | None, settings: list[str] | None, quiet: bool) -> list[str]:
    """Put --pod-security-version over the policy's, and say where it is newer than the checks."""
    given = list(settings or ())
    if version is None:
        return given
    from migrator.podsecurity.version import NEWEST, clamp_version, parse_version

    try:
        parsed = parse_version(version)
    except ValueError as error:
        raise InputError("--pod-security-version", f"{version!r} {error}") from None
    if parsed.minor is not None and clamp_version(parsed) != parsed:
        say(f"Pod Security {version} is newer than the checks; judged as {NEWEST}", quiet)
    return [*given, f"podSecurity.version={version}"]


@app.command(short_help="What to do about it, and why.")
def plan(
    sources: SourcesOrPlan,
    save: Annotated[
        Path | None, typer.Option("--save", metavar="PLAN", help="Write the plan file, to be edited and given back.")
    ] = None,
    output: ReviewForm = "text",
    exit_code: Annotated[bool, typer.Option("--exit-code", help="Exit with 1 when there are changes.")] = False,
    nodes: Annotated[
        str | None,
        typer.Option("--nodes", metavar="N|FILE", help="With -o html: a picture of where the pods land on them."),
    ] = None,
    phase: PhaseOption = None,
    save_inventory: SaveInventory = None,
    policy: PolicyPath = None,
    settings: Settings = None,
    namespace: Namespaces = None,
    workload: Workloads = None,
    only: Only = None,
    exclude: Exclude = None,
    port_map: PortMap = None,
    requester: Requester = None,
    default_namespace: DefaultNamespace = None,
    answers: Answers = None,
    stack: StackName = None,
    ask: Ask = False,
    keep_going: KeepGoing = False,
    jobs: Jobs = None,
    verbose: Verbose = False,
    quiet: Quiet = False,
) -> None:
    """Show what to do about it, and why. Several clusters are planned one by one, and told together.

    Example: migrator plan deploy/ --save plan.json
    Example: migrator plan inventories/*.json
    """
    given = dict(locals())
    check_choice("--output", output, ("text", "json", "yaml", *VIEWS))
    if nodes is not None and output != "html":
        raise InputError("--nodes", "draws a picture for -o html", hint="migrator simulate shows it as text and data")
    request = make_request(given)
    from migrator.fleet import is_fleet

    if is_fleet(request.sources):
        if save is not None or save_inventory is not None:
            raise InputError("plan", "a file that it saves is about one cluster", hint="save them one by one")
        _exit(_plan_fleet(request, phase, output, exit_code, verbose))
        return
    run = Run(request)
    made, inventory = run.make_plan(phase)
    from migrator.review.document import write_document

    if save is not None:
        form = "yaml" if save.suffix in (".yaml", ".yml") else "json"
        _write_file(save, write_document(run.describe(made), form))
        say(f"plan written to {save}", quiet)
    if output == "text":
        from migrator.review.text import write_plan

        _print(write_plan(made, _painter(), verbose))
    elif nodes is not None:
        from migrator.review.html import write_page
        from migrator.review.simulation_svg import render_simulation_svg

        picture = render_simulation_svg(run.simulate(made, inventory, nodes), styled=False)
        _print(write_page(made, run.render(made, inventory, explained=True), picture))
    elif output in VIEWS:
        _print_view(output, made, run.render(made, inventory, explained=True))
    else:
        _print(write_document(run.describe(made), output))
    changes = any(made.translated) or any(change.action != "keep" for change in made.changes)
    _exit(TROUBLE if inventory.errors else 1 if exit_code and changes else 0)


def _plan_fleet(request: Request, phase: str | None, output: str, exit_code: bool, verbose: bool) -> int:
    check_choice("--output", output, ("text", "json", "yaml"))
    from migrator.fleet import plan_fleet
    from migrator.review.fleet import describe_fleet, write_fleet

    fleet = plan_fleet(request, phase)
    if output == "text":
        _print(write_fleet(fleet, _painter(), verbose))
    else:
        from migrator.review.document import write_document

        _print(write_document(describe_fleet(fleet), output))
    changes = any(change.action != "keep" for member in fleet.members for change in member.plan.changes)
    return TROUBLE if fleet.errors else 1 if exit_code and changes else 0


@app.command(short_help="The change, as a patch for git apply.")
def diff(
    sources: SourcesOrPlan,
    fields: Annotated[bool, typer.Option("--fields", help="Field by field instead: path, old → new.")] = False,
    output: Annotated[
        str, typer.Option("--output", "-o", metavar="FORMAT", help="text, json (fields), markdown, html or sarif.")
    ] = "text",
    phase: PhaseOption = None,
    policy: PolicyPath = None,
    settings: Settings = None,
    namespace: Namespaces = None,
    workload: Workloads = None,
    only: Only = None,
    exclude: Exclude = None,
    port_map: PortMap = None,
    requester: Requester = None,
    default_namespace: DefaultNamespace = None,
    answers: Answers = None,
    stack: StackName = None,
    ask: Ask = False,
    exit_zero: Annotated[bool, typer.Option("--exit-zero", help="Exit with 0 also when there are changes.")] = False,
    keep_going: KeepGoing = False,
    jobs: Jobs = None,
    verbose: Verbose = False,
    quiet: Quiet = False,
) -> None:
    """Print the change as a patch that `git apply` and `patch -p1` take.

    Example: migrator diff deploy/ > change.patch

    Example: migrator diff deploy/ --fields
    """
    given = dict(locals())
    check_choice("--output", output, ("text", "json") if fields else ("text", "json", *VIEWS))
    run = Run(make_request(given))
    made, inventory = run.make_plan(phase)
    changes = run.render(made, inventory, explained=fields or output != "text")
    if output in VIEWS:
        _print_view(output, made, changes)
    elif fields or output == "json":
        from migrator.review.fields import compare_objects, write_fields, write_fields_json

        _print((write_fields_json if output == "json" else write_fields)(compare_objects(made, changes)))
    else:
        from migrator.rendering.diff import find_base, write_diff

        base = find_base(made.sources)
        if base is not None and not all(change.translated for change in changes):
            say(f"paths are relative to {base}: apply the patch there", quiet)
        _print_bytes(write_diff(changes, base))
    _exit(TROUBLE if inventory.errors else 1 if changes and not exit_zero else 0)


@app.command(short_help="Make the change: --in-place, --out, --patches or --stdout.")
def apply(
    sources: SourcesOrPlan,
    in_place: Annotated[bool, typer.Option("--in-place", help="Edit the sources; wants --phase.")] = False,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="DIR", help="Write a copy of the sources with the changes.")
    ] = None,
    patches: Annotated[
        Path | None,
        typer.Option("--patches", metavar="DIR", help="Write a kustomization that patches the sources from outside."),
    ] = None,
    stdout: Annotated[bool, typer.Option("--stdout", help="Print one stream; the default for -.")] = False,
    output: ReviewForm = "text",
    phase: PhaseOption = None,
    policy: PolicyPath = None,
    settings: Settings = None,
    namespace: Namespaces = None,
    workload: Workloads = None,
    only: Only = None,
    exclude: Exclude = None,
    port_map: PortMap = None,
    requester: Requester = None,
    default_namespace: DefaultNamespace = None,
    answers: Answers = None,
    stack: StackName = None,
    ask: Ask = False,
    exit_zero: Annotated[
        bool, typer.Option("--exit-zero", help="Exit with 0 also when something is left to a person.")
    ] = False,
    keep_going: KeepGoing = False,
    jobs: Jobs = None,
    verbose: Verbose = False,
    quiet: Quiet = False,
) -> None:
    """Make the change: in place, in a copy, as a kustomization of patches, or on standard output.

    Exit code 1 says that it is made, and that something is left to a person.

    Example: migrator apply deploy/ --in-place --phase expand

    Example: helm template RELEASE CHART | migrator apply - | kubectl apply -f -
    """
    given = dict(locals())
    check_choice("--output", output, ("text", "json", "yaml", *VIEWS))
    run = Run(make_request(given))
    elsewhere = in_place or out is not None or patches is not None
    streams = stdout or (not elsewhere and run.sources == ["-"])
    if sum((in_place, out is not None, patches is not None, streams)) != 1:
        raise InputError("apply", "say where to write", hint="one of --in-place, --out DIR, --patches DIR, --stdout")
    if in_place and phase is None and run.plan_file is None:
        hint = "--phase expand first; then contract, once clients have moved"
        raise InputError("apply --in-place", "wants a phase named", hint=hint)
    if in_place and "-" in run.sources:
        raise InputError("apply --in-place", "standard input cannot be edited in place", hint="use --stdout")
    if all(map(is_cluster, run.sources)):
        hint = "give the manifests as sources; or keep --save-inventory FILE of audit or plan, and apply FILE"
        raise InputError("apply", "a live cluster is only read", hint=hint)
    made, inventory = run.make_plan(phase)
    from migrator.rendering.copy import write_out, write_stream
    from migrator.rendering.write import write_in_place

    unreadable = [error for error in inventory.errors if error not in inventory.refused_stacks]
    if unreadable:
        raise unreadable[0]
    changes = run.render(made, inventory, explained=output in VIEWS) if patches is None else ()
    translated = any(file.translated for file in inventory.files)
    if in_place:
        if translated:
            hint = "a stack becomes new files: use --out DIR"
            raise InputError("apply --in-place", "a Rancher stack cannot be edited in place", hint=hint)
        written = write_in_place(changes, _ignore_interrupts)
    elif out is not None:
        stdin = next((file.content for file in inventory.files if file.path == "-"), None)
        sources, composed = _copied_sources(made, inventory)
        written = write_out(changes, sources, out, stdin, _ignore_interrupts, composed)
    elif patches is not None:
        if translated:
            raise InputError("apply --patches", "a Rancher stack becomes new files", hint="use --out DIR")
        from migrator.rendering.patch_folder import write_patch_folder
        from migrator.rendering.patches import make_patch_set

        patch_set = make_patch_set(made, inventory, patches.resolve())
        written = write_patch_folder(patch_set.files, patches.resolve(), made.sources, _ignore_interrupts)
        for note in patch_set.notes:
            say(note, quiet)
    else:
        from migrator.sources.files import read_bytes

        # A stream is built already: kustomizations are no part of it.
        kustomizations = {item.location.path for item in inventory.kustomizations}
        contents = {
            file.path: file.content if file.content is not None else read_bytes(file.path)
            for file in inventory.files
            if (file.documents or file.path == "-") and file.path not in kustomizations and not file.is_known_only
        }
        if kustomizations:
            say("kustomizations are not built: namespaces and names are those of the files; --out keeps both", quiet)
        streamed = [change for change in changes if change.path not in kustomizations]
        _print_bytes(write_stream(streamed, list(contents), contents))
        written = []
    deleted = [change.path for change in changes if change.deleted] if in_place else []
    open_numbers = made.open_numbers()
    needs_person = open_numbers or any(finding.severity == "error" for finding in made.findings)
    if output in VIEWS and not streams:
        _print_view(output, made, changes or run.render(made, inventory, explained=True))
    elif output != "text" and not streams:
        from migrator.review.document import write_document

        _print(write_document({**run.describe(made), "written": written, "deleted": deleted}, output))
    else:
        for path in written:
            say(f"wrote {path}", quiet)
        for path in deleted:
            say(f"deleted {path}", quiet)
    for finding in made.findings:
        if finding.severity == "error":
            say(f"{finding.location or ''}: {finding.message}", False)
    if open_numbers:
        say(f"{len(open_numbers)} node port(s) will be the cluster's choice; once applied, ask with:", False)
        for entry in open_numbers[:10]:
            say(f"  {entry.query}", False)
    _exit(TROUBLE if inventory.errors else 1 if needs_person and not exit_zero else 0)


def _copied_sources(made: "Plan", inventory: "Inventory") -> tuple[list[str], frozenset[str]]:
    """Give the sources that `--out` copies, and the files in them that became something else.

    A cluster is not copied, nor is a source that holds nothing but Rancher stacks, and files that are no manifests.
    """
    from migrator.sources.files import display_path

    facts = {file.path for file in inventory.files if file.is_known_only}
    sources = [source for source in made.sources if display_path(source) not in facts]
    if not any(file.translated for file in inventory.files):
        return sources, frozenset()
    from collections import Counter

    from migrator.sources.stacks import is_compose_file

    unread = Counter(item.path for item in inventory.unread)
    kept = {file.root for file in inventory.files if file.objects > unread[file.path] and not file.translated}
    composed = frozenset(file.path for file in inventory.files if not file.documents and is_compose_file(file.path))
    return [source for source in sources if display_path(source) in kept], composed


@app.command(short_help="Proof that nothing was lost or opened unasked.")
def verify(
    before: Annotated[str, typer.Argument(metavar="BEFORE", help="The sources as they were: as for plan.")],
    after: Annotated[str, typer.Argument(metavar="AFTER", help="What became of them: a tree, a stream, a cluster.")],
    output: Annotated[str, typer.Option("--output", "-o", metavar="FORMAT", help="text, json or yaml.")] = "text",
    requester: Requester = None,
    policy: PolicyPath = None,
    settings: Settings = None,
    exclude: Exclude = None,
    default_namespace: DefaultNamespace = None,
    answers: Answers = None,
    stack: StackName = None,
    ask: Ask = False,
    jobs: Jobs = None,
    verbose: Verbose = False,
    quiet: Quiet = False,
) -> None:
    """Prove, from two trees alone, that a migration lost nothing and opened nothing unasked.

    Exit code 1 says that a claim fails; each is printed with both places. Give the options that apply was given.

    Where AFTER is what a cluster holds (cluster:CONTEXT, or a dump), proves that it holds what BEFORE says.

    Example: migrator apply deploy/ --out migrated/ --exit-zero && migrator verify deploy/ migrated/
    """
    given = dict(locals())
    check_choice("--output", output, ("text", "json", "yaml"))
    proof = Run(make_request({**given, "sources": [before]})).make_proof(after)
    if output == "text":
        from migrator.review.verification import write_proof

        _print(write_proof(proof, _painter(), verbose))
    else:
        from migrator.review.document import write_document
        from migrator.review.verification import describe_proof

        _print(write_document(describe_proof(proof), output))
    _exit(0 if proof.proven else 1)


@app.command(short_help="KRM function for kustomize and kpt: ResourceList in and out.")
def fn(phase: PhaseOption = None) -> None:
    """Be a KRM function: a ResourceList on standard input, the same on standard output with the changes made.

    The functionConfig is a MigrationPolicy, whose annotation migrator.dev/phase names the phase, or a ConfigMap of
    `--set` values and `phase`. Exit code 1 says that a result is an error.

    Example: kpt fn eval deploy/ --exec "migrator fn --phase expand"
    """
    from migrator.function import run_function
    from migrator.model.reference import STDIN
    from migrator.sources.files import read_bytes

    made = run_function(read_bytes(STDIN), phase)
    _print_bytes(made.content)
    for message in made.errors():
        say(f"error: {message}")
    _exit(1 if made.errors() else 0)


@app.command(short_help="Where the pods land, before and after.")
def simulate(
    sources: SourcesOrPlan,
    nodes: Annotated[
        str | None,
        typer.Option(
            "--nodes",
            metavar="N|FILE",
            help="A number of identical nodes, or saved `kubectl get nodes -o yaml`; else the sources' own.",
        ),
    ] = None,
    output: Annotated[
        str, typer.Option("--output", "-o", metavar="FORMAT", help="text, json, yaml, html or svg.")
    ] = "text",
    phase: PhaseOption = None,
    policy: PolicyPath = None,
    settings: Settings = None,
    namespace: Namespaces = None,
    workload: Workloads = None,
    only: Only = None,
    exclude: Exclude = None,
    port_map: PortMap = None,
    default_namespace: DefaultNamespace = None,
    answers: Answers = None,
    stack: StackName = None,
    ask: Ask = False,
    keep_going: KeepGoing = False,
    jobs: Jobs = None,
    verbose: Verbose = False,
    quiet: Quiet = False,
) -> None:
    """Show where the pods land before and after the plan, by the scheduler's rules, on nodes that are empty at first.

    Says which pods stay Pending and why, which ports answer on which node, which updates would hang, and what the
    loss of a node does. Exit code 1: a pod stays Pending after the plan.

    Example: migrator simulate deploy/ --nodes 3
    Example: migrator simulate cluster:production
    Example: kubectl get nodes -o yaml > nodes.yaml; migrator simulate deploy/ --nodes nodes.yaml -o html > ports.html
    """
    given = dict(locals())
    check_choice("--output", output, ("text", "json", "yaml", "html", "svg"))
    run = Run(make_request(given))
    made, inventory = run.make_plan(phase)
    simulation = run.simulate(made, inventory, nodes)
    if output == "text":
        from migrator.review.simulation import write_simulation

        _print(write_simulation(simulation, _painter(), verbose))
    elif output in ("json", "yaml"):
        from migrator.review.document import write_document
        from migrator.review.simulation import describe_simulation

        _print(write_document(describe_simulation(simulation), output))
    else:
        from migrator.review.simulation_svg import render_simulation_page, render_simulation_svg

        _print(render_simulation_page(simulation) if output == "html" else render_simulation_svg(simulation))
    _exit(TROUBLE if inventory.errors else 1 if simulation.after.pending else 0)


@app.command(short_help="A rule, strategy, decision or check, with its sources.")
def explain(
    identifier: Annotated[
        str | None,
        typer.Argument(
            metavar="ID", help="A rule, strategy, decision or Pod Security check.", autocompletion=_complete_ids
        ),
    ] = None,
) -> None:
    """Explain a rule, strategy, decision or Pod Security check, with its sources; without ID, list them.

    Example: migrator explain node_port
    """
    from migrator.review.explain import explain as explain_id
    from migrator.review.explain import list_ids

    if identifier is None:
        _print("\n".join(list_ids()) + "\n")
        return
    text = explain_id(identifier)
    if text is None:
        import difflib

        nearest = difflib.get_close_matches(identifier, list_ids(), n=1)
        hint = f"did you mean {nearest[0]}?" if nearest else "migrator explain lists the ids"
        raise InputError(identifier, "is no rule, strategy, decision or check", hint=hint)
    _print(text)


@app.command(short_help="A commented policy file to start from.")
def init(
    folder: Annotated[
        Path, typer.Argument(metavar="[DIR]", help="Where; the working directory by default.")
    ] = Path(),
    quiet: Quiet = False,
) -> None:
    """Write a commented .migrator.yaml, and the schema that editors complete it from.

    Example: migrator init deploy/
    """
    from migrator.policy.start import start_policy

    for path in start_policy(folder):
        say(f"wrote {path}", quiet)


@app.command(short_help="JSON Schema of the policy or the plan file.")
def schema(
    form: Annotated[str, typer.Argument(metavar="policy|plan", help="Which file's schema.")],
) -> None:
    """Print the JSON Schema of the policy or the plan file, for editors.

    Example: migrator schema policy > migration-policy.schema.json
    """
    check_choice("schema", form, ("policy", "plan"))
    from migrator.policy.schema import MigrationPolicy, write_schema

    if form == "policy":
        _print(write_schema(MigrationPolicy))
    else:
        from migrator.planning.plan_schema import PlanForm

        _print(write_schema(PlanForm))


def _painter() -> "Painter":
    import shutil

    from migrator.review.painter import Painter

    colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"
    return Painter(colour, shutil.get_terminal_size((110, 24)).columns if sys.stdout.isatty() else 110)


def _print_view(form: str, made: "Plan", changes: "Sequence[FileChange]") -> None:
    from migrator.review.views import write_view

    _print(write_view(form, made, changes))


def _print(text: str) -> None:
    _print_bytes(text.encode("utf-8", "surrogateescape"))


def _print_bytes(content: bytes) -> None:
    try:
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
    except OSError as error:
        # Python writes what is left once more when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            # The reader of a pipe has seen enough.
            sys.exit(BROKEN_PIPE)
        raise InputError("standard output", f"cannot be written: {(error.strerror or str(error)).lower()}") from None


def _ignore_interrupts() -> None:
    import signal

    # What is written cannot be taken back any more, as the message of an interrupt would say.
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _write_file(path: Path, text: str) -> None:
    staging = path.with_name(f".{path.name}.migrator-{os.getpid()}")
    try:
        staging.write_text(text, encoding="utf-8", errors="surrogateescape")
        staging.replace(path)
    except OSError as error:
        staging.unlink(missing_ok=True)
        raise InputError(str(path), f"cannot be written: {(error.strerror or str(error)).lower()}") from None


def _exit(code: int) -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    if code:
        raise typer.Exit(code)


if __name__ == "__main__":
    main()
