"""The part of Go's text/template that Rancher's catalogs use: parsing and executing, without reaching outside.

After Go's text/template (parse/lex.go, parse/parse.go, exec.go) as rancher-compose-executor's template.go calls it.
A template can only read the values that it is given and call the pure functions of `go_template_functions`; steps
and output are bounded. Errors carry the template's line and Go's wording.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

from migrator.model.record import record
from migrator.sources.rancher.go_template_functions import FUNCTIONS, REFUSED_FUNCTIONS, call_function
from migrator.sources.rancher.go_values import GoError, Strings, Struct, format_value, is_true

MAX_STEPS = 200_000
"""Most actions that one template may execute."""

MAX_OUTPUT = 4_000_000
"""Most characters that one template may write."""


class TemplateError(ValueError):
    """A template that Go rejects: `line` counts from 1 in the template."""

    def __init__(self, problem: str, line: int) -> None:
        super().__init__(problem)
        self.problem = problem
        self.line = line


@record
class Rendered:
    """A rendered template: `lines[i]` is the template's line that line i + 1 of `text` comes from."""

    text: str
    lines: tuple[int, ...]

    def origin(self, line: int) -> int:
        """Give the template's line for a line of the text, both from 1."""
        return self.lines[min(line, len(self.lines)) - 1] if self.lines else line


@record
class Token:
    """A token inside an action: `kind` is string, number, field, variable, word, or the punctuation itself."""

    kind: str
    value: Any
    line: int


@record
class Literal:
    """A constant."""

    value: Any


@record
class Fields:
    """A chain of fields after something: `base` None means the dot."""

    base: Operand | None
    names: tuple[str, ...]


@record
class Variable:
    """`$name`; `$` alone is the data given."""

    name: str


@record
class Function:
    """A function's name."""

    name: str


@record
class Pipeline:
    """Commands, each getting the last one's result as its last argument; `names` are assigned, `declares` with :=."""

    commands: tuple[tuple[Operand, ...], ...]
    names: tuple[str, ...]
    declares: bool
    line: int


Operand: TypeAlias = Literal | Fields | Variable | Function | Pipeline


@record
class Text:
    """Literal text that starts at `line`."""

    text: str
    line: int


@record
class Action:
    """A pipeline whose value is written, unless it assigns."""

    pipeline: Pipeline


@record
class Branch:
    """`if`, `with` or `range` with its two bodies."""

    word: str
    pipeline: Pipeline
    body: tuple[Statement, ...]
    otherwise: tuple[Statement, ...]


Statement: TypeAlias = Text | Action | Branch

_OPENING = re.compile(r"\{\{(?P<trim>-(?=[ \t\r\n]))?")
_COMMENT = re.compile(r"\s*/\*.*?\*/\s*?(?P<trim>\s-)?\}\}", re.DOTALL)
_SPACE = " \t\r\n"
_TOKEN = re.compile(
    r"""(?P<close>(?:[ \t\r\n]+-)?\}\})|(?P<space>[ \t\r\n]+)
    |(?P<string>"(?:[^"\\\n]|\\.)*"|`[^`]*`)
    |(?P<char>'(?:[^'\\\n]|\\.)+')
    |(?P<number>[-+]?(?:0[xX][0-9a-fA-F]+|[0-9][0-9_]*(?:\.[0-9]*)?(?:[eE][-+]?[0-9]+)?|\.[0-9]+))
    |(?P<field>\.[A-Za-z_][A-Za-z0-9_]*)
    |(?P<variable>\$[A-Za-z0-9_]*)
    |(?P<assign>:=)
    |(?P<punctuation>[|(),=.])
    |(?P<word>[A-Za-z_][A-Za-z0-9_]*)""",
    re.VERBOSE,
)
_ESCAPE = re.compile(r"\\(?:([abfnrtv\\\"'])|x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{3})|(.))")
_ESCAPES = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_UNSUPPORTED = frozenset({"define", "template", "block", "break", "continue"})
_CONSTANTS: Mapping[str, Any] = {"true": True, "false": False, "nil": None}


def has_templating(text: str) -> bool:
    """Tell whether a file wants templating: `# notemplating` at its start opts out."""
    return not text.lstrip().startswith(("#notemplating", "# notemplating"))


def render(text: str, data: Mapping[str, Any]) -> Rendered:
    """Parse and execute a template over `data`.

    Raises TemplateError with the template's line for what Go's text/template rejects, and for what would run or
    write without end.
    """
    try:
        return _Executor(data).run(_Parser(text).parse())
    except RecursionError:
        raise TemplateError("the template nests too deep", 1) from None


