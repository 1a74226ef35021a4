"""The policy: found, read, set, and refused by the key and the line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from migrator.errors import InputError, MigratorError, PolicyError
from migrator.model.policy import Cluster
from migrator.policy.load import FILE_NAME, built_in_policy, find_policy, load_policy, parse_policy

HEAD = "apiVersion: migrator.dev/v1\nkind: MigrationPolicy\nspec:\n"


def write(folder: Path, spec: str, name: str = FILE_NAME) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(HEAD + spec)
    return path


def test_the_nearest_policy_up_the_tree_is_found(tmp_path: Path) -> None:
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    outer = write(tmp_path, "  clientAddresses: irrelevant\n")
    assert find_policy(below) == outer
    inner = write(tmp_path / "a", "  clientAddresses: needed\n")
    assert find_policy(below) == inner
    assert find_policy(tmp_path) == outer


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ('[tool.migrator.cluster]\nkubernetesVersion = "1.35"\n', True),
        ("[tool.ruff]\nline-length = 118\n", False),
        ('[project]\nname = "x"\ndescription = "[tool.migrator] is for others"\n', False),
    ],
)
def test_a_project_file_counts_where_it_has_the_table(content: str, found: bool, tmp_path: Path) -> None:
    outer = write(tmp_path, "  clientAddresses: irrelevant\n")
    project = tmp_path / "project" / "pyproject.toml"
    project.parent.mkdir()
    project.write_text(content)
    assert find_policy(project.parent) == (project if found else outer)
    if found:
        assert load_policy(project).cluster.version == (1, 35)


def test_a_policy_file_goes_before_a_project_file(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool.migrator]\nclientAddresses = "irrelevant"\n')
    path = write(tmp_path, "  clientAddresses: needed\n")
    assert find_policy(tmp_path) == path


def test_a_broken_project_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.migrator\n")
    with pytest.raises(InputError, match="not TOML"):
        find_policy(tmp_path)


def test_everything_a_policy_says_is_taken(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        """\
  cluster:
    kubernetesVersion: v1.33.2+k3s1
    nodePortRange: 20000-22767
    usedNodePorts: [20080, 20443]
    loadBalancer: true
  clientAddresses: irrelevant
  exclude:
    paths: ["vendor/*"]
    namespaces: [frozen]
  workloadKinds:
    - {kind: Shop, apiGroups: [example.com, ""], template: spec.template}
  hostPorts:
    - match: {kinds: DaemonSet, ports: [9100], labels: {app: exporter}}
      strategy: keep
      because: it is scraped by node address
    - strategy: node_port
      nodePort: 20100
      externalTrafficPolicy: Local
      spread: preferred
      because: everything else
