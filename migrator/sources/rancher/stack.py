"""A stack as Cattle read it: both compose files rendered, interpolated, extended and merged.

After rancher/rancher-compose-executor parser/merge.go, merge_v1.go and merge_v2.go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from migrator.errors import InputError
from migrator.model.field import FieldPath
from migrator.model.record import record
from migrator.sources.rancher.answers import Question, complete_answers, format_answer, read_questions
from migrator.sources.rancher.compose import (
    ComposeFile,
    KeyOrigin,
    find_questions,
    read_compose,
    read_text,
    render_file,
)
from migrator.sources.rancher.find import StackFolder
from migrator.sources.rancher.go_values import Strings, Struct
from migrator.sources.rancher.interpolate import InterpolationError, interpolate_text
from migrator.sources.rancher.secret_values import SHORTEST, is_secret
from migrator.sources.tables import load_table

_RELATIVE = "Name a file relative to the compose file."
_NEVER_EXTENDED = ("links", "volumes_from")
_SECTIONS = ("volumes", "secrets", "networks", "hosts", "dependencies")
_LB_CONFIG = ("port_rules", "certs", "default_cert", "config", "stickiness_policy")
"""What stands in a balancer of `load_balancers` itself, and among the services below `lb_config`."""
_SECTION_DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "external_services": {"image": "rancher/external-service"},
    "aliases": {"image": "rancher/dns-service"},
    "virtual_machines": {"type": "virtualMachine"},
    "storage_drivers": {"storage_driver": {"name": ""}},
    "network_drivers": {"network_driver": {"name": ""}},
}
_TYPE_NAMES = {"list": "an array", "mapping": "an object", "pairs": "an object, or an array"}


@record
class Setting:
    """A key's value with its place; `items` maps paths below it to theirs."""

    value: Any
    origin: KeyOrigin
    items: Mapping[FieldPath, KeyOrigin]

    def item(self, *path: str | int) -> KeyOrigin:
        """Give the place of something below, the nearest one that is written."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.items:
                return self.items[path[:length]]
        return self.origin


@record
class Pair:
    """An entry of a key that takes mappings and `NAME=value` lists alike; `value` None where none is."""

    name: str
    value: str | None
    origin: KeyOrigin


@record
class Warned:
    """Something that reading put right or left blank, and where."""

    origin: KeyOrigin
    message: str


@record
class StackService:
    """A service with the settings of both files."""

    name: str
    origin: KeyOrigin
    settings: Mapping[str, Setting]

    def get(self, key: str, default: Any = None) -> Any:
        """Give a key's value; `default` where it is missing or null."""
        setting = self.settings.get(key)
        return default if setting is None or setting.value is None else setting.value

    def origin_of(self, key: str, *path: str | int) -> KeyOrigin:
        """Give the place of a key, or of something below it."""
        setting = self.settings.get(key)
        return setting.item(*path) if setting else self.origin

    def text(self, key: str, default: str = "") -> str:
        """Give a key's value as text, as Go prints it."""
        value = self.get(key)
        return default if value is None else format_answer(value)

    def texts(self, key: str) -> tuple[tuple[str, KeyOrigin], ...]:
        """Give a key that takes a string or a list of them."""
        value = self.get(key)
        if value is None:
            return ()
        if isinstance(value, list):
            return tuple((format_answer(item), self.origin_of(key, place)) for place, item in enumerate(value))
        return ((format_answer(value), self.origin_of(key)),)

    def pairs(self, key: str, separator: str = "=") -> tuple[Pair, ...]:
        """Give the entries of a key that takes a mapping or a list."""
        setting = self.settings.get(key)
        if setting is None or setting.value is None:
            return ()
        return tuple(_iterate_pairs(setting, separator))

    def labels(self) -> dict[str, str]:
        """Give the labels by name."""
        return {pair.name: pair.value or "" for pair in self.pairs("labels")}

    def label_origin(self, name: str) -> KeyOrigin:
        """Give the place of a label."""
        return next((pair.origin for pair in self.pairs("labels") if pair.name == name), self.origin)


