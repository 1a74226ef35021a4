"""Bad input ends in seconds with one clear error: file, line, what to do; exit 2, no traceback, nothing written."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.forks import Ran, run

FULL = bool(os.environ.get("FULL"))

PATIENCE = 10
"""Seconds after which a run is ended: each needs a fraction of two, on a machine that does nothing else."""

DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
spec:
  replicas: 1
  selector: {matchLabels: {app: web}}
  template:
    metadata:
      labels: {app: web}
    spec:
      containers:
      - name: web
        image: web
        ports:
        - containerPort: 80
          hostPort: 80
"""
PORT = "          hostPort: 80\n"
CONTAINERS = DEPLOYMENT[DEPLOYMENT.index("      - name: web\n") :]
BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n"
    for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)
OBJECT = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"}, "spec": {"containers": []}}


def indent(text: str) -> str:
    return "".join(f"  {line}\n" for line in text.splitlines())


def with_port(text: str) -> str:
    return DEPLOYMENT.replace(PORT, f"          hostPort: {text}\n")


def as_json(text: str) -> str:
    return json.dumps(OBJECT)[:-1] + f', "x": {text}}}'


@dataclass(frozen=True)
class Bad:
    """An input, the line that the error names, and words that it says."""

    name: str
    text: str | bytes
    line: int
    says: str
    file: str = "x.yaml"


