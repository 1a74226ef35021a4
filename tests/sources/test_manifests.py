"""Manifests: what is read, counted and left unread with its reason, and on which lines host ports stand."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from migrator.policy.load import built_in_policy
from migrator.sources import manifests
from migrator.sources.manifests import ManifestRead, ReadSettings, is_json, read_manifests
from migrator.sources.read import ReadOptions, read_sources

KINDS = built_in_policy().workload_kinds
SETTINGS = ReadSettings({(kind.api_group, kind.kind): kind for kind in KINDS})
POD = """\
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  containers:
  - name: web
    ports:
    - containerPort: 80
      hostPort: 80
    - hostPort: 81
      containerPort: 81
"""
CONFIG = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\n"
FLOW_POD = "{apiVersion: v1, kind: Pod, metadata: {name: web}, spec: {containers: []}}"


def read(text: str | bytes, path: str = "x.yaml") -> ManifestRead:
    return read_manifests(path, text.encode() if isinstance(text, str) else text, SETTINGS)


def found(text: str, path: str = "x.yaml") -> tuple[int, int, dict[str, int], list[str]]:
    """Give how many documents and workloads there are, what was counted, and what was not read."""
    result = read(text, path)
    assert result.errors == []
    return result.documents, len(result.workloads), result.others, [item.reason for item in result.unread]


NO_VERSION = "not a Kubernetes object: no apiVersion"
TEMPLATE = "a Go template, not a manifest; render it first: helm template RELEASE CHART | migrator apply -"


@pytest.mark.parametrize(
    ("text", "documents", "workloads", "others", "unread"),
    [
        ("", 0, 0, {}, []),
        ("# only\n", 0, 0, {}, []),
        ("---\n---\n...\n", 0, 0, {}, []),
        (POD, 1, 1, {}, []),
        (f"{POD}---\n{POD}", 2, 2, {}, []),
        (f"---\n{CONFIG}---\n{POD}...\n", 2, 1, {"ConfigMap": 1}, []),
        (f"{CONFIG}---\n{CONFIG}---\nkind: Widget\napiVersion: a/v1\n", 3, 0, {"ConfigMap": 2, "Widget": 1}, []),
        (f"%YAML 1.1\n---\n{POD}---\n{POD}...\n%YAML 1.1\n---\n{POD}", 3, 3, {}, []),
        ("kind: Pod\napiVersion: example.com/v1\n", 1, 0, {"Pod": 1}, []),
        # The kind in odd places and spellings.
        (FLOW_POD, 1, 1, {}, []),
        (f"--- {FLOW_POD}\n", 1, 1, {}, []),
        (POD.replace("kind: Pod", '"kind": Pod'), 1, 1, {}, []),
        (POD.replace("kind: Pod", "kind: 'Pod'"), 1, 1, {}, []),
        (POD.replace("kind: Pod", 'kind:   "Pod"  # p'), 1, 1, {}, []),
        (POD.replace("kind: Pod", "kind : Pod"), 1, 1, {}, []),
        (POD.replace("kind: Pod", "kind:\n  Pod"), 1, 1, {}, []),
        (POD.replace("kind: Pod", "kind: &k Pod"), 1, 1, {}, []),
        (POD.replace("kind: Pod", "kind: !!str Pod"), 1, 1, {}, []),
        (POD.replace("kind: Pod", "? kind\n: Pod"), 1, 1, {}, []),
        (POD.replace("kind: Pod\n", "") + "kind: Pod\n", 1, 1, {}, []),
        (POD.replace("\n", "\r\n"), 1, 1, {}, []),
        ("\ufeff" + POD, 1, 1, {}, []),
        (POD.replace("apiVersion: v1", '"apiVersion": v1'), 1, 1, {}, []),
        (CONFIG.replace("apiVersion", '"apiVersion"'), 1, 0, {"ConfigMap": 1}, []),
        (CONFIG + "data:\n  x: |\n    kind: Pod\n", 1, 0, {"ConfigMap": 1}, []),
        (CONFIG + "spec:\n  kind: Pod\n", 1, 0, {"ConfigMap": 1}, []),
        # What is no object.
        ("a: 1\n", 1, 0, {}, ["not a Kubernetes object: no apiVersion and no kind"]),
        ("kind: Pod\nspec: {}\n", 1, 0, {}, [NO_VERSION]),
        ("kind: Cluster\nnodes: []\n", 1, 0, {}, [NO_VERSION]),
        ("apiVersion: v1\nname: x\n", 1, 0, {}, ["not a Kubernetes object: no kind"]),
        ("apiVersion: v1\nkind: [Pod]\n", 1, 0, {}, ["not a Kubernetes object: no kind"]),
        ("kind: Pod\napiVersion: 1\n", 1, 0, {}, [NO_VERSION]),
        ("- a\n", 1, 0, {}, ["not a Kubernetes object: a list"]),
        ("text\n", 1, 0, {}, ["not a Kubernetes object: a single value"]),
        ("a: !Ref b\n", 1, 0, {}, ["not a Kubernetes object: "]),
        ("a: {{ .Values.x }}\n", 1, 0, {}, [TEMPLATE]),
        ("{{ if .x }}\na: 1\n{{ end }}\n", 1, 0, {}, [TEMPLATE]),
        (f"{POD}---\na: {{{{ .Values.x }}}}\n---\n{POD}", 3, 2, {}, [TEMPLATE]),
        ("kind: Pod\napiVersion: v1\nmetadata: {name: '{{ x }}'}\nspec: {}\n", 1, 1, {}, []),
    ],
)
def test_documents(text: str, documents: int, workloads: int, others: dict[str, int], unread: list[str]) -> None:
    *counts, reasons = found(text)
    assert counts == [documents, workloads, others]
    assert len(reasons) == len(unread)
    assert all(reason.startswith(expected) for reason, expected in zip(reasons, unread, strict=True))


ITEM = "".join(f"{'- ' if index == 0 else '  '}{line}\n" for index, line in enumerate(POD.splitlines()))
BARE_ITEM = "- metadata: {name: web}\n  spec: {containers: []}\n"


@pytest.mark.parametrize(
    ("text", "workloads", "others", "unread"),
    [
        (f"apiVersion: v1\nkind: List\nitems:\n{ITEM}{ITEM}", 2, {}, 0),
        (f"items:\n{ITEM}kind: List\napiVersion: v1\n", 1, {}, 0),
        (f"apiVersion: v1\nkind: List\nitems:  # all\n# the first\n\n{ITEM}", 1, {}, 0),
        (f"apiVersion: v1\nkind: PodList\nitems:\n{BARE_ITEM}{ITEM}", 2, {}, 0),
        (f"apiVersion: apps/v1\nkind: DeploymentList\nitems:\n{BARE_ITEM}", 1, {}, 0),
        (f"apiVersion: v1\nkind: ConfigMapList\nitems:\n{BARE_ITEM}{BARE_ITEM}", 0, {"ConfigMap": 2}, 0),
        (f"apiVersion: v1\nkind: List\nitems:\n{BARE_ITEM}", 0, {}, 1),
        (f"apiVersion: v1\nkind: List\nitems:\n- text\n- []\n-\n{ITEM}", 1, {}, 3),
        (f"apiVersion: v1\nkind: List\nitems: [{FLOW_POD}, {FLOW_POD}]\n", 2, {}, 0),
        ("apiVersion: v1\nkind: List\nitems: []\n", 0, {}, 0),
        ("apiVersion: v1\nkind: List\nitems:\n", 0, {"List": 1}, 0),
        ("apiVersion: example.com/v1\nkind: AccessList\nspec: {}\n", 0, {"AccessList": 1}, 0),
        (f"kind: List\nitems:\n{ITEM}", 0, {}, 1),
        (
            f"apiVersion: v1\nkind: List\nitems:\n- {FLOW_POD}\n- kind: ConfigMap\n  apiVersion: v1\n",
            1,
            {"ConfigMap": 1},
            0,
        ),
        (f"apiVersion: v1\nkind: List\nitems:\n- &p {FLOW_POD}\n- *p\n", 2, {}, 0),
    ],
)
def test_lists(text: str, workloads: int, others: dict[str, int], unread: int) -> None:
    documents, *counts, reasons = found(text)
    assert [documents, *counts, len(reasons)] == [1, workloads, others, unread]
    assert found(f"{CONFIG}---\n{text}")[1] == workloads


@pytest.mark.parametrize("indent", [None, 2, 4, "\t"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("path", ["x.json", "x.yaml", "-"])
def test_json(indent: int | str | None, mark: str, path: str) -> None:
    pod = {**yaml.safe_load(POD), "x": "\ud83d\ude00 \ud83d"}
    typed = {key: pod[key] for key in ("metadata", "spec")}
    for data, workloads in [
        (pod, 1),
        ({"apiVersion": "v1", "items": [pod, pod], "kind": "List", "metadata": {"resourceVersion": ""}}, 2),
        ({"kind": "PodList", "apiVersion": "v1", "items": [typed]}, 1),
        ({"kind": "List", "apiVersion": "v1", "items": []}, 0),
    ]:
        assert found(mark + json.dumps(data, indent=indent), path) == (1, workloads, {}, [])
    assert found(mark + json.dumps([pod], indent=indent), path)[1:] == (0, {}, ["not a Kubernetes object: a list"])


def test_items_inside_an_object_make_no_list() -> None:
    """A volume's `items` in an object that speaks of a List kind: nothing is cut out of it."""
    pod = yaml.safe_load(POD)
    pod["spec"]["volumes"] = [{"name": "v", "configMap": {"items": [{"key": "a", "path": "b"}]}}]
    pod["x"] = {"kind": "PodList"}
    assert found(json.dumps(pod, indent=4), "x.json") == (1, 1, {}, [])


