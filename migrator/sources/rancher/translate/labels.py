"""Labels of the user's own; those of Rancher go no further than the topics that read them."""

from __future__ import annotations

from functools import cache
from typing import Any

from migrator.sources.rancher.stack import StackService
from migrator.sources.rancher.translate.container import PULL_LABEL
from migrator.sources.rancher.translate.model import KeyFate, Part, mark, report
from migrator.sources.rancher.translate.names import is_label_key, is_label_value
from migrator.sources.rancher.translate.scheduling import AFFINITY_LABEL, expand_macros
from migrator.sources.rancher.translate.survey import (
    INSTANCE_LABEL,
    NAME_LABEL,
    PART_OF_LABEL,
    SELECTOR_LABEL,
    SIDEKICKS_LABEL,
    Context,
    split_sidekicks,
)
from migrator.sources.tables import load_table

RANCHER_PREFIX = "io.rancher."
_RESERVED = (NAME_LABEL, INSTANCE_LABEL, PART_OF_LABEL)


def build_labels(service: StackService, context: Context) -> Part:
    """Build the pod's labels: legal ones as labels, others as annotations; account for Rancher's."""
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    fates: list[KeyFate] = []
    for pair in service.pairs("labels"):
        value = expand_macros(pair.value or "", service, context)
        if pair.name.startswith(RANCHER_PREFIX):
            fates.append(_mark_rancher_label(pair.name, value, pair.origin))
        elif not is_label_key(pair.name):
            fates.append(report(pair.origin, f"{pair.name!r} is no legal key of a label or annotation; left out."))
        elif pair.name in _RESERVED or _is_kubernetes_own(pair.name):
            fates.append(report(pair.origin, f"{pair.name} is Kubernetes' own; left out."))
        elif is_label_value(value):
            labels[pair.name] = value
            fates.append(mark(pair.origin, "translated", "a label of the pod"))
        else:
            annotations[pair.name] = value
            fates.append(mark(pair.origin, "translated", "an annotation: its value is no legal label"))
    for name in split_sidekicks(service):
        if context.stack.service(name) is None:
            message = f"There is no service {name} in this stack; it is missing from the pod."
            fates.append(report(service.label_origin(SIDEKICKS_LABEL), message))
    return Part(labels=labels, annotations=annotations, fates=tuple(fates))


def _is_kubernetes_own(name: str) -> bool:
    domain = name.rpartition("/")[0]
    return domain.endswith(("kubernetes.io", "k8s.io"))


def _mark_rancher_label(name: str, value: str, origin: Any) -> KeyFate:
    row = find_label_row(name)
    if name.startswith(AFFINITY_LABEL):
        return mark(origin, "translated", "affinity")
    if name == AFFINITY_LABEL.rstrip(":"):
        return report(origin, "Cattle ignored this label: only with :host_label and its like it is a rule.")
    if name == SELECTOR_LABEL:
        message = f"The Service leads to the service's own pods; the containers with {value} get no share of it."
        return report(origin, message)
    if name == PULL_LABEL and value.strip().lower() != "always":
        return report(origin, f"Rancher knew always, and not {value!r}: nothing is pulled anew.")
    if "to" in row:
        return mark(origin, "translated", row["to"])
    return mark(origin, row["fate"], row["message"])


def find_label_row(name: str) -> Any:
    """Give the table's row for a label of Rancher's: that of the longest prefix."""
    return next(row for prefix, row in _rows() if name.startswith(prefix))


@cache
def _rows() -> tuple[tuple[str, Any], ...]:
    rows = load_table("sources/rancher/keys.yaml")["labels"]
    return tuple(sorted(rows.items(), key=lambda row: -len(row[0])))
