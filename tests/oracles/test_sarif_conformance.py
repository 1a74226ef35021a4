"""SARIF that migrator writes is valid against the standard's own schema, as a Go module carries it."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from migrator.review.sarif import write_sarif
from tests.review.plans import Planned, plan_everything

MODULE = "github.com/owenrumney/go-sarif/v3@v3.2.3"

pytestmark = [
    pytest.mark.conformance,
    pytest.mark.skipif(shutil.which("go") is None, reason="Go, which fetches the schema, is not on PATH"),
]


@pytest.fixture(scope="module")
def validate(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Any], None]:
    folder = tmp_path_factory.mktemp("schema")
    fetched = subprocess.run(
        ["go", "mod", "download", "-json", MODULE], cwd=folder, capture_output=True, text=True, check=False
    )
    if fetched.returncode:
        pytest.skip(f"{MODULE} cannot be fetched: {fetched.stdout.strip()[:200]}")
    source = (Path(json.loads(fetched.stdout)["Dir"]) / "pkg/report/v210/sarif/schema.go").read_text()
    schema = json.loads(source[source.index("`") + 1 : source.rindex("`")])
    validator = jsonschema.validators.validator_for(schema)(schema)
    return lambda log: validator.validate(log)  # type: ignore[no-any-return]


@pytest.mark.parametrize("planned", plan_everything(), ids=str)
def test_a_log_is_valid(planned: Planned, validate: Callable[[Any], None]) -> None:
    validate(json.loads(write_sarif(planned.plan, planned.files)))


def test_the_schema_refuses_what_is_wrong(validate: Callable[[Any], None]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        validate({"version": "2.1.0", "runs": [{"tool": {}}]})
