"""Every published stack that can be rendered becomes valid objects, with all keys accounted for."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from migrator.errors import InputError
from migrator.sources.rancher import (
    RancherPolicy,
    Stack,
    StackFolder,
    Translation,
    find_stacks,
    read_stack,
    translate_stack,
)
from migrator.sources.rancher.answers import Question
from migrator.sources.rancher.compose import find_questions, read_text

CORPUS = Path(__file__).parents[2].parent / "shared" / "corpora" / "rancher-v1.6"
FULL = bool(os.environ.get("FULL"))
KUBERNETES = "1.34"

pytestmark = pytest.mark.skipif(not CORPUS.is_dir(), reason="the corpus of published stacks is not here")

_SAMPLES = {"int": "1", "boolean": "true", "password": "correct horse", "service": "other/service"}


def answer_question(question: Question) -> str:
    """Give what a person might type for a required question without a default."""
    return question.options[0] if question.options else _SAMPLES.get(question.type, "sample")


def read_with_samples(folder: StackFolder) -> Stack:
    files = [folder.docker_compose, *([folder.rancher_compose] if folder.rancher_compose else [])]
    questions = [question for path in files for question in find_questions(path, read_text(path))]
    answers = {question.variable: answer_question(question) for question in questions if question.required}
    return read_stack(
        folder, {name: value for name, value in answers.items() if not _has_default(name, questions)}, None
    )


def _has_default(name: str, questions: list[Question]) -> bool:
    return any(question.variable == name and question.default for question in questions)


def _translate_all() -> tuple[dict[str, Translation], dict[str, Stack], list[str]]:
    translated: dict[str, Translation] = {}
    stacks: dict[str, Stack] = {}
    refused: list[str] = []
    folders = find_stacks(CORPUS)
    for folder in folders if FULL else folders[::6]:
        try:
            stack = read_with_samples(folder)
            translated[str(folder.path)] = translate_stack(stack, RancherPolicy())
            stacks[str(folder.path)] = stack
        except InputError as error:
            refused.append(str(error))
    return translated, stacks, refused


@pytest.fixture(scope="module")
def corpus() -> tuple[dict[str, Translation], dict[str, Stack], list[str]]:
    return _translate_all()


def test_stacks_convert_or_are_rancher_s_own(corpus: tuple[dict[str, Translation], object, list[str]]) -> None:
    translated, _, refused = corpus
    reasons = [item.refused for item in translated.values() if item.refused]
    assert all(
        re.match("Rancher's own infrastructure: |Every service works only beside a Rancher", text) for text in reasons
    )
    meant = len(translated) - len(reasons) + len(refused)
    assert len(refused) <= max(1, 0.02 * meant), refused
    # A port whose question has neither a default nor an answer: Rancher refused it, too.
    assert all("PortWrongFormat" in text for text in refused), refused


def test_objects_are_valid(corpus: tuple[dict[str, Translation], object, object]) -> None:
    import kubernetes_validate

    problems = []
    for path, translation in corpus[0].items():
        names = [(item.data["kind"], item.data["metadata"]["name"]) for item in translation.objects]
        assert len(set(names)) == len(names), path
        for item in translation.objects:
            try:
                kubernetes_validate.validate(dict(item.data), KUBERNETES, strict=True)
            except kubernetes_validate.ValidationError as error:
                problems.append(f"{path} {item.file_name}: {error}")
    assert problems == []


def test_every_key_has_a_fate(corpus: tuple[dict[str, Translation], dict[str, Stack], object]) -> None:
    translated, stacks, _ = corpus
    for path, translation in translated.items():
        fates = [(key.file, key.path, key.line) for key in translation.keys]
        keys = {(key.file, key.path, key.line) for file in stacks[path].files for key in file.keys}
        assert keys <= set(fates), path
        assert len(fates) == len(set(fates)), path
        assert all(key.message for key in translation.keys)


def test_services_select_the_pods_that_they_are_named_after(
    corpus: tuple[dict[str, Translation], object, object],
) -> None:
    for path, translation in corpus[0].items():
        pods = {
            item.data["metadata"]["name"]: item.data["spec"]["template"]["metadata"]["labels"]
            for item in translation.objects
            if "template" in item.data.get("spec", {})
        }
        for item in translation.objects:
            selector = item.data.get("spec", {}).get("selector") if item.data["kind"] == "Service" else None
            if selector and not any(key.startswith("migrator.dev/") for key in selector):
                reached = {name for name, labels in pods.items() if selector.items() <= labels.items()}
                assert len(reached) == 1, (path, item.data["metadata"]["name"], reached)


def test_host_ports_are_the_published_ones(corpus: tuple[dict[str, Translation], dict[str, Stack], object]) -> None:
    translated, stacks, _ = corpus
    for path, translation in translated.items():
        published = {
            str(port).split(":")[-2]
            for service in stacks[path].services
            for port in service.get("ports", []) or []
            if ":" in str(port)
        }
        emitted = {
            str(port["hostPort"])
            for item in translation.objects
            for container in item.data.get("spec", {}).get("template", {}).get("spec", {}).get("containers", [])
            for port in container.get("ports", [])
            if port.get("hostPort")
        }
        assert emitted <= published, path


def test_no_rancher_debris_and_no_secret(corpus: tuple[dict[str, Translation], object, object]) -> None:
    for path, translation in corpus[0].items():
        for item in translation.objects:
            metadata = item.data.get("spec", {}).get("template", {}).get("metadata", {}) | item.data["metadata"]
            for names in (metadata.get("labels", {}), metadata.get("annotations", {})):
                assert not [name for name in names if name.startswith("io.rancher.")], path
            assert "correct horse" not in item.text, (path, item.file_name)
