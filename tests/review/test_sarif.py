"""SARIF: the form that the standard asks for, places that are right, fixes that make the change."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import jsonschema
import pytest

from migrator.review.sarif import write_sarif
from tests.review.plans import SECRETS, Planned, make_policy, plan_everything, plan_folder

PLANNED = plan_everything()

TEXT = {"type": "object", "required": ["text"], "properties": {"text": {"type": "string", "minLength": 1}}}
PLACE = {
    "type": "object",
    "required": ["uri"],
    "additionalProperties": False,
    "properties": {"uri": {"type": "string", "pattern": "^[^ <>\\\\]+$"}, "uriBaseId": {"const": "%SRCROOT%"}},
}
NUMBER = {"type": "integer", "minimum": 1}
REGION = {
    "type": "object",
    "required": ["startLine"],
    "additionalProperties": False,
    "properties": dict.fromkeys(("startLine", "startColumn", "endLine", "endColumn"), NUMBER),
}
REPLACEMENT = {
    "type": "object",
    "required": ["deletedRegion"],
    "additionalProperties": False,
    "properties": {"deletedRegion": REGION, "insertedContent": TEXT},
}
FIX = {
    "type": "object",
    "required": ["artifactChanges"],
    "additionalProperties": False,
    "properties": {
        "description": TEXT,
        "artifactChanges": {
            "minItems": 1,
            "items": {
                "required": ["artifactLocation", "replacements"],
                "additionalProperties": False,
                "properties": {
                    "artifactLocation": PLACE,
                    "replacements": {"minItems": 1, "items": REPLACEMENT},
                },
            },
        },
    },
}
RESULT = {
    "type": "object",
    "required": ["ruleId", "ruleIndex", "level", "message", "locations", "partialFingerprints"],
    "additionalProperties": False,
    "properties": {
        "ruleId": {"type": "string"},
        "ruleIndex": {"type": "integer", "minimum": 0},
        "level": {"enum": ["none", "note", "warning", "error"]},
        "message": TEXT,
        "locations": {
            "minItems": 1,
            "items": {
                "additionalProperties": False,
                "properties": {
                    "physicalLocation": {
                        "required": ["artifactLocation", "region"],
                        "additionalProperties": False,
                        "properties": {"artifactLocation": PLACE, "region": REGION},
                    }
                },
            },
        },
        "partialFingerprints": {"additionalProperties": {"type": "string"}, "required": ["primaryLocationLineHash"]},
        "fixes": {"minItems": 1, "items": FIX},
        "properties": {"type": "object"},
    },
}
RULE = {
    "type": "object",
    "required": ["id", "shortDescription", "fullDescription", "help"],
    "additionalProperties": False,
    "properties": {
        "id": {"type": "string"},
        "name": {"type": "string"},
        "shortDescription": TEXT,
        "fullDescription": TEXT,
        "help": {**TEXT, "properties": {**TEXT["properties"], "markdown": {"type": "string"}}},  # type: ignore[dict-item]
        "helpUri": {"type": "string", "pattern": "^https://"},
        "properties": {"type": "object"},
    },
}
DRIVER = {"required": ["name"], "properties": {"rules": {"items": RULE}}}
LOG = {
    "type": "object",
    "required": ["$schema", "version", "runs"],
    "additionalProperties": False,
    "properties": {
        "$schema": {"type": "string"},
        "version": {"const": "2.1.0"},
        "runs": {
            "items": {
                "required": ["tool", "results"],
                "additionalProperties": False,
                "properties": {
                    "tool": {
                        "properties": {"driver": {"required": ["name"], "properties": {"rules": {"items": RULE}}}}
                    },
                    "automationDetails": {"type": "object"},
                    "invocations": {"items": {"required": ["executionSuccessful"]}},
                    "columnKind": {"const": "unicodeCodePoints"},
                    "originalUriBaseIds": {"type": "object"},
                    "results": {"type": "array", "items": RESULT},
                },
            }
        },
    },
}
"""What migrator writes of SARIF 2.1.0, strictly; `make conformance` asks the standard's own schema."""


@pytest.mark.parametrize("planned", PLANNED, ids=str)
def test_a_log_is_valid(planned: Planned) -> None:
    log = json.loads(write_sarif(planned.plan, planned.files))
    jsonschema.validate(log, LOG)
    for result in log["runs"][0]["results"]:
        assert log["runs"][0]["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"]


@pytest.mark.parametrize("planned", PLANNED, ids=str)
def test_the_fixes_together_make_the_change(planned: Planned) -> None:
    log = json.loads(write_sarif(planned.plan, planned.files))
    for file in planned.files:
        if file.old is not None:
            assert apply_fixes(file.old.decode(), list_replacements(log, file.path)) == file.new_content().decode()


def list_replacements(log: dict[str, Any], path: str) -> list[dict[str, Any]]:
    return [
        replacement
        for result in log["runs"][0]["results"]
        for fix in result.get("fixes", ())
        for change in fix["artifactChanges"]
        if unquote(change["artifactLocation"]["uri"]) == path
        for replacement in change["replacements"]
    ]


def apply_fixes(text: str, replacements: list[dict[str, Any]]) -> str:
    """Make replacements whose regions count lines and code points from 1, as an editor would."""
    mark = "\ufeff" if text.startswith("\ufeff") else ""
    text = text.removeprefix(mark) if mark else text
    lines = text.split("\n")
    starts = [sum(len(line) + 1 for line in lines[:number]) for number in range(len(lines))]
    spans = []
    for item in replacements:
        region = item["deletedRegion"]
        start = starts[region["startLine"] - 1] + region["startColumn"] - 1
        end = starts[region["endLine"] - 1] + region["endColumn"] - 1
        spans.append((start, end, item.get("insertedContent", {}).get("text", "")))
    for start, end, inserted in sorted(spans, reverse=True):
        text = text[:start] + inserted + text[end:]
    return mark + text


def test_a_result_stands_at_its_line(tmp_path: Path) -> None:
    (tmp_path / "web.yaml").write_text(SECRETS)
    planned = plan_folder(tmp_path)
    log = json.loads(write_sarif(planned.plan, planned.files))
    goes = next(item for item in log["runs"][0]["results"] if item["message"]["text"].startswith("hostPort 80 goes"))
    region = goes["locations"][0]["physicalLocation"]["region"]
    line = SECRETS.splitlines()[region["startLine"] - 1]
    assert line[region["startColumn"] - 1 : region["endColumn"] - 1] == "hostPort: 80"


ONE_LINE = """\
apiVersion: v1
kind: Pod
metadata: {name: a, namespace: shop, labels: {app: a}}
spec:
  containers:
    - name: a
      env: [{name: TOKEN, value: NoNewPrivileges}]
      ports: [{containerPort: 81, hostPort: 81}]
"""


@pytest.mark.parametrize(("value", "shown"), [("plain-value-9", True), ("RuntimeDefault", False)])
def test_a_fix_that_would_show_a_secret_is_left_out(value: str, shown: bool, tmp_path: Path) -> None:
    (tmp_path / "pod.yaml").write_text(ONE_LINE.replace("NoNewPrivileges", value))
    planned = plan_folder(tmp_path, make_policy(podSecurity={"harden": "restricted"}))
    log = json.loads(write_sarif(planned.plan, planned.files))
    inserted = [item.get("insertedContent", {}).get("text", "") for item in list_replacements(log, "pod.yaml")]
    assert any("RuntimeDefault" in text for text in inserted) == shown
    assert any("allowPrivilegeEscalation" in text for text in inserted)
