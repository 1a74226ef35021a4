"""Rendering templates: every object and report that migrator emits is one.

Values reach YAML through `write_scalar`, so a template cannot emit one unquoted by mistake; HTML templates escape.
Templates are sandboxed, and a name that is not given is an error.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from migrator.yaml.scalars import write_scalar
from migrator.yaml.write import BlockStyle, write_block, write_flow

if TYPE_CHECKING:
    from jinja2 import Environment

    from migrator.model.plan import NewObject


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
    return _environment(template.endswith(".html.j2")).get_template(template).render(**values)


def render_object(new: NewObject) -> str:
    """Render an object that is to be created."""
    return render_template(new.template, **new.values)


def render_text(template: str, values: Mapping[str, Any]) -> str:
    """Render a sentence of the decision tables: `{{ port }}` and the like, values as they are."""
    return _sentence(template).render(values) if "{" in template else template


@cache
def _sentence(template: str) -> Any:
    return _sandbox(finalize=None, autoescape=False).from_string(template)


@cache
def _environment(html: bool) -> Environment:
    environment = _sandbox(finalize=None if html else _write_value, autoescape=html)
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


def _write_comment(value: str) -> Written:
    """Write text behind `# `: it stays on its line."""
    return Written(" ".join(str(value).split()))


def _write_flow_value(value: Any) -> Written:
    return Written(write_flow(value))


def _write_block_value(value: Any, indent: int) -> Written:
    """Write a collection as block lines that continue below a key at `indent` spaces."""
    return Written(("\n" + " " * indent).join(write_block(value, BlockStyle(dash=0))))