def _iterate_pairs(setting: Setting, separator: str) -> Iterator[Pair]:
    if isinstance(setting.value, Mapping):
        for name, value in setting.value.items():
            yield Pair(name, None if value is None else format_answer(value), setting.item(name))
        return
    items = setting.value if isinstance(setting.value, list) else [setting.value]
    for place, item in enumerate(items):
        if isinstance(item, Mapping):
            for name, value in item.items():
                yield Pair(name, None if value is None else format_answer(value), setting.item(place, name))
            continue
        name, found, value = format_answer(item).partition(separator)
        yield Pair(name.strip(), value if found else None, setting.item(place))


@record
class Stack:
    """A stack: services in the order written, the format 2 sections, and the files that it was read from.

    `secrets` maps values that must not show to the questions and variables that they belong to.
    """

    name: str
    folder: Path
    files: tuple[ComposeFile, ...]
    services: tuple[StackService, ...]
    sections: Mapping[str, Mapping[str, Setting]]
    warnings: tuple[Warned, ...]
    unmatched: tuple[StackService, ...]
    secrets: Mapping[str, str]

    def service(self, name: str) -> StackService | None:
        """Find a service by its name."""
        return next((service for service in self.services if service.name == name), None)

    def section(self, name: str) -> Mapping[str, Setting]:
        """Give a section of format 2: `volumes`, `secrets`, `networks`."""
        return self.sections.get(name, {})


def read_stack(folder: StackFolder, answers: Mapping[str, str], name: str | None = None) -> Stack:
    """Read a stack with the answers given and its questions' defaults; `name` replaces the folder's.

    Raises InputError with the place for files that Rancher would refuse, and for required questions without answer.
    """
    paths = [folder.docker_compose, *([folder.rancher_compose] if folder.rancher_compose else [])]
    texts = [(path, read_text(path)) for path in paths]
    stack_name = name or folder.name
    questions = tuple(question for path, text in texts for question in find_questions(path, text))
    if not questions and any(path.suffix == ".tpl" for path in paths[1:]):
        questions = _find_rendered_questions(texts[1:], answers, stack_name, folder)
    completed = complete_answers(questions, answers, str(paths[-1]), texts[-1][1])
    reader = _Reader(completed)
    files = []
    for path, text in texts:
        rendered = render_file(path, text, _template_values(completed, stack_name, folder))
        files.append(read_compose(str(path), rendered))
    stack = _merge_files(stack_name, folder.path, files, reader)
    return replace(stack, secrets=_find_secrets(stack, questions, completed))


def _find_secrets(stack: Stack, questions: tuple[Question, ...], answers: Mapping[str, str]) -> dict[str, str]:
    """Find the values of password questions and of variables that hold secrets, longest first.

    One that is a name or a plain variable's value, too, is no secret to look for in other values; an answer to a
    password question is, unless it is only the default that everybody can read.
    """
    hidden = {question.variable for question in questions if question.type == "password"}
    defaults = {question.variable: question.default for question in questions}
    found = {value: name for name, value in answers.items() if name in hidden or is_secret(name, value)}
    names = {stack.name, *(service.name for service in stack.services)}
    plain = set(names)
    given = {answers[name] for name in hidden if answers.get(name) != defaults[name]} - names
    for service in stack.services:
        for pair in service.pairs("environment"):
            if pair.value is not None and is_secret(pair.name, pair.value):
                found.setdefault(pair.value, pair.name)
            elif pair.value is not None:
                plain.add(pair.value)
    hidden_values = [value for value in found if len(value) >= SHORTEST and value not in plain - given]
    return {value: found[value] for value in sorted(hidden_values, key=len, reverse=True)}


def _find_rendered_questions(
    texts: list[tuple[Path, str]], answers: Mapping[str, str], name: str, folder: StackFolder
) -> tuple[Question, ...]:
    """Find questions in a file that is YAML only once it is rendered."""
    found: list[Question] = []
    for path, text in texts:
        rendered = render_file(path, text, _template_values(answers, name, folder))
        found.extend(read_questions(dict(read_compose(str(path), rendered).data)))
    return tuple(found)


