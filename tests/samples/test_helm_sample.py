"""What the chart of samples/helm renders, recorded with Helm v3.22.0, on its way through a pipe."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from migrator.function import run_function
from tests.cli.command_line import run

RENDERED = Path(__file__).with_name("helm-rendered.yaml")


def test_a_post_renderer_takes_and_gives_whole_streams(tmp_path: Path) -> None:
    text = RENDERED.read_bytes()
    ended = run("apply", "-", cwd=tmp_path, stdin=text)
    assert ended.code == 0, ended.stderr
    before, after = list(yaml.safe_load_all(text)), list(yaml.safe_load_all(ended.stdout))
    names = [item["metadata"]["name"] for item in after]
    assert [item["metadata"]["name"] for item in before] == [
        name for name in names if not name.endswith("-node-port")
    ]
    assert len(after) == len(before) + 2
    assert b"hostPort" not in ended.stdout
    kept = [line for line in text.splitlines() if b"hostPort" not in line]
    rest = iter(ended.stdout.splitlines())
    assert all(line in rest for line in kept)


def test_twins_of_two_protocols_stay_two(tmp_path: Path) -> None:
    ended = run("apply", "-", cwd=tmp_path, stdin=RENDERED.read_bytes())
    (collector,) = [item for item in yaml.safe_load_all(ended.stdout) if item["kind"] == "DaemonSet"]
    ports = collector["spec"]["template"]["spec"]["containers"][0]["ports"]
    assert [(port["containerPort"], port["protocol"]) for port in ports] == [(5514, "UDP"), (5514, "TCP")]


def test_the_annotation_that_helm_tells_files_by_stays(tmp_path: Path) -> None:
    """Helm 4 finds a document's template by it (pkg/action/action.go, splitAndDeannotate)."""
    key = "postrenderer.helm.sh/postrender-filename"
    text = RENDERED.read_text().replace(
        "metadata:\n  name: office-relay\n", f"metadata:\n  name: office-relay\n  annotations: {{{key}: a.yaml}}\n"
    )
    ended = run("apply", "-", cwd=tmp_path, stdin=text.encode())
    assert ended.stdout.decode().count(key) == text.count(key) == 2


@pytest.mark.parametrize(("arguments", "code"), [((), 1), (("--exit-zero",), 0)])
def test_exit_zero_says_that_what_is_left_to_a_person_is_no_failure(
    arguments: tuple[str, ...], code: int, tmp_path: Path
) -> None:
    text = RENDERED.read_text().replace("hostPort: 25\n", "hostPort: 25000\n")
    ended = run("apply", "-", *arguments, cwd=tmp_path, stdin=text.encode())
    assert (ended.code, b"kind: Service" in ended.stdout) == (code, True)
    assert "will be the cluster's choice" in ended.stderr


def test_a_function_makes_the_same_of_it(tmp_path: Path) -> None:
    text = RENDERED.read_bytes()
    ended = run("apply", "-", cwd=tmp_path, stdin=text)
    items = list(yaml.safe_load_all(text))
    given = {"apiVersion": "config.kubernetes.io/v1", "kind": "ResourceList", "items": items}
    made = yaml.safe_load(run_function(yaml.safe_dump(given).encode()).content)
    assert made["items"] == list(yaml.safe_load_all(ended.stdout))
