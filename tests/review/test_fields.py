"""The field view: paths by what the API knows items by, values before and after."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from migrator.review.fields import ABSENT, _compare, compare_objects, write_fields
from tests.review.plans import ROOT, plan_folder

WEB = {"name": "web", "ports": [{"containerPort": 80, "hostPort": 80}, {"containerPort": 80, "protocol": "UDP"}]}


def pod(*containers: dict[str, Any]) -> dict[str, Any]:
    return {"spec": {"containers": list(containers)}}


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        pytest.param(pod(WEB), pod(WEB), [], id="nothing"),
        pytest.param(pod({"name": "a"}, {"name": "b"}), pod({"name": "b"}, {"name": "a"}), [], id="order"),
        pytest.param(
            pod({"name": "a"}, WEB),
            pod(WEB | {"image": "x"}),
            ["spec.containers[a].name: a → absent", "spec.containers[web].image: absent → x"],
            id="by name, not by place",
        ),
        pytest.param(
            pod(WEB),
            pod(WEB | {"ports": [{"containerPort": 80}, {"containerPort": 80, "protocol": "UDP"}]}),
            ["spec.containers[web].ports[80/TCP].hostPort: 80 → absent"],
            id="by number and protocol",
        ),
        pytest.param(
            {"spec": {"ports": [{"port": 80}, {"port": 80, "protocol": "TCP", "x": 1}]}},
            {"spec": {"ports": [{"port": 80}, {"port": 80, "protocol": "TCP", "x": 2}]}},
            ["spec.ports[80/TCP#2].x: 1 → 2"],
            id="one number twice",
        ),
        pytest.param({"a": [1, 2]}, {"a": [1, 3]}, ["a[1]: 2 → 3"], id="plain list"),
        pytest.param({"a": "1"}, {"a": 1}, ['a: "1" → 1'], id="another type"),
        pytest.param({"a.b/c": 1}, {"a.b/c": 2}, ['["a.b/c"]: 1 → 2'], id="odd key"),
        pytest.param({"a": None}, {"a": {}}, ["a: null → {}"], id="empty"),
    ],
)
def test_compare(before: Any, after: Any, expected: list[str]) -> None:
    from migrator.review.fields import _write_value

    rows = [f"{row.path}: {_write_value(row.old)} → {_write_value(row.new)}" for row in _compare(before, after)]
    assert rows == expected


def test_what_is_absent_is_no_null(tmp_path: Path) -> None:
    (row,) = _compare({}, {"a": None})
    assert row.old is ABSENT
    assert row.new is None


LISTED = """\
apiVersion: v1
kind: List
items:
{indent}- apiVersion: v1
{indent}  kind: Pod
{indent}  metadata: {{name: a, namespace: shop, labels: {{app: a}}}}
{indent}  spec: {{containers: [{{name: a, ports: [{{containerPort: 81, hostPort: 0}}]}}]}}
{indent}- apiVersion: v1
{indent}  kind: Pod
{indent}  metadata: {{name: b, namespace: shop, labels: {{app: b}}}}
{indent}  spec: {{containers: [{{name: b, ports: [{{containerPort: 82, hostPort: 0}}]}}]}}
"""


@pytest.mark.parametrize("text", [LISTED.format(indent=""), LISTED.format(indent="").replace("items:", '"items":')])
def test_items_of_lists(text: str, tmp_path: Path) -> None:
    (tmp_path / "list.yaml").write_text(text)
    planned = plan_folder(tmp_path)
    written = write_fields(compare_objects(planned.plan, planned.files))
    assert "~ shop/Pod/a (list.yaml:7)\n    spec.containers[a].ports[81/TCP].hostPort: 0 → absent\n" in written
    assert "~ shop/Pod/b (list.yaml:11)\n    spec.containers[b].ports[82/TCP].hostPort: 0 → absent\n" in written


def test_deepdiff_is_loaded_for_this_view_alone() -> None:
    code = (
        "import sys; from migrator.cli import app; import migrator.review.fields, migrator.review.html; "
        "print([name for name in ('deepdiff',) if name in sys.modules])"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert ran.stdout.strip() == "[]"
