"""Which object is meant, and where it stands."""

from __future__ import annotations

from migrator.model.record import record

STDIN = "-"
"""How standard input is named where a file has its path."""

CLUSTER = "cluster:"
"""How a live cluster is: `cluster:CONTEXT`."""


def is_stream(source: str) -> bool:
    """Tell whether a source has no file: standard input, or a live cluster."""
    return source == STDIN or is_cluster(source)


def is_cluster(source: str) -> bool:
    """Tell whether a source is a live cluster."""
    return source.startswith(CLUSTER)


@record
class ResourceRef:
    """An object's identity; `namespace` is None where none is known or the kind has none."""

    api_version: str
    kind: str
    namespace: str | None
    name: str

    def __str__(self) -> str:
        """Write it as `--workload` takes it: NAMESPACE/KIND/NAME, `-` for an unknown namespace."""
        return f"{self.namespace or '-'}/{self.kind}/{self.name}"


def sort_key(ref: ResourceRef) -> tuple[str, str, str, str]:
    """Order objects by namespace and name, whatever file they stand in."""
    return (ref.namespace or "", ref.name, ref.kind, ref.api_version)


@record
class Location:
    """A place in a source.

    `document` counts the stream's documents from 0, `item` a List's items from 0 (None outside of Lists),
    `line` the lines from 1.
    """

    path: str
    document: int
    item: int | None
    line: int

    def __str__(self) -> str:
        # Nobody sees the lines of what a server answered.
        return self.path if is_cluster(self.path) else f"{self.path}:{self.line}"

    def at(self, line: int) -> Location:
        """Give another line of the same object."""
        return Location(self.path, self.document, self.item, line)
