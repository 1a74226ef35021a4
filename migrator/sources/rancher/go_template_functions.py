"""The functions that catalog templates may call: Go's own, sprig's pure ones, and Rancher's `splitPreserveQuotes`.

After Go's text/template/funcs.go, Masterminds/sprig as rancher-compose-executor vendored it (c974324, of 2017; some
later functions are known, too) and the executor's template/funcs. What sprig offers beyond computing (environment,
clock, random numbers, keys) is refused with the reason. Text is cut at bytes, as Go does; what functions give is
bounded, since a template may come from anywhere.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import html
import json
import math
import posixpath
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from typing import Any
from urllib.parse import quote_plus

from migrator.sources.rancher.go_values import (
    MAX_ITEMS,
    GoError,
    Strings,
    Struct,
    check_length,
    format_text,
    is_true,
    join_texts,
    name_type,
    quote_text,
    to_text,
)


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int | float | str):
        return type(value).__name__
    raise GoError("invalid type for comparison")


def _equal(first: Any, *others: Any) -> bool:
    if not others:
        raise GoError("missing argument for comparison")
    for other in others:
        if _kind(first) != _kind(other):
            raise GoError("incompatible types for comparison")
        if first == other:
            return True
    return False


def _less(first: Any, second: Any) -> bool:
    if _kind(first) != _kind(second):
        raise GoError("incompatible types for comparison")
    if isinstance(first, bool):
        raise GoError("invalid type for comparison")
    return bool(first < second)


def _index(item: Any, *keys: Any) -> Any:
    for key in keys:
        if isinstance(item, Mapping):
            item = item.get(key, "" if isinstance(item, Strings) else None)
        elif isinstance(item, list | str) and isinstance(key, int):
            if not 0 <= key < len(item):
                raise GoError(f"index out of range: {key}")
            item = item[key] if isinstance(item, list) else ord(item[key])
        else:
            raise GoError(f"can't index item of type {type(item).__name__}")
    return item


def _length(item: Any) -> int:
    if isinstance(item, str):
        return len(item.encode())
    if isinstance(item, Mapping | list):
        return len(item)
    raise GoError(f"len of type {type(item).__name__}")


_INTEGER = re.compile(r"[+-]?[0-9]+")
_FLOAT = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?|[+-]?(inf|infinity)|nan", re.IGNORECASE)
_INT64 = range(-(2**63), 2**63)


def _to_integer(value: Any) -> int:
    """Make an integer as sprig does: what is none counts as 0."""
    if isinstance(value, str):
        number = int(value) if _INTEGER.fullmatch(value) and len(value) < 25 else 0
        return number if number in _INT64 else 0
    try:
        return int(value)
    except (TypeError, ValueError, OverflowError):
        return 0


def _to_float(value: Any) -> float:
    if isinstance(value, str):
        return float(value) if _FLOAT.fullmatch(value) else 0.0
    return float(value) if isinstance(value, int | float) else 0.0


def _wrap(number: int) -> int:
    """Let a number wrap around as Go's int64 does."""
    return (number + 2**63) % 2**64 - 2**63


def _round(value: Any, places: Any, threshold: Any = 0.5) -> float:
    power = math.pow(10, _to_float(places))
    digits = power * _to_float(value)
    up = math.fmod(digits, 1) >= _to_float(threshold)
    return (math.ceil(digits) if up else math.floor(digits)) / power


def _sequence(count: Any) -> list[int]:
    limit = _to_integer(count)
    return _sequence_step(0, limit, 1 if limit >= 0 else -1)


def _sequence_step(start: Any, stop: Any, step: Any) -> list[int]:
    if not _to_integer(step):
        return []
    numbers = range(_to_integer(start), _to_integer(stop), _to_integer(step))
    if len(numbers) > MAX_ITEMS:
        raise GoError(f"a list of {len(numbers)} numbers is too long")
    return list(numbers)


def _repeat(count: Any, text: str) -> str:
    if _to_integer(count) < 0:
        raise GoError("strings: negative Repeat count")
    if _to_integer(count) * len(text) > MAX_ITEMS:
        raise GoError(f"text of {_to_integer(count) * len(text)} characters is too long")
    return text * _to_integer(count)


def _divide(first: Any, second: Any) -> int:
    dividend, divisor = _to_integer(first), _to_integer(second)
    if not divisor:
        raise GoError("runtime error: integer divide by zero")
    quotient = abs(dividend) // abs(divisor)
    return quotient if (dividend < 0) == (divisor < 0) else -quotient


