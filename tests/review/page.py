"""Reads a page as a browser's parser does: ids, links, elements, the text of each element with an id."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser

VOID = frozenset(("meta", "input", "wbr", "br", "hr", "link", "img", "base"))


@dataclass
class Page:
    ids: list[str] = field(default_factory=list)
    links: list[str] = field(default_factory=list)
    labels: list[str] = field(default_factory=list)
    tags: list[tuple[str, dict[str, str | None]]] = field(default_factory=list)
    texts: dict[str, str] = field(default_factory=dict)
    references: list[str] = field(default_factory=list)
    unclosed: list[str] = field(default_factory=list)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.page = Page()
        self.open: list[tuple[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.page.tags.append((tag, given))
        name = given.get("id")
        if name is not None:
            self.page.ids.append(name)
            self.page.texts.setdefault(name, "")
        if given.get("href") is not None:
            self.page.links.append(str(given["href"]))
        self.page.references += [str(given[key]) for key in ("aria-labelledby", "for") if given.get(key)]
        if tag not in VOID:
            self.open.append((tag, name))

    def handle_endtag(self, tag: str) -> None:
        if self.open and self.open[-1][0] == tag:
            self.open.pop()
        else:
            self.page.unclosed.append(tag)

    def handle_data(self, data: str) -> None:
        for _, name in self.open:
            if name is not None:
                self.page.texts[name] += data


def read_page(text: str) -> Page:
    reader = _Reader()
    reader.feed(text)
    reader.close()
    reader.page.unclosed += [tag for tag, _ in reader.open]
    return reader.page