def _template_values(answers: Mapping[str, str], name: str, folder: StackFolder) -> dict[str, Any]:
    release = Struct(
        "*catalog.TemplateVersion",
        {
            "Name": name,
            "Version": folder.version or "",
            "PreviousVersion": "",
            "DefaultVersion": folder.version or "",
        },
    )
    return {
        "Values": Strings(answers),
        "Stack": release,
        "Release": release,
        "Environment": Struct("template.EnvironmentInfo", {"Name": "Default"}),
        "Cluster": Struct("template.ClusterInfo", {"Embedded": "false"}),
    }


def _merge_files(name: str, folder: Path, files: list[ComposeFile], reader: _Reader) -> Stack:
    services: dict[str, StackService] = {}
    sections: dict[str, dict[str, Setting]] = {section: {} for section in _SECTIONS}
    unmatched: list[StackService] = []
    for position, file in enumerate(files):
        _check_format(file)
        for service in reader.read_services(file):
            known = services.get(service.name)
            if known is not None:
                services[service.name] = _merge_services(known, service, reader)
            elif position and not _stands_alone(service):
                unmatched.append(service)
            else:
                services[service.name] = service
        if file.second_format:
            for section in _SECTIONS:
                sections[section].update(reader.read_section(file, section))
    return Stack(
        name=name,
        folder=folder,
        files=(*files, *reader.extended),
        services=tuple(services.values()),
        sections=sections,
        warnings=tuple(reader.warnings),
        unmatched=tuple(unmatched),
        secrets={},
    )


def _stands_alone(service: StackService) -> bool:
    return any(service.get(key) for key in ("image", "external_ips", "hostname", "lb_config", "type"))


def _check_format(file: ComposeFile) -> None:
    version = file.data.get("version")
    if isinstance(version, Mapping):
        return
    if version is not None and not str(version).startswith(("1", "2")):
        raise file.refuse(
            ("version",),
            f"Unsupported compose file version: {version}",
            "Rancher v1.6 reads the formats 1 and 2.",
        )


def _merge_services(base: StackService, top: StackService, reader: _Reader) -> StackService:
    """Merge as mergeConfig does: lists are joined, mappings united, anything else is replaced."""
    settings = dict(base.settings)
    for key, setting in top.settings.items():
        for rival, other in (("image", "build"), ("build", "image")):
            if key == rival and other in settings:
                dropped = settings.pop(other)
                reader.warnings.append(Warned(dropped.origin, f"replaced by `{rival}` at {_place(setting.origin)}"))
        known = settings.get(key)
        settings[key] = _merge_settings(known, setting, reader) if known else setting
    return replace(base, settings=settings)


def _place(origin: KeyOrigin) -> str:
    return f"{origin.file}:{origin.line}"


def _merge_settings(base: Setting, top: Setting, reader: _Reader) -> Setting:
    if isinstance(base.value, list) and isinstance(top.value, list):
        shift = len(base.value)
        moved = {(int(path[0]) + shift, *path[1:]): place for path, place in top.items.items()}
        return Setting([*base.value, *top.value], base.origin, {**base.items, **moved})
    if isinstance(base.value, Mapping) and isinstance(top.value, Mapping):
        return Setting({**base.value, **top.value}, base.origin, {**base.items, **top.items})
    reader.warnings.append(Warned(base.origin, f"replaced by {_place(top.origin)}"))
    return top


