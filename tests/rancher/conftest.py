from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from migrator.sources.rancher import (
    KeyFate,
    RancherPolicy,
    Stack,
    Translation,
    find_stacks,
    read_stack,
    translate_stack,
)


@dataclass(frozen=True)
class Translated:
    """A translation with shortcuts for assertions."""

    translation: Translation

    def get(self, kind: str, name: str) -> dict[str, Any]:
        found = [item.data for item in self.translation.objects if item.data["kind"] == kind]
        return next(dict(data) for data in found if data["metadata"]["name"] == name)

    def names(self, kind: str) -> list[str]:
        return [item.data["metadata"]["name"] for item in self.translation.objects if item.data["kind"] == kind]

    def workload(self, name: str) -> dict[str, Any]:
        kinds = ("Deployment", "StatefulSet", "DaemonSet", "Job")
        return next(
            dict(item.data)
            for item in self.translation.objects
            if item.data["kind"] in kinds and item.data["metadata"]["name"] == name
        )

    def pod(self, name: str) -> dict[str, Any]:
        spec: dict[str, Any] = self.workload(name)["spec"]["template"]["spec"]
        return spec

    def container(self, name: str, container: str | None = None) -> dict[str, Any]:
        containers: list[dict[str, Any]] = self.pod(name)["containers"]
        return next(item for item in containers if item["name"] == (container or name))

    def text(self) -> str:
        return "".join(item.text for item in self.translation.objects)

    def fate(self, *path: str | int) -> KeyFate:
        return next(key for key in self.translation.keys if key.path == path)

    def resolve(self, name: str) -> set[str]:
        """Give the workloads whose pods a name of the namespace leads to, through aliases too."""
        service = self.get("Service", name)
        if service["spec"].get("type") == "ExternalName":
            return self.resolve(service["spec"]["externalName"].partition(".")[0])
        selector = service["spec"]["selector"]
        return {
            item.data["metadata"]["name"]
            for item in self.translation.objects
            if "template" in item.data.get("spec", {})
            and selector.items() <= item.data["spec"]["template"]["metadata"]["labels"].items()
        }


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
