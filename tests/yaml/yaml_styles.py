"""YAML texts in every style that people write, each with the data that it means: Hypothesis strategies.

A text is written line by line, and each line knows the entry that it belongs to. So the text without an entry is
known without parsing anything: it is the other lines.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from hypothesis import strategies as st
from ruamel.yaml import YAML

Path = tuple[str | int, ...]
Draw = Callable[[st.SearchStrategy[Any]], Any]
Pick = Callable[[Sequence[Any]], Any]

# (text, what every reader makes of it as text)
FLOW_SCALARS = [
    ("80", "80"), ("8080", "8080"), ("web", "web"), ("yes", "yes"), ("0777", "0777"), ("1.5", "1.5"), ("~", "~"),
    ("TCP", "TCP"), ("2001-01-01", "2001-01-01"), ("a b c", "a b c"), ("0x1F", "0x1F"),
    ('"80"', "80"), ("'it''s'", "it's"), ('"a\\tb"', "a\tb"), ('"# no comment"', "# no comment"), ('""', ""),
    ("'{{ .Values.x }}'", "{{ .Values.x }}"), ('"<script>"', "<script>"), ("é", "é"), ("😀", "😀"),
    ("'𝕏: y'", "𝕏: y"),
    ("a-b_c.d/e", "a-b_c.d/e"), ('"- x"', "- x"), ("'a: b'", "a: b"), ('"\\u00e9\\"]}"', 'é"]}'), ("-1", "-1"),
]  # fmt: skip
BLOCK_SCALARS = [
    ("http://x:80/y", "http://x:80/y"), ("a, b", "a, b"), ("x#y", "x#y"), ("1:30", "1:30"), ("", ""),
    ("$(X) {y}", "$(X) {y}"),
]  # fmt: skip
MULTI_LINE = [
    (["|", "{}one", "{}two"], "one\ntwo\n"),
    (["|-", "{}- not: an item", "{}  # no comment"], "- not: an item\n  # no comment"),
    ([">", "{}folded", "{}text", "", "{}more"], "folded text\nmore\n"),
    (["|2", "{} indented", "{}less"], " indented\nless\n"),
    (['"double', '{}quoted"'], "double quoted"),
    (["'single", "", "{}quoted'"], "single\nquoted"),
    (["plain", "{}text"], "plain text"),
]
KEEPING = (["|+", "{}kept", ""], "kept\n\n")
KEYS = ["name", "ports", "hostPort", "a", "spec", "app.kubernetes.io/name", "é", "𝕏y", "of", "80", "x-y"]


@dataclass(frozen=True)
class Line:
    """A line without its end, and the path of the entry that it belongs to.

    `dash` is what stands before the first key of an item: whichever key comes first carries it.
    """

    text: str
    owner: Path
    dash: str = ""


@dataclass(frozen=True)
class Styled:
    """A document as lines, with what it means (every scalar as text) and how its lines end."""

    lines: tuple[Line, ...]
    data: Any
    newline: str = "\n"
    ends: bool = True
    head: str = ""
    features: frozenset[str] = field(default=frozenset())

    def text(self) -> str:
        body = self.newline.join(line.dash + line.text if line.dash else line.text for line in self.lines)
        return self.head + body + (self.newline if self.ends else "")

    def without(self, path: Path) -> str:
        """Write the text without an entry of a block mapping or sequence that has others."""
        kept: list[Line] = []
        dash = ""
        for line in self.lines:
            if line.owner[: len(path)] == path:
                dash = dash or (line.dash if line.owner == path and isinstance(path[-1], str) else "")
            elif dash and line.owner[:-1] == path[:-1] and line.text.strip() and line.owner[-1] != "#":
                kept.append(replace(line, text=line.text.lstrip(" "), dash=dash))
                dash = ""
            else:
                kept.append(line)
        cut_at_end = self.lines[-1].owner[: len(path)] == path
        return replace(self, lines=tuple(kept), ends=self.ends or cut_at_end).text()


def read_as_text(text: str) -> Any:
    """Give what a document means with every scalar as text: the oracle, ruamel.yaml's Python parser."""
    # It knows no tabs as separators; the styles here have no other tabs.
    return YAML(typ="base", pure=True).load(text.removeprefix("\ufeff").replace("\t", " "))


