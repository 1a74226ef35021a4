"""Rendering templates: every object and report that migrator emits is one.

Values reach YAML through `write_scalar`, so a template cannot emit one unquoted by mistake; templates of HTML and
markdown escape. They are sandboxed, and a name that is not given is an error.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from migrator.yaml.scalars import write_scalar
from migrator.yaml.write import BlockStyle, write_block, write_flow

if TYPE_CHECKING:
    from jinja2 import Environment

    from migrator.model.plan import NewObject


_NAME = re.compile(r"\{\{ (\w+) \}\}")


class Written(str):
    """Text that is YAML already."""

    __slots__ = ()


def find_templates() -> Path:
    """Find the folder of templates: inside an installed package, beside it in a checkout."""
    packaged = Path(__file__).with_name("templates")
    return packaged if packaged.is_dir() else Path(__file__).parent.parent / "templates"


def render_template(template: str, /, **values: Any) -> str:
    """Render a template of the templates folder, named with its whole file name.

    Raises jinja2.TemplateError for an unknown template or name.
    """
    return _environment(template.removesuffix(".j2").rpartition(".")[2]).get_template(template).render(**values)


def read_part(name: str) -> str:
    """Read a style sheet or a script that templates take in as it is."""
    return (find_templates() / name).read_text(encoding="utf-8")


def render_object(new: NewObject) -> str:
    """Render an object that is to be created."""
    return render_template(new.template, **new.values)


def render_text(template: str, values: Mapping[str, Any]) -> str:
    """Render a sentence of the decision tables: `{{ port }}` and the like, values as they are."""
    split = _split_sentence(template)
    if split is None or any(name not in values for name in split[1]):
        return str(_sentence(template).render(values))
    form, names = split
    return form % tuple([values[name] for name in names])


@cache
def _split_sentence(template: str) -> tuple[str, tuple[str, ...]] | None:
    """Split a sentence into a format and the names of its values; None for one that asks for more than names.

    Sentences are written for every port of a fleet, and Jinja takes ten times as long for these.
    """
    parts = _NAME.split(template)
    if any("{" in text for text in parts[::2]):
        return None
    return "%s".join(text.replace("%", "%%") for text in parts[::2]), tuple(parts[1::2])


@cache
def _sentence(template: str) -> Any:
    return _sandbox(finalize=None, autoescape=False).from_string(template)


@cache
def _environment(form: str) -> Environment:
    finalize = {"html": None, "svg": None, "md": _write_markdown}.get(form, _write_value)
    environment = _sandbox(finalize, autoescape=form in ("html", "svg"))
    environment.filters["as_is"] = Written
    environment.filters["lines"] = _write_lines
    environment.filters["comment"] = _write_comment
    environment.filters["flow"] = _write_flow_value
    environment.filters["block"] = _write_block_value
    return environment


def _sandbox(finalize: Any, autoescape: bool) -> Environment:
    from jinja2 import FileSystemLoader, StrictUndefined
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    return ImmutableSandboxedEnvironment(
        loader=FileSystemLoader(find_templates()),
        undefined=StrictUndefined,
        autoescape=autoescape,
        finalize=finalize,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        auto_reload=False,
    )


def _write_value(value: Any) -> Any:
    if isinstance(value, Written):
        return value
    if value is None or isinstance(value, str | int | float):
        return write_scalar(value)
    if isinstance(value, Mapping | list | tuple):
        raise TypeError("write collections with the `flow` or `block` filter")
    return value  # an undefined value raises by itself


_MARKUP = re.compile(r"[&<>*_\[\]|\\`~@#]")


def _write_markdown(value: Any) -> Any:
    """Write text as markdown that says just that: nothing in it is markup, a mention or a reference."""
    if isinstance(value, Written | int | float) or not isinstance(value, str):
        return value
    return Written(_MARKUP.sub(lambda match: f"&#{ord(match[0])};", re.sub(r"\s+", " ", value)))


def _write_comment(value: str) -> Written:
    """Write text behind `# `: it stays on its line."""
    return Written(" ".join(str(value).split()))


def _write_lines(value: str, indent: int) -> Written:
    """Write text of several lines as a block that continues below a key at `indent` spaces."""
    if "\n" not in value or not value.replace("\n", "").isprintable():
        return Written(write_scalar(value))
    return Written("|-" + "".join(f"\n{' ' * indent}{line}" for line in value.split("\n")))


def _write_flow_value(value: Any) -> Written:
    return Written(write_flow(value))


def _write_block_value(value: Any, indent: int) -> Written:
    """Write a collection as block lines that continue below a key at `indent` spaces."""
    return Written(("\n" + " " * indent).join(write_block(value, BlockStyle(dash=0))))