class _Parser:
    """Turns a template into statements, in one pass over text and actions."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0
        self.line = 1
        self.trim_next = False
        self.tokens: list[Token] = []
        self.index = 0

    def parse(self) -> tuple[Statement, ...]:
        statements, word = self._parse_body(frozenset())
        if word is not None:
            raise TemplateError(f"unexpected {{{{{word}}}}}", self.line)
        return statements

    def _parse_body(self, ends: frozenset[str]) -> tuple[tuple[Statement, ...], str | None]:
        statements: list[Statement] = []
        opened = self.line
        while True:
            text = self._next_text()
            if text is not None:
                statements.append(text)
            if self.position >= len(self.text):
                if ends:
                    raise TemplateError(f"unexpected EOF: the block of line {opened} has no {{{{end}}}}", self.line)
                return tuple(statements), None
            if not self._read_action():
                continue
            first = self.tokens[0]
            if first.kind == "word" and first.value in ("end", "else"):
                if first.value not in ends:
                    raise TemplateError(f"unexpected {{{{{first.value}}}}}", first.line)
                return tuple(statements), str(first.value)
            statements.append(self._parse_statement(first))

    def _next_text(self) -> Text | None:
        match = _OPENING.search(self.text, self.position)
        end = match.start() if match else len(self.text)
        raw = self.text[self.position : end]
        line = self.line
        text = raw
        if self.trim_next:
            text = text.lstrip(_SPACE)
            line += raw[: len(raw) - len(text)].count("\n")
        if match and match["trim"]:
            text = text.rstrip(_SPACE)
        self.line += raw.count("\n")
        self.position = match.end() if match else end
        self.trim_next = False
        if match is None:
            self.position = len(self.text)
        elif self.position >= len(self.text):
            raise TemplateError("unclosed action", self.line)
        return Text(text, line) if text else None

    def _read_action(self) -> bool:
        """Read the tokens of the action at the position; False for a comment and for the end of the text."""
        comment = _COMMENT.match(self.text, self.position)
        if comment:
            self.line += comment[0].count("\n")
            self.position = comment.end()
            self.trim_next = bool(comment["trim"])
            return False
        self.tokens, self.index = [], 0
        while True:
            match = _TOKEN.match(self.text, self.position)
            if match is None:
                raise self._refuse_character()
            self.position = match.end()
            kind = str(match.lastgroup)
            if kind == "close":
                self.trim_next = match[0] != "}}"
                self.line += match[0].count("\n")
                if not self.tokens:
                    raise TemplateError("missing value for command", self.line)
                return True
            if kind == "space":
                self.tokens.append(Token("space", " ", self.line))
            else:
                self.tokens.append(_make_token(kind, match[0], self.line))
            self.line += match[0].count("\n")
            if self.tokens[0].kind == "space":
                self.tokens.pop()

    def _refuse_character(self) -> TemplateError:
        rest = self.text[self.position : self.position + 1]
        if not rest:
            return TemplateError("unclosed action", self.line)
        if rest == '"':
            return TemplateError("unterminated quoted string", self.line)
        if rest == "`":
            return TemplateError("unterminated raw quoted string", self.line)
        return TemplateError(f"unexpected {rest!r} in command".replace("'", '"'), self.line)

    def _parse_statement(self, first: Token) -> Statement:
        word = first.value if first.kind == "word" else ""
        if word in _UNSUPPORTED:
            raise TemplateError(f"{{{{{word}}}}} is beyond what catalog templates use", first.line)
        if word not in ("if", "with", "range"):
            return Action(self._parse_pipeline("command", close=None))
        self.index = 1
        return self._parse_branch(word)

    def _parse_branch(self, word: str) -> Branch:
        pipeline = self._parse_pipeline(word, close=None)
        body, end = self._parse_body(frozenset({"end", "else"}))
        otherwise: tuple[Statement, ...] = ()
        if end == "else":
            self.index = 1
            self._skip_space()
            if self.index < len(self.tokens):
                nested = self.tokens[self.index]
                if nested.value != word or word == "range":
                    raise TemplateError(f"unexpected {_quote(nested)} in else", nested.line)
                self.index += 1
                return Branch(word, pipeline, body, (self._parse_branch(word),))
            otherwise, _ = self._parse_body(frozenset({"end"}))
        return Branch(word, pipeline, body, otherwise)

    def _skip_space(self) -> None:
        while self.index < len(self.tokens) and self.tokens[self.index].kind == "space":
            self.index += 1

    def _peek(self) -> Token | None:
        return self.tokens[self.index] if self.index < len(self.tokens) else None

    def _parse_pipeline(self, context: str, close: str | None) -> Pipeline:
        self._skip_space()
        line = self.tokens[min(self.index, len(self.tokens) - 1)].line
        names, declares = self._parse_assignment(context)
        commands: list[tuple[Operand, ...]] = []
        while True:
            command = self._parse_command(context)
            token = self._peek()
            if not command:
                raise TemplateError(f"missing value for {context}", line)
            if commands and isinstance(command[0], Literal):
                raise TemplateError(f"non executable command in pipeline stage {len(commands) + 1}", line)
            commands.append(command)
            if token is not None and token.kind == "|":
                self.index += 1
                continue
            if close is not None:
                if token is None or token.kind != close:
                    raise TemplateError("unclosed left paren", line)
                self.index += 1
            elif token is not None:
                problem = (
                    "unexpected right paren" if token.kind == ")" else f"unexpected {_quote(token)} in {context}"
                )
                raise TemplateError(problem, token.line)
            return Pipeline(tuple(commands), names, declares, line)

    def _parse_assignment(self, context: str) -> tuple[tuple[str, ...], bool]:
        start = self.index
        names: list[str] = []
        while (token := self._peek()) is not None and token.kind == "variable":
            names.append(str(token.value))
            self.index += 1
            self._skip_space()
            token = self._peek()
            if token is not None and token.kind in (":=", "="):
                self.index += 1
                if len(names) > (2 if context == "range" else 1):
                    raise TemplateError(f"too many declarations in {context}", token.line)
                return tuple(names), token.kind == ":="
            if token is None or token.kind != ",":
                break
            self.index += 1
            self._skip_space()
        self.index = start
        return (), False

    def _parse_command(self, context: str) -> tuple[Operand, ...]:
        operands: list[Operand] = []
        while True:
            self._skip_space()
            token = self._peek()
            if token is None or token.kind in ("|", ")"):
                return tuple(operands)
            operand = self._parse_operand(token, context)
            operands.append(operand)

    def _parse_operand(self, token: Token, context: str) -> Operand:
        self.index += 1
        operand: Operand
        if token.kind in ("string", "number"):
            operand = Literal(token.value)
        elif token.kind == "variable":
            operand = Variable(token.value)
        elif token.kind == "field":
            operand = Fields(None, (token.value,))
        elif token.kind == ".":
            operand = Fields(None, ())
        elif token.kind == "word":
            operand = _make_word(token)
        elif token.kind == "(":
            operand = self._parse_pipeline("parenthesized pipeline", close=")")
        else:
            raise TemplateError(f"unexpected {_quote(token)} in {context}", token.line)
        names: list[str] = []
        while (following := self._peek()) is not None and following.kind == "field":
            names.append(following.value)
            self.index += 1
        if following is not None and following.kind not in ("space", "|", ")"):
            raise TemplateError(f"unexpected {_quote(following)} in operand", following.line)
        if not names:
            return operand
        if isinstance(operand, Fields):
            return Fields(operand.base, (*operand.names, *names))
        if isinstance(operand, Literal | Function):
            raise TemplateError(f"unexpected . after term {_quote(token)}", token.line)
        return Fields(operand, tuple(names))


def _make_token(kind: str, text: str, line: int) -> Token:
    if kind == "string":
        return Token("string", text[1:-1] if text[0] == "`" else _unescape(text[1:-1], line), line)
    if kind == "char":
        value = _unescape(text[1:-1], line)
        if len(value) != 1:
            raise TemplateError(f"malformed character constant: {text}", line)
        return Token("number", ord(value), line)
    if kind == "number":
        return Token("number", _read_number(text, line), line)
    if kind == "field":
        return Token("field", text[1:], line)
    if kind == "variable":
        return Token("variable", text[1:], line)
    if kind == "word":
        return Token("word", text, line)
    return Token(text, text, line)


def _read_number(text: str, line: int) -> int | float:
    try:
        digits = text.replace("_", "")
        if digits.lstrip("+-")[:2].lower() == "0x":
            return int(digits, 16)
        if digits.lstrip("+-").isdigit():
            octal = len(digits.lstrip("+-")) > 1 and digits.lstrip("+-")[0] == "0"
            return int(digits, 8 if octal else 10)
        return float(digits)
    except ValueError:
        raise TemplateError(f"bad number syntax: {text!r}".replace("'", '"'), line) from None


def _unescape(text: str, line: int) -> str:
    def replace(match: re.Match[str]) -> str:
        if match[1]:
            return _ESCAPES.get(match[1], match[1])
        code = match[2] or match[3] or match[4]
        if code:
            return chr(int(code, 16))
        if match[5]:
            return chr(int(match[5], 8))
        raise TemplateError(f"invalid syntax in string: {match[0]}", line)

    return _ESCAPE.sub(replace, text)


def _make_word(token: Token) -> Operand:
    if token.value in _CONSTANTS:
        return Literal(_CONSTANTS[token.value])
    if token.value in REFUSED_FUNCTIONS:
        raise TemplateError(f'function "{token.value}" is not allowed: {REFUSED_FUNCTIONS[token.value]}', token.line)
    if token.value not in FUNCTIONS and token.value not in ("and", "or"):
        raise TemplateError(f'function "{token.value}" not defined', token.line)
    return Function(token.value)


def _quote(token: Token) -> str:
    if token.kind == "field":
        return f"<.{token.value}>"
    if token.kind == "space":
        return "space"
    return f'"{token.value}"'


class _Executor:
    """Walks the statements; the only state is the variables in scope, the output and the count of steps."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        self.data = data
        self.pieces: list[tuple[str, int, bool]] = []
        self.written = 0
        self.steps = 0

    def run(self, statements: tuple[Statement, ...]) -> Rendered:
        self._walk(statements, self.data, [("", self.data)])
        return _place_lines(self.pieces)

    def _walk(self, statements: tuple[Statement, ...], dot: Any, scope: list[tuple[str, Any]]) -> None:
        for statement in statements:
            self.steps += 1
            if isinstance(statement, Text):
                self._write(statement.text, statement.line, True)
            elif isinstance(statement, Action):
                line = statement.pipeline.line
                self._bound(line)
                value = self._evaluate(statement.pipeline, dot, scope)
                if not statement.pipeline.names:
                    self._write(_format(value, line), line, False)
            else:
                self._bound(statement.pipeline.line)
                self._walk_branch(statement, dot, scope)

    def _bound(self, line: int) -> None:
        if self.steps > MAX_STEPS:
            raise TemplateError(f"the template takes more than {MAX_STEPS} steps", line)

    def _write(self, text: str, line: int, moves: bool) -> None:
        self.written += len(text)
        if self.written > MAX_OUTPUT:
            raise TemplateError(f"the template writes more than {MAX_OUTPUT} characters", line)
        self.pieces.append((text, line, moves))

    def _walk_branch(self, branch: Branch, dot: Any, scope: list[tuple[str, Any]]) -> None:
        mark = len(scope)
        if branch.word == "range":
            self._walk_range(branch, dot, scope)
        else:
            value = self._evaluate(branch.pipeline, dot, scope)
            if is_true(value):
                self._walk(branch.body, value if branch.word == "with" else dot, scope)
            else:
                self._walk(branch.otherwise, dot, scope)
        del scope[mark:]

    def _walk_range(self, branch: Branch, dot: Any, scope: list[tuple[str, Any]]) -> None:
        pipeline = branch.pipeline
        plain = Pipeline(pipeline.commands, (), False, pipeline.line)
        value = self._evaluate(plain, dot, scope)
        items = list(_list_items(value, pipeline.line))
        if not items:
            self._walk(branch.otherwise, dot, scope)
            return
        mark = len(scope)
        for key, item in items:
            self.steps += 1
            self._bound(pipeline.line)
            given = (item,) if len(pipeline.names) == 1 else (key, item)
            for name, bound in zip(pipeline.names, given, strict=False):
                self._assign(name, bound, pipeline, scope)
            self._walk(branch.body, item, scope)
            del scope[mark:]

    def _assign(self, name: str, value: Any, pipeline: Pipeline, scope: list[tuple[str, Any]]) -> None:
        if pipeline.declares:
            scope.append((name, value))
            return
        for position in range(len(scope) - 1, -1, -1):
            if scope[position][0] == name:
                scope[position] = (name, value)
                return
        raise TemplateError(f'undefined variable "${name}"', pipeline.line)

    def _evaluate(self, pipeline: Pipeline, dot: Any, scope: list[tuple[str, Any]]) -> Any:
        value: Any = None
        for position, command in enumerate(pipeline.commands):
            extra = (value,) if position else ()
            value = self._evaluate_command(command, extra, dot, scope, pipeline.line)
        for name in pipeline.names:
            self._assign(name, value, pipeline, scope)
        return value

    def _evaluate_command(
        self, command: tuple[Operand, ...], extra: tuple[Any, ...], dot: Any, scope: list[tuple[str, Any]], line: int
    ) -> Any:
        self.steps += 1
        self._bound(line)
        head = command[0]
        if isinstance(head, Function):
            if head.name in ("and", "or"):
                return self._evaluate_logic(head.name, command[1:], extra, dot, scope, line)
            arguments = [self._operand(operand, dot, scope, line) for operand in command[1:]]
            return _call(head.name, [*arguments, *extra], line)
        if isinstance(head, Pipeline):
            # Rancher's Go never looked at what follows a pipeline in parentheses: of `(ne .A "x") and .B` .B is lost.
            return self._operand(head, dot, scope, line)
        if len(command) > 1 or extra:
            raise TemplateError(f"can't give argument to non-function {_describe(head)}", line)
        return self._operand(head, dot, scope, line)

    def _evaluate_logic(
        self,
        name: str,
        operands: tuple[Operand, ...],
        extra: tuple[Any, ...],
        dot: Any,
        scope: list[tuple[str, Any]],
        line: int,
    ) -> Any:
        values = [self._operand(operand, dot, scope, line) for operand in operands]
        values.extend(extra)
        if not values:
            raise TemplateError(f"wrong number of args for {name}: want at least 1 got 0", line)
        for value in values:
            if is_true(value) == (name == "or"):
                return value
        return values[-1]

    def _operand(self, operand: Operand, dot: Any, scope: list[tuple[str, Any]], line: int) -> Any:
        if isinstance(operand, Literal):
            return operand.value
        if isinstance(operand, Variable):
            for name, value in reversed(scope):
                if name == operand.name:
                    return value
            raise TemplateError(f'undefined variable "${operand.name}"', line)
        if isinstance(operand, Pipeline):
            return self._evaluate(operand, dot, scope)
        if isinstance(operand, Function):
            return self._evaluate_command((operand,), (), dot, scope, line)
        value = dot if operand.base is None else self._operand(operand.base, dot, scope, line)
        for name in operand.names:
            value = _read_field(value, name, operand, line)
        return value


