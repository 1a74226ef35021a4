"""What a person decides about translating stacks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from types import MappingProxyType
from typing import Literal

from migrator.model.record import record

DEFAULT_HOST_LABELS: Mapping[str, str] = MappingProxyType(
    {
        "io.rancher.host.os": "kubernetes.io/os",
        "io.rancher.host.zone": "topology.kubernetes.io/zone",
        "io.rancher.host.region": "topology.kubernetes.io/region",
        "io.rancher.host.hostname": "kubernetes.io/hostname",
    }
)


@record
class RancherPolicy:
    """How stacks become objects.

    `namespace` None gives each stack its own. `storage_classes` maps volume drivers to storage classes (`local`
    stands for volumes without a driver); without an entry the cluster's default class is used. `storage_size` is
    what a claim asks for where the stack does not say. `load_balancer` tells whether the cluster answers Services
    of type LoadBalancer. `host_labels` maps labels of Rancher's hosts to those of nodes. `secret_values`: whether
    values of variables that look like secrets are left out of the Secrets written, or copied into them.
    """

    namespace: str | None = None
    storage_classes: Mapping[str, str] = field(default_factory=dict)
    storage_size: str = "1Gi"
    ingress_class: str | None = None
    load_balancer: bool = False
    cluster_domain: str = "cluster.local"
    host_labels: Mapping[str, str] = field(default_factory=lambda: DEFAULT_HOST_LABELS)
    secret_values: Literal["placeholder", "copy"] = "placeholder"
