"""How the PodSecurityPolicies of a tree admit its pods: policies, grants and service accounts taken together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any, Final

from migrator.model.inventory import Inventory
from migrator.model.workload import Workload
from migrator.psp.authorize import (
    MASTERS,
    Identity,
    PolicyGrants,
    make_controller_identity,
    make_requester_identity,
    read_grants,
)
from migrator.psp.decide import Decision, decide_pod
from migrator.psp.model import PodSecurityPolicy
from migrator.psp.read import read_policy
from migrator.psp.shape import PodShapeError

_ADMINISTRATOR: Final = make_requester_identity("kubernetes-admin", (MASTERS,))
_FALLBACK_NAMESPACE: Final = "default"


class PolicyAdmission:
    """The PodSecurityPolicy plugin of a cluster that holds what a tree does; `requester` applies bare pods."""

    def __init__(self, inventory: Inventory, requester: Identity | None = None) -> None:
        self.inventory = inventory
        self._requester = requester or _ADMINISTRATOR

    @cached_property
    def policies(self) -> Mapping[str, PodSecurityPolicy]:
        """Give the policies by name."""
        found: dict[str, PodSecurityPolicy] = {}
        for item in self.inventory.pod_security_policies:
            found.setdefault(item.ref.name, read_policy(item.data.unpack()))
        return found

    @cached_property
    def _grants(self) -> PolicyGrants:
        return read_grants(self._list_access())

    def _list_access(self) -> Iterator[Mapping[str, Any]]:
        for role in self.inventory.roles:
            data = role.data.unpack()
            metadata = {"name": role.ref.name, "namespace": role.ref.namespace, "labels": data["labels"]}
            yield {**data, "kind": role.ref.kind, "metadata": metadata}
        for binding in self.inventory.role_bindings:
            yield {
                "kind": binding.ref.kind,
                "metadata": {"name": binding.ref.name, "namespace": binding.ref.namespace},
                "roleRef": {"kind": binding.role_kind, "name": binding.role_name},
                "subjects": binding.subjects.unpack(),
            }

    @cached_property
    def _accounts(self) -> Mapping[tuple[str, str], Mapping[str, Any]]:
        return {
            (item.ref.namespace or _FALLBACK_NAMESPACE, item.ref.name): {
                "automountServiceAccountToken": item.automount_token
            }
            for item in self.inventory.service_accounts
        }

    def decide(self, workload: Workload, pod: Any) -> Decision | None:
        """Decide a pod of a workload; None where there is no policy, and for what makes no pods."""
        if not self.policies or workload.ref.kind == "PodTemplate":
            return None
        namespace = workload.ref.namespace or _FALLBACK_NAMESPACE
        spec = pod.get("spec") or {}
        account = str(spec.get("serviceAccountName") or spec.get("serviceAccount") or "default")
        kind, _, _ = workload.owners[0].partition("/") if workload.owners else (workload.ref.kind, "", "")
        requester = self._requester if kind == "Pod" else make_controller_identity(kind)
        try:
            return decide_pod(
                pod,
                namespace,
                self.policies,
                self._grants,
                requester=requester,
                service_account=self._accounts.get((namespace, account)),
            )
        except PodShapeError:
            return None
