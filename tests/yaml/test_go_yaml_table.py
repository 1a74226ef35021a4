"""What YAML means to Kubernetes, decided by sigs.k8s.io/yaml itself and recorded in go_yaml/decided.json.

A row is [document, JSON] or [document, null, error]; `decidedBy` in the file names the versions. After adding a
document as [document], run this file with UPDATE_GO_YAML=1 and `-m conformance` to record what it means.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from migrator.errors import TextError
from migrator.yaml.data import TagError, construct
from migrator.yaml.nodes import compose
from migrator.yaml.scalars import resolve_plain, write_key, write_scalar

PROGRAM = Path(__file__).with_name("go_yaml")
TABLE = json.loads((PROGRAM / "decided.json").read_text())
ROWS: list[list[Any]] = TABLE["rows"]
READ = [(row[0], row[1]) for row in ROWS if len(row) == 2]
REFUSED = [row[0] for row in ROWS if len(row) == 3]

# Tags that go-yaml ignores: refused here, since whoever writes them means something that Kubernetes does not do.
REFUSED_TAGS = ("!foo", "!b 1", "!!set", "!!omap", "!!python/", "!!str [", "!!str {")


def load(text: str) -> Any:
    root = compose(text)
    return None if root is None else construct(root)


def as_numbers(value: Any) -> Any:
    """Make numbers comparable: JSON does not tell 1 from 1.0, and beyond 64 bits a number is a float."""
    if isinstance(value, dict):
        return {key: as_numbers(item) for key, item in value.items()}
    if isinstance(value, list):
        return [as_numbers(item) for item in value]
    if isinstance(value, int) and not isinstance(value, bool) and -(2**63) <= value < 2**64:
        return ("number", value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return ("number", float(value))
    return (type(value).__name__, value)


@pytest.mark.parametrize(("text", "meant"), READ, ids=[repr(text) for text, _ in READ])
def test_reads_what_kubernetes_reads(text: str, meant: str) -> None:
    if any(tag in text for tag in REFUSED_TAGS):
        with pytest.raises(TagError):
            load(text)
    else:
        assert as_numbers(load(text)) == as_numbers(json.loads(meant))


@pytest.mark.parametrize("text", REFUSED, ids=repr)
def test_what_kubernetes_refuses_is_read_or_refused_but_never_crashes(text: str) -> None:
    with contextlib.suppress(TextError):
        load(text)


@pytest.mark.parametrize("text", ["1" * 5000, "0x" + "f" * 5000, "1." + "5" * 5000, "1_" * 3000 + "1"], ids=len)
def test_very_long_numbers_are_floats_or_text(text: str) -> None:
    assert isinstance(resolve_plain(text), str | float)
    assert isinstance(write_key(text), str)


def test_written_scalars_mean_the_same_to_kubernetes() -> None:
    plain = [text.removeprefix("v: ").removesuffix("\n") for text, _ in READ if text.startswith("v: ")]
    for text in plain:
        written = write_scalar(text)
        assert load(f"v: {written}\n") == {"v": text}, written
        assert load(f"[{written}]") == [text], written


@pytest.mark.parametrize("value", [0, 1, -1, 2**31, 1.5, True, False, None])
def test_written_numbers_and_constants_keep_their_type(value: Any) -> None:
    assert as_numbers(load(f"v: {write_scalar(value)}\n")) == as_numbers({"v": value})


def test_table_has_rows_of_every_sort() -> None:
    assert len(READ) > 1000
    assert len(REFUSED) > 50
    assert TABLE["decidedBy"].startswith("sigs.k8s.io/yaml v")


@pytest.mark.conformance
def test_table_is_what_go_yaml_decides() -> None:
    go = shutil.which("go")
    if go is None:
        pytest.skip("go is not on PATH")
    texts = json.dumps([row[0] for row in ROWS])
    ran = subprocess.run([go, "run", "."], cwd=PROGRAM, input=texts, capture_output=True, text=True, check=True)
    decided = json.loads(ran.stdout)
    if os.environ.get("UPDATE_GO_YAML"):
        rows = ",\n".join(json.dumps(row) for row in decided)
        (PROGRAM / "decided.json").write_text(
            f'{{"decidedBy": {json.dumps(TABLE["decidedBy"])},\n"rows": [\n{rows}\n]}}\n'
        )
    assert decided == ROWS
