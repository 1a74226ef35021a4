"""Links of a review: to the manifest line that a claim is about, and to the upstream source that it rests on."""

from __future__ import annotations

import re
from collections.abc import Container
from urllib.parse import quote

from migrator.model.reference import STDIN, Location, is_stream

_ISSUE = re.compile(r"([\w.-]+/[\w.-]+)#([0-9]+)")
_ENHANCEMENT = re.compile(r"KEP-([0-9]+)")
_FILE = re.compile(r"([\w.-]+/[\w.-]+) ([\w./-]+)(?: \(.*\))?")


def link_source(source: str) -> str | None:
    """Give the address of a source as the tables write it: an address, `owner/name#1`, `owner/name path`, `KEP-1`."""
    if source.startswith("https://"):
        return source
    if match := _ISSUE.fullmatch(source):
        return f"https://github.com/{match[1]}/issues/{match[2]}"
    if match := _ENHANCEMENT.fullmatch(source):
        return f"https://kep.k8s.io/{match[1]}"
    if match := _FILE.fullmatch(source):
        return f"https://github.com/{match[1]}/blob/HEAD/{match[2]}"
    return None


def link_place(location: Location | None, absent: Container[str] = ()) -> str | None:
    """Give the address of a manifest's line, relative to the working directory; None where no file is to be opened.

    `absent` are files that are yet to be written.
    """
    if location is None or is_stream(location.path) or location.path in absent:
        return None
    path = quote(location.path, errors="surrogateescape")
    return f"{path if path.startswith('/') else f'./{path}'}#L{location.line}"


def name_place(location: Location) -> str:
    """Name a manifest's line as a person reads it."""
    return f"standard input:{location.line}" if location.path == STDIN else str(location)
