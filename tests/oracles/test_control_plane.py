"""The control plane fixture itself: it starts, it judges, and it leaves nothing behind."""

from __future__ import annotations

import contextlib
import copy
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import control_plane
import pytest
from control_plane import ControlPlane, ControlPlaneError, name_missing_requirement, wait_for

pytestmark = pytest.mark.conformance

DEPLOYMENT: dict[str, Any] = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "web", "namespace": "default"},
    "spec": {
        "selector": {"matchLabels": {"app": "web"}},
        "template": {
            "metadata": {"labels": {"app": "web"}},
            "spec": {
                "containers": [{"name": "web", "image": "nginx", "ports": [{"containerPort": 80, "hostPort": 8080}]}]
            },
        },
    },
}


@pytest.mark.parametrize("verb", ["create", "apply"])
def test_a_valid_deployment_is_accepted_and_not_kept(control_plane_134: ControlPlane, verb: str) -> None:
    client = control_plane_134.client
    response = getattr(client, verb)(DEPLOYMENT, dry_run=True)
    assert response.status in (200, 201), response.message
    assert response.warnings == ()
    assert client.get("apps/v1", "Deployment", "web", "default").status == 404


@pytest.mark.parametrize("verb", ["create", "apply"])
def test_an_unknown_field_is_refused(control_plane_134: ControlPlane, verb: str) -> None:
    wrong = copy.deepcopy(DEPLOYMENT)
    wrong["spec"]["template"]["spec"]["hostports"] = []
    response = getattr(control_plane_134.client, verb)(wrong, dry_run=True)
    assert response.status >= 400
    assert "hostports" in response.message


def test_labels_of_pod_security_warn(control_plane_134: ControlPlane) -> None:
    client = control_plane_134.client
    name = "pod-security-warns"
    labels = {"pod-security.kubernetes.io/warn": "baseline"}
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
    assert client.create(namespace).status == 201
    deployment = copy.deepcopy(DEPLOYMENT)
    deployment["metadata"]["namespace"] = name
    response = wait_for(lambda: _only_with_warnings(client.create(deployment, dry_run=True)))
    assert response.status == 201
    assert response.warnings == (
        'would violate PodSecurity "baseline:latest": hostPort (container "web" uses hostPort 8080)',
    )


def _only_with_warnings(response: control_plane.Response) -> control_plane.Response | None:
    return response if response.warnings else None


def test_impersonation_is_judged_by_rbac(control_plane_134: ControlPlane) -> None:
    nobody = control_plane_134.client.impersonate("nobody", ["system:authenticated"])
    assert nobody.list("v1", "Pod", "default").status == 403
    assert control_plane_134.client.list("v1", "Pod", "default").status == 200


def test_the_old_server_knows_pod_security_policy(control_plane_124: ControlPlane) -> None:
    response = control_plane_124.client.list("policy/v1beta1", "PodSecurityPolicy")
    assert response.status == 200
    assert any("deprecated in v1.21" in warning for warning in response.warnings)


def test_the_scheduler_and_the_controllers_run() -> None:
    _skip_without_requirements()
    components = ("kube-apiserver", "kube-scheduler", "kube-controller-manager")
    with ControlPlane("v1.34.4", components=components) as running:
        client = running.client
        # The controller manager makes every namespace's service account, which the pods then need.
        wait_for(lambda: client.get("v1", "ServiceAccount", "default", "default").status == 200)
        assert client.create(DEPLOYMENT).status == 201
        pod = wait_for(lambda: client.list("v1", "Pod", "default").body["items"])[0]
        name = pod["metadata"]["name"]
        # Without a node the scheduler can only say so.
        conditions = wait_for(
            lambda: client.get("v1", "Pod", name, "default").body.get("status", {}).get("conditions")
        )
        assert [c["reason"] for c in conditions if c["type"] == "PodScheduled"] == ["Unschedulable"]


