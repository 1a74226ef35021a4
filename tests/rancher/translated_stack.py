"""A translation with shortcuts for assertions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from migrator.sources.rancher import KeyFate, Translation


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
