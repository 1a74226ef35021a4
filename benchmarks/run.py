"""Measures migrator beside ruamel.yaml's round trip, on the same input in one run.

    python benchmarks/run.py [--deployments 5000] [--sample-files 2] [--repeat 3]

Every program runs as a process of its own and the best of its runs counts. The round trip would take minutes on the
whole input: it gets the first files of it, and throughput is compared by bytes. It is compared by the clock and by
processor time, which holds still where other work shares the machine.
"""

from __future__ import annotations

import argparse
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from generate import write_policies, write_stacks

HERE = Path(__file__).resolve().parent
MIGRATOR = (sys.executable, "-m", "migrator")
POLICIES, BINDINGS = 500, 10000
STACKS = 200
KOMPOSE_RUNS = 10
# As installed programs run: compiled once, not at every start.
ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
COMMANDS = {"audit": ("audit", "--quiet"), "diff": ("diff", "--quiet", "--exit-zero")}


@dataclass(frozen=True, slots=True)
class Run:
    """One program on one input: seconds by the clock, seconds of processor time, megabytes of its largest process."""

    wall: float
    cpu: float
    memory: float


def main() -> None:
    """Generate the input, run everything on it and print the comparison."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--deployments", type=int, default=5000, help="the size of the input (default: %(default)s)")
    parser.add_argument("--sample-files", type=int, default=2, help="files that the round trip gets (default: 2)")
    parser.add_argument("--repeat", type=int, default=3, help="runs of each; the best counts (default: 3)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="migrator-bench-") as name:
        folder = Path(name)
        print(f"Python {platform.python_version()}, {os.cpu_count()} processors, best of {options.repeat} runs\n")
        whole = generate(folder / "whole", options.deployments)
        tenth = generate(folder / "tenth", options.deployments // 10)
        compare_with_round_trip(whole, options.sample_files, options.repeat)
        show_other_forms(whole, options.repeat)
        show_growth(tenth, whole, options.repeat)
        show_pod_security(whole, options.repeat)
        show_policies(whole, options.repeat)
        show_start(max(options.repeat * 5, 5))
        show_kube_linter(whole / "tree", options.repeat)
        show_stacks(folder / "stacks", options.repeat)


def generate(folder: Path, deployments: int) -> Path:
    """Write the input of so many Deployments into a folder and say how large it is."""
    subprocess.run([sys.executable, HERE / "generate.py", folder, "--deployments", str(deployments)], check=True)
    return folder


def compare_with_round_trip(whole: Path, sample_files: int, repeat: int) -> None:
    """Print throughput and ratios on the tree of files."""
    tree = whole / "tree"
    files = sorted(tree.iterdir())
    sample = files[:sample_files]
    size, sample_size = measure_size(files), measure_size(sample)
    print(f"A tree of {len(files)} files, {size:.1f} MB; the round trip gets {len(sample)}, {sample_size:.1f} MB")
    round_trip = [sys.executable, HERE / "round_trip.py", *sample]
    forms = [(command, jobs) for command in COMMANDS for jobs in (1, 2)]
    migrator = [[*MIGRATOR, *COMMANDS[command], "--jobs", str(jobs), tree] for command, jobs in forms]
    first, *runs = measure_in_turn([round_trip, *migrator], repeat)
    base = (sample_size / first.wall, sample_size / first.cpu)
    show_header()
    show("ruamel.yaml round trip", first, sample_size, base)
    for (command, jobs), run in zip(forms, runs, strict=True):
        label = "audit" if command == "audit" else "verified rewrite (diff)"
        show(f"{label}, {jobs} process{'es' if jobs > 1 else ''}", run, size, base)
    show_second_processor(round_trip, repeat)
    check_same_work(sample[0])


def show_second_processor(command: Sequence[str | Path], repeat: int) -> None:
    """Print what a second processor is worth here: those of one core, or of a busy host, are worth less than two."""
    alone, beside = [], []
    for _ in range(repeat):
        alone.append(measure_at_once(command, 1))
        beside.append(measure_at_once(command, 2))
    worth = 2 * min(alone) / min(beside)
    print(f"Two processors do {worth:.2f} times the work of one here: two round trips at once, beside one alone.")


def check_same_work(file: Path) -> None:
    """End with an error where migrator takes other host ports out of a file than the round trip does."""
    round_trip = subprocess.run([sys.executable, HERE / "round_trip.py", file], capture_output=True, check=True)
    diff = subprocess.run([*MIGRATOR, *COMMANDS["diff"], file], capture_output=True, text=True, check=True)
    lines = sum(line.startswith("-") and "hostPort:" in line for line in diff.stdout.splitlines())
    if lines != int(round_trip.stdout):
        sys.exit(
            f"not the same work on {file}: {lines} host ports by migrator, {int(round_trip.stdout)} by ruamel.yaml"
        )
    print(f"Both take the same {lines} host ports out of the first file.\n")


def show_other_forms(whole: Path, repeat: int) -> None:
    """Print what the same objects cost in other forms."""
    print("The same objects in other forms, one process")
    show_header()
    for name, label in (("stream.yaml", "one stream"), ("list.yaml", "one List"), ("list.json", "one List, JSON")):
        size = measure_size([whole / name])
        for command in COMMANDS:
            run = measure([*MIGRATOR, *COMMANDS[command], "--jobs", "1", whole / name], repeat)
            show(f"{command}, {label}, {size:.1f} MB", run, size, None)
    print()


def show_growth(tenth: Path, whole: Path, repeat: int) -> None:
    """Print how time grows with the input."""
    small, large = measure_size((tenth / "tree").iterdir()), measure_size((whole / "tree").iterdir())
    print(f"Growth, one process: {small:.1f} MB to {large:.1f} MB, {large / small:.1f} times the input")
    for command in COMMANDS:
        runs = [
            measure([*MIGRATOR, *COMMANDS[command], "--jobs", "1", folder / "tree"], repeat)
            for folder in (tenth, whole)
        ]
        factor = runs[1].wall / runs[0].wall
        print(
            f"  {command:<8} {runs[0].wall:6.2f} s to {runs[1].wall:6.2f} s: {factor:.1f} times the time, "
            f"{runs[1].cpu / runs[0].cpu:.1f} times the processor time"
        )
    print()


READ = """\
import gc, sys
gc.disable()
from migrator.podsecurity.version import NEWEST
from migrator.sources.read import ReadOptions, read_sources
from migrator.sources.tables import built_in_workload_kinds
judged = NEWEST if sys.argv[2] == "judged" else None
read_sources([sys.argv[1]], ReadOptions(built_in_workload_kinds(), judged))
"""


def show_pod_security(whole: Path, repeat: int) -> None:
    """Print what judging every pod by all Pod Security checks adds to reading it."""
    tree = whole / "tree"
    plain = measure([sys.executable, "-c", READ, tree, "plain"], repeat)
    judged = measure([sys.executable, "-c", READ, tree, "judged"], repeat)
    print(
        f"Pod Security, all checks of one version: reading takes {plain.cpu:.2f} processor seconds without, "
        f"{judged.cpu:.2f} with ({judged.cpu / plain.cpu - 1:+.0%})\n"
    )


def show_policies(whole: Path, repeat: int) -> None:
    """Print what PodSecurityPolicies with their RBAC cost an audit and a plan, beyond the same workloads alone."""
    write_policies(whole / "policies", POLICIES, BINDINGS)
    print(f"{POLICIES} PodSecurityPolicies and {BINDINGS} bindings, one process")
    for command, output in (("audit", "text"), ("audit", "json"), ("plan", "text")):
        arguments = [*MIGRATOR, command, "--quiet", "--jobs", "1", "-o", output, whole / "tree"]
        without = measure(arguments, repeat)
        with_them = measure([*arguments, whole / "policies"], repeat)
        factor = with_them.cpu / without.cpu
        print(
            f"  {f'{command} -o {output}':<30} {without.cpu:8.2f} s {with_them.cpu:8.2f} s   {factor:5.1f} times"
            " the time"
        )
    print()


def show_start(repeat: int) -> None:
    """Print what `migrator --help` costs beyond an interpreter that does nothing."""
    bare, start = [], []
    for _ in range(repeat):
        bare.append(measure([sys.executable, "-c", "pass"], 1).wall)
        start.append(measure([*MIGRATOR, "--help"], 1).wall)
    beyond = statistics.median(start) - statistics.median(bare)
    print(
        f"Start: migrator --help takes {beyond * 1000:.0f} ms beyond a bare interpreter's "
        f"{statistics.median(bare) * 1000:.0f} ms (medians of {repeat})"
    )


def show_kube_linter(tree: Path, repeat: int) -> None:
    """Print kube-linter's time on the tree where there is one: it parses and checks, and edits nothing."""
    program = shutil.which("kube-linter")
    if program is None:
        print("kube-linter is not on PATH: left out")
        return
    run = measure([program, "lint", tree], repeat, exit_codes=(0, 1))
    size = measure_size(tree.iterdir())
    print(f"kube-linter lint: {run.wall:.2f} s, {size / run.wall:.2f} MB/s")


