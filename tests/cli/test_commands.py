"""What the commands promise: exit codes, streams, options, and errors that say what to do."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import threading
import time
from pathlib import Path

import pytest
import yaml
from command_line import Ended, run

from migrator import __version__
from migrator.sources.files import JOURNAL_NAME

COMMANDS = ("audit", "plan", "diff", "apply", "simulate", "explain", "schema")
READING = ("audit", "plan", "diff")

WEB = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
        - name: web  # the shop window
          image: web:1
          ports:
            - containerPort: 80
              hostPort: 80
"""
QUIET = WEB.replace("hostPort: 80", "name: http")
BROKEN = "kind: Pod\nmetadata: [\n"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A repository with one workload on a host port."""
    root = tmp_path / "deploy"
    (root / "web").mkdir(parents=True)
    (root / "web/web.yaml").write_text(WEB)
    (root / "web/kustomization.yaml").write_text("resources:\n  - web.yaml\n")
    (root / "README.md").write_text("The shop.\n")
    return root


def read_tree(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def check_trouble(ended: Ended) -> None:
    """Exit code 2, one error on stderr, no data, no traceback."""
    assert ended.code == 2, ended
    assert ended.stdout == b""
    assert "Traceback" not in ended.stderr
    assert re.search(r"^(error|Error): ", ended.stderr, re.MULTILINE), ended.stderr


@pytest.mark.parametrize(
    ("arguments", "changed", "unchanged"),
    [
        (["audit", "."], 0, 0),
        (["plan", "."], 0, 0),
        (["plan", ".", "--exit-code"], 1, 0),
        (["diff", "."], 1, 0),
        (["diff", ".", "--exit-zero"], 0, 0),
        (["diff", ".", "--phase", "expand"], 1, 0),
        (["apply", ".", "--stdout"], 0, 0),
        (["apply", ".", "--out", "../out"], 0, 0),
        (["apply", ".", "--in-place", "--phase", "expand"], 0, 0),
        (["apply", ".", "--in-place", "--phase", "all"], 0, 0),
    ],
)
def test_exit_codes(tree: Path, arguments: list[str], changed: int, unchanged: int) -> None:
    ended = run(*arguments, "--only", "host-port", cwd=tree) if arguments[0] != "audit" else run(*arguments, cwd=tree)
    assert ended.code == changed, ended.stderr
    assert "error" not in ended.stderr
    (tree / "web/web.yaml").write_text(QUIET)
    for made in tree.glob("web/*node-port*"):
        made.unlink()
    (tree / "web/kustomization.yaml").write_text("resources:\n  - web.yaml\n")
    arguments = ["../second" if argument == "../out" else argument for argument in arguments]
    before = read_tree(tree)
    ended = run(*arguments, *(["--only", "host-port"] if arguments[0] != "audit" else []), cwd=tree)
    assert ended.code == unchanged, ended.stderr
    assert read_tree(tree) == before


def test_a_number_that_the_cluster_will_choose_wants_a_person(tree: Path) -> None:
    (tree / "web/web.yaml").write_text(WEB.replace("hostPort: 80", "hostPort: 8080"))
    ended = run("apply", ".", "--out", "../out", cwd=tree)
    assert ended.code == 1
    assert "kubectl get service" in ended.stderr
    assert (tree / "../out/web/web.yaml").exists()


@pytest.mark.parametrize("command", [*READING, "apply"])
def test_broken_input_is_trouble(tree: Path, command: str) -> None:
    (tree / "web/broken.yaml").write_text(BROKEN)
    before = read_tree(tree)
    ended = run(command, ".", *(["--in-place", "--phase", "expand"] if command == "apply" else []), cwd=tree)
    check_trouble(ended)
    assert re.search(r"^error: web/broken\.yaml:\d+", ended.stderr, re.MULTILINE)
    assert read_tree(tree) == before


@pytest.mark.parametrize("command", READING)
def test_keep_going_covers_the_good_files_and_still_exits_with_2(tree: Path, command: str) -> None:
    (tree / "web/broken.yaml").write_text(BROKEN)
    ended = run(command, ".", "--keep-going", cwd=tree)
    assert ended.code == 2
    assert b"web" in ended.stdout
    assert "web/broken.yaml" in ended.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--no-such-option"],
        ["no-such-command"],
        *([command, ".", "--no-such-option"] for command in COMMANDS),
        *([command] for command in ("audit", "plan", "diff", "apply", "schema")),
        *([command, "no/such/file.yaml"] for command in READING),
        *([command, ".", "--policy", "no/such/policy.yaml"] for command in READING),
        *([command, ".", "--set", "no.such.key=1"] for command in READING),
        *([command, ".", "-o", "no-such-format"] for command in ("audit", "plan")),
        ["plan", ".", "--phase", "no-such-phase"],
        ["plan", ".", "--only", "no-such-rule"],
        ["plan", ".", "--jobs", "0"],
        ["plan", ".", "--save", "no/such/folder/plan.json"],
        ["plan", ".", "--port-map", "no-such-plan.json"],
        ["explain", "no-such-id"],
        ["schema", "no-such-form"],
        ["apply", "."],
        ["apply", ".", "--in-place"],
        ["apply", ".", "--in-place", "--stdout", "--phase", "expand"],
        ["apply", ".", "--in-place", "--out", "../out", "--phase", "expand"],
        ["apply", "-", "--in-place", "--phase", "expand"],
        ["apply", ".", "--out", "inside"],
        ["apply", ".", "--out", "."],
        ["apply", ".", "--out", "README.md"],
    ],
    ids=" ".join,
)
def test_wrong_use_is_trouble_and_writes_nothing(tree: Path, arguments: list[str]) -> None:
    before = read_tree(tree.parent)
    ended = run(*arguments, cwd=tree)
    if not arguments:
        assert ended.code == 2
        assert "Traceback" not in ended.stderr
    else:
        check_trouble(ended)
    assert read_tree(tree.parent) == before


def test_in_place_without_a_phase_says_which(tree: Path) -> None:
    assert "--phase expand" in run("apply", ".", "--in-place", cwd=tree).stderr


def test_version(tmp_path: Path) -> None:
    ended = run("--version", cwd=tmp_path)
    assert (ended.code, ended.stdout) == (0, f"migrator {__version__}\n".encode())


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("option", ["--help", "-h"])
def test_help_shows_an_example(tmp_path: Path, command: str, option: str) -> None:
    ended = run(command, option, cwd=tmp_path)
    assert ended.code == 0
    assert f"Example: migrator {command} " in ended.stdout.decode()


def test_help_names_every_command(tmp_path: Path) -> None:
    ended = run("--help", cwd=tmp_path)
    assert ended.code == 0
    assert all(re.search(rf"^ +{command} ", ended.stdout.decode(), re.MULTILINE) for command in COMMANDS)


@pytest.mark.parametrize(
    "arguments",
    [
        ["diff", "."],
        ["plan", ".", "--save", "../plan.json"],
        ["apply", ".", "--in-place", "--phase", "expand"],
        ["apply", ".", "--out", "../out"],
    ],
    ids=" ".join,
)
def test_quiet_says_nothing_on_stderr(tree: Path, arguments: list[str]) -> None:
    assert run(*arguments, "-q", cwd=tree).stderr == ""


def git(folder: Path, *arguments: str, stdin: bytes = b"") -> str:
    settings = ("-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "core.autocrlf=false")
    done = subprocess.run(["git", *settings, *arguments], cwd=folder, input=stdin, capture_output=True, check=True)
    return done.stdout.decode()


@pytest.mark.parametrize(
    "below",
    [".", "web"],
)
def test_git_applies_the_diff_and_then_there_is_none(tree: Path, below: str) -> None:
    git(tree, "init", "-q")
    git(tree, "add", "-A")
    git(tree, "commit", "-qm", "before")
    patch = run("diff", ".", cwd=tree / below)
    git(tree / below, "apply", "--index", stdin=patch.stdout)
    applied = read_tree(tree / "web")
    git(tree, "reset", "-q", "--hard")
    assert run("apply", ".", "--in-place", "--phase", "all", cwd=tree).code == 0
    assert read_tree(tree / "web") == applied
    again = run("diff", ".", cwd=tree)
    assert (again.code, again.stdout) == (0, b"")


def test_a_diff_of_sources_outside_says_where_it_is_applied(tree: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    patch = run("diff", "../deploy/web", cwd=elsewhere)
    assert patch.code == 1
    base = re.search(r"paths are relative to (\S+):", patch.stderr)
    assert base, patch.stderr
    subprocess.run(["patch", "-p1", "-s"], cwd=base[1], input=patch.stdout, check=True)
    assert run("diff", "../deploy/web", cwd=elsewhere).stdout == b""


def test_standard_input_becomes_standard_output(tmp_path: Path) -> None:
    ended = run("apply", "-", cwd=tmp_path, stdin=WEB.encode())
    documents = list(yaml.safe_load_all(ended.stdout))
    assert [document["kind"] for document in documents if document["kind"] != "Namespace"] == [
        "Deployment",
        "Service",
    ]
    assert b"# the shop window" in ended.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", [QUIET, QUIET.replace("\n", "\r\n"), "", "# nothing\n", "{}"])
def test_standard_input_without_a_host_port_keeps_its_bytes(tmp_path: Path, text: str) -> None:
    ended = run("apply", "-", "--only", "host-port", cwd=tmp_path, stdin=text.encode())
    assert (ended.code, ended.stdout) == (0, text.encode()), ended.stderr


def test_standard_input_as_json(tmp_path: Path) -> None:
    items = {"apiVersion": "v1", "kind": "List", "items": [yaml.safe_load(WEB)]}
    ended = run("apply", "-", "--only", "host-port", cwd=tmp_path, stdin=json.dumps(items, indent=4).encode())
    assert [item["kind"] for item in json.loads(ended.stdout)["items"]] == ["Deployment", "Service"]


@pytest.mark.parametrize("command", ["audit", "plan", "diff", "apply"])
def test_a_pipe_is_standard_input(tmp_path: Path, command: str) -> None:
    """What a shell makes of `<(...)`: it can be read once, from its start."""
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(target=(tmp_path / "pipe").write_text, args=(WEB,))
    writer.start()
    piped = run(command, "pipe", cwd=tmp_path)
    writer.join()
    assert piped == run(command, "-", cwd=tmp_path, stdin=WEB.encode())
    assert b"web" in piped.stdout


def test_two_pipes_are_trouble(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    ended = run("audit", "pipe", "-", cwd=tmp_path, stdin=WEB.encode())
    assert (ended.code, "one pipe can be read" in ended.stderr) == (2, True)


def test_several_files_become_one_stream(tree: Path) -> None:
    (tree / "a.json").write_text(json.dumps(yaml.safe_load(QUIET.replace("web", "api"))))
    ended = run("apply", ".", "--stdout", "--only", "host-port", cwd=tree)
    assert "kustomizations are not built" in ended.stderr
    kinds = [document["kind"] for document in yaml.safe_load_all(ended.stdout) if document]
    assert sorted(kinds) == ["Deployment", "Deployment", "Service"]


def test_a_copy_has_everything_and_builds_as_before(tree: Path) -> None:
    before = read_tree(tree)
    ended = run("apply", ".", "--out", "../out", "-o", "json", "--only", "host-port", cwd=tree)
    assert ended.code == 0
    assert read_tree(tree) == before
    copied = read_tree(tree / "../out")
    assert set(before) < set(copied)
    resources = yaml.safe_load(copied["web/kustomization.yaml"])["resources"]
    assert all(f"web/{name}" in copied for name in resources)
    assert len(resources) == 2
    out = (tree / "../out").resolve()
    assert all(Path(path).is_relative_to(out) for path in json.loads(ended.stdout)["written"])


def test_a_plan_is_saved_and_given_back(tree: Path) -> None:
    assert run("plan", ".", "--save", "../plan.yaml", cwd=tree).code == 0
    assert run("apply", "../plan.yaml", "--in-place", "--phase", "expand", cwd=tree).code == 0


def test_a_stale_plan_is_refused_with_the_name_of_the_file(tree: Path) -> None:
    run("plan", ".", "--save", "../plan.json", cwd=tree)
    (tree / "web/web.yaml").write_text(WEB.replace("web:1", "web:2"))
    before = read_tree(tree)
    for arguments in (["diff"], ["apply", "--in-place", "--phase", "expand"]):
        ended = run(arguments[0], "../plan.json", *arguments[1:], cwd=tree)
        check_trouble(ended)
        assert "web/web.yaml" in ended.stderr
    assert read_tree(tree) == before


def test_a_run_that_is_at_work_is_not_disturbed(tree: Path) -> None:
    with (tree / JOURNAL_NAME).open("wb") as journal:
        fcntl.flock(journal, fcntl.LOCK_EX)
        for command in READING:
            ended = run(command, "web", cwd=tree)
            check_trouble(ended)
            assert "another run is writing here" in ended.stderr
    assert run("audit", "web", cwd=tree).code == 0


def start(*arguments: str, cwd: Path, **options: object) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "migrator", *arguments]
    return subprocess.Popen(command, cwd=cwd, start_new_session=True, preexec_fn=heed_interrupts, **options)  # type: ignore[call-overload,no-any-return]


def heed_interrupts() -> None:
    # A shell starts what it puts in the background with interrupts ignored, and children inherit that.
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def test_two_runs_at_once_leave_one_result(tree: Path) -> None:
    arguments = ("apply", ".", "--in-place", "--phase", "expand", "-q")
    runs = [start(*arguments, cwd=tree, stderr=subprocess.PIPE) for _ in range(2)]
    said = [process.communicate()[1].decode() for process in runs]
    codes = sorted(process.returncode for process in runs)
    assert codes in ([0, 0], [0, 2]), said
    assert "Traceback" not in "".join(said)
    assert sorted(read_tree(tree)) == [
        "README.md",
        "web/kustomization.yaml",
        "web/web-node-port.yaml",
        "web/web.yaml",
    ]
    assert run("diff", ".", "--phase", "expand", cwd=tree).stdout == b""


def test_an_interrupt_of_all_processes_ends_with_one_message(tmp_path: Path) -> None:
    documents = "---\n".join(WEB.replace("name: web,", f"name: web-{number},") for number in range(20_000))
    (tmp_path / "web.yaml").write_text(documents)
    arguments = ("apply", ".", "--in-place", "--phase", "expand", "--jobs", "2")
    with start(*arguments, cwd=tmp_path, stderr=subprocess.PIPE) as process:
        # Once there are workers, the input is being read.
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        while process.poll() is None and not children.read_text().split():
            time.sleep(0.01)
        time.sleep(0.2)
        os.killpg(process.pid, signal.SIGINT)
        said = process.communicate()[1].decode()
    assert said == "error: interrupted; nothing was written\n"
    assert process.returncode == 2
    assert read_tree(tmp_path) == {"web.yaml": documents.encode()}


@pytest.mark.parametrize("arguments", [["apply", ".", "--stdout"], ["diff", "."], ["explain"], ["schema", "plan"]])
def test_a_reader_that_has_seen_enough_ends_the_run_quietly(tree: Path, arguments: list[str]) -> None:
    with start(*arguments, cwd=tree, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.close()
        assert process.stderr
        said = process.stderr.read().decode()
    assert "Traceback" not in said
    assert "rror" not in said
    assert process.returncode == 141


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
@pytest.mark.parametrize("arguments", [["audit", "."], ["diff", "."], ["apply", ".", "--stdout"]])
def test_output_onto_a_full_disk_is_trouble(tree: Path, arguments: list[str]) -> None:
    with (
        open("/dev/full", "wb") as full,  # noqa: PTH123
        start(*arguments, cwd=tree, stdout=full, stderr=subprocess.PIPE) as process,
    ):
        said = process.communicate()[1].decode()
    assert process.returncode == 2
    assert "error: standard output: cannot be written: no space left on device" in said
    assert "Exception ignored" not in said


def run_on_terminal(tree: Path, columns: int, *arguments: str, **environment: str) -> tuple[int, str]:
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(tree)
        base = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "COLUMNS", "LINES")}
        os.execve(sys.executable, [sys.executable, "-m", "migrator", *arguments], {**base, **environment})
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    printed = b""
    while True:
        try:
            piece = os.read(terminal, 65536)
        except OSError:
            # So a terminal says that nobody writes to it any more.
            break
        if not piece:
            break
        printed += piece
    os.close(terminal)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status), printed.decode()


@pytest.mark.parametrize("columns", [80, 160])
@pytest.mark.parametrize("command", ["audit", "plan"])
def test_a_terminal_gets_colour_and_lines_that_fit(tree: Path, columns: int, command: str) -> None:
    code, printed = run_on_terminal(tree, columns, command, ".", TERM="xterm-256color")
    assert code == 0, printed
    assert "\x1b[" in printed
    assert "web" in printed
    assert "Traceback" not in printed


@pytest.mark.parametrize("environment", [{"NO_COLOR": "1", "TERM": "xterm"}, {"TERM": "dumb"}])
def test_no_colour_where_none_is_wanted(tree: Path, environment: dict[str, str]) -> None:
    code, printed = run_on_terminal(tree, 80, "plan", ".", **environment)
    assert code == 0
    assert "\x1b[" not in printed


@pytest.mark.parametrize("command", ["audit", "plan"])
def test_a_pipe_gets_no_colour(tree: Path, command: str) -> None:
    assert b"\x1b[" not in run(command, ".", cwd=tree).stdout


def test_names_that_are_no_unicode(tree: Path) -> None:
    folder = os.fsencode(tree) + b"/caf\xe9"
    try:
        os.mkdir(folder)  # noqa: PTH102 - a name of bytes
    except OSError:
        pytest.skip("this file system takes only names in UTF-8")
    os.rename(tree / "web/web.yaml", folder + b"/web.yaml")  # noqa: PTH104
    (tree / "web/kustomization.yaml").unlink()
    for arguments in (
        ["audit", "."],
        ["plan", "."],
        ["plan", ".", "-o", "json"],
        ["plan", ".", "--save", "../plan.json"],
        ["diff", ".", "--exit-zero"],
        ["apply", ".", "--stdout"],
        ["apply", ".", "--out", "../out"],
        ["apply", ".", "--in-place", "--phase", "expand"],
    ):
        ended = run(*arguments, cwd=tree)
        assert ended.code == 0, (arguments, ended.stderr)
