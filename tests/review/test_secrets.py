"""Secrets by their names: what is masked, and that nothing else moves."""

from __future__ import annotations

import pytest

from migrator.review.secrets import MASK, mask_secrets
from migrator.sources.secret_names import names_secret

HELD = "metadata:\n  annotations:\n    {}\nspec:\n  containers:\n    - name: web\n      env:\n        {}\n"


@pytest.mark.parametrize(
    ("line", "masked"),
    [
        pytest.param("- {name: DB_PASSWORD, value: a}", "- {name: DB_PASSWORD, value: ••••••}", id="flow"),
        pytest.param("- {value: 'a b', name: TOKEN}", "- {value: ••••••, name: TOKEN}", id="value first, quoted"),
        pytest.param('- {"name": "apiKey", "value": "a"}', '- {"name": "apiKey", "value": ••••••}', id="JSON"),
        pytest.param("- {name: TOKEN, value: &x a}", "- {name: TOKEN, value: &x ••••••}", id="anchor"),
        pytest.param("- {name: TOKEN, value: a} # why", "- {name: TOKEN, value: ••••••} # why", id="comment"),
        pytest.param("- {name: TOKEN, value: }", None, id="no value"),
        pytest.param("- {name: TOKEN, valueFrom: {secretKeyRef: {name: a, key: b}}}", None, id="a reference"),
        pytest.param("- {name: PASSWORD_FILE, value: /run/a}", None, id="where it stands"),
        pytest.param("- {name: MONKEY, value: a}", None, id="a word in a word"),
        pytest.param("- {name: LEVEL, value: token}", None, id="the value says nothing"),
    ],
)
def test_variables(line: str, masked: str | None) -> None:
    assert mask_secrets(HELD.format("a: b", line)) == HELD.format("a: b", masked or line)


@pytest.mark.parametrize(
    ("line", "masked"),
    [
        pytest.param("example.com/auth-token: a", "example.com/auth-token: ••••••", id="by its name"),
        pytest.param(
            "kubectl.kubernetes.io/last-applied-configuration: |\n      {a}",
            "kubectl.kubernetes.io/last-applied-configuration: ••••••\n      ••••••",
            id="the whole object once more",
        ),
        pytest.param("example.com/owner: a", None, id="another"),
    ],
)
def test_annotations(line: str, masked: str | None) -> None:
    assert mask_secrets(HELD.format(line, "- a")) == HELD.format(masked or line, "- a")


def test_a_secret_object_is_masked_whole() -> None:
    text = "kind: Secret\nmetadata: {name: a}\ndata: {x: YQ==}\nstringData:\n  y: |\n    one\n\n    two\n"
    masked = text.replace("YQ==", MASK).replace("|", MASK).replace("one", MASK).replace("two", MASK)
    assert mask_secrets(text) == masked


def test_a_long_secret_is_masked_wherever_it_stands() -> None:
    text = "spec: {args: [--password=abcdefgh], env: [{name: PASSWORD, value: abcdefgh}]}"
    assert "abcdefgh" not in mask_secrets(text)


def test_what_is_no_manifest_is_masked_whole() -> None:
    assert mask_secrets("password: [\n  a\n") == f"{MASK}\n  {MASK}\n"


@pytest.mark.parametrize("name", ["PASSWORD", "db_passwd", "ACCESSTOKEN", "sslKey", "my-credentials", "clientSecret"])
def test_names_of_secrets(name: str) -> None:
    assert names_secret(name)


@pytest.mark.parametrize("name", ["", "PIN", "KEYBOARD", "TOKEN_URL", "SECRET_NAME", "PASSAGE", "KEY_ID"])
def test_names_of_anything_else(name: str) -> None:
    assert not names_secret(name)


def test_words_of_a_policy() -> None:
    assert names_secret("SHOP_PIN", frozenset({"pin"}))
    text = HELD.format("a: b", "- {name: SHOP_PIN, value: a}")
    assert mask_secrets(text, frozenset({"pin"})) == text.replace("value: a", f"value: {MASK}")