@pytest.mark.parametrize(
    ("path", "content", "expected"),
    [
        ("x.json", b"{}", True), ("x.json", b"a: 1", False), ("x.yaml", b'{"a": 1}\n', True),
        ("x.yaml", b"{a: 1}", False), ("x.yaml", b'{"a": 1}\n---\nb: 1\n', False), ("-", b'\n [{"a": 1}]', True),
        ("x.json", b"\xef\xbb\xbf{}", True), ("x.json", b"", False), ("x.yaml", b"{{ x }}", False),
    ],
)  # fmt: skip
def test_what_is_taken_for_json(path: str, content: bytes, expected: bool) -> None:
    assert is_json(path, content) is expected


DATA = yaml.safe_load(POD)
LIST = {"kind": "List", "apiVersion": "v1", "items": [DATA, DATA]}
LINES = {
    "alone": POD,
    "marked": f"---\n# c\n\n{POD}",
    "stream": f"{CONFIG}---\n{POD}# c\n...\n\n--- # next\n{POD}",
    "directive": f"# h\n%YAML 1.1\n---\n{POD}...\n%YAML 1.1\n---\n{POD}",
    "crlf": f"{CONFIG}---\n{POD}---\n{POD}".replace("\n", "\r\n"),
    "bom": f"\ufeff{POD}---\n{POD}",
    "list": f"# c\napiVersion: v1\nkind: List\nitems:\n# first\n{ITEM}\n# second\n{ITEM}",
    "typed list": f"apiVersion: v1\nkind: PodList\nitems:\n{ITEM}{ITEM}metadata: {{}}\n",
    "list in a stream": f"{CONFIG}---\napiVersion: v1\nkind: List\nitems:\n{ITEM}---\n{POD}",
    "list with an alias": f"apiVersion: v1\nkind: List\nx: &x web\nitems:\n{ITEM}" + ITEM.replace("web", "*x ", 1),
    "unicode": f"# é 😀\n{POD.replace('web', 'é', 1)}---\n{POD}",
    "json": json.dumps(yaml.safe_load(POD), indent=4),
    "json list": json.dumps({"apiVersion": "v1", "items": [DATA] * 3, "kind": "List"}, indent=4),
    "json list, two spaces": "\n" + json.dumps(LIST, indent=2),
    "json list behind a mark": "\ufeff" + json.dumps(LIST, indent=4),
    "json with tabs": json.dumps(LIST, indent="\t"),
    "json stream": f"{json.dumps(DATA, indent=4)}\n{json.dumps(DATA, indent=2)}\n",
    "json stream behind a mark": f"\ufeff\n{json.dumps(LIST, indent=4)}\r\n\n{json.dumps(DATA, indent=1) * 2}",
}  # fmt: skip


