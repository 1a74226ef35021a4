"""Names that Kubernetes takes, from those that Rancher took."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

_ILLEGAL = re.compile(r"[^a-z0-9-]+")
_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?\Z")
_SERVICE = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?\Z")
_HOSTNAME = re.compile(r"(\*\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\Z")
_LABEL_VALUE = re.compile(r"(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?\Z")
_LABEL_NAME = re.compile(r"[A-Za-z0-9](?:[-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?\Z")
_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\Z")
_KEY = re.compile(r"[-._a-zA-Z0-9]{1,253}\Z")

LONGEST_NAME = 63
"""Longest DNS label, and so the longest Service name."""


def is_dns_label(text: str) -> bool:
    """Tell whether text is an RFC 1123 label, as container and volume names are."""
    return len(text) <= LONGEST_NAME and bool(_LABEL.match(text))


def is_service_name(text: str) -> bool:
    """Tell whether text is an RFC 1035 label, as Service names are."""
    return len(text) <= LONGEST_NAME and bool(_SERVICE.match(text))


def is_hostname(text: str) -> bool:
    """Tell whether an Ingress takes text for its host."""
    return len(text) <= 253 and bool(_HOSTNAME.match(text))


def is_label_value(text: str) -> bool:
    """Tell whether text is legal as a label's value."""
    return bool(_LABEL_VALUE.match(text))


def is_label_key(text: str) -> bool:
    """Tell whether text is legal as a label's or annotation's key."""
    prefix, slash, name = text.rpartition("/")
    if slash and not (len(prefix) <= 253 and _SUBDOMAIN.match(prefix)):
        return False
    return bool(_LABEL_NAME.match(name))


def is_data_key(text: str) -> bool:
    """Tell whether text is legal as a key of a ConfigMap or Secret."""
    return bool(_KEY.match(text)) and text not in (".", "..") and not text.startswith("..")


def make_name(text: str, longest: int = LONGEST_NAME, fallback: str = "service") -> str:
    """Make a Service name of text, as Rancher's executor made stack names: other characters become hyphens."""
    name = _ILLEGAL.sub("-", text.lower()).strip("-")
    if name and not name[0].isalpha():
        name = f"{fallback[0]}-{name}"
    return name[:longest].rstrip("-") or fallback


def make_names(texts: Iterable[str], longest: int = LONGEST_NAME) -> dict[str, str]:
    """Make distinct names of texts: legal ones keep theirs, of equal ones later get a number."""
    wanted = list(dict.fromkeys(texts))
    names: dict[str, str] = {text: text for text in wanted if make_name(text, longest) == text}
    taken = set(names.values())
    for text in wanted:
        if text in names:
            continue
        base = make_name(text, longest)
        names[text] = make_distinct(base, taken, longest)
        taken.add(names[text])
    return names


def make_distinct(name: str, taken: Iterable[str] | Mapping[str, object], longest: int = LONGEST_NAME) -> str:
    """Give the name, or with the first number that makes it one of its own."""
    used = set(taken)
    if name not in used:
        return name
    number = 2
    while True:
        suffix = f"-{number}"
        candidate = name[: longest - len(suffix)].rstrip("-") + suffix
        if candidate not in used:
            return candidate
        number += 1


def make_data_key(text: str) -> str:
    """Make a ConfigMap's or Secret's key of text."""
    return re.sub(r"[^-._a-zA-Z0-9]", "-", text)[:253].lstrip(".") or "value"