def _remainder(first: Any, second: Any) -> int:
    return _to_integer(first) - _divide(first, second) * _to_integer(second)


def _multiply(first: Any, *others: Any) -> int:
    product = _to_integer(first)
    for other in others:
        product = _wrap(product * _to_integer(other))
    return product


def _split_list(separator: str, text: str) -> list[str]:
    return text.split(separator) if separator else list(text)


def _split(separator: str, text: str) -> dict[str, str]:
    return {f"_{position}": part for position, part in enumerate(_split_list(separator, text))}


def _split_into(separator: str, count: Any, text: str) -> dict[str, str]:
    limit = _to_integer(count)
    if not limit:
        return {}
    parts = text.split(separator, limit - 1) if limit > 0 else _split_list(separator, text)
    return {f"_{position}": part for position, part in enumerate(parts)}


def _split_preserving_quotes(text: str) -> list[str]:
    """Split at spaces outside of quotes; the quotes stay, a last separator stays too, as upstream leaves it."""
    pieces: list[str] = []
    buffer = ""
    quoted = False
    for position, character in enumerate(text):
        if unicodedata.category(character) in ("Pi", "Pf") or character in "\"'":
            quoted = not quoted
        last = position == len(text) - 1
        if (character.isspace() and not quoted) or last:
            pieces.append(buffer + character if last else buffer)
            buffer = ""
        else:
            buffer += character
    return pieces


def _indent(count: Any, text: str) -> str:
    padding = " " * min(_to_integer(count), 1000)
    check_length(text.count("\n") * len(padding))
    return padding + text.replace("\n", "\n" + padding)


def _make_dict(*pairs: Any) -> dict[str, Any]:
    keys, values = pairs[::2], list(pairs[1::2])
    values += [""] * (len(keys) - len(values))
    return {to_text(key): value for key, value in zip(keys, values, strict=True)}


def _check_dict(value: Any) -> dict[str, Any]:
    """Refuse what no template may write to: the answers, and what is no map."""
    if type(value) is not dict:
        raise GoError(f"wrong type for value; expected map[string]interface {{}}; got {name_type(value)}")
    return value


def _set(mapping: Any, key: str, value: Any) -> dict[str, Any]:
    found = _check_dict(mapping)
    found[key] = value
    return found


def _unset(mapping: Any, key: str) -> dict[str, Any]:
    found = _check_dict(mapping)
    found.pop(key, None)
    return found


def _merge(target: Any, *sources: Any) -> dict[str, Any]:
    """Add what the first map lacks, also in the maps inside of it; what is empty there counts as lacking."""
    found = _check_dict(target)
    for source in sources:
        for key, value in _check_dict(source).items():
            known = found.get(key)
            if type(known) is dict and type(value) is dict and known is not value:
                _merge(known, value)
            elif not is_true(known):
                found[key] = value
    return found


def _cut(text: str, start: int | None, end: int | None) -> str:
    """Cut text at bytes."""
    content = text.encode("utf-8", "surrogateescape")
    if not 0 <= (start or 0) <= (len(content) if end is None else end) <= len(content):
        raise GoError("runtime error: slice bounds out of range")
    return content[start:end].decode("utf-8", "replace")


def _replace(old: str, new: str, text: str) -> str:
    check_length(len(text) + text.count(old) * len(new))
    return text.replace(old, new)


def _truncate(count: int, text: str) -> str:
    return text if count >= 0 and len(text.encode()) <= count else _cut(text, None, count)


def _substring(start: Any, end: Any, text: str) -> str:
    first, last = _to_integer(start), _to_integer(end)
    return _cut(text, None, last) if first < 0 else _cut(text, first, None) if last < 0 else _cut(text, first, last)


def _abbreviate(width: int, text: str) -> str:
    return text if width < 4 or len(text) <= width else text[: width - 3] + "..."


def _to_texts(items: Any) -> list[str]:
    return [to_text(item) for item in items] if isinstance(items, list | tuple) else [to_text(items)]


def _list_words(text: str) -> Iterator[tuple[str, bool]]:
    """Give each character, and whether it starts a word as `strings.Title` has words."""
    yield from ((after, not _continues(before)) for before, after in pairwise(f" {text}"))


def _continues(character: str) -> bool:
    if character.isascii():
        return character.isalnum() or character == "_"
    return character.isalnum() or not character.isspace()


def _raise(text: str) -> str:
    """Write in capitals letter by letter: what would become two letters stays."""
    return "".join(large if len(large := letter.upper()) == 1 else letter for letter in text)


def _lower(text: str) -> str:
    return "".join(letter.lower()[0] for letter in text)


