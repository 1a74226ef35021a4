"""Apply over a whole tree, killed on the way: the next run leaves it wholly old or wholly new.

The quick suite kills at chosen steps over 200 files; with FULL=1 it kills 200 times at random over 2,000.
"""

from __future__ import annotations

import hashlib
import os
import pickle
import random
import shutil
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from migrator import cli
from migrator.rendering import write
from migrator.rendering.render import FileChange
from migrator.sources.files import JOURNAL_NAME, find_journals

FULL = os.environ.get("FULL") == "1"
FILES = 2000 if FULL else 200
KILLS = 200 if FULL else 12

DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web-{number}
  namespace: shop # of team {team}
spec:
  selector:
    matchLabels: {{app: web-{number}}}
  template:
    metadata:
      labels: {{app: web-{number}}}
    spec:
      containers:
        - name: web
          image: web:1
          ports:
            - containerPort: 80
              hostPort: {port}
"""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a run ended and what it said."""

    returncode: int
    stderr: str


@dataclass(frozen=True, slots=True)
class Stage:
    """A tree before and after one phase, by the hashes of all of its files; what is written, in how many steps."""

    before: Path
    old: dict[str, str]
    new: dict[str, str]
    changes: Sequence[FileChange]
    steps: int


def hash_tree(root: Path) -> dict[str, str]:
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def run_apart(tree: Path, action: Callable[[], object], kill_at: int) -> Ended:
    """Run an action in a process of its own, killed before a step of its writing."""
    said = tree.with_name(f"{tree.name}.stderr")
    child = os.fork()
    if child == 0:
        code = 3
        try:
            os.chdir(tree)
            descriptor = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(descriptor, 1)
            os.dup2(descriptor, 2)
            sys.stdout = sys.stderr = open(2, "w")  # noqa: SIM115 - until the process ends
            # A kill loses nothing that was written: syncs only cost time here.
            os.fsync, os.sync = (lambda descriptor: None), (lambda: None)
            count_steps(tree, kill_at)
            action()
            code = 0
        except SystemExit as ended:
            code = int(str(ended.code or 0))
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)
    _, status = os.waitpid(child, 0)
    return Ended(os.waitstatus_to_exitcode(status), said.read_text())


def count_steps(tree: Path, kill_at: int) -> None:
    """Count what the writing asks of the file system, say it in the end, and kill the process at one of them.

    What is written is kept beside the tree, so that it can be written again without being planned again.
    """
    counting, steps = False, 0
    write_in_place = write.write_in_place

    def count(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal steps
        if counting and (event == "open" or event.startswith("os.")):
            steps += 1
            if steps == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)

    def write_counted(changes: Sequence[FileChange], before_commit: Callable[[], None] = lambda: None) -> list[str]:
        nonlocal counting
        tree.with_name(f"{tree.name}.changes").write_bytes(pickle.dumps(changes))
        counting = True
        written = write_in_place(changes, before_commit)
        counting = False
        print("steps", steps, file=sys.stderr)
        return written

    write.write_in_place = write_counted
    sys.addaudithook(count)


def apply_phase(tree: Path, phase: str, kill_at: int = 0) -> Ended:
    def run_command_line() -> None:
        sys.argv = ["migrator", "apply", ".", "--in-place", "--phase", phase, "-q"]
        cli.main()

    return run_apart(tree, run_command_line, kill_at)


@pytest.fixture(scope="module")
def stages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Stage]:
    """The tree before `expand` and before `contract`."""
    folder = tmp_path_factory.mktemp("stages")
    tree = folder / "expand"
    for number in range(FILES):
        path = tree / f"team-{number % 20}" / f"web-{number}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(DEPLOYMENT.format(number=number, team=number % 20, port=100 + number))
    for team in range(5):
        names = "".join(f"  - web-{number}.yaml\n" for number in range(team, FILES, 20))
        (tree / f"team-{team}/kustomization.yaml").write_text(f"resources:\n{names}")
    stages = {}
    for phase, following in (("expand", "contract"), ("contract", "done")):
        shutil.copytree(folder / phase, folder / following)
        done = apply_phase(folder / following, phase)
        assert done.returncode == 0, done.stderr
        old, new = hash_tree(folder / phase), hash_tree(folder / following)
        changes = pickle.loads((folder / f"{following}.changes").read_bytes())
        stages[phase] = Stage(folder / phase, old, new, changes, int(done.stderr.split()[-1]))
    return stages


