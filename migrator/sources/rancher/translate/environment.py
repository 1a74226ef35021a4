"""Environment variables; those that look like secrets go through a Secret."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from migrator.sources.rancher.secret_values import find_secret, is_secret
from migrator.sources.rancher.stack import Pair, StackService
from migrator.sources.rancher.translate.container import escape_variables, find_command_secrets
from migrator.sources.rancher.translate.model import Draft, KeyFate, Part, mark, report
from migrator.sources.rancher.translate.names import is_data_key
from migrator.sources.rancher.translate.references import find_rancher_names, find_references
from migrator.sources.rancher.translate.survey import Context

_LEGACY = re.compile(r"(affinity|constraint):", re.IGNORECASE)


def build_environment(service: StackService, context: Context) -> Part:
    """Build `env`, and the Secret of the variables that hold secrets."""
    env: list[dict[str, Any]] = []
    secrets: dict[str, str] = {}
    fates: list[KeyFate] = []
    comments: list[str] = []
    secret_name = f"{context.names[service.name]}-environment"
    for pair in service.pairs("environment"):
        if _LEGACY.match(pair.name):
            message = "Cattle also took this for a scheduling rule; write it as affinity."
            fates.append(report(pair.origin, message))
            continue
        if not pair.name or "=" in pair.name or not pair.name.isprintable() or not pair.name.isascii():
            fates.append(report(pair.origin, f"{pair.name!r} is no name for a variable; left out."))
            continue
        if pair.value is None:
            message = f"{pair.name} came from the shell that ran rancher-compose; give its value here."
            fates.append(report(pair.origin, message))
            continue
        fates.extend(report(pair.origin, message) for message in find_rancher_names(pair.name))
        hidden = is_secret(pair.name, pair.value) or find_secret(pair.value, context.stack.secrets) is not None
        if hidden and is_data_key(pair.name):
            secrets[pair.name] = pair.value
            reference = {"secretKeyRef": {"name": secret_name, "key": pair.name}}
            env.append({"name": pair.name, "valueFrom": reference})
            fates.append(_mark_secret(pair, secret_name, context))
            continue
        env.append({"name": pair.name, "value": escape_variables(pair.value)})
        for message in find_references(context, pair.value):
            fates.append(report(pair.origin, message))
            comments.append(f"{pair.name}: {message}")
    for variable, value in find_command_secrets(service, context).items():
        if variable not in secrets:
            secrets[variable] = value
            env.append({"name": variable, "valueFrom": {"secretKeyRef": {"name": secret_name, "key": variable}}})
    env = list({entry["name"]: entry for entry in env}.values())
    drafts = (draft_secret(service, context, secret_name, secrets),) if secrets else ()
    return Part(container={"env": env}, drafts=drafts, fates=tuple(fates), comments=tuple(comments))


def _mark_secret(pair: Pair, secret_name: str, context: Context) -> KeyFate:
    if context.policy.secret_values == "copy":
        return mark(pair.origin, "translated", f"key {pair.name} of the Secret {secret_name}")
    return report(pair.origin, f"Fill in the key {pair.name} of the Secret {secret_name}: values stay in the input.")


def draft_secret(service: StackService, context: Context, name: str, values: Mapping[str, str]) -> Draft:
    """Draft a Secret of an environment; by default it names its keys and holds none."""
    copied = dict(values) if context.policy.secret_values == "copy" else {}
    literals = " ".join(f"--from-literal={key}=..." for key in values)
    command = f"kubectl -n {context.namespace} create secret generic {name} {literals} --dry-run=client -o yaml"
    comments = () if copied else ("Its keys are not written here; the pods wait until they are there:", command)
    return Draft(
        "rancher_secret.yaml.j2",
        {"name": name, "labels": context.labels(service.name), "string_data": copied},
        context.names[context.primary(service.name)],
        service.origin_of("environment"),
        comments,
    )