def _swap(text: str) -> str:
    return "".join(_lower(letter) if letter.isupper() else _raise(letter) for letter in text)


def _escape_html(*values: Any) -> str:
    return html.escape(_print(*values)).replace("&quot;", "&#34;").replace("&#x27;", "&#39;")


def _uncapitalize(text: str) -> str:
    return "".join(after.lower() if before.isspace() else after for before, after in pairwise(f" {text}"))


def _initials(text: str) -> str:
    return "".join(after for before, after in pairwise(f" {text}") if before.isspace() and not after.isspace())


def _write_json(value: Any, indent: int | None = None) -> str:
    to_text(value)  # refuses what is too long
    separators = (",", ": ") if indent else (",", ":")
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, indent=indent, separators=separators)
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


_BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_ALPHABETS = {"base32": (_BASE32, 8), "base64": (f"{_BASE32}0189+/abcdefghijklmnopqrstuvwxyz", 4)}


def _decode(decoder: Callable[[bytes], bytes], text: str, name: str) -> str:
    """Decode as sprig does: its error is the text."""
    content = text.replace("\n", "").replace("\r", "").encode()
    try:
        return decoder(content).decode("utf-8", "replace")
    except binascii.Error:
        letters, group = _ALPHABETS[name]
        whole = len(content) // group * group
        wrong = next((place for place, code in enumerate(content) if chr(code) not in letters), whole)
        return f"illegal {name} data at input byte {wrong}"


def _clean(path: str) -> str:
    cleaned = posixpath.normpath(path) if path else "."
    return "/" + cleaned.lstrip("/") if cleaned.startswith("/") else cleaned


def _find_base(path: str) -> str:
    return posixpath.basename(path.rstrip("/")) or ("/" if path else ".")


def _find_extension(path: str) -> str:
    last = path.rpartition("/")[2]
    return last[last.rindex(".") :] if "." in last else ""


def _fail(message: str) -> str:
    raise GoError(message)


def _print(*values: Any) -> str:
    """Join as Go's Sprint: a blank stands between two that are both no text."""
    parts: list[str] = []
    for position, value in enumerate(values):
        if position and not isinstance(value, str) and not isinstance(values[position - 1], str):
            parts.append(" ")
        parts.append(to_text(value))
    return "".join(parts)


def _merge_lists(*lists: list[Any]) -> list[Any]:
    return [item for items in lists for item in items]


def _pick(mapping: Mapping[str, Any], *keys: str) -> dict[str, Any]:
    return {key: mapping[key] for key in keys if key in mapping}


def _omit(mapping: Mapping[str, Any], *keys: str) -> dict[str, Any]:
    return {key: value for key, value in mapping.items() if key not in keys}


def _unique(items: list[Any]) -> list[Any]:
    found: list[Any] = []
    for item in items:
        if not _has(item, found):
            found.append(item)
    return found


def _has(item: Any, items: list[Any]) -> bool:
    return any(type(item) is type(other) and item == other for other in items)


