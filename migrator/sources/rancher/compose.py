"""Reading one compose file: plain data, and the line of every key and list item."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from migrator.errors import InputError, TextError
from migrator.model.field import FieldPath
from migrator.model.record import record
from migrator.sources.rancher.answers import Question, read_questions
from migrator.sources.rancher.go_template import Rendered, TemplateError, has_templating, render
from migrator.yaml.data import construct
from migrator.yaml.nodes import MappingNode, Node, ScalarNode, compose
from migrator.yaml.scan import decode, line_of

SERVICE_SECTIONS = (
    "containers",
    "services",
    "load_balancers",
    "storage_drivers",
    "network_drivers",
    "virtual_machines",
    "external_services",
    "aliases",
)
"""Sections of format 2 that make services; of two with one name the later counts, as the executor merged them."""


@record
class KeyOrigin:
    """Where a key stands: `path` inside the file, `line` from 1 in the file as written (a .tpl itself)."""

    file: str
    path: FieldPath
    line: int


@record
class ComposeFile:
    """A compose file that was read.

    `places` maps the path of every mapping key and list item to its line, `keys` lists the mapping keys in the
    order written, `duplicates` those given twice whose earlier value does not count.
    """

    file: str
    data: Mapping[str, Any]
    places: Mapping[FieldPath, int]
    keys: tuple[KeyOrigin, ...]
    duplicates: tuple[KeyOrigin, ...]

    def origin(self, path: FieldPath) -> KeyOrigin:
        """Give a path's place; of one that a merge key brought in, the nearest that is written."""
        length = len(path)
        while length and path[:length] not in self.places:
            length -= 1
        return KeyOrigin(self.file, path[:length], self.places.get(path[:length], 1))

    @property
    def second_format(self) -> bool:
        """Tell whether services stand below `services:` (format 2)."""
        return "services" in self.data and str(self.data.get("version", "")).startswith("2")

    @property
    def service_root(self) -> FieldPath:
        """Give the path that services stand below."""
        return ("services",) if self.second_format else ()

    def services(self) -> dict[str, Any]:
        """Give the raw services by name, the catalog's part left out."""
        if not self.second_format:
            return {name: service for name, service in self.data.items() if not self.is_section(name)}
        return {
            name: service for section in SERVICE_SECTIONS for name, service in self._read_section(section).items()
        }

    def _read_section(self, section: str) -> dict[str, Any]:
        raw = self.data.get(section)
        if raw is None:
            return {}
        if not isinstance(raw, Mapping):
            raise self.refuse((section,), f"{section} must be a mapping")
        # An alias of containers, not of services, was never made.
        return {
            name: service
            for name, service in raw.items()
            if not self.is_section(name)
            and (section != "aliases" or (isinstance(service, Mapping) and "services" in service))
        }

    def find_section(self, name: str) -> str | None:
        """Give the section that a service stands in; None in format 1."""
        if not self.second_format:
            return None
        return next((section for section in reversed(SERVICE_SECTIONS) if name in self._read_section(section)), None)

    def service_path(self, name: str) -> FieldPath:
        """Give the path of a service."""
        section = self.find_section(name)
        return (section, name) if section is not None else (*self.service_root, name)

    @property
    def service_roots(self) -> tuple[FieldPath, ...]:
        """Give the paths that services stand below."""
        return tuple((section,) for section in SERVICE_SECTIONS) if self.second_format else ((),)

    def is_section(self, name: str) -> bool:
        """Tell whether a key beside the services is none itself: the catalog's part, or format 1's `version`.

        A service may be named so: the catalog's part has no image.
        """
        if name == ".catalog":
            return True
        value = self.data.get(name)
        described = isinstance(value, Mapping) and ("image" in value or "build" in value)
        return not self.second_format and name in ("catalog", "version") and not described

    def refuse(self, path: FieldPath, problem: str, hint: str = "") -> InputError:
        """Make the error for something at a path."""
        return InputError(self.file, problem, line=self.origin(path).line, hint=hint)


