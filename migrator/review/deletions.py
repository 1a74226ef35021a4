"""The kubectl lines for objects that a plan takes out of manifests, which does not delete them in a cluster."""

from __future__ import annotations

from collections.abc import Iterable

from migrator.model.plan import Change

_PRUNED = (
    "Taken out of the manifests, these objects stay in the cluster unless something prunes it (Argo CD, Flux, "
    "kubectl apply --prune); otherwise delete them with:"
)


def write_deletions(changes: Iterable[Change]) -> tuple[str, list[str]]:
    """Write what to do about deleted objects: a sentence, and a command per kind and namespace; "" for none."""
    names: dict[tuple[str, str | None], dict[str, None]] = {}
    for change in changes:
        if change.action == "delete" and "kustomize" not in change.resource.api_version:
            kind = change.resource.kind.lower()
            names.setdefault((kind, change.resource.namespace), {})[change.resource.name] = None
    commands = [
        f"kubectl delete {kind} {f'-n {namespace} ' if namespace else ''}{' '.join(own)}"
        for (kind, namespace), own in names.items()
    ]
    return (_PRUNED if commands else ""), commands