FUNCTIONS: Mapping[str, tuple[str, Callable[..., Any]]] = {
    # Go's own
    "eq": ("a a*", _equal),
    "ne": ("a a", lambda first, second: not _equal(first, second)),
    "lt": ("a a", _less),
    "le": ("a a", lambda first, second: _less(first, second) or _equal(first, second)),
    "gt": ("a a", lambda first, second: not (_less(first, second) or _equal(first, second))),
    "ge": ("a a", lambda first, second: not _less(first, second)),
    "not": ("a", lambda value: not is_true(value)),
    "index": ("a a*", _index),
    "len": ("a", _length),
    "print": ("a*", _print),
    "println": ("a*", lambda *values: " ".join(map(to_text, values)) + "\n"),
    "printf": ("s a*", format_text),
    "html": ("a*", _escape_html),
    "urlquery": ("a*", lambda *values: quote_plus(_print(*values))),
    # defaults
    "default": ("a a*", lambda fallback, *given: given[0] if given and is_true(given[0]) else fallback),
    "empty": ("a", lambda value: not is_true(value)),
    "coalesce": ("a*", lambda *values: next(filter(is_true, values), None)),
    "compact": ("l", lambda items: list(filter(is_true, items))),
    "ternary": ("a a b", lambda first, second, condition: first if condition else second),
    "fail": ("s", _fail),
    "hello": ("", lambda: "Hello!"),
    # text
    "upper": ("s", _raise),
    "lower": ("s", _lower),
    "title": ("s", lambda text: "".join(_raise(item) if starts else item for item, starts in _list_words(text))),
    "untitle": ("s", _uncapitalize),
    "swapcase": ("s", _swap),
    "initials": ("s", _initials),
    "trim": ("s", str.strip),
    "trimAll": ("s s", lambda characters, text: text.strip(characters)),
    "trimall": ("s s", lambda characters, text: text.strip(characters)),
    "trimPrefix": ("s s", lambda prefix, text: text.removeprefix(prefix)),
    "trimSuffix": ("s s", lambda suffix, text: text.removesuffix(suffix)),
    "nospace": ("s", lambda text: "".join(text.split())),
    "replace": ("s s s", _replace),
    "repeat": ("i s", _repeat),
    "substr": ("i i s", _substring),
    "trunc": ("i s", _truncate),
    "abbrev": ("i s", _abbreviate),
    "contains": ("s s", lambda part, text: part in text),
    "hasPrefix": ("s s", lambda prefix, text: text.startswith(prefix)),
    "hasSuffix": ("s s", lambda suffix, text: text.endswith(suffix)),
    "quote": ("a*", lambda *values: " ".join(quote_text(to_text(value)) for value in values)),
    "squote": ("a*", lambda *values: " ".join(f"'{to_text(value)}'" for value in values)),
    "cat": ("a*", lambda *values: " ".join(map(to_text, values))),
    "indent": ("i s", _indent),
    "nindent": ("i s", lambda count, text: "\n" + _indent(count, text)),
    "plural": ("s s i", lambda one, many, count: one if count == 1 else many),
    "toString": ("a", to_text),
    # lists of text
    "split": ("s s", _split),
    "splitn": ("s i s", _split_into),
    "splitList": ("s s", _split_list),
    "splitPreserveQuotes": ("s", _split_preserving_quotes),
    "join": ("s a", lambda separator, items: join_texts(separator, _to_texts(items))),
    "toStrings": ("a", _to_texts),
    "sortAlpha": ("a", lambda items: sorted(_to_texts(items))),
    # numbers
    "atoi": ("s", _to_integer),
    "int": ("a", _to_integer),
    "int64": ("a", _to_integer),
    "float64": ("a", _to_float),
    "add": ("a*", lambda *values: _wrap(sum(map(_to_integer, values)))),
    "add1": ("a", lambda value: _wrap(_to_integer(value) + 1)),
    "sub": ("a a", lambda first, second: _wrap(_to_integer(first) - _to_integer(second))),
    "mul": ("a a*", _multiply),
    "div": ("a a", _divide),
    "mod": ("a a", _remainder),
    "max": ("a a*", lambda *values: max(map(_to_integer, values))),
    "biggest": ("a a*", lambda *values: max(map(_to_integer, values))),
    "min": ("a a*", lambda *values: min(map(_to_integer, values))),
    "ceil": ("a", lambda value: float(math.ceil(_to_float(value)))),
    "floor": ("a", lambda value: float(math.floor(_to_float(value)))),
    "round": ("a i a*", _round),
    "until": ("i", _sequence),
    "untilStep": ("i i i", _sequence_step),
    # lists
    "list": ("a*", lambda *items: list(items)),
    "tuple": ("a*", lambda *items: list(items)),
    "first": ("l", lambda items: items[0] if items else None),
    "last": ("l", lambda items: items[-1] if items else None),
    "rest": ("l", lambda items: items[1:]),
    "initial": ("l", lambda items: items[:-1]),
    "append": ("l a", lambda items, item: [*items, item]),
    "push": ("l a", lambda items, item: [*items, item]),
    "prepend": ("l a", lambda items, item: [item, *items]),
    "concat": ("l*", _merge_lists),
    "reverse": ("l", lambda items: items[::-1]),
    "uniq": ("l", _unique),
    "without": ("l a*", lambda items, *others: [item for item in items if not _has(item, list(others))]),
    "has": ("a l", _has),
    # maps
    "dict": ("a*", _make_dict),
    "get": ("m s", lambda mapping, key: mapping.get(key, "")),
    "set": ("m s a", _set),
    "unset": ("m s", _unset),
    "hasKey": ("m s", lambda mapping, key: key in mapping),
    "keys": ("m m*", lambda *mappings: [key for mapping in mappings for key in sorted(mapping)]),
    "values": ("m", lambda mapping: [mapping[key] for key in sorted(mapping)]),
    "pluck": ("s m*", lambda key, *mappings: [mapping[key] for mapping in mappings if key in mapping]),
    "pick": ("m s*", _pick),
    "omit": ("m s*", _omit),
    "merge": ("m m*", _merge),
    # encoding
    "b64enc": ("s", lambda text: base64.b64encode(text.encode()).decode()),
    "b64dec": ("s", lambda text: _decode(lambda content: base64.b64decode(content, validate=True), text, "base64")),
    "b32enc": ("s", lambda text: base64.b32encode(text.encode()).decode()),
    "b32dec": ("s", lambda text: _decode(base64.b32decode, text, "base32")),
    "sha1sum": ("s", lambda text: hashlib.sha1(text.encode()).hexdigest()),
    "sha256sum": ("s", lambda text: hashlib.sha256(text.encode()).hexdigest()),
    "toJson": ("a", _write_json),
    "toPrettyJson": ("a", lambda value: _write_json(value, 2)),
    # paths
    "base": ("s", _find_base),
    "dir": ("s", lambda path: _clean(path.rpartition("/")[0] + "/" if "/" in path else ".")),
    "clean": ("s", _clean),
    "ext": ("s", _find_extension),
    "isAbs": ("s", lambda path: path.startswith("/")),
}
"""Each function with what it takes: s text, i integer, b boolean, l list, m map, a anything, * any number of it."""