@st.composite
def styled_documents(draw: Draw, refusable: bool = False) -> Styled:
    """Draw a document: a mapping in block style, with everything else below it."""
    return write_styled(lambda options: draw(st.sampled_from(options)), refusable)


def write_styled(pick: Pick, refusable: bool = False) -> Styled:
    """Write a document, with `pick` to choose among options."""
    writer = _Writer(pick, refusable)
    newline = pick(["\n", "\n", "\r\n"])
    lines, data = writer.mapping((), 0, 0)
    head = pick(["", "", "---", "--- # c", "# top", "%YAML 1.1\n---"]).replace("\n", newline)
    foot = pick([[], [], ["..."], ["# end"], ["", ""], [] if writer.block_scalars else ["  # deep end"]])
    lines = [*lines, *(Line(text, ("#",)) for text in foot)]
    return Styled(
        lines=tuple(lines),
        data=data,
        newline=newline,
        ends=pick([True, False]) or lines[-1].text == "" or writer.ends_in_block_scalar(lines[-1]),
        head=head + newline if head else "",
        features=frozenset(writer.features),
    )


class _Writer:
    def __init__(self, pick: Pick, refusable: bool) -> None:
        self.pick = pick
        self.refusable = refusable
        self.features: set[str] = set()
        self.anchors = 0
        self.block_scalars: set[Path] = set()
        self.step = pick([2, 2, 4, 3])
        self.dash = pick([0, 2])

    def ends_in_block_scalar(self, last: Line) -> bool:
        """Tell whether a final line end belongs to the last value."""
        return last.owner in self.block_scalars

    def keys(self, counts: Sequence[int]) -> list[str]:
        first = self.pick(range(len(KEYS)))
        stride = self.pick([1, 2, 3, 4])
        return list(dict.fromkeys(KEYS[(first + stride * number) % len(KEYS)] for number in range(self.pick(counts))))

    def mapping(self, path: Path, column: int, depth: int, dash: str = "") -> tuple[list[Line], dict[str, Any]]:
        """Write a block mapping; `dash` stands before its first key instead of its indentation."""
        keys = self.keys([1, 2, 3, 4])
        lines: list[Line] = []
        data: dict[str, Any] = {}
        for key in keys:
            here = (*path, key)
            first = dash and not data
            if not first:
                lines += self.between((*path, "#"), column)
            entry, data[key] = self.entry(here, key, column, depth)
            if first:
                entry[0] = replace(entry[0], text=entry[0].text[column:], dash=dash)
            lines += entry
        return lines, data

    def between(self, owner: Path, column: int) -> list[Line]:
        """Write what stands between entries: comments, blank lines, or mostly nothing."""
        text = self.pick([None, None, None, None, "# note", "", "#hostPort: 1", "\t"])
        if text is None or (text == "\t" and not column):
            return []
        return [Line(" " * column + text if text.startswith("#") else "", owner)]

    def entry(self, path: Path, key: str, column: int, depth: int) -> tuple[list[Line], Any]:
        written = self.pick([key, key, key, f'"{key}"', f"'{key}'"])
        indent = " " * column
        if self.refusable and self.pick([False] * 9 + [True]):
            self.features.add("?")
            text, value = self.pick(FLOW_SCALARS)
            return [Line(f"{indent}? {written}", path), Line(f"{indent}: {text}", path)], value
        start = f"{indent}{written}{self.pick([':', ':', ':', ' :'])}"
        kind = self.pick(["scalar"] * 5 + ["mapping", "sequence"] * 2 + ["flow", "multi", "empty"])
        if depth > 3 and kind in ("mapping", "sequence"):
            kind = "scalar"
        mark = self.mark()
        comment = self.pick(["", "", "", "  # c", " # 'x: y"])
        if kind == "mapping":
            below = column + self.step
            lines, value = self.mapping(path, below, depth + 1)
            return [Line(start + mark + comment, path), *self.between(path, below), *lines], value
        if kind == "sequence":
            below = column + self.dash
            lines, value = self.sequence(path, below, depth + 1)
            return [Line(start + mark + comment, path), *self.between(path, below), *lines], value
        if kind == "multi":
            template, value = self.pick([*MULTI_LINE, KEEPING] if self.refusable else MULTI_LINE)
            if template[0] == "|+":
                self.features.add("|+")
            below = " " * (column + 2)
            if template[0][0] in "|>":
                self.block_scalars.add(path)
            return [
                Line(f"{start}{mark} {template[0]}", path),
                *(Line(text.format(below) if text else "", path) for text in template[1:]),
            ], value
        if kind == "flow":
            text, value = self.flow(0)
        elif kind == "empty":
            text, value = self.pick([("{}", {}), ("[]", []), ("null", "null"), ("", "")])
        else:
            text, value = self.pick([*FLOW_SCALARS, *BLOCK_SCALARS])
        gap = self.pick([" ", " ", "  ", "\t"]) if text else ""
        return [Line(start + mark + gap + text + comment, path)], value

    def sequence(self, path: Path, column: int, depth: int) -> tuple[list[Line], list[Any]]:
        lines: list[Line] = []
        data: list[Any] = []
        for position in range(self.pick([1, 2, 2, 3])):
            here = (*path, position)
            if position:
                lines += self.between((*path, "#"), column)
            entry, value = self.item(here, column, depth)
            lines += entry
            data.append(value)
        return lines, data

    def item(self, path: Path, column: int, depth: int) -> tuple[list[Line], Any]:
        dash = " " * column + "-" + self.pick([" ", " ", "   "])
        kind = self.pick(["mapping"] * 4 + ["scalar", "scalar", "flow", "below", "sequence"])
        if kind == "mapping":
            return self.mapping(path, len(dash), depth + 1, dash)
        if kind == "below":
            lines, value = self.mapping(path, column + 2, depth + 1)
            return [Line(dash.rstrip() + self.pick(["", " # c"]), path), *lines], value
        if kind == "sequence" and depth < 3:
            self.features.add("- -")
            lines, value = self.sequence(path, len(dash), depth + 1)
            lines[0] = replace(lines[0], text=dash + (lines[0].dash + lines[0].text)[len(dash) :], dash="")
            return lines, value
        text, value = self.flow(0) if kind == "flow" else self.pick(FLOW_SCALARS)
        return [Line(dash + self.mark(" ").lstrip() + text + self.pick(["", "  # c"]), path)], value

    def flow(self, depth: int) -> tuple[str, Any]:
        """Write a collection in flow style on one line."""
        gap = self.pick(["", " "])
        if self.pick([True, False]):
            items = [self.flow_value(depth) for _ in range(self.pick([0, 1, 2, 3]))]
            text = self.pick([", ", ",", " , "]).join(text for text, _ in items)
            return f"[{gap}{text}{gap}]", [value for _, value in items]
        keys = self.keys([0, 1, 2, 3])
        values = {key: self.flow_value(depth) for key in keys}
        text = self.pick([", ", ","]).join(
            f"{self.pick([key, json_quote(key)])}: {text}" for key, (text, _) in values.items()
        )
        return f"{{{gap}{text}{gap}}}", {key: value for key, (_, value) in values.items()}

    def flow_value(self, depth: int) -> tuple[str, Any]:
        return self.flow(depth + 1) if depth < 2 and self.pick([False, False, True]) else self.pick(FLOW_SCALARS)

    def mark(self, end: str = "") -> str:
        """Write an anchor that nothing refers to, mostly none."""
        if self.pick([False] * 12 + [True]):
            self.anchors += 1
            self.features.add("&")
            return f" &a{self.anchors}{end}"
        return ""


def json_quote(text: str) -> str:
    return f'"{text}"'


def list_paths(data: Any, path: Path = ()) -> list[Path]:
    """List the paths of all entries and items."""
    pairs = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    return [found for key, value in pairs for found in ((*path, key), *list_paths(value, (*path, key)))]


def value_at(data: Any, path: Path) -> Any:
    for step in path:
        data = data[step]
    return data
