"""Whole inputs in the forms that people have them: streams, Lists and JSON with workloads and much else in them."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import yaml
from hypothesis import strategies as st

Draw = Callable[[st.SearchStrategy[Any]], Any]

UNRELATED = [
    "kind: ConfigMap\napiVersion: v1\nmetadata: {name: shared}\ndata:\n  a: &a text\n  b: *a\n  c: &unused x\n",
    "base: &base\n  a: 1\nother:\n  <<: *base\n  b: [*base, x]\n",
    "kind: Widget\napiVersion: example.com/v1\nmetadata:\n  name: twice\n  name: again\nspec: {a: 1, a: 2}\n",
    "kind: ConfigMap\napiVersion: v1\nmetadata: {name: text}\ndata:\n  x: |\n    ports:\n    - hostPort: 80\n"
    "    ---\n    ...\n",
    '{"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "flow"}, "data": {}}\n',
    "a: 1\nb: [80, web]\n",
    "- one\n- two: {hostPort: 80}\n",
    "# nothing but a comment\n",
    "",
]
"""Documents that are no workloads: their aliases and keys given twice concern nobody."""

TEXTS = [
    "plain",
    "é",
    "😀 𝕏",
    'a "quote" \\ and \t tab',
    "hostPort: 80",
    "line\nline\n",
    "---\nkind: Pod\n",
    "</script>",
    "🎉",
]
SEPARATORS = [
    "---\n",
    "---\n",
    "--- # next\n",
    "# between\n---\n# after\n",
    "...\n---\n",
    "...\n# over\n---\n",
    "...\n%YAML 1.1\n---\n",
    "\n---\n\n",
    "---\n---\n",
    "---  \n",
]
OPENINGS = ["", "", "---\n", "# head\n", "# head\n---\n", "%YAML 1.1\n---\n", "\n", "---\n# only a comment\n---\n"]
COMMENTS = ["# note", "#hostPort: 1", "", "# é 'x"]


@dataclass(frozen=True)
class Whole:
    """An input: the name of its file (`-` for standard input) and its bytes."""

    name: str
    content: bytes


class IndentedDumper(yaml.SafeDumper):
    """Writes the items of lists further in than their key."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


def make_workload(draw: Draw, number: int, kinds: Sequence[str]) -> dict[str, Any]:
    """Make a workload, mostly with host ports."""
    kind = draw(st.sampled_from(kinds))
    name = f"w{number}"
    containers = []
    for index in range(draw(st.sampled_from([1, 1, 2]))):
        container: dict[str, Any] = {"name": f"c{index}", "image": "web:1"}
        ports = []
        for position in range(draw(st.sampled_from([0, 1, 1, 2, 3]))):
            port: dict[str, Any] = {"containerPort": 8000 + 10 * index + position}
            host_port = draw(st.sampled_from([None, 80, 443, 9000, 30000 + 10 * number + position]))
            if host_port is not None:
                extra = {"hostPort": host_port + 20 * number if host_port == 9000 else host_port}
                if draw(st.sampled_from([False, False, True])):
                    extra["hostIP"] = "0.0.0.0"
                port = {**extra, **port} if draw(st.sampled_from([False, False, True])) else {**port, **extra}
            if draw(st.booleans()):
                port["name"] = f"p{index}-{position}"
            ports.append(port)
        if ports:
            container["ports"] = ports
        containers.append(container)
    pod = {"containers": containers}
    metadata: dict[str, Any] = {"name": name}
    if draw(st.booleans()):
        metadata["namespace"] = "shop"
    if draw(st.booleans()):
        metadata["annotations"] = {"note": draw(st.sampled_from(TEXTS[:5]))}
    if kind == "Pod":
        return {"apiVersion": "v1", "kind": kind, "metadata": {**metadata, "labels": {"app": name}}, "spec": pod}
    labels = {"app": name}
    spec: dict[str, Any] = {"selector": {"matchLabels": labels}}
    if kind == "StatefulSet":
        spec["serviceName"] = name
    spec["template"] = {"metadata": {"labels": dict(labels)}, "spec": pod}
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": metadata, "spec": spec}


def make_service(draw: Draw, number: int) -> dict[str, Any]:
    """Make a Service that selects a workload."""
    spec: dict[str, Any] = {"selector": {"app": f"w{number}"}, "ports": [{"port": 80, "targetPort": 8000}]}
    if draw(st.booleans()):
        spec["type"] = "ClusterIP"
    metadata = {"name": f"s{number}", **({"namespace": "shop"} if draw(st.booleans()) else {})}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}


