"""What becomes of one pod: who asks for it, which policies they may use, and what those make of it."""

from __future__ import annotations

from collections.abc import Mapping

from migrator.model.record import record
from migrator.psp.admit import Selection, select_policy, sort_policies
from migrator.psp.authorize import Identity, PolicyGrants, make_service_account_identity
from migrator.psp.model import PodSecurityPolicy
from migrator.psp.pod import Object, get_spec
from migrator.psp.prepare import prepare_pod


@record
class Decision:
    """How a pod was decided.

    `identities` are those whose grants count, the service account first. `usable` are the policies that one of them
    may use, in the order in which they are asked; those with problems among them are not in the selection's
    verdicts.
    """

    identities: tuple[Identity, ...]
    usable: tuple[PodSecurityPolicy, ...]
    selection: Selection


def decide_pod(
    pod: Object,
    namespace: str,
    policies: Mapping[str, PodSecurityPolicy],
    grants: PolicyGrants,
    *,
    requester: Identity | None = None,
    service_account: Object | None = None,
) -> Decision:
    """Decide a pod that is created in a namespace.

    `policies` are all of the cluster's, by name. `requester` is who creates the pod: `make_controller_identity` of
    the workload's kind, or whoever applies a bare pod. `service_account` is the ServiceAccount object that the pod
    names, where it is known. Raises PodShapeError for a pod that the API server would not decode.
    """
    prepared = prepare_pod(pod, service_account)
    account = make_service_account_identity(namespace, get_spec(prepared)["serviceAccountName"])
    identities = (account,) if requester is None else (account, requester)
    names = grants.select_usable(identities, namespace, policies.keys())
    usable = tuple(sort_policies(policies[name] for name in names))
    return Decision(identities, usable, select_policy(prepared, usable))
