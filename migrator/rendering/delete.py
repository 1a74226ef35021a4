"""Deleting documents from a stream: what belongs to no deleted document stays byte for byte."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence, Set
from itertools import takewhile

from migrator.errors import TextError
from migrator.model.reference import ResourceRef
from migrator.rendering.replacement import Replacement, replace_spans
from migrator.yaml.data import construct
from migrator.yaml.edit import RefusedEditError
from migrator.yaml.nodes import Node
from migrator.yaml.scan import Span

# A file's own comment, such as a license: a blank line tells it from that of the first document.
_FILE_COMMENT = re.compile(rb"(?:#[^\n]*\n)+(?:[ \t\r]*\n)+")
_MARKER_LINE = re.compile(rb"---[ \t]*\r?\n(?!%)")


Cut = Callable[[bytes], Iterable[Span]]
"""How a stream is cut into its documents."""


def delete_documents(content: bytes, documents: Sequence[Span], gone: Set[int], cut: Cut) -> list[Replacement]:
    """Cut documents out of a stream that holds others, each with its marker and its comments.

    What becomes the first document loses its marker where the first one had none. Raises RefusedEditError where the
    stream would not hold just the others afterwards.
    """
    first = len(list(takewhile(gone.__contains__, range(len(documents)))))
    starts = {index: documents[index].start for index in gone}
    ends = {index: documents[index].end for index in gone}
    # Of the first ones each goes up to the next: comments that stand alone between them go too.
    ends |= {index: documents[index + 1].start for index in range(first - 1)}
    if first and not content.startswith(b"---", starts[0]):
        comment = _FILE_COMMENT.match(content, starts[0])
        marker = _MARKER_LINE.match(content, ends[first - 1])
        starts[0] = comment.end() if comment else starts[0]
        ends[first - 1] = marker.end() if marker else ends[first - 1]
    replacements = [Replacement(starts[index], ends[index], b"") for index in sorted(gone)]
    _check_rest(content, [span for index, span in enumerate(documents) if index not in gone], replacements, cut)
    return replacements


def _check_rest(content: bytes, rest: Sequence[Span], replacements: Sequence[Replacement], cut: Cut) -> None:
    after = replace_spans(content, replacements)
    found = [after[span.start : span.end] for span in cut(after)]
    wanted = [content[span.start : span.end] for span in rest]
    bare = _MARKER_LINE.sub(b"", wanted[0], count=1) if wanted[0].startswith(b"---") else wanted[0]
    if found[1:] != wanted[1:] or not found[:1] or not found[0].endswith(bare):
        raise RefusedEditError("the documents around the one to delete would not stay as they are")


def refuse_another(node: Node, ref: ResourceRef) -> None:
    """Raise TextError where a piece is not the object that was read from there."""
    data = construct(node)
    metadata = data.get("metadata") if isinstance(data, dict) else None
    if not isinstance(metadata, dict) or metadata.get("name") != ref.name or data.get("kind", ref.kind) != ref.kind:
        raise TextError("not the object that was read", node.start_mark.index)