def test_the_phases_change_every_file(stages: dict[str, Stage]) -> None:
    expand, contract = stages["expand"], stages["contract"]
    assert len(expand.old) == FILES + 5
    assert len(expand.new) == 2 * FILES + 5
    assert all(contract.new[name] != content for name, content in expand.old.items())


def check_recovered(tree: Path, stage: Stage) -> str:
    """Do what the next run does first; tell which of the two trees it is then."""
    found = [write.recover(journal) for journal in find_journals([str(tree)])]
    now = hash_tree(tree)
    assert now in (stage.old, stage.new)
    assert all(item.finished == (now == stage.new) for item in found)
    return "old" if now == stage.old else "new"


@pytest.mark.parametrize("phase", ["expand", "contract"])
def test_killed_while_it_writes(stages: dict[str, Stage], tmp_path: Path, phase: str) -> None:
    stage = stages[phase]
    ages = set()
    for kill in range(1, KILLS // 2 + 1):
        tree = tmp_path / str(kill)
        shutil.copytree(stage.before, tree)
        step = stage.steps * kill // (KILLS // 2 + 1)
        killed = run_apart(tree, lambda: write.write_in_place(stage.changes), step)
        assert killed.returncode == -signal.SIGKILL, killed.stderr
        assert hash_tree(tree) != stage.old
        ages.add(check_recovered(tree, stage))
        shutil.rmtree(tree)
    assert ages == {"old", "new"}


@pytest.mark.skipif(not FULL, reason="takes a quarter of an hour: FULL=1")
@pytest.mark.parametrize("phase", ["expand", "contract"])
def test_killed_at_a_random_moment(stages: dict[str, Stage], tmp_path: Path, phase: str) -> None:
    """Every other kill comes once the journal stands, however slowly this machine got there."""
    stage = stages[phase]
    moments = random.Random(phase)
    before, writing = time_run(copy_tree(stage.before, tmp_path / "timed"), phase)
    interrupted = 0
    for kill in range(KILLS // 2):
        tree = copy_tree(stage.before, tmp_path / str(kill))
        with start_apply(tree, phase) as process:
            if kill % 2:
                wait_for_journal(tree, process)
            time.sleep(moments.uniform(0, writing if kill % 2 else before))
            process.kill()
        interrupted += (tree / JOURNAL_NAME).exists()
        check_recovered(tree, stage)
        shutil.rmtree(tree)
    assert interrupted > KILLS // 20


def start_apply(tree: Path, phase: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "migrator", "apply", ".", "--in-place", "--phase", phase, "-q"]
    return subprocess.Popen(command, cwd=tree, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def wait_for_journal(tree: Path, process: subprocess.Popen[bytes]) -> None:
    while process.poll() is None and not (tree / JOURNAL_NAME).exists():
        time.sleep(0.001)


def time_run(tree: Path, phase: str) -> tuple[float, float]:
    """Give the seconds before the journal stands, and those from there to the end."""
    started = time.monotonic()
    with start_apply(tree, phase) as process:
        wait_for_journal(tree, process)
        seen = time.monotonic()
    return seen - started, time.monotonic() - seen


def copy_tree(source: Path, target: Path) -> Path:
    shutil.copytree(source, target)
    return target


def test_the_next_run_says_what_it_found_and_goes_on(stages: dict[str, Stage], tmp_path: Path) -> None:
    stage = stages["contract"]
    tree = tmp_path / "tree"
    shutil.copytree(stage.before, tree)
    apply_phase(tree, "contract", stage.steps // 2)
    again = apply_phase(tree, "contract")
    assert again.returncode == 0
    assert f"an earlier run in {tree} was interrupted: {FILES} file(s), undone" in again.stderr
    assert hash_tree(tree) == stage.new