def _format(value: Any, line: int) -> str:
    try:
        return format_value(value)
    except GoError as error:
        raise TemplateError(str(error), line) from None


def _call(name: str, arguments: list[Any], line: int) -> Any:
    try:
        return call_function(name, arguments)
    except GoError as error:
        raise TemplateError(str(error), line) from None


def _read_field(value: Any, name: str, operand: Fields, line: int) -> Any:
    if value is None:
        raise TemplateError(f"nil pointer evaluating {_describe(operand)}", line)
    if not isinstance(value, Mapping):
        raise TemplateError(f"can't evaluate field {name} in type {_name_type(value)}", line)
    if name in value:
        return value[name]
    if isinstance(value, Strings):
        return ""
    if isinstance(value, Struct):
        raise TemplateError(f"can't evaluate field {name} in type {value.type}", line)
    return None


def _list_items(value: Any, line: int) -> Iterator[tuple[Any, Any]]:
    if value is None:
        return iter(())
    if isinstance(value, Mapping):
        return iter(sorted(value.items()))
    if isinstance(value, list | tuple):
        return iter(enumerate(value))
    raise TemplateError(f"range can't iterate over {format_value(value)}", line)


def _describe(operand: Operand) -> str:
    if isinstance(operand, Fields):
        base = f"${operand.base.name}" if isinstance(operand.base, Variable) else ""
        return base + "." + ".".join(operand.names)
    if isinstance(operand, Variable):
        return f"${operand.name}"
    return format_value(operand.value) if isinstance(operand, Literal) else "(...)"


def _name_type(value: Any) -> str:
    names = ((bool, "bool"), (int, "int"), (float, "float64"), (str, "string"), (list, "[]interface {}"))
    return next((name for kind, name in names if isinstance(value, kind)), "interface {}")


def _place_lines(pieces: list[tuple[str, int, bool]]) -> Rendered:
    """Find the template's line of each rendered line: where its first visible character comes from."""
    lines: list[int] = []
    current: int | None = None
    seen = False
    for text, line, moves in pieces:
        for position, part in enumerate(text.split("\n")):
            if position:
                lines.append(current if current is not None else line)
                current, seen = None, False
            place = line + position if moves else line
            if current is None or (not seen and part.strip()):
                current = place
            seen = seen or bool(part.strip())
    lines.append(current if current is not None else 1)
    return Rendered("".join(text for text, _, _ in pieces), tuple(lines))
