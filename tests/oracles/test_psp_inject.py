"""What a PodSecurityPolicy injects, written out, over random policies, grants and workloads."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from random import Random

from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from psp_generators import Json, make_pod, make_policy, make_rbac
from psp_trees import make_workload, plan_folder, take_pod, write_cluster

EXAMPLES = 600 if os.environ.get("FULL") else 20
WORKLOADS = 6
OPTIONS: tuple[Json, ...] = (
    {},
    {"cluster": {"kubernetesVersion": "1.24"}},
    {"podSecurity": {"harden": "restricted", "complete": True}},
    {"podSecurity": {"harden": "baseline"}},
)


def make_cluster(random: Random) -> tuple[list[Json], list[Json]]:
    policies = [make_policy(random, f"{random.choice('abc')}-{number}") for number in range(random.randint(1, 6))]
    names = [policy["metadata"]["name"] for policy in policies]
    rbac = make_rbac(random, "r", names)
    return [*policies, *rbac], [make_workload(random, make_pod(random), f"w{n}") for n in range(WORKLOADS)]


@settings(
    max_examples=EXAMPLES, deadline=None, derandomize=True, phases=(Phase.explicit, Phase.generate), print_blob=False
)
@given(st.integers(0, 2**32), st.sampled_from(OPTIONS), st.booleans())
def test_planning_the_result_again_changes_nothing(seed: int, spec: Json, everything: bool) -> None:
    random = Random(seed)
    cluster, workloads = make_cluster(random)
    with tempfile.TemporaryDirectory() as name:
        write_cluster(Path(name), cluster, workloads)
        rules = None if everything else frozenset(("pod-security-policy", "pod-security"))
        first = plan_folder(Path(name), spec, rules)
        again = plan_folder(Path(name), spec, rules)
    assert [change for change in again.plan.changes if change.action != "keep"] == []
    if spec == {} and not everything:
        injected = {change.workload.name for change in first.plan.changes}
        for before, after in zip(workloads, first.workloads, strict=True):
            assert (take_pod(before) != take_pod(after)) == (before["metadata"]["name"] in injected)
