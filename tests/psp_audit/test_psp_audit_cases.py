"""What the audit says of PodSecurityPolicies: a folder is a case.

    <case>/input.yaml      what is read
           options.yaml    optional: requester, namespace (that of objects which name none)
           expected.json   of the audit: decisions by workload, levels by namespace, findings

UPDATE_GOLDEN=1 writes the last anew.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from migrator.policy.load import load_policy
from migrator.review.audit import Audit
from migrator.review.document import describe_audit
from migrator.rules.pod_security import find_version
from migrator.rules.pod_security_policy import parse_requester
from migrator.sources.read import ReadOptions, read_sources

HERE = Path(__file__).parent
CASES = sorted(path.parent for path in HERE.glob("*/input.yaml"))
GRANTED = ("granted", "grantedWithoutLSM", "grantedBecause")


def audit(folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    options: dict[str, str] = {}
    if (folder / "options.yaml").exists():
        options = YAML(typ="safe").load((folder / "options.yaml").read_text())
    monkeypatch.chdir(folder)
    policy = load_policy(None, [])
    read = ReadOptions(policy.workload_kinds, find_version(policy), default_namespace=options.get("namespace"))
    inventory = read_sources(["input.yaml"], read)
    assert not inventory.errors
    requester = parse_requester(options["requester"]) if "requester" in options else None
    return describe_audit(Audit(inventory, policy, requester))


def shorten(document: dict[str, Any]) -> dict[str, Any]:
    decisions = {}
    for workload in document["workloads"]:
        ref = workload["resourceRef"]
        name = f"{ref['namespace'] or '-'}/{ref['kind']}/{ref['name']}"
        decisions[name] = workload.get("podSecurityPolicy", "absent")
    return {
        "decisions": decisions,
        "namespaces": {
            item["name"]: {key: item[key] for key in GRANTED if key in item} for item in document["namespaces"]
        },
        "findings": [
            f"{item['severity']} line {item['file']['line']}: {item['message']}" for item in document["findings"]
        ],
    }


@pytest.mark.parametrize("folder", CASES, ids=[path.name for path in CASES])
def test_audit_says_what_it_shall(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = shorten(audit(folder, monkeypatch))
    golden = folder / "expected.json"
    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n")
    assert found == json.loads(golden.read_text())