BAD = [
    Bad("alias bomb", BOMB, 1, "aliases expand this document"),
    Bad("alias bomb in a workload", f"{DEPLOYMENT}x:\n{indent(BOMB)}", 1, "aliases expand this document"),
    Bad("alias bomb in a ConfigMap", f"kind: ConfigMap\napiVersion: v1\ndata:\n{indent(BOMB)}", 1, "aliases expand"),
    Bad(
        "alias bomb of long scalars",
        f"{DEPLOYMENT}s: &s {'x' * 500_000}\nt: [{'*s, ' * 5000}]\n",
        1,
        "aliases expand",
    ),
    Bad(
        "alias in its own anchor",
        DEPLOYMENT.replace("    spec:\n", "    spec: &s\n      x: *s\n"),
        11,
        "inside its own",
    ),
    Bad(
        "alias in its own anchor, ConfigMap",
        "kind: ConfigMap\napiVersion: v1\ndata: &d\n  x: *d\n",
        3,
        "inside its own",
    ),
    Bad("tag that runs code", f"{DEPLOYMENT}x: !!python/object/apply:os.system [id]\n", 18, "python/object/apply"),
    Bad("tag of another program", f"{DEPLOYMENT}x: !Ref y\n", 18, "!Ref means nothing to Kubernetes"),
    Bad("deep flow lists", "[" * 100_000, 1, "nested deeper than"),
    Bad("deep flow lists, closed", "[" * 100_000 + "]" * 100_000, 1, "nested deeper than"),
    Bad("deep flow maps", "{a: " * 100_000 + "1" + "}" * 100_000, 1, "nested deeper than"),
    Bad("deep flow in a workload", f"{DEPLOYMENT}x: {'[' * 100_000}{']' * 100_000}\n", 18, "nested deeper than"),
    Bad("deep flow in a ConfigMap", f"kind: ConfigMap\napiVersion: v1\nx: {'[' * 100_000}", 3, "nested deeper than"),
    Bad("deep dashes", "- " * 100_000 + "x\n", 1, "nested deeper than"),
    Bad("deep question marks", "? " * 100_000 + "x\n", 1, "nested deeper than"),
    Bad("deep indentation", "".join(f"{' ' * depth}a:\n" for depth in range(3000)), 501, "nested deeper than"),
    Bad(
        "indentation just too deep", "".join(f"{' ' * depth}a:\n" for depth in range(505)), 501, "nested deeper than"
    ),
    Bad("deep JSON", as_json("[" * 100_000 + "]" * 100_000), 1, "nested deeper than", "x.json"),
    Bad("deep JSON maps", '{"a": ' * 100_000 + "1" + "}" * 100_000, 1, "nested deeper than", "x.json"),
    Bad("invalid UTF-8", DEPLOYMENT.encode() + b"# \xff\n", 18, "byte 0xff is not UTF-8; save the file as UTF-8"),
    Bad("truncated UTF-8", DEPLOYMENT.encode() + b"# \xe2\x82", 18, "is not UTF-8"),
    Bad("NUL byte", DEPLOYMENT.encode() + b"# \0\n", 18, "a NUL byte"),
    Bad("UTF-16", DEPLOYMENT.encode("utf-16"), 1, "UTF-16 text; save it as UTF-8"),
    Bad("UTF-16 without mark", DEPLOYMENT.encode("utf-16-le"), 1, "is this UTF-16"),
    Bad("UTF-16 without mark, big end first", DEPLOYMENT.encode("utf-16-be"), 1, "is this UTF-16"),
    Bad("UTF-32", DEPLOYMENT.encode("utf-32"), 1, "save it as UTF-8"),
    Bad("control character", f"{DEPLOYMENT}# \x01\n", 18, "not YAML"),
    Bad("half a character", f'{DEPLOYMENT}x: "\\ud800"\n', 18, "not YAML"),
    Bad("truncated JSON", json.dumps(OBJECT, indent=2)[:-20], 8, "not JSON", "x.json"),
    Bad("truncated List", json.dumps({"kind": "List", "items": [OBJECT]}, indent=4)[:-8], 13, "not JSON", "x.json"),
    Bad("second JSON value truncated", "{}\n{}\n{", 3, "not JSON", "x.json"),
    Bad("words behind JSON", "{}\nnothing\n", 2, "not JSON: Extra data", "x.json"),
    Bad("NaN in JSON", as_json("NaN"), 1, "NaN is no number of JSON", "x.json"),
    Bad("endless number in JSON", as_json("9" * 5000), 1, "not JSON", "x.json"),
    Bad("truncated YAML", f"{DEPLOYMENT}x: [1,\n", 19, "not YAML"),
    Bad("truncated quotes", f'{DEPLOYMENT}x: "abc\n', 19, "not YAML"),
    Bad("second document broken", f"{DEPLOYMENT}---\n{DEPLOYMENT}x: [\n", 37, "not YAML"),
    Bad("tab as indentation", f"{DEPLOYMENT}x:\n\ty: 1\n", 19, "not YAML"),
    Bad("scalar too long", f"{DEPLOYMENT}x: {'y' * 9_000_000}\n", 18, "a scalar of 9000000 characters"),
    Bad("hostPort is text", with_port("web"), 17, "hostPort: must be a whole number, is the text 'web'"),
    Bad("hostPort is quoted", with_port('"80"'), 17, "must be a whole number, is the text '80'"),
    Bad("hostPort is no port", with_port("99999"), 17, "99999 is no port: ports are 0-65535"),
    Bad("hostPort is negative", with_port("-1"), 17, "-1 is no port"),
    Bad("hostPort is a fraction", with_port("80.5"), 17, "must be a whole number, is the number 80.5"),
    Bad("hostPort is a boolean", with_port("on"), 17, "must be a whole number, is the boolean true"),
    Bad("hostPort is infinite", with_port(".inf"), 17, "must be a whole number"),
    Bad("hostPort is endless", with_port("9" * 5000), 17, "must be a whole number"),
    Bad("hostPort is a list", with_port("[80]"), 17, "must be a whole number, is a list"),
    Bad("containerPort is zero", DEPLOYMENT.replace("containerPort: 80", "containerPort: 0"), 16, "0 is no port"),
    Bad(
        "ports are a map",
        DEPLOYMENT.replace("        - containerPort", "          containerPort"),
        15,
        "must be a list",
    ),
    Bad("a port is a number", DEPLOYMENT.replace("containerPort: 80\n" + PORT, "80\n"), 16, "must be a map"),
    Bad("containers are a map", DEPLOYMENT.replace(CONTAINERS, "        web: {image: web}\n"), 12, "must be a list"),
    Bad("a container is empty", DEPLOYMENT.replace(CONTAINERS, "      -\n"), 13, "must be a map, is empty"),
    Bad(
        "metadata is a list",
        DEPLOYMENT.replace("  name: web\nspec", "- name: web\nspec"),
        3,
        "must be a map, is a list",
    ),
    Bad("spec is text", "apiVersion: v1\nkind: Pod\nspec: x\n", 3, "spec: must be a map"),
    Bad(
        "name is a number",
        DEPLOYMENT.replace("name: web", "name: 1", 1),
        4,
        "must be text, is the number 1; put it in quotes",
    ),
    Bad("generateName is a list", "apiVersion: v1\nkind: Pod\nmetadata: {generateName: [a]}\n", 3, "must be text"),
    Bad("label is a boolean", DEPLOYMENT.replace("labels: {app: web}", "labels: {app: yes}"), 10, "put it in quotes"),
    Bad("annotations are a list", DEPLOYMENT.replace("spec:", "  annotations: [a]\nspec:", 1), 5, "must be a map"),
    Bad("replicas are text", DEPLOYMENT.replace("replicas: 1", "replicas: many"), 6, "must be a whole number"),
    Bad(
        "Service port is text", "kind: Service\napiVersion: v1\nspec:\n  ports:\n  - port: http\n", 5, "whole number"
    ),
    Bad("Service labels are a list", "kind: Service\napiVersion: v1\nspec:\n  selector: [a]\n", 4, "must be a map"),
    Bad("Service name is a map", "kind: Service\napiVersion: v1\nmetadata:\n  name: {a: 1}\n", 4, "must be text"),
    Bad(
        "item of a List",
        f"apiVersion: v1\nkind: List\nitems:\n- {indent(with_port('web')).strip()}\n",
        20,
        "whole number",
    ),
    Bad("broken kustomization", "resources: [\n", 2, "not YAML", "kustomization.yaml"),
]

