"""Composing text into nodes that know where they stand, at the speed of the C parser.

ruamel.yaml.clib's parser builds its trees from the node classes that its module names. Slim classes of the
same shape are put there while a document is composed, which doubles the speed. Marks count code points of the
text given.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NoReturn, Protocol, TypeAlias

from migrator.errors import TextError

MAX_DEPTH = 500
"""Deepest nesting that is read: Kubernetes' own schemas stay below 40."""

MAX_SCALAR = 8 * 1024 * 1024
"""Longest scalar that is read, in code points: etcd refuses objects over 1.5 MiB."""

MAX_SECOND_TRY = 200_000
"""Longest text, in code points, that is given to the slow parser when the C parser refuses it."""

MAX_EXPANSION = 200_000
"""Most nodes that a document may have once its aliases are written out."""

SCALAR_PER_NODE = 256
"""Code points of a scalar that count as one more node there."""


class Mark(Protocol):
    """A place in the text: `index` and `column` count from 0, in code points."""

    index: int
    column: int


@dataclass(slots=True)
class _Place:
    """A mark of our own making."""

    index: int
    column: int


class _Node(Exception):  # noqa: N818
    """What a parser makes of a part of the text; `tag` is a string only where the text gives one.

    Never raised. Exceptions are the classes whose constructor keeps its arguments without a line of Python, and that
    line, for every node, costs a tenth of the reading time.
    """

    __slots__ = ()

    args: tuple[Any, Any, Mark, Mark | None, Any]

    @property
    def tag(self) -> Any:
        """Give the tag: a string where the text gives one."""
        return self.args[0]

    @property
    def start_mark(self) -> Mark:
        """Give the place of the first character."""
        return self.args[2]


class ScalarNode(_Node):
    """A scalar: `value` is its text after unescaping, `style` is '' for a plain one."""

    __slots__ = ()

    args: tuple[Any, str, Mark, Mark, str]

    @property
    def value(self) -> str:
        """Give the text after unescaping."""
        return self.args[1]

    @property
    def end_mark(self) -> Mark:
        """Give the place behind the last character."""
        return self.args[3]

    @property
    def style(self) -> str:
        """Give the quote or block sign, '' for a plain scalar."""
        return self.args[4]


class _CollectionNode(_Node):
    # The parser makes a collection when it opens, and says where it ends later.
    __slots__ = ("end_mark",)

    end_mark: Mark
    args: tuple[Any, Any, Mark, None, bool]

    @property
    def flow_style(self) -> bool:
        """Tell whether it stands in brackets."""
        return self.args[4]


class MappingNode(_CollectionNode):
    """A mapping: `value` lists its (key, value) pairs as written."""

    __slots__ = ()

    @property
    def value(self) -> list[tuple[Node, Node]]:
        """Give the pairs."""
        return self.args[1]  # type: ignore[no-any-return]


class SequenceNode(_CollectionNode):
    """A sequence: `value` lists its items."""

    __slots__ = ()

    @property
    def value(self) -> list[Node]:
        """Give the items."""
        return self.args[1]  # type: ignore[no-any-return]


Node: TypeAlias = ScalarNode | MappingNode | SequenceNode

try:
    import _ruamel_yaml as _clib  # type: ignore[import-not-found]
except ImportError:  # pragma: no cover - exercised by a test that hides the module
    _clib = None

HAS_C_PARSER = _clib is not None

_STRING_TAG = "tag:yaml.org,2002:str"
_NON_SPECIFIC_TAG = re.compile(r"(?:&\S+\s+)?!\s")
_SURROGATE_ESCAPE = re.compile(r"\\u[dD][89a-fA-F]")
_SURROGATE = re.compile("[\ud800-\udfff]")

if _clib is not None:

    class _Parser(_clib.CParser):  # type: ignore[misc]
        # Builtins stand in for the resolver's callbacks: they are called once or more for every node,
        # and a Python function there costs a tenth of the reading time. A bound constructor takes whatever it is
        # given and says None, so `tag` is a string only where the text has a tag.
        resolve = Exception().__init__  # type: ignore[misc]
        descend_resolver = operator.is_
        ascend_resolver = bool


def compose(text: str) -> Node | None:
    """Compose the one document that `text` holds; None where it is empty.

    Raises TextError for what is not YAML, for several documents, for what nests deeper than MAX_DEPTH, and for
    scalars over MAX_SCALAR.
    """
    _refuse_deep_nesting(text)
    node = _compose_slowly(text) if _clib is None else _compose_in_c(text)
    if node is None:
        return None
    if len(text) > MAX_SCALAR:
        _refuse_long_scalars(node)
    if "*" in text:
        _refuse_expansion(node, text)
    if "!" in text and ("! " in text or "!\n" in text):
        _mark_non_specific_tags(node, text)
    if "\\" in text and _SURROGATE_ESCAPE.search(text):
        _refuse_surrogates(node)
    return node