class _Reader:
    """Reads services out of files; collects what was left blank and which files `extends` brought in."""

    def __init__(self, answers: Mapping[str, str]) -> None:
        self.answers = answers
        self.warnings: list[Warned] = []
        self.extended: list[ComposeFile] = []
        self._files: dict[str, ComposeFile] = {}

    def read_services(self, file: ComposeFile) -> Iterator[StackService]:
        raw = file.services()
        for name in raw:
            yield self._read_service(file, name, ())

    def read_section(self, file: ComposeFile, section: str) -> dict[str, Setting]:
        raw = file.data.get(section)
        if raw is None:
            return {}
        if not isinstance(raw, Mapping):
            raise file.refuse((section,), f"{section} must be a mapping")
        return {name: self._read_setting(file, (section, name), value, name) for name, value in raw.items()}

    def _read_service(self, file: ComposeFile, name: str, chain: tuple[tuple[str, str], ...]) -> StackService:
        raw = file.services()[name]
        path = file.service_path(name)
        if raw is None:
            raw = {}
        if not isinstance(raw, Mapping):
            raise file.refuse(path, f'Service "{name}" doesn\'t have any configuration options')
        settings = {
            key: self._read_setting(file, (*path, key), value, key) for key, value in raw.items() if key != "extends"
        }
        settings = _place_settings(settings, file.find_section(name), file.origin(path))
        _check_types(file, name, settings)
        service = StackService(name, file.origin(path), settings)
        service = self._read_env_files(file, service)
        if isinstance(raw.get("extends"), Mapping | str):
            service = self._extend(file, service, raw["extends"], (*chain, (file.file, name)))
        return service

    def _extend(
        self, file: ComposeFile, service: StackService, extends: Any, chain: tuple[tuple[str, str], ...]
    ) -> StackService:
        path = (*file.service_path(service.name), "extends")
        target = extends if isinstance(extends, Mapping) else {"service": extends}
        name = format_answer(target.get("service"))
        if not name:
            return service

        def refuse(key: str, problem: str, hint: str = "") -> InputError:
            place = (*path, key) if (*path, key) in file.places else path
            return file.refuse(place, f"Failed to parse service {service.name}: {problem}", hint)

        source = self._open_extended(file, format_answer(target.get("file")), refuse)
        where = f" in file {target['file']}" if target.get("file") else " to extend"
        if name not in source.services():
            raise refuse("service", f"Failed to find service {name}{where}", f"Name a service of {source.file}.")
        if (source.file, name) in chain:
            raise refuse("service", f"Circular reference: service {name} extends itself")
        base = self._read_service(source, name, chain)
        for key in _NEVER_EXTENDED:
            if key in base.settings:
                known_as = target.get("file") or source.file
                problem = f"Cannot extend service '{name}' in {known_as}: services with '{key}' cannot be extended"
                hint = f"'{key}' stands at {_place(base.origin_of(key))}: write it into {service.name} instead."
                raise refuse("service", problem, hint)
        return _merge_services(replace(base, name=service.name, origin=service.origin), service, self)

    def _open_extended(self, file: ComposeFile, name: str, refuse: Callable[..., InputError]) -> ComposeFile:
        if not name:
            return file
        target = _find_beside(file, name)
        if target is None:
            raise refuse("file", f"Failed to lookup file {name}", _RELATIVE)
        key = str(target)
        if key not in self._files:
            rendered = render_file(target, read_text(target), {"Values": Strings(self.answers)})
            self._files[key] = read_compose(key, rendered)
            self.extended.append(self._files[key])
        return self._files[key]

    def _read_env_files(self, file: ComposeFile, service: StackService) -> StackService:
        """Add the variables of `env_file` that `environment` does not set; of several files the last counts."""
        setting = service.settings.get("env_file")
        if setting is None:
            return service
        known = {pair.name for pair in service.pairs("environment")}
        added: dict[str, Any] = {}
        for name, origin in reversed(service.texts("env_file")):
            target = _find_beside(file, name)
            if target is None:
                raise InputError(origin.file, f"Couldn't find env file: {name}", line=origin.line, hint=_RELATIVE)
            for line in read_text(target).splitlines():
                variable, separator, value = line.strip().partition("=")
                if variable and not variable.startswith("#") and variable not in known and variable not in added:
                    added[variable] = value if separator else None
        base = {pair.name: pair.value for pair in service.pairs("environment")}
        places: dict[FieldPath, KeyOrigin] = {(pair.name,): pair.origin for pair in service.pairs("environment")}
        places.update({(variable,): setting.origin for variable in added})
        origin = service.settings["environment"].origin if "environment" in service.settings else setting.origin
        merged = Setting({**base, **added}, origin, places)
        return replace(service, settings={**service.settings, "environment": merged})

    def _read_setting(self, file: ComposeFile, path: FieldPath, value: Any, key: str) -> Setting:
        items: dict[FieldPath, KeyOrigin] = {}
        read = self._interpolate(file, path, value, key, items, len(path))
        return Setting(read, file.origin(path), items)

    def _interpolate(
        self, file: ComposeFile, path: FieldPath, value: Any, key: str, items: dict[FieldPath, KeyOrigin], depth: int
    ) -> Any:
        if len(path) > depth:
            items[path[depth:]] = file.origin(path)
        if isinstance(value, Mapping):
            return {
                name: self._interpolate(file, (*path, name), item, key, items, depth) for name, item in value.items()
            }
        if isinstance(value, list):
            return [
                self._interpolate(file, (*path, place), item, key, items, depth) for place, item in enumerate(value)
            ]
        if not isinstance(value, str):
            return value
        unset: list[str] = []
        try:
            text = interpolate_text(value, self.answers, unset)
        except InterpolationError:
            shown = "(a secret)" if _names_secret(path, value) else value
            raise file.refuse(
                path,
                f'Invalid interpolation format for key "{key}": "{shown}"',
                "Rancher v1.6 knows ${NAME}, $NAME and $$ only; write $$ for a dollar sign.",
            ) from None
        for name in unset:
            message = f"The {name} variable is not set. Substituting a blank string."
            self.warnings.append(Warned(file.origin(path), message))
        return text