COMMANDS = [
    ["audit", "."],
    ["plan", "."],
    ["diff", "."],
    ["apply", ".", "--in-place", "--phase", "expand"],
    ["apply", ".", "--out", "../out"],
]


def pick_commands(name: str) -> list[list[str]]:
    """Pick one of the commands: all are run with FULL=1."""
    return [COMMANDS[len(name) % len(COMMANDS)]]


def write(folder: Path, name: str, content: str | bytes) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def assert_clear_error(ran: Ran, place: str, says: str) -> None:
    assert ran.code == 2, ran
    assert ran.out == b""
    assert ran.err.startswith(f"error: {place}"), ran.err[:300]
    assert says in ran.err
    assert ran.err.count("error:") == 1
    assert len(ran.err.splitlines()) == 2, "one line says what is wrong, the next what to do"
    assert len(ran.err) < 400
    assert "Traceback" not in ran.err


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.name)
def test_bad_input_ends_with_one_clear_error(bad: Bad, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    path = write(folder, bad.file, bad.text)
    before = path.read_bytes()
    for command in COMMANDS if FULL else pick_commands(bad.name):
        assert_clear_error(run(command, folder, seconds=PATIENCE), f"{bad.file}:{bad.line}", bad.says)
    assert path.read_bytes() == before
    assert sorted(tmp_path.rglob("*")) == [folder, path], "nothing was written"


@pytest.mark.parametrize("bad", [bad for bad in BAD if bad.file == "x.yaml"][::5], ids=lambda bad: bad.name)
def test_bad_standard_input(bad: Bad, tmp_path: Path) -> None:
    text = bad.text if isinstance(bad.text, bytes) else bad.text.encode()
    assert_clear_error(run(["apply", "-"], tmp_path, seconds=PATIENCE, stdin=text), f"-:{bad.line}:", bad.says)


def test_keep_going_names_all_files_and_reads_the_good_one(tmp_path: Path) -> None:
    write(tmp_path, "a.yaml", "a: [\n")
    write(tmp_path, "b.yaml", DEPLOYMENT)
    write(tmp_path, "c.yaml", "b: }\n")
    ran = run(["diff", ".", "--keep-going"], tmp_path, seconds=PATIENCE)
    assert ran.code == 2
    assert b"-          hostPort: 80" in ran.out
    assert [line.split(":")[1].strip() for line in ran.err.splitlines() if "error:" in line] == ["a.yaml", "c.yaml"]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_missing_file(command: list[str], tmp_path: Path) -> None:
    ran = run([command[0], "absent.yaml", *command[2:]], tmp_path, seconds=PATIENCE)
    assert_clear_error(ran, "absent.yaml", "cannot be read: no such file or directory")


@pytest.fixture
def open_folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


@pytest.mark.parametrize("closed", ["folder", "file"])
def test_no_permission_to_read(closed: str, open_folder: Path) -> None:
    inner = open_folder / "inner"
    path = write(inner, "x.yaml", DEPLOYMENT)
    target = inner if closed == "folder" else path
    target.chmod(0)
    try:
        ran = run(["plan", "."], open_folder, seconds=PATIENCE, nobody=os.geteuid() == 0)
        assert_clear_error(
            ran, "inner" if closed == "folder" else "inner/x.yaml", "cannot be read: permission denied"
        )
    finally:
        target.chmod(0o755)


@pytest.mark.parametrize("kind", ["file", "ConfigMap", "workload"])
@pytest.mark.skipif(not FULL, reason="writes 200 MB; run with FULL=1")
def test_scalar_of_200_megabytes(kind: str, tmp_path: Path) -> None:
    head = {"file": "", "ConfigMap": "apiVersion: v1\nkind: ConfigMap\n", "workload": DEPLOYMENT}[kind]
    with (tmp_path / "x.yaml").open("w") as file:
        file.write(f"{head}x: ")
        for _ in range(200):
            file.write("y" * 1_000_000)
        file.write("\n")
    ran = run(["plan", "."], tmp_path, seconds=3 * PATIENCE)
    if kind == "ConfigMap":
        assert ran.code == 0, "nothing of it is looked at"
    else:
        assert_clear_error(ran, "x.yaml", "a scalar of 200000000 characters")


ODD = {
    "empty file": "",
    "blank lines": "\n\n",
    "only comments": "# nothing here\n# yet\n",
    "only a marker": "---\n",
    "markers and comments": "---\n# a\n---\n...\n",
    "byte order mark alone": "\ufeff",
    "other YAML": "a: 1\n",
    "a list": "- 1\n",
    "a single value": "text\n",
    "tags of another program": "Resources:\n  x: !Ref y\n  z: !Sub [a, {b: c}]\n",
    "tags that would run code, of another program": "x: !!python/name:os.system\n",
    "large ConfigMap": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata:\n  x: |\n"
    + "    y z\n" * 700_000,
    "long lines": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata:\n  x: '"
    + "[{a: b}], " * 200_000
    + "'\n",
    "tabs": "apiVersion: v1\nkind: ConfigMap\nmetadata:\t{name:\tx}\ndata:\n  x: |\n    a\n\tb\n".replace(
        "\n\t", "\n    \t"
    ),
    "aliases": "apiVersion: v1\nkind: ConfigMap\nmetadata: &m {name: x}\ndata: {a: &a b, c: *a}\n",
    "values of every sort": "kind: ConfigMap\napiVersion: v1\ndata: {a: 0777, b: 1:30, c: .inf, d: !!binary aGk=}\n",
}


@pytest.mark.parametrize("name", ODD)
def test_what_looks_odd_is_data(name: str, tmp_path: Path) -> None:
    path = write(tmp_path, "x.yaml", ODD[name])
    before = path.read_bytes()
    for command in COMMANDS[:4] if FULL else [COMMANDS[2]]:
        ran = run(command, tmp_path, seconds=PATIENCE)
        assert (ran.code, ran.err) == (0, ""), command
    assert run(["apply", "-"], tmp_path, seconds=PATIENCE, stdin=before).out == before
    assert [file.name for file in tmp_path.iterdir()] == ["x.yaml"]
    assert path.read_bytes() == before


EDITED = {
    "markup in a label": DEPLOYMENT.replace("spec:", "  labels: {x: '<script>alert(1)</script>'}\nspec:", 1),
    "braces in an annotation": DEPLOYMENT.replace(
        "spec:", "  annotations: {x: '{{ .Values.x }}', y: '%{z}'}\nspec:", 1
    ),
    "merge key": DEPLOYMENT.replace("      containers:", "      <<: {dnsPolicy: Default}\n      containers:"),
    "merge key with an anchor": "x: &x {dnsPolicy: Default}\n"
    + DEPLOYMENT.replace("      containers:", "      <<: *x\n      containers:"),
    "null fields": DEPLOYMENT.replace("        image: web\n", "        image:\n        env: null\n        args: ~\n"),
    "long line": DEPLOYMENT.replace("image: web", f"image: web # {'x' * 1_000_000}"),
    "tabs": DEPLOYMENT.replace("image: web", "image:\tweb\t# tab"),
    "float that is whole": with_port("80.0"),
    "octal port": with_port("0120"),
    "port with underscores": with_port("8_0"),
    "astral characters": DEPLOYMENT.replace("image: web", "image: web # 😀𝕏").replace(
        "spec:", "  labels: {x: 𝕏}\nspec:", 1
    ),
    "other tagged document": f"{DEPLOYMENT}---\nx: !Ref y\n",
}


@pytest.mark.parametrize("name", EDITED)
def test_what_looks_odd_is_edited_like_anything_else(name: str, tmp_path: Path) -> None:
    text = EDITED[name]
    ran = run(["apply", "-"], tmp_path, seconds=PATIENCE, stdin=text.encode())
    assert (ran.code, ran.err) == (0, "")
    first = text.partition("---\n")[0]
    kept = [line for line in first.splitlines() if "hostPort" not in line]
    assert ran.out.decode().splitlines()[: len(kept)] == kept
    assert b"hostPort" not in ran.out
    assert b"nodePort: 30080" in ran.out


def test_repeated_key_is_refused_with_its_line(tmp_path: Path) -> None:
    write(tmp_path, "x.yaml", DEPLOYMENT + "          hostPort: 81\n")
    assert_clear_error(
        run(["diff", "."], tmp_path, seconds=PATIENCE), "x.yaml:18", "the key `hostPort` is given twice"
    )


@pytest.mark.parametrize("name", ["../../etc/cron.d/x", "/etc/x", "a/b", "..", ".", "x\\y", "a b", "Ü", "x" * 300])
@pytest.mark.parametrize("kind", ["Deployment", "Service"])
def test_odd_names_write_nothing_elsewhere(name: str, kind: str, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    service = "---\napiVersion: v1\nkind: Service\nmetadata: {name: NAME}\nspec: {selector: {app: web}}\n"
    texts = {"Deployment": DEPLOYMENT.replace("name: web", "name: NAME", 1), "Service": DEPLOYMENT + service}
    write(folder, "x.yaml", texts[kind].replace("NAME", json.dumps(name)))
    ran = run(["apply", ".", "--out", "../out"], folder, seconds=PATIENCE)
    assert "Traceback" not in ran.err
    assert ran.code in (0, 1, 2)
    for path in tmp_path.rglob("*"):
        assert path.relative_to(tmp_path).parts[0] in ("in", "out")
        assert path.relative_to(tmp_path).parts[0] == "out" or path.name in ("in", "x.yaml")