""",
    )
    policy = load_policy(path)
    assert policy.cluster == Cluster((1, 33), (20000, 22767), frozenset((20080, 20443)), load_balancer=True)
    assert (policy.client_addresses, policy.exclude_paths) == ("irrelevant", ("vendor/*",))
    assert policy.exclude_namespaces == frozenset(("frozen",))
    assert {(kind.api_group, kind.template) for kind in policy.workload_kinds if kind.kind == "Shop"} == {
        ("example.com", ("spec", "template")),
        ("", ("spec", "template")),
    }
    first, second = policy.host_ports
    assert first.match == {"kinds": "DaemonSet", "ports": [9100], "labels": {"app": "exporter"}}
    assert (first.id, first.strategy, first.options) == ("policy-1", "keep", {})
    assert second.options == {"nodePort": 20100, "externalTrafficPolicy": "Local", "spread": "preferred"}
    again = parse_policy(policy.document)
    assert (again.cluster, again.host_ports, again.exclude_paths) == (
        policy.cluster,
        policy.host_ports,
        policy.exclude_paths,
    )


@pytest.mark.parametrize("spec", ["  {}\n", "  cluster: {}\n"])
def test_an_empty_policy_is_the_built_in_one(spec: str, tmp_path: Path) -> None:
    policy, built_in = load_policy(write(tmp_path, spec)), built_in_policy()
    assert (policy.cluster, policy.host_ports, policy.client_addresses) == (
        built_in.cluster,
        built_in.host_ports,
        built_in.client_addresses,
    )


@pytest.mark.parametrize(
    ("spec", "line", "message"),
    [
        ("  cluster:\n    kubernetesVersoin: '1.34'\n", 5, "did you mean `kubernetesVersion`?"),
        ("  clusters: {}\n", 4, "unknown key `spec.clusters`; did you mean `cluster`?"),
        ("  cluster:\n    zzz: 1\n", 5, "known here: kubernetesVersion, nodePortRange"),
        (
            "  hostPorts:\n    - match: {kind: [Deployment]}\n      strategy: keep\n      because: x\n",
            5,
            "did you mean `kinds`?",
        ),
        ("  hostPorts:\n    - strategy: keep\n", 5, "`spec.hostPorts[0].because` is missing"),
        ("  hostPorts:\n    - strategy: keep\n      because: ''\n", 6, "because"),
        ("  hostPorts:\n    - strategy: nodeport\n      because: x\n", 5, "strategy"),
        ("  cluster:\n    kubernetesVersion: 1.30\n", 5, "write the version in quotes"),
        ("  cluster:\n    kubernetesVersion: latest\n", 5, "'latest' is no Kubernetes version"),
        ("  cluster:\n    nodePortRange: 30000\n", 5, "nodePortRange"),
        ("  cluster:\n    nodePortRange: 32767-30000\n", 5, "is no port range"),
        ("  cluster:\n    usedNodePorts: [99999]\n", 5, "usedNodePorts"),
        ("  clientAddresses: maybe\n", 4, "clientAddresses"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(spec: str, line: int, message: str, tmp_path: Path) -> None:
    path = write(tmp_path, "\n".join(spec.split("\n")))
    with pytest.raises(InputError) as caught:
        load_policy(path)
    assert message in str(caught.value)
    assert (caught.value.path, caught.value.line) == (str(path), line)


@pytest.mark.parametrize("content", ["- 1\n", "a: [\n", "kind: Deployment\napiVersion: apps/v1\n"])
def test_what_is_no_policy_is_refused(content: str, tmp_path: Path) -> None:
    path = tmp_path / FILE_NAME
    path.write_text(content)
    with pytest.raises(MigratorError):
        load_policy(path)


def test_a_missing_policy_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        load_policy(tmp_path / "none.yaml")


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (["cluster.kubernetesVersion=1.30"], {"version": (1, 30)}),
        (['cluster.kubernetesVersion="1.35"'], {"version": (1, 35)}),
        (["cluster.usedNodePorts=[30080, 30081]"], {"used_node_ports": frozenset((30080, 30081))}),
        (["cluster.loadBalancer=true", "cluster.nodePortRange=31000-31999"], {"node_ports": (31000, 31999)}),
        (["cluster.loadBalancer=true", "cluster.loadBalancer=false"], {"load_balancer": False}),
        ([], {"pod_security_policy_admission": True}),
        (["cluster.podSecurityPolicyAdmission=off"], {"pod_security_policy_admission": False}),
        (['cluster.podSecurityPolicyAdmission="off"'], {"pod_security_policy_admission": False}),
        (["cluster.podSecurityPolicyAdmission=false"], {"pod_security_policy_admission": False}),
        (["cluster.podSecurityPolicyAdmission=on"], {"pod_security_policy_admission": True}),
    ],
)
def test_settings_go_on_top(settings: list[str], expected: dict[str, Any], tmp_path: Path) -> None:
    path = write(tmp_path, "  clientAddresses: irrelevant\n  cluster: {kubernetesVersion: '1.33'}\n")
    for given in (path, None):
        policy = load_policy(given, settings)
        assert {key: getattr(policy.cluster, key) for key in expected} == expected
        assert policy.client_addresses == ("irrelevant" if given else "needed")


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("cluster", "write it as key=value"),
        ("=1", "write it as key=value"),
        ("cluster.kubernetesVersoin=1.34", "did you mean `kubernetesVersion`?"),
        ("cluster.loadBalancer=[", "--set cluster.loadBalancer="),
        ("cluster.loadBalancer.x=1", "loadBalancer"),
        ("clientAddresses.x.y=1", "clientAddresses"),
        ("a..b=1", "not a field path"),
        (
            "cluster.podSecurityPolicyAdmission=maybe",
            "`spec.cluster.podSecurityPolicyAdmission`: input should be 'on' or 'off'",
        ),
        (
            "cluster.podSecurityPolicyAdmission=0",
            "`spec.cluster.podSecurityPolicyAdmission`: input should be 'on' or 'off'",
        ),
    ],
)
def test_settings_that_say_nothing_known_are_refused(setting: str, message: str, tmp_path: Path) -> None:
    for given in (None, write(tmp_path, "  clientAddresses: irrelevant\n")):
        with pytest.raises(PolicyError) as caught:
            load_policy(given, [setting])
        assert message in str(caught.value)
        assert FILE_NAME not in str(caught.value)