def show_stacks(tree: Path, repeat: int) -> None:
    """Print what a tree of Rancher stacks costs in one run, beside one run of kompose for each stack."""
    write_stacks(tree, STACKS)
    run = measure([*MIGRATOR, "diff", "--quiet", "--exit-zero", "--jobs", "1", tree], repeat)
    print(
        f"{STACKS} Rancher stacks in one run, translated, planned, rendered: {run.wall / STACKS * 1000:.1f} ms for "
        f"each, {run.cpu / STACKS * 1000:.1f} ms of processor time"
    )
    program = shutil.which("kompose")
    if program is None:
        print("kompose is not on PATH: left out")
        return
    files = sorted(tree.glob("*/docker-compose.yml"))[:: STACKS // KOMPOSE_RUNS]
    convert = (program, "convert", "--stdout", "--suppress-warnings", "-f")
    others = [measure([*convert, file], repeat) for file in files]
    wall, cpu = (statistics.mean(getattr(other, name) for other in others) for name in ("wall", "cpu"))
    print(
        f"kompose convert, one run for each of {len(files)} of them: {wall * 1000:.1f} ms for each, "
        f"{cpu * 1000:.1f} ms of processor time: {wall / run.wall * STACKS:.1f} times as long, "
        f"{cpu / run.cpu * STACKS:.1f} times by processor time"
    )


def measure_size(files: Iterable[Path]) -> float:
    """Add up the sizes of files, in megabytes."""
    return sum(file.stat().st_size for file in files) / 1e6


def measure(command: Sequence[str | Path], repeat: int, exit_codes: Collection[int] = (0,)) -> Run:
    """Run a command several times, its output thrown away, and give the quickest run.

    Ends the whole program where the command ends with another exit code.
    """
    words = [str(part) for part in command]
    return min((_run_once(words, exit_codes) for _ in range(repeat)), key=lambda run: run.wall)


def measure_at_once(command: Sequence[str | Path], count: int) -> float:
    """Run a command so many times at the same time, and give the seconds until all have ended."""
    words = [str(part) for part in command]
    started = time.perf_counter()
    processes = [subprocess.Popen(words, stdout=subprocess.DEVNULL, env=ENVIRONMENT) for _ in range(count)]
    exit_codes = [process.wait() for process in processes]
    if any(exit_codes):
        sys.exit(f"{' '.join(words)} failed")
    return time.perf_counter() - started


def measure_in_turn(commands: Sequence[Sequence[str | Path]], repeat: int) -> list[Run]:
    """Run commands one after the other, several times over, and give the quickest run of each.

    In turn, so that a host which gets slower for a while does so for all of them.
    """
    rounds = [[measure(command, 1) for command in commands] for _ in range(repeat)]
    return [min(runs, key=lambda run: run.wall) for runs in zip(*rounds, strict=True)]


def _run_once(command: Sequence[str], exit_codes: Collection[int]) -> Run:
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=ENVIRONMENT)
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode not in exit_codes:
        sys.exit(f"{' '.join(command)}: exit code {process.returncode}")
    # Bytes there, kilobytes elsewhere: getrusage(2).
    memory = usage.ru_maxrss / (1e6 if sys.platform == "darwin" else 1e3)
    return Run(wall, usage.ru_utime + usage.ru_stime, memory)


def show_header() -> None:
    print(f"  {'':<38} {'seconds':>8} {'cpu':>7} {'MB/s':>7} {'memory':>8} {'ratio':>7} {'by cpu':>7}")


def show(label: str, run: Run, size: float, base: tuple[float, float] | None) -> None:
    """Print a row; `base` is what it is compared with, in megabytes per second by clock and by processor time."""
    ratios = "" if base is None else f"{size / run.wall / base[0]:7.1f} {size / run.cpu / base[1]:7.1f}"
    row = f"  {label:<38} {run.wall:8.2f} {run.cpu:7.2f} {size / run.wall:7.2f} {run.memory:5.0f} MB {ratios}"
    print(row.rstrip(), flush=True)


if __name__ == "__main__":
    main()
