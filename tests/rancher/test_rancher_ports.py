from __future__ import annotations

from typing import Any

import pytest

from migrator.sources.rancher.ports import PortError, PortSpec, parse_port


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (80, PortSpec(None, None, 80, "TCP")),
        ("80", PortSpec(None, None, 80, "TCP")),
        ("53/udp", PortSpec(None, None, 53, "UDP")),
        ("8080:80", PortSpec(None, 8080, 80, "TCP")),
        ("8080:80/tcp", PortSpec(None, 8080, 80, "TCP")),
        ("127.0.0.1:8080:80", PortSpec("127.0.0.1", 8080, 80, "TCP")),
        ("0.0.0.0:8080:80", PortSpec(None, 8080, 80, "TCP")),
        ("10.0.0.1::80", PortSpec("10.0.0.1", None, 80, "TCP")),
        ("[::1]:8080:80/udp", PortSpec("::1", 8080, 80, "UDP")),
        ("[2001:db8::1]:80", PortSpec("2001:db8::1", None, 80, "TCP")),
    ],
)
def test_the_grammar_of_cattle(value: Any, expected: PortSpec) -> None:
    assert parse_port(value) == expected


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("a", "PortWrongFormat"),
        ("", "PortWrongFormat"),
        (":80", "PortWrongFormat"),
        ("80:", "PortWrongFormat"),
        ("8000-8010:8000-8010", "PortWrongFormat"),
        ("1:2:3:4", "PortWrongFormat"),
        ("::1]:80:80", "PortWrongFormat"),
        ("host:80:80", "PortWrongFormat"),
        ("80:80/", "PortInvalidProtocol"),
        ("80:80/sctp", "PortInvalidProtocol"),
        ("80:0", "PortInvalidPrivatePort"),
        ("80:65536", "PortInvalidPrivatePort"),
        ("0:80", "PortInvalidPublicPort"),
        ("70000:80", "PortInvalidPublicPort"),
    ],
)
def test_anything_else_is_refused_in_rancher_s_words(value: str, code: str) -> None:
    with pytest.raises(PortError) as error:
        parse_port(value)
    assert error.value.code == code


def test_ranges_are_said_to_be_unsupported() -> None:
    with pytest.raises(PortError) as error:
        parse_port("8000-8010:8000-8010")
    assert "ranges" in error.value.hint
