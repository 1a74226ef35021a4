"""The real API server of v1.34 takes every object that the published stacks become."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from migrator.sources.rancher import RancherPolicy, Translation, translate_stack

sys.path.insert(0, str(Path(__file__).parents[1] / "oracles"))

from control_plane import ControlPlane, name_missing_requirement
from test_rancher_corpus import CORPUS, read_with_samples

from migrator.errors import InputError
from migrator.sources.rancher import find_stacks

pytestmark = [
    pytest.mark.conformance,
    pytest.mark.skipif(not CORPUS.is_dir(), reason="the corpus of published stacks is not here"),
]


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


def test_the_api_server_takes_every_object(api_server: ControlPlane) -> None:
    client = api_server.client
    problems: list[str] = []
    accepted = 0
    namespaces: set[str] = set()
    for path, translation in _translations():
        for item in translation.objects:
            data: dict[str, Any] = dict(item.data)
            if data["kind"] == "Namespace":
                if data["metadata"]["name"] not in namespaces:
                    namespaces.add(data["metadata"]["name"])
                    client.create(data)
                continue
            response = client.create(data, dry_run=True)
            accepted += response.status == 201
            if response.status != 201 or response.warnings:
                problems.append(
                    f"{path} {data['kind']} {data['metadata']['name']}: {response.message} {response.warnings}"
                )
    assert problems == []
    assert accepted > 300