def make_object(draw: Draw, number: int) -> dict[str, Any]:
    what = draw(st.sampled_from(["workload"] * 4 + ["service", "config"]))
    if what == "workload":
        return make_workload(draw, number, ["Deployment", "Deployment", "StatefulSet", "DaemonSet", "Pod"])
    if what == "service":
        return make_service(draw, number - 1)
    texts = draw(st.lists(st.sampled_from(TEXTS), max_size=3))
    data = {f"k{index}": text for index, text in enumerate(texts)}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"m{number}"}, "data": data}


def make_objects(draw: Draw) -> list[dict[str, Any]]:
    return [make_object(draw, number) for number in range(draw(st.sampled_from([1, 2, 3, 4])))]


def shuffle_keys(draw: Draw, data: dict[str, Any]) -> dict[str, Any]:
    """Write the keys of an object in another order."""
    return {key: data[key] for key in draw(st.permutations(list(data)))}


def write_block(draw: Draw, data: Any, commented: bool = True) -> str:
    """Write an object in block style, its inner collections now and then in flow style."""
    text: str = yaml.dump(
        data,
        Dumper=draw(st.sampled_from([yaml.SafeDumper, IndentedDumper])),
        default_flow_style=draw(st.sampled_from([False, False, False, None])),
        default_style=draw(st.sampled_from([None, None, None, '"'])) if commented else None,
        indent=draw(st.sampled_from([2, 2, 4])),
        sort_keys=draw(st.booleans()),
        allow_unicode=draw(st.booleans()),
        width=10**6,
    )
    if "\\\n" in text or not commented or data.get("kind") == "ConfigMap":
        return text
    lines = text.splitlines()
    for _ in range(draw(st.sampled_from([0, 0, 1, 3]))):
        position = draw(st.integers(0, len(lines)))
        lines.insert(position, " " * draw(st.sampled_from([0, 2, 8])) + draw(st.sampled_from(COMMENTS)))
    for position, line in enumerate(lines):
        if line.strip() and "#" not in line and draw(st.integers(0, 19)) == 0:
            lines[position] = f"{line}  # c"
    return "".join(f"{line.rstrip()}\n" for line in lines)


def write_flow(draw: Draw, data: Any) -> str:
    """Write an object in flow style, on one line or folded."""
    width = draw(st.sampled_from([80, 10**6]))
    return str(yaml.safe_dump(data, default_flow_style=True, sort_keys=False, width=width))


def write_list(draw: Draw) -> str:
    """Write a List in block style: its items indented or not, with their kinds or, in a typed one, without."""
    typed = draw(st.sampled_from([None, None, None, "Deployment", "DaemonSet", "Pod"]))
    if typed is None:
        items = make_objects(draw)
        head = ["apiVersion: v1", "kind: List"]
    else:
        items = [make_workload(draw, number, [typed]) for number in range(draw(st.sampled_from([1, 2, 3])))]
        head = [f"apiVersion: {items[0]['apiVersion']}", f"kind: {typed}List"]
        if draw(st.booleans()):
            items = [{key: item[key] for key in ("metadata", "spec")} for item in items]
    indent = " " * draw(st.sampled_from([0, 2]))
    lines = ["items:", *draw(st.sampled_from([[], [], ["# the first"]]))]
    for item in items:
        written = write_block(draw, shuffle_keys(draw, item)).splitlines()
        first = next(
            index for index, line in enumerate(written) if line.strip() and not line.lstrip().startswith("#")
        )
        lines += [f"{indent}{line}".rstrip() for line in written[:first]]
        lines.append(f"{indent}- {written[first]}")
        lines += [f"{indent}  {line}".rstrip() for line in written[first + 1 :]]
    foot = draw(st.sampled_from([[], [], ["metadata:", '  resourceVersion: ""']]))
    before = draw(st.booleans())
    return "".join(f"{line}\n" for line in ([*head, *lines, *foot] if before else [*lines, *head, *foot]))


def write_document(draw: Draw, number: int) -> str:
    form = draw(st.sampled_from(["block"] * 6 + ["flow", "unrelated", "unrelated"]))
    if form == "unrelated":
        return str(draw(st.sampled_from(UNRELATED)))
    data = shuffle_keys(draw, make_object(draw, number))
    return write_block(draw, data) if form == "block" else write_flow(draw, data)


