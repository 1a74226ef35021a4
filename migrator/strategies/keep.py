"""Leave a host port as it is, and say why."""

from __future__ import annotations

from migrator.model.edit import FieldEdit
from migrator.model.plan import Change
from migrator.publishing.proposal import Group, Proposal
from migrator.publishing.publish import keep_port


def propose(group: Group) -> Proposal:
    """Propose to keep each host port of the group; of a stack all published ports are in the port map."""
    changes = []
    port_map = []
    for decision in group.decisions:
        port = decision.port
        changes.append(
            Change(
                rule=decision.rule,
                decision=decision.row,
                strategy="keep",
                phase="contract",
                action="keep",
                resource=group.workload.ref,
                location=group.workload.location.at(port.line),
                workload=group.workload.ref,
                reason=group.reason(decision, f"hostPort {port.host_port} stays"),
                edit=FieldEdit("replace", (*port.path, "hostPort"), port.host_port),
                current=port.host_port,
                ports=(port,),
            )
        )
        if decision.facts["stack"]:
            port_map.append(keep_port(group, decision))
    return Proposal(changes, port_map)