@pytest.mark.parametrize("name", LINES)
def test_lines_of_host_ports(name: str) -> None:
    text = LINES[name]
    result = read(text, "x.json" if name.startswith("json") else "x.yaml")
    assert result.errors == []
    lines = [port.line for workload in result.workloads for port in workload.host_ports]
    assert lines == [number for number, line in enumerate(text.split("\n"), 1) if "hostPort" in line]
    assert len(lines) >= 2


@pytest.mark.parametrize("path", ["x.json", "x.yaml", "-"])
def test_a_stream_of_json_has_a_document_for_each_value(path: str) -> None:
    text = LINES["json stream behind a mark"]
    result = read(text, path)
    assert result.documents == 3
    assert [(item.location.document, item.location.item) for item in result.workloads] == [
        (0, 0), (0, 1), (1, None), (2, None),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ('{"a": 1}\n{"b": 2}\n\n{"c": ', 4, "Expecting value"),
        ('{"a": 1}\n{"b": 2} x {"c": 3}', 2, "Expecting value"),
        ('{"a": 1}\n x', 2, "Extra data"),
        ('{"a": 1\n{"b": 2}', 2, "Expecting ',' delimiter"),
    ],
)
def test_a_stream_of_json_that_breaks_off(text: str, line: int, problem: str) -> None:
    (error,) = read(text, "x.json").errors
    assert (error.line, error.problem) == (line, f"not JSON: {problem}")


