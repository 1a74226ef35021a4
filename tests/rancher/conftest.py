from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from translated_stack import Translated

from migrator.sources.rancher import (
    RancherPolicy,
    Stack,
    find_stacks,
    read_stack,
    translate_stack,
)

WriteStack = Callable[..., Path]
Translate = Callable[..., Translated]


@pytest.fixture
def write_stack(tmp_path: Path) -> WriteStack:
    def write(docker: str, rancher: str = "", name: str = "shop", template: bool = False, **files: str) -> Path:
        folder = tmp_path / name
        folder.mkdir(parents=True, exist_ok=True)
        target = "docker-compose.yml.tpl" if template else "docker-compose.yml"
        (folder / target).write_text(textwrap.dedent(docker), encoding="utf-8")
        if rancher:
            (folder / "rancher-compose.yml").write_text(textwrap.dedent(rancher), encoding="utf-8")
        for file, text in files.items():
            (folder / file).write_text(textwrap.dedent(text), encoding="utf-8")
        return folder

    return write


@pytest.fixture
def read(write_stack: WriteStack) -> Callable[..., Stack]:
    def read_written(
        docker: str, rancher: str = "", answers: Mapping[str, str] | None = None, **options: Any
    ) -> Stack:
        folder = write_stack(docker, rancher, **options)
        return read_stack(find_stacks(folder)[0], answers or {}, None)

    return read_written


@pytest.fixture
def translate(read: Callable[..., Stack]) -> Translate:
    def translate_written(docker: str, rancher: str = "", policy: RancherPolicy | None = None, **options: Any) -> Any:
        return Translated(translate_stack(read(docker, rancher, **options), policy or RancherPolicy()))

    return translate_written