def find_too_deep(text: str) -> TextError:
    """Give the error for a text whose nesting was too deep to be walked, with its place."""
    try:
        _count_depth(text)
    except TextError as error:
        return error
    return TextError(f"nested deeper than {MAX_DEPTH} levels")


def check_syntax(text: str) -> None:
    """Parse without building anything.

    Raises TextError for what is not YAML.
    """
    _refuse_deep_nesting(text)
    if _clib is None:
        _compose_slowly(text)
        return
    try:
        _clib.CParser(text).raw_parse()
    except Exception as error:
        _compose_again(text, error)


def is_explicitly_tagged(node: Node) -> bool:
    """Tell whether the text itself gives the node a tag."""
    return type(node.tag) is str


def _compose_in_c(text: str) -> Node | None:
    saved = _clib.ScalarNode, _clib.MappingNode, _clib.SequenceNode
    _clib.ScalarNode, _clib.MappingNode, _clib.SequenceNode = ScalarNode, MappingNode, SequenceNode
    try:
        parser = _Parser(text)
        node: Node | None = None
        if parser.check_node():
            node = parser.get_node()
            if parser.check_node():
                raise TextError("several documents where one is expected", parser.get_node().start_mark.index)
        return node
    except TextError:
        raise
    except Exception as error:
        return _compose_again(text, error)
    finally:
        _clib.ScalarNode, _clib.MappingNode, _clib.SequenceNode = saved


def _compose_again(text: str, error: Exception) -> Node | None:
    """Let the Python parser decide about what the C parser refuses.

    The C parser follows YAML 1.1 to the letter, where kubectl does not: `[http://host:80]` and an anchor that is
    set twice are fine there. What both refuse is reported in the C parser's words.
    """
    if len(text) <= MAX_SECOND_TRY:
        try:
            return _compose_slowly(text)
        except TextError:
            pass
    return _raise_text_error(error)