def _place_settings(settings: dict[str, Setting], section: str | None, origin: KeyOrigin) -> dict[str, Setting]:
    """Give a service of a section of its own the keys that it had among the services."""
    placed = dict(settings)
    moved = {key: placed.pop(key) for key in _LB_CONFIG if key in placed} if section == "load_balancers" else {}
    if moved:
        items = {(key, *path): place for key, setting in moved.items() for path, place in setting.items.items()}
        items.update({(key,): setting.origin for key, setting in moved.items()})
        placed["lb_config"] = Setting({key: setting.value for key, setting in moved.items()}, origin, items)
    if section == "aliases" and "services" in placed:
        placed["links"] = placed.pop("services")
    for key, value in _SECTION_DEFAULTS.get(section or "", {}).items():
        if key == "image" or key not in placed:
            placed[key] = Setting(value, origin, {})
    return placed


def _find_beside(file: ComposeFile, name: str) -> Path | None:
    """Find a file named relative to a compose file; None for absolute names and for what cannot be a file."""
    if name.startswith(("/", "~")):
        return None
    target = Path(file.file).parent / name
    try:
        return target if target.is_file() else None
    except (OSError, ValueError):
        return None


def _names_secret(path: FieldPath, value: str) -> bool:
    """Tell whether a value's key, or the NAME before its `=`, says that it is a secret."""
    name, separator, rest = value.partition("=")
    key = next((step for step in reversed(path) if isinstance(step, str)), "")
    return is_secret(name, rest) if separator and isinstance(path[-1], int) else is_secret(key, value)


def is_known(key: str) -> bool:
    """Tell whether a service's key is in the table."""
    return key in load_table("sources/rancher/keys.yaml")["service"]


def _check_types(file: ComposeFile, name: str, settings: Mapping[str, Setting]) -> None:
    rows = load_table("sources/rancher/keys.yaml")["service"]
    for key, setting in settings.items():
        kind = (rows.get(key) or {}).get("type")
        value = setting.value
        if value is None or kind is None:
            continue
        fits = {
            "list": isinstance(value, list) or (key in ("ports", "expose") and value == ""),
            "pairs": isinstance(value, list | Mapping),
            "mapping": isinstance(value, Mapping) or value == "",
        }[kind]
        if not fits:
            raise InputError(
                setting.origin.file,
                f"Service '{name}' configuration key '{key}' contains an invalid type, it should be"
                f" {_TYPE_NAMES[kind]}.",
                line=setting.origin.line,
            )