_TYPES: Mapping[str, tuple[type | tuple[type, ...], str]] = {
    "s": (str, "string"),
    "i": (int, "int"),
    "b": (bool, "bool"),
    "l": ((list, tuple), "[]interface {}"),
    "m": (dict, "map[string]interface {}"),
}  # fmt: skip


def call_function(name: str, arguments: list[Any]) -> Any:
    """Call a function as Go's template does.

    Raises GoError in Go's words for a wrong number or type of arguments, and for what the function itself refuses.
    """
    signature, function = FUNCTIONS[name]
    kinds = signature.split()
    variadic = bool(kinds) and kinds[-1].endswith("*")
    least = len(kinds) - variadic
    if len(arguments) < least or (len(arguments) > least and not variadic):
        wanted = f"at least {least}" if variadic else str(least)
        raise GoError(f"wrong number of args for {name}: want {wanted} got {len(arguments)}")
    for position, value in enumerate(arguments):
        kind = kinds[min(position, len(kinds) - 1)][0]
        expected, named = _TYPES.get(kind, (object, ""))
        if (
            not isinstance(value, expected)
            or (kind == "i" and isinstance(value, bool))
            or (kind == "m" and isinstance(value, Strings | Struct))
        ):
            raise GoError(f"wrong type for value; expected {named}; got {name_type(value)}")
    try:
        result = function(*arguments)
        check_length(len(result) if isinstance(result, str) else 0)
        if isinstance(result, list) and len(result) > MAX_ITEMS:
            raise GoError(f"a list of {len(result)} items is too long")
        return result
    except (TypeError, AttributeError, ValueError, IndexError, OverflowError) as error:
        raise GoError(f"error calling {name}: {error}") from None
    except GoError as error:
        raise GoError(f"error calling {name}: {error}") from None


_MACHINE = "it reads the machine that the template is rendered on"
_CHANCE = "it gives another result every time; answer the question instead"
_UNKNOWN = "migrator does not compute it; write its result into the file"
REFUSED_FUNCTIONS: Mapping[str, str] = {
    **dict.fromkeys(("env", "expandenv", "getHostByName"), _MACHINE),
    **dict.fromkeys(("now", "date", "dateInZone", "date_in_zone", "htmlDate", "htmlDateInZone", "ago"), _CHANCE),
    **dict.fromkeys(("dateModify", "date_modify", "toDate"), _CHANCE),
    **dict.fromkeys(("randAlphaNum", "randAlpha", "randAscii", "randNumeric", "uuidv4", "shuffle"), _CHANCE),
    **dict.fromkeys(("genPrivateKey", "genCA", "genSelfSignedCert", "genSignedCert", "derivePassword"), _CHANCE),
    **dict.fromkeys(("typeOf", "typeIs", "typeIsLike", "kindOf", "kindIs"), _UNKNOWN),
    **dict.fromkeys(("abbrevboth", "camelcase", "snakecase", "kebabcase", "wrap", "wrapWith"), _UNKNOWN),
    **dict.fromkeys(("semver", "semverCompare", "js", "call"), _UNKNOWN),
    **dict.fromkeys(("regexMatch", "regexFind", "regexFindAll", "regexSplit"), _UNKNOWN),
    **dict.fromkeys(("regexReplaceAll", "regexReplaceAllLiteral"), _UNKNOWN),
}
"""Functions that Rancher had and migrator refuses, and why."""