def _compose_slowly(text: str) -> Node | None:
    """Compose with ruamel.yaml's own Python parser, which takes an anchor that is set twice."""
    import warnings

    from ruamel.yaml import YAML

    yaml = YAML(typ="safe", pure=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            nodes = list(yaml.compose_all(text))
        except Exception as error:
            _raise_text_error(error)
    if not nodes or nodes[0] is None:
        return None
    if len(nodes) > 1:
        raise TextError("several documents where one is expected", nodes[1].start_mark.index)
    return _slim(nodes[0], {}, text)


def _slim(node: Any, seen: dict[int, Node], text: str) -> Node:
    known = seen.get(id(node))
    if known is not None:
        return known
    start = node.start_mark
    # ruamel.yaml resolves tags while composing; only a tag that stands in the text counts here.
    tag = str(node.tag) if text[start.index : start.index + 1] in ("!", "&") and "!" in text else None
    slim: Node
    if hasattr(node, "style") and isinstance(node.value, str):
        slim = ScalarNode(tag, node.value, start, node.end_mark, node.style or "")
        seen[id(node)] = slim
    elif node.id == "mapping":
        slim = mapping = MappingNode(tag, [], start, None, bool(node.flow_style))
        slim.end_mark = node.end_mark
        seen[id(node)] = slim
        for key, value in node.value:
            slim_key = _slim(key, seen, text)
            mapping.value.append((slim_key, _slim_value(slim_key, value, seen, text)))
    else:
        slim = sequence = SequenceNode(tag, [], start, None, bool(node.flow_style))
        slim.end_mark = node.end_mark
        seen[id(node)] = slim
        sequence.value.extend(_slim(item, seen, text) for item in node.value)
    return slim


def _slim_value(key: Node, value: Any, seen: dict[int, Node], text: str) -> Node:
    """Slim a mapping's value; one that is not written stands behind its key's colon, as the C parser has it."""
    slim = _slim(value, seen, text)
    colon = text.find(":", key.end_mark.index)
    if type(slim) is ScalarNode and slim.start_mark.index == slim.end_mark.index and colon >= 0:
        place = _Place(colon + 1, colon + 1 - text.rfind("\n", 0, colon))
        slim.args = (slim.tag, slim.value, place, place, slim.style)
    return slim


def _raise_text_error(error: Exception) -> NoReturn:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    problem = getattr(error, "problem", None) or getattr(error, "reason", None) or str(error)
    context = getattr(error, "context", None)
    if context and getattr(error, "problem", None):
        problem = f"{context}, {problem}"
    if mark is None:
        position = getattr(error, "position", 0)
        raise TextError(f"not YAML: {problem}", position if isinstance(position, int) else 0) from None
    raise TextError(f"not YAML: {problem}", mark.index) from None


def _refuse_deep_nesting(text: str) -> None:
    """Bound the nesting before the C parser recurses over it: its stack ends at some ten thousand levels.

    Flow nesting of depth d needs d brackets, block nesting d dashes or question marks, or a line that is indented by
    d; only a text that has one of these is looked at event by event.
    """
    suspicious = (
        text.count("[") + text.count("{") > MAX_DEPTH
        or _has_many(text, "-")
        or _has_many(text, "?")
        # Indented one column a line, d levels take d * d / 2 characters.
        or (len(text) > MAX_DEPTH * MAX_DEPTH // 2 and max(map(len, text.split("\n"))) > MAX_DEPTH)
    )
    if suspicious and _clib is not None:
        _count_depth(text)


def _has_many(text: str, indicator: str) -> bool:
    """Tell whether an indicator stands more often than MAX_DEPTH; single characters are counted quickly."""
    return (
        text.count(indicator) > MAX_DEPTH and text.count(indicator + " ") + text.count(indicator + "\t") > MAX_DEPTH
    )


def _count_depth(text: str) -> None:
    if _clib is None:
        return
    from ruamel.yaml.events import CollectionEndEvent, CollectionStartEvent, StreamEndEvent

    parser = _clib.CParser(text)
    depth = 0
    try:
        while True:
            event = parser.get_event()
            if isinstance(event, CollectionStartEvent):
                depth += 1
                if depth > MAX_DEPTH:
                    raise TextError(f"nested deeper than {MAX_DEPTH} levels", event.start_mark.index)
            elif isinstance(event, CollectionEndEvent):
                depth -= 1
            elif event is None or isinstance(event, StreamEndEvent):
                return
    except TextError:
        raise
    except Exception as error:
        _raise_text_error(error)


def _list_nodes(root: Node) -> Iterator[Node]:
    """List every node once, however deep they nest and whatever aliases they share."""
    seen: set[int] = set()
    waiting: list[Node] = [root]
    while waiting:
        node = waiting.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        yield node
        if type(node) is MappingNode:
            waiting.extend(part for pair in node.value for part in pair)
        elif type(node) is SequenceNode:
            waiting.extend(node.value)


def _mark_non_specific_tags(root: Node, text: str) -> None:
    """Make plain scalars with the non-specific tag `!` strings: the parsers do not tell of it."""
    for node in _list_nodes(root):
        if type(node) is ScalarNode and node.style == "" and _NON_SPECIFIC_TAG.match(text, node.start_mark.index):
            node.args = (_STRING_TAG, *node.args[1:])


def _refuse_surrogates(root: Node) -> None:
    """Refuse halves of characters, as go-yaml does: no text that is written can hold them."""
    for node in _list_nodes(root):
        if type(node) is ScalarNode and _SURROGATE.search(node.value):
            raise TextError(
                "not YAML: a JSON escape for half a character; write the character itself", node.start_mark.index
            )


def _refuse_long_scalars(root: Node) -> None:
    for node in _list_nodes(root):
        if type(node) is ScalarNode and len(node.value) > MAX_SCALAR:
            problem = f"a scalar of {len(node.value)} characters; {MAX_SCALAR} are read at most"
            raise TextError(problem, node.start_mark.index)


def _refuse_expansion(root: Node, text: str) -> None:
    """Bound what the aliases of a document stand for, and refuse one that holds itself."""
    sizes: dict[int, int] = {}
    open_nodes: set[int] = set()

    def measure(node: Node) -> int:
        if type(node) is ScalarNode:
            return 1 + len(node.value) // SCALAR_PER_NODE
        key = id(node)
        known = sizes.get(key)
        if known is not None:
            return known
        if key in open_nodes:
            raise TextError("an alias stands inside its own anchor", node.start_mark.index)
        open_nodes.add(key)
        if type(node) is MappingNode:
            size = 1 + sum(measure(name) + measure(value) for name, value in node.value)
        else:
            size = 1 + sum(map(measure, node.value))  # type: ignore[arg-type]
        open_nodes.discard(key)
        sizes[key] = size
        return size

    size = measure(root)
    # Written-out documents may be large; only what aliases add is bounded.
    if size > MAX_EXPANSION and size > 2 * len(text):
        raise TextError(f"aliases expand this document to {size} nodes", root.start_mark.index)
