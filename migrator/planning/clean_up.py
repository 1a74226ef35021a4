"""Phase cleanup: what it may change, and when its turn has come."""

from __future__ import annotations

from collections.abc import Sequence

from migrator.errors import PolicyError
from migrator.model.inventory import Finding
from migrator.model.plan import Change, PhaseChoice, Plan
from migrator.model.reference import Location, ResourceRef
from migrator.model.selection import Selection
from migrator.model.world import World


def plan_clean_up(
    world: World, selection: Selection, phase: PhaseChoice
) -> tuple[Sequence[Change], Sequence[Finding]]:
    """Plan what to delete once PodSecurityPolicy is off, of what may be changed, and what to know about it.

    A run that is narrowed to workloads changes nothing else; one that is narrowed to namespaces leaves alone what
    belongs to the whole cluster.
    """
    if not world.inventory.pod_security_policies and not world.inventory.roles:
        return (), ()
    # Loaded here: most inputs hold no PodSecurityPolicy any more.
    from migrator.rules.pod_security_policy import ID
    from migrator.strategies.clean_up import propose_clean_up

    if not selection.allows_rule(ID):
        return (), ()

    def may_change(ref: ResourceRef, location: Location) -> bool:
        return (
            selection.workloads is None
            and (selection.namespaces is None or ref.namespace in selection.namespaces)
            and ref.namespace not in world.policy.exclude_namespaces
            and location.path not in world.excluded
        )

    proposed = propose_clean_up(world, may_change)
    return proposed.changes, (*proposed.warnings, *(proposed.findings if phase == "cleanup" else ()))


def refuse_running_admission(plan: Plan) -> None:
    """Raise PolicyError where the plugin may still run, which without a PodSecurityPolicy refuses every pod."""
    waiting = [change for change in plan.changes if change.phase == "cleanup"]
    if waiting and plan.policy.cluster.pod_security_policy_admission:
        raise PolicyError(
            f"phase cleanup: {waiting[0].resource.kind} {waiting[0].resource.name} cannot go while the API server "
            "may run the PodSecurityPolicy plugin, which refuses every pod once no policy is left\n"
            "  take PodSecurityPolicy out of --enable-admission-plugins, then say so: policy "
            "`cluster.podSecurityPolicyAdmission: off`, or --set cluster.podSecurityPolicyAdmission=off"
        )
