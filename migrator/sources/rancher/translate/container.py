"""A container's image, command and terminal."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from typing import Any

from migrator.errors import InputError
from migrator.sources.rancher.answers import format_answer
from migrator.sources.rancher.secret_values import find_secret
from migrator.sources.rancher.stack import StackService
from migrator.sources.rancher.translate.model import KeyFate, Part, report
from migrator.sources.rancher.translate.names import make_name
from migrator.sources.rancher.translate.numbers import read_boolean
from migrator.sources.rancher.translate.references import find_references
from migrator.sources.rancher.translate.survey import Context, words

PULL_LABEL = "io.rancher.container.pull_image"

_EXPANDED = re.compile(r"(?P<changed>\$\$|\$\((?=[A-Za-z0-9_.-]+\)))|\$\([^)]*\)")


def escape_variables(text: str) -> str:
    """Write text so that the kubelet hands it on unchanged: it makes one `$` of `$$`, and a value of `$(NAME)`.

    What stands in other brackets, up to the first that closes, it leaves as it is (expand.go of k8s.io/kubernetes).
    """
    return _EXPANDED.sub(_escape, text)


def _escape(match: re.Match[str]) -> str:
    return "$$" + match[0].replace("$(", "(") if match["changed"] else match[0]


def read_words(value: Any) -> list[str]:
    """Give a command's words: a list as it is, text split as a shell splits it."""
    if value is None:
        return []
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [format_answer(item) for item in value]
    text = format_answer(value)
    return _split_text(text) or text.split()


def _split_text(text: str) -> list[str] | None:
    """Split text as a shell does; None where a quote is not closed."""
    try:
        return shlex.split(text, comments=False)
    except ValueError:
        return None


def is_idle(service: StackService) -> bool:
    """Tell whether a service's command does nothing, so that its container only holds volumes."""
    given = read_words(service.get("entrypoint")) + read_words(service.get("command"))
    text = " ".join(given)
    return bool(given) and (given[0] in words()["idleCommands"] or text in words()["idleCommands"])


def read_image(service: StackService, context: Context) -> str:
    """Give the image.

    Raises InputError for a blank one and for a blank tag, which an unanswered question leaves behind.
    """
    image = service.text("image").strip().removeprefix("docker:")
    origin = service.origin_of("image")
    if not image and service.get("build"):
        return f"{context.instance}-{context.names[service.name]}:latest"
    if not image:
        raise InputError(
            origin.file,
            f"Service '{service.name}' has neither an image nor a build path specified",
            line=origin.line,
            hint="A question without an answer leaves it blank.",
        )
    if image.endswith((":", "@")) or image.startswith(("/", ":")) or re.search(r"\s|/:|//", image):
        raise InputError(
            origin.file,
            f"invalid reference format: image {image!r} of service {service.name}",
            line=origin.line,
            hint="A question without an answer leaves a part of it blank: give it with --answers FILE.",
        )
    return image


def find_command_secrets(service: StackService, context: Context) -> dict[str, str]:
    """Give the secrets that a command holds, by the variable that stands for each.

    That is the variable of the environment with this value, else one named after the question that it answers.
    """
    text = " ".join(read_words(service.get("entrypoint")) + read_words(service.get("command")))
    found = {}
    for value, question in context.stack.secrets.items():
        if value in text:
            own = next((pair.name for pair in service.pairs("environment") if pair.value == value), None)
            found[own or re.sub(r"[^A-Za-z0-9_]", "_", question)] = value
            text = text.replace(value, "")
    return found


def hide_secrets(word: str, service: StackService, context: Context) -> str:
    """Put `$(NAME)` in the place of secrets: the kubelet expands it, the value stays in the Secret."""
    for name, value in find_command_secrets(service, context).items():
        word = word.replace(escape_variables(value), f"$({name})")
    return word


def build_container(service: StackService, context: Context) -> Part:
    """Build the fields of the container that are its own: image, command, args, terminal."""
    container: dict[str, Any] = {"name": make_name(service.name, fallback="container")}
    container["image"] = read_image(service, context)
    fates: list[KeyFate] = []
    comments: list[str] = []
    if service.labels().get(PULL_LABEL, "").strip().lower() == "always":
        container["imagePullPolicy"] = "Always"
    for key, field in (("entrypoint", "command"), ("command", "args")):
        value = service.get(key)
        given = read_words(value)
        if given:
            container[field] = [hide_secrets(escape_variables(word), service, context) for word in given]
        if isinstance(value, str) and _split_text(value) is None:
            fates.append(report(service.origin_of(key), "A quote is not closed: the text is split at its spaces."))
        if any(find_secret(word, context.stack.secrets) for word in given):
            fates.append(
                report(service.origin_of(key), "A secret stands in it: as $(NAME) it comes from a Secret now.")
            )
        for message in find_references(context, " ".join(given)):
            fates.append(report(service.origin_of(key), message))
            comments.append(message)
    if service.text("working_dir"):
        container["workingDir"] = service.text("working_dir")
    if read_boolean(service.get("stdin_open")):
        container["stdin"] = True
    if read_boolean(service.get("tty")):
        container["tty"] = True
    if service.get("build") and not service.get("image"):
        comments.append("build this image and push it: Rancher built it from the compose file's folder")
    return Part(container=container, fates=tuple(fates), comments=tuple(comments))
