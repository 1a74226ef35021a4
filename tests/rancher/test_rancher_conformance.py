"""The real API server of v1.34 takes every object that stacks become, as translated and as planned."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from migrator.sources.rancher import RancherPolicy, Translation, translate_stack

sys.path.insert(0, str(Path(__file__).parents[1] / "oracles"))

from control_plane import ControlPlane, name_missing_requirement
from planned_stacks import plan_stacks
from test_rancher_corpus import CORPUS, answer_question, read_with_samples

from migrator.errors import InputError
from migrator.sources.rancher import find_stacks, read_answers

pytestmark = pytest.mark.conformance
needs_corpus = pytest.mark.skipif(not CORPUS.is_dir(), reason="the corpus of published stacks is not here")
SAMPLE = Path(__file__).parents[2] / "samples" / "rancher-v1.6"


@pytest.fixture(scope="module")
def api_server() -> Iterator[ControlPlane]:
    missing = name_missing_requirement()
    if missing is not None:
        pytest.skip(missing)
    with ControlPlane("v1.34.4", disabled_admission_plugins=("ServiceAccount",)) as running:
        yield running


def _translations() -> Iterator[tuple[Path, Translation]]:
    for folder in find_stacks(CORPUS):
        try:
            translation = translate_stack(read_with_samples(folder), RancherPolicy())
        except InputError:
            continue
        yield folder.path.relative_to(CORPUS), translation


@needs_corpus
def test_the_api_server_takes_every_object(api_server: ControlPlane) -> None:
    client = api_server.client
    problems: list[str] = []
    accepted: Counter[str] = Counter()
    namespaces: set[str] = set()
    for path, translation in _translations():
        for item in translation.objects:
            data: dict[str, Any] = dict(item.data)
            if data["kind"] == "Namespace":
                if data["metadata"]["name"] not in namespaces:
                    namespaces.add(data["metadata"]["name"])
                    client.create(data)
                continue
            responses = {
                "create": client.create(data, dry_run=True),
                "apply": client.apply(data, dry_run=True, force=False),
            }
            for verb, response in responses.items():
                good = response.status == 201 and not response.warnings
                accepted[verb] += good
                if not good:
                    what = f"{verb} {path} {data['kind']} {data['metadata']['name']}"
                    problems.append(f"{what}: {response.message} {response.warnings}")
    print(f"accepted: {dict(accepted)}")
    assert problems == []
    assert min(accepted["create"], accepted["apply"]) > 300


def _apply(api_server: ControlPlane, objects: list[dict[str, Any]]) -> list[str]:
    """Apply objects as `kubectl apply --server-side --dry-run=server --validate=strict` does; give the refusals."""
    problems = []
    for data in sorted(objects, key=lambda item: item["kind"] != "Namespace"):
        response = api_server.client.apply(data, dry_run=data["kind"] != "Namespace")
        if response.status not in (200, 201) or response.warnings:
            name = f"{data['metadata'].get('namespace')}/{data['kind']}/{data['metadata']['name']}"
            problems.append(f"{name}: {response.message} {response.warnings}")
    return problems


@needs_corpus
def test_the_api_server_takes_what_is_planned_for_all_stacks_in_one_run(api_server: ControlPlane) -> None:
    plan, objects, refused = plan_stacks(CORPUS, ask=answer_question)
    namespaces = [item for item in objects if item["kind"] == "Namespace"]
    assert (len(namespaces), refused) > (100, 0)
    assert len([entry for entry in plan.port_map if entry.type == "NodePort"]) > 50
    assert _apply(api_server, objects) == []


def test_the_api_server_takes_what_is_planned_for_the_sample(api_server: ControlPlane) -> None:
    _, objects, refused = plan_stacks(SAMPLE, answers=read_answers(SAMPLE / "answers.txt"))
    assert not refused
    assert len(objects) > 10
    assert _apply(api_server, objects) == []