def test_a_string_with_braces_is_no_seam() -> None:
    config = {"apiVersion": "v1", "kind": "ConfigMap", "data": {"x": "{}{} } {"}}
    assert found(json.dumps(config), "x.json") == (1, 0, {"ConfigMap": 1}, [])
    assert found(f"# c\n{json.dumps(config)}", "x.yaml") == (1, 0, {"ConfigMap": 1}, [])


@pytest.mark.parametrize("name", ["stream", "crlf", "list", "json list", "json stream"])
def test_lines_of_wrong_ports(name: str) -> None:
    text = LINES[name].replace("hostPort: 81", "hostPort: 99999").replace('"hostPort": 81', '"hostPort": 99999')
    errors = read(text, "x.json" if name.startswith("json") else "x.yaml").errors
    wrong = [number for number, line in enumerate(text.split("\n"), 1) if "99999" in line]
    assert [error.line for error in errors] == wrong
    assert all("is no port" in error.problem for error in errors)


def test_documents_are_counted_as_readers_count_them() -> None:
    text = f"# c\n---\n---\n{POD}---\n# nothing\n---\n{POD}"
    workloads = read(text).workloads
    assert [workload.location.document for workload in workloads] == [0, 1]
    assert [document for document in yaml.safe_load_all(text) if document] == [yaml.safe_load(POD)] * 2


def test_items_are_counted(tmp_path: Path) -> None:
    workloads = read(LINES["list"]).workloads
    assert [(workload.location.document, workload.location.item) for workload in workloads] == [(0, 0), (0, 1)]
    assert read(POD).workloads[0].location.item is None


def test_compose_files_beside_manifests_are_said(tmp_path: Path) -> None:
    (tmp_path / "pod.yaml").write_text(POD)
    compose: dict[str, Any] = {"services": {"web": {"image": "web:1", "ports": ["80:80"]}}}
    (tmp_path / "home").mkdir()
    (tmp_path / "home/docker-compose.yml").write_text(yaml.safe_dump(compose))
    inventory = read_sources([str(tmp_path)], ReadOptions(kinds=KINDS))
    assert [Path(item.path).name for item in inventory.unread] == ["docker-compose.yml"]
    assert len(inventory.workloads) == 1
    assert [Path(file.path).name for file in inventory.files] == ["pod.yaml"]


def test_a_json_list_on_one_line_is_composed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    composed = []
    compose = manifests.compose_json

    def count(text: str) -> Any:
        composed.append(text)
        return compose(text)

    monkeypatch.setattr(manifests, "compose_json", count)
    pod = yaml.safe_load(POD)
    items = [{**pod, "metadata": {"name": f"web-{number}"}} for number in range(5)]
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": items})
    assert len(read(text, "x.json").workloads) == 5
    assert composed == [text]


def test_a_protocol_in_small_letters_is_read_as_what_it_says() -> None:
    workload = read(POD.replace("hostPort: 80\n", "hostPort: 80\n      protocol: udp\n")).workloads[0]
    assert [port.protocol for port in workload.host_ports] == ["UDP", "TCP"]


def test_a_protocol_that_does_not_exist_is_refused_with_its_line() -> None:
    error = read(POD.replace("hostPort: 80\n", "hostPort: 80\n      protocol: HTTP\n")).errors[0]
    assert "protocol: 'HTTP' is no protocol: it is TCP, UDP or SCTP" in str(error)
    assert error.line == 10
