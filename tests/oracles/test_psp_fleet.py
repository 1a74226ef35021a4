"""Deciding pods by their shapes gives what deciding each by itself gives."""

from __future__ import annotations

from random import Random

import pytest
from psp_generators import make_pod, make_policy

from migrator.psp.admit import select_policy, sort_policies
from migrator.psp.fleet import Fleet, PolicySet
from migrator.psp.prepare import prepare_pod
from migrator.psp.read import read_policy

PODS = 400


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_fleet_is_decided_like_single_pods(seed: int) -> None:
    random = Random(seed)
    policies = sort_policies(read_policy(make_policy(random, f"policy-{number}")) for number in range(8))
    sets = [PolicySet(policies), PolicySet(policies[::2]), PolicySet(())]
    fleet = Fleet()
    selected = with_ports = 0
    for _ in range(PODS):
        pod = make_pod(random)
        # Host ports around the ranges' ends, so that shapes repeat while ports differ.
        for container in pod["spec"]["containers"]:
            if random.random() < 0.3:
                container["ports"] = [{"containerPort": 80, "hostPort": random.choice([80, 443, 8000, 8080, 30000])}]
                with_ports += 1
        account = {"automountServiceAccountToken": random.choice([None, True, False])}
        for usable in sets:
            expected = select_policy(prepare_pod(pod, account), usable.policies)
            found = fleet.select(pod, usable, account["automountServiceAccountToken"])
            assert found.selected == expected.selected
            assert found.mutations == expected.mutations
            assert found.refusals == expected.refusals
            assert found.rejected_by == expected.rejected_by
            selected += found.selected is not None
    assert selected > PODS // 10
    assert with_ports > PODS // 10