def test_nothing_stays_after_the_block() -> None:
    _skip_without_requirements()
    with ControlPlane("v1.34.4") as running:
        folder, processes = running.folder, running.processes
        assert folder.is_dir()
        assert all(_is_alive(process) for process in processes)
    assert not folder.exists()
    assert not any(_is_alive(process) for process in processes)


def test_nothing_stays_after_a_failed_start() -> None:
    _skip_without_requirements()
    folders = _find_folders(os.getpid())
    plane = ControlPlane("v1.34.4", server_arguments=("--no-such-option",))
    with pytest.raises(ControlPlaneError, match="no-such-option"), plane:
        pytest.fail("started with an option that does not exist")
    assert plane.processes == ()
    assert _find_folders(os.getpid()) == folders


def test_a_taken_port_is_left_for_another(monkeypatch: pytest.MonkeyPatch) -> None:
    _skip_without_requirements()
    find_free_ports = control_plane._find_free_ports
    with socket.create_server(("127.0.0.1", 0)) as taken:
        answers = [[taken.getsockname()[1], *find_free_ports(2)]]

        def find_ports(count: int) -> list[int]:
            return answers.pop() if answers else find_free_ports(count)

        monkeypatch.setattr(control_plane, "_find_free_ports", find_ports)
        with ControlPlane("v1.34.4") as running:
            assert running.client.request("GET", "/readyz").status == 200
    assert answers == []


@pytest.mark.parametrize("signal_name", ["SIGINT", "SIGKILL"])
def test_nothing_stays_after_the_parent_is_ended(signal_name: str) -> None:
    _skip_without_requirements()
    program = (
        "import os, signal; from control_plane import ControlPlane\n"
        "with ControlPlane('v1.34.4') as running:\n"
        "    print(running.folder, *running.processes, flush=True)\n"
        f"    os.kill(os.getpid(), signal.{signal_name})\n"
        "    signal.pause()\n"
    )
    result = subprocess.run(
        [sys.executable, "-c", program],
        cwd=Path(control_plane.__file__).parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode != 0
    folder, *processes = result.stdout.split()
    wait_for(lambda: not any(_is_alive(int(process)) for process in processes))
    control_plane._remove_abandoned_folders()
    assert not Path(folder).exists()


def test_nothing_stays_after_an_interrupt_of_the_whole_run(tmp_path: Path) -> None:
    """As Ctrl-C does it: every process of the terminal gets the signal at once."""
    _skip_without_requirements()
    chosen = "test_the_scheduler_and_the_controllers_run"
    with subprocess.Popen(
        [".ci/conformance", sys.executable, "-k", chosen],
        cwd=Path(control_plane.__file__).parents[2],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        start_new_session=True,
        preexec_fn=_heed_interrupts,
    ) as whole:
        programs = {"etcd", "kube-apiserver", "kube-scheduler", "kube-controller-manager"}
        try:
            wait_for(lambda: programs <= set(_list_programs(tmp_path)), seconds=90)
        finally:
            os.killpg(whole.pid, signal.SIGINT)
            said = whole.communicate()[0].decode()
    assert whole.returncode == 2, said
    assert list(_list_programs(tmp_path)) == []
    assert list(tmp_path.iterdir()) == []


def _heed_interrupts() -> None:
    # What a shell has put in the background inherits that interrupts are ignored.
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _list_programs(folder: Path) -> Iterator[str]:
    """List the programs that run with anything of a folder among their arguments or variables."""
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
            if int(process.name) != os.getpid() and str(folder).encode() in words:
                program = Path((process / "cmdline").read_bytes().split(b"\0")[0].decode()).name
                yield program.partition("-v1.")[0]


def _is_alive(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def _find_folders(owner: int) -> set[Path]:
    return set(Path(tempfile.gettempdir()).glob(f"migrator-control-plane-{owner}-*"))


def _skip_without_requirements() -> None:
    missing = name_missing_requirement()
    if missing is not None:
        pytest.skip(missing)