def read_text(path: Path) -> str:
    """Read a file's text.

    Raises InputError where there is none or it is not UTF-8.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(str(path), error.strerror or str(error)) from None
    try:
        return decode(content).removeprefix("\ufeff")
    except TextError as error:
        line = line_of(content.decode("utf-8", "replace"), error.index)
        raise InputError(str(path), error.problem, line=line) from None


def render_file(path: Path, text: str, values: Mapping[str, Any]) -> Rendered:
    """Render a `.tpl`; any other file, and one that opts out, stays as it is.

    Raises InputError with the template's line.
    """
    if path.suffix != ".tpl" or not has_templating(text):
        return Rendered(text, ())
    try:
        return render(text, values)
    except TemplateError as error:
        raise InputError(str(path), f"template: {error.problem}", line=error.line) from None


def read_compose(file: str, rendered: Rendered) -> ComposeFile:
    """Read the YAML of a compose file.

    Raises InputError for what is not YAML and for anything but a mapping at its top.
    """
    text = rendered.text
    try:
        node = compose(text)
        data = construct(node) if node is not None else {}
    except TextError as error:
        line = rendered.origin(line_of(text, error.index))
        raise InputError(file, error.problem, line=line) from None
    if data is None:
        data = {}
    if not isinstance(data, dict):
        raise InputError(file, "Top level object must be a mapping of services", line=1)
    starts = _find_line_starts(text)
    places: dict[FieldPath, int] = {}
    keys: list[KeyOrigin] = []
    dropped: list[KeyOrigin] = []
    replaced = {id(key) for key in _find_overridden(node)}
    for path, place, is_key in _walk(node, ()):
        line = rendered.origin(starts(place))
        if isinstance(place, ScalarNode) and id(place) in replaced:
            dropped.append(KeyOrigin(file, path, line))
            continue
        places[path] = line
        if is_key:
            keys.append(KeyOrigin(file, path, line))
    return ComposeFile(file, data, places, tuple(keys), tuple(dropped))


def _find_line_starts(text: str) -> Any:
    from bisect import bisect_right

    starts = [0]
    position = text.find("\n")
    while position >= 0:
        starts.append(position + 1)
        position = text.find("\n", position + 1)
    return lambda node: bisect_right(starts, node.start_mark.index)


def _walk(node: Node | None, path: FieldPath) -> Iterator[tuple[FieldPath, Node, bool]]:
    if isinstance(node, MappingNode):
        for key, value in node.value:
            if isinstance(key, ScalarNode):
                step = construct_key(key)
                yield (*path, step), key, True
                yield from _walk(value, (*path, step))
    elif node is not None and not isinstance(node, ScalarNode):
        for position, item in enumerate(node.value):
            yield (*path, position), item, False
            yield from _walk(item, (*path, position))


def construct_key(key: ScalarNode) -> str:
    """Give a key as `construct` names it."""
    if key.style != "" or key.value == "<<" or (key.value[:1].isalpha() and len(key.value) > 5):
        return key.value
    probe = MappingNode(None, [(key, key)], key.start_mark, None, False)
    return str(next(iter(construct(probe))))


def _find_overridden(node: Node | None) -> Iterator[ScalarNode]:
    if isinstance(node, MappingNode):
        last: dict[str, ScalarNode] = {}
        for key, value in node.value:
            if isinstance(key, ScalarNode):
                if key.value in last:
                    yield last[key.value]
                last[key.value] = key
            yield from _find_overridden(value)
    elif node is not None and not isinstance(node, ScalarNode):
        for item in node.value:
            yield from _find_overridden(item)


def find_questions(path: Path, text: str) -> tuple[Question, ...]:
    """Find the catalog questions in a compose file's text, before it is rendered; () where it cannot be read yet."""
    if "questions" not in text:
        return ()
    try:
        node = compose(text)
        return read_questions(construct(node)) if node is not None else ()
    except TextError:
        return ()