def finish(draw: Draw, text: str) -> Whole:
    """Give a YAML text its line ends, its byte order mark or none, and a name."""
    if draw(st.sampled_from([False, False, True])):
        text = text.removesuffix("\n")
    if draw(st.sampled_from([False, False, True])):
        text = text.replace("\n", "\r\n")
    content = text.encode()
    if draw(st.sampled_from([False, False, False, True])):
        content = b"\xef\xbb\xbf" + content
    return Whole(draw(st.sampled_from(["x.yaml", "x.yaml", "x.yml", "-"])), content)


@st.composite
def streams(draw: Draw) -> Whole:
    """Draw a stream of several documents."""
    text = draw(st.sampled_from(OPENINGS))
    written = ""
    for number in range(draw(st.sampled_from([1, 2, 3, 5]))):
        text += draw(st.sampled_from(choose_after(written, SEPARATORS))) if number else ""
        written = write_list(draw) if draw(st.integers(0, 7)) == 0 else write_document(draw, number)
        text += written
    return finish(
        draw, text + draw(st.sampled_from(choose_after(written, ["", "", "", "...\n", "---\n", "# end\n"])))
    )


def choose_after(document: str, options: Sequence[str]) -> Sequence[str]:
    """Give what may stand behind a document: no reader takes a `...` behind none."""
    empty = all(line.startswith("#") for line in document.splitlines())
    return [option for option in options if not (empty and option.startswith("..."))]


@st.composite
def block_lists(draw: Draw) -> Whole:
    """Draw a List in block style."""
    return finish(draw, draw(st.sampled_from(["", "---\n", "# head\n"])) + write_list(draw))


@st.composite
def flow_lists(draw: Draw) -> Whole:
    """Draw a List in flow style that is no JSON."""
    data = {"apiVersion": "v1", "kind": "List", "items": make_objects(draw)}
    return finish(draw, write_flow(draw, shuffle_keys(draw, data)))


@st.composite
def json_texts(draw: Draw) -> Whole:
    """Draw JSON: one object or a List, compact or indented as kubectl and others print it."""
    data: dict[str, Any] = make_object(draw, 0)
    if draw(st.sampled_from([True, True, True, False])):
        data = {"apiVersion": "v1", "kind": "List", "items": make_objects(draw)}
        if draw(st.booleans()):
            data["metadata"] = {"resourceVersion": ""}
    elif data["kind"] == "Deployment":
        items = [{key: data[key] for key in ("metadata", "spec")}]
        data = draw(st.sampled_from([data, {"apiVersion": "apps/v1", "kind": "DeploymentList", "items": items}]))
    text = json.dumps(
        shuffle_keys(draw, data),
        indent=draw(st.sampled_from([4, 4, 2, "\t", None])),
        ensure_ascii=draw(st.booleans()),
        sort_keys=draw(st.booleans()),
    )
    if draw(st.integers(0, 4)) == 0:
        text = text.replace("/", "\\/")
    if draw(st.integers(0, 4)) == 0:
        text = text.replace(": ", ":").replace(", ", ",") if "\n" not in text else text
    content = (text + draw(st.sampled_from(["\n", "\n", ""]))).encode()
    if draw(st.integers(0, 5)) == 0:
        content = content.replace(b"\n", b"\r\n")
    if draw(st.integers(0, 5)) == 0:
        content = b"\xef\xbb\xbf" + content
    return Whole(draw(st.sampled_from(["x.json", "x.json", "x.yaml", "-"])), content)


@st.composite
def json_streams(draw: Draw) -> Whole:
    """Draw JSON objects and Lists one behind the other, as `jq '.items[]'` prints them."""
    values = make_objects(draw)
    if draw(st.booleans()):
        listed = draw(st.integers(0, len(values)))
        values = [{"apiVersion": "v1", "kind": "List", "items": values[:listed]}, *values[listed:]]
    text = "\ufeff" if draw(st.integers(0, 5)) == 0 else ""
    for value in draw(st.permutations(values)):
        text += json.dumps(shuffle_keys(draw, value), indent=draw(st.sampled_from([4, 2, None])))
        text += draw(st.sampled_from(["\n", "\n", "\r\n\n", " ", ""]))
    content = text.encode()
    return Whole(draw(st.sampled_from(["x.json", "x.json", "x.yaml", "-"])), content)
