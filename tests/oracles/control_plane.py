"""A Kubernetes control plane without nodes: etcd and the real servers, on loopback, for the length of a test.

The servers are built from the Go modules in `control_plane/<version>/`; etcd is the distribution's package.
"""

from __future__ import annotations

import atexit
import base64
import contextlib
import ctypes
import http.client
import json
import os
import re
import secrets
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import time
import urllib.parse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from go_programs import build_go_program, find_go

Json = dict[str, Any]

MODULES = Path(__file__).parent / "control_plane"
API_SERVER = "kube-apiserver"
_FOLDER_PREFIX = "migrator-control-plane-"
_START_SECONDS = 90.0
_STARTS = 3
_PR_SET_PDEATHSIG = 1


class ControlPlaneError(Exception):
    """A server did not start; the text ends with what it logged."""


def find_etcd() -> str | None:
    """Find etcd on PATH or where Debian puts it, or None."""
    return shutil.which("etcd") or next((p for p in ("/usr/bin/etcd",) if os.access(p, os.X_OK)), None)


def name_missing_requirement() -> str | None:
    """Say what this machine lacks to run a control plane, or None."""
    if find_go() is None:
        return "go is not on PATH"
    if find_etcd() is None:
        return "etcd is not installed: apt-get install etcd-server"
    return None


def build_component(version: str, name: str) -> Path:
    """Build one of Kubernetes' own programs of a version like `v1.34.4`, or find it built."""
    major, minor = version.removeprefix("v").split(".")[:2]
    stamps = {"gitVersion": version, "gitMajor": major, "gitMinor": minor}
    ldflags = ["-s", "-w"] + [f"-X k8s.io/component-base/version.{key}={stamps[key]}" for key in stamps]
    return build_go_program(MODULES / version, f"k8s.io/kubernetes/cmd/{name}", f"{name}-{version}", ldflags)


@dataclass(frozen=True, slots=True)
class Response:
    """What the API server answered: HTTP status, decoded body, texts of its Warning headers."""

    status: int
    body: Json
    warnings: tuple[str, ...]

    @property
    def message(self) -> str:
        return str(self.body.get("message", ""))


class Client:
    """A JSON client of one API server over one kept connection; not for several threads."""

    def __init__(self, host: str, port: int, ca_file: Path, headers: Mapping[str, str | Sequence[str]]):
        self._address = (host, port)
        self._ca_file = ca_file
        self._headers = dict(headers)
        self._connection: http.client.HTTPSConnection | None = None
        self._resources: dict[tuple[str, str], tuple[str, bool]] = {}

    def impersonate(self, user: str, groups: Sequence[str] = ()) -> Client:
        """Make a client that acts as another identity."""
        headers = {**self._headers, "Impersonate-User": user}
        if groups:
            headers["Impersonate-Group"] = list(groups)
        client = Client(*self._address, self._ca_file, headers)
        client._resources = self._resources
        return client

    def request(
        self, method: str, path: str, body: object = None, content_type: str = "application/json"
    ) -> Response:
        """Send one request; `path` carries its own query. Network trouble raises OSError."""
        data = None if body is None else json.dumps(body).encode()
        try:
            return self._send(method, path, data, content_type)
        except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError, ssl.SSLEOFError):
            # The server closes idle connections; one that was just opened is not idle.
            self.close()
            return self._send(method, path, data, content_type)

    def get(self, api_version: str, kind: str, name: str, namespace: str = "") -> Response:
        return self.request("GET", self._path(api_version, kind, namespace, name))

    def list(self, api_version: str, kind: str, namespace: str = "") -> Response:
        return self.request("GET", self._path(api_version, kind, namespace))

    def create(
        self,
        manifest: Json,
        *,
        dry_run: bool = False,
        field_validation: str = "Strict",
        subresource: str = "",
    ) -> Response:
        path = self._path_of(manifest, named=bool(subresource), subresource=subresource)
        return self.request("POST", path + _write_query(dry_run, field_validation), manifest)

    def update(
        self,
        manifest: Json,
        *,
        dry_run: bool = False,
        field_validation: str = "Strict",
        subresource: str = "",
    ) -> Response:
        path = self._path_of(manifest, named=True, subresource=subresource)
        return self.request("PUT", path + _write_query(dry_run, field_validation), manifest)

    def apply(
        self,
        manifest: Json,
        *,
        dry_run: bool = False,
        field_validation: str = "Strict",
        field_manager: str = "migrator-test",
        force: bool = True,
        subresource: str = "",
    ) -> Response:
        """Server-side apply."""
        path = self._path_of(manifest, named=True, subresource=subresource)
        query = _write_query(
            dry_run, field_validation, fieldManager=field_manager, force="true" if force else "false"
        )
        return self.request("PATCH", path + query, manifest, "application/apply-patch+yaml")

    def delete(self, api_version: str, kind: str, name: str, namespace: str = "") -> Response:
        body = {"kind": "DeleteOptions", "apiVersion": "v1", "gracePeriodSeconds": 0}
        return self.request("DELETE", self._path(api_version, kind, namespace, name), body)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _send(self, method: str, path: str, data: bytes | None, content_type: str) -> Response:
        if self._connection is None:
            self._connection = self._connect()
        connection = self._connection
        try:
            connection.putrequest(method, path)
            for name, value in self._headers.items():
                for item in [value] if isinstance(value, str) else value:
                    connection.putheader(name, item)
            if data is not None:
                connection.putheader("Content-Type", content_type)
                connection.putheader("Content-Length", str(len(data)))
            connection.endheaders(data)
            answer = connection.getresponse()
            text = answer.read().decode()
        except BaseException:
            self.close()
            raise
        warnings = tuple(_read_warning(header) for header in answer.headers.get_all("Warning") or ())
        return Response(answer.status, _decode_body(text), warnings)

    def _connect(self) -> http.client.HTTPSConnection:
        context = ssl.create_default_context(cafile=str(self._ca_file))
        # Python 3.13 asks for extensions that the server's own certificate does not carry.
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        connection = http.client.HTTPSConnection(*self._address, timeout=60, context=context)
        connection.connect()
        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def _path_of(self, manifest: Json, named: bool, subresource: str) -> str:
        metadata = manifest.get("metadata", {})
        name = metadata["name"] if named else ""
        path = self._path(manifest["apiVersion"], manifest["kind"], metadata.get("namespace", ""), name)
        return f"{path}/{subresource}" if subresource else path

    def _path(self, api_version: str, kind: str, namespace: str, name: str = "") -> str:
        resource, namespaced = self._find_resource(api_version, kind)
        path = f"{_group_path(api_version)}/"
        if namespaced and namespace:
            path += f"namespaces/{urllib.parse.quote(namespace, safe='')}/"
        path += resource
        return f"{path}/{urllib.parse.quote(name, safe='')}" if name else path

    def _find_resource(self, api_version: str, kind: str) -> tuple[str, bool]:
        if (api_version, kind) not in self._resources:
            for entry in self.request("GET", _group_path(api_version)).body.get("resources", ()):
                if "/" not in entry["name"]:
                    self._resources[api_version, entry["kind"]] = (entry["name"], entry["namespaced"])
        try:
            return self._resources[api_version, kind]
        except KeyError:
            raise LookupError(f"the server does not know {api_version} {kind}") from None


class ControlPlane:
    """etcd and Kubernetes' servers of one version, running while the `with` block does.

    `components` are the programs to run: kube-apiserver always, kube-scheduler and kube-controller-manager
    when named. `admission_plugins` are switched on and `disabled_admission_plugins` off on top of the
    version's own list. `server_arguments` go to the API server as they stand, `controllers` are those that the
    controller manager runs. Everything lives in one
    temporary folder and on free loopback ports. Raises FileNotFoundError without Go or etcd,
    ControlPlaneError when a server does not start. Nothing stays behind: the block's end, the interpreter's
    end and the death of the parent each end the processes, and a folder that outlived a killed parent goes
    when the next control plane starts.
    """

    def __init__(
        self,
        version: str,
        *,
        components: Sequence[str] = (API_SERVER,),
        admission_plugins: Sequence[str] = (),
        disabled_admission_plugins: Sequence[str] = (),
        server_arguments: Sequence[str] = (),
        controllers: Sequence[str] = ("*",),
    ):
        missing = name_missing_requirement()
        if missing is not None:
            raise FileNotFoundError(missing)
        self.version = version
        self._programs = {
            name: build_component(version, name) for name in {API_SERVER: 0, **dict.fromkeys(components)}
        }
        self._admission_plugins = tuple(admission_plugins)
        self._disabled_admission_plugins = tuple(disabled_admission_plugins)
        self._server_arguments = tuple(server_arguments)
        self._controllers = tuple(controllers)
        self._access = 0, ""
        self._processes: list[subprocess.Popen[bytes]] = []
        self._folder: Path | None = None
        self._client: Client | None = None

    def __enter__(self) -> Self:
        _remove_abandoned_folders()
        for left in reversed(range(_STARTS)):
            atexit.register(self.stop)
            try:
                self._start()
                break
            except ControlPlaneError as error:
                self.stop()
                # A free port was taken by somebody else before the server came to it.
                if not left or "address already in use" not in str(error):
                    raise
            except BaseException:
                self.stop()
                raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def client(self) -> Client:
        """An administrator's client (group system:masters)."""
        assert self._client is not None, "the control plane is not running"
        return self._client

    @property
    def folder(self) -> Path:
        assert self._folder is not None, "the control plane is not running"
        return self._folder

    @property
    def kubeconfig(self) -> Path:
        """An administrator's kubeconfig, with the context `test`."""
        path = self.folder / "kubeconfig.json"
        path.write_text(json.dumps(_make_kubeconfig(self._access[0], self._ca_file, self._access[1])))
        return path

    @property
    def processes(self) -> tuple[int, ...]:
        return tuple(process.pid for process in self._processes)

    def read_log(self, component: str) -> str:
        return (self.folder / f"{component}.log").read_text(errors="replace")

    def stop_controller(self, name: str) -> None:
        """End the scheduler or the controller manager, to be started again."""
        process = next(item for item in self._processes if Path(item.args[0]).name.startswith(name))
        _kill_group(process)
        self._processes.remove(process)

    def start_controller(self, name: str) -> None:
        """Start the scheduler or the controller manager."""
        self._start_controller(name)

    def stop(self) -> None:
        """End the processes and remove the folder; a second call does nothing."""
        atexit.unregister(self.stop)
        if self._client is not None:
            self._client.close()
            self._client = None
        for process in reversed(self._processes):
            _kill_group(process)
        self._processes.clear()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def _start(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix=f"{_FOLDER_PREFIX}{os.getpid()}-"))
        etcd_port, peer_port, api_port = _find_free_ports(3)
        token = secrets.token_hex(16)
        self._start_etcd(etcd_port, peer_port)
        self._start_api_server(etcd_port, api_port, token)
        self._wait_until_ready(api_port, token)
        self._access = api_port, token
        for name in self._programs:
            if name != API_SERVER:
                self._start_controller(name)

    def _start_etcd(self, port: int, peer_port: int) -> None:
        etcd = find_etcd()
        assert etcd is not None
        client_url, peer_url = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{peer_port}"
        self._spawn(
            "etcd",
            [
                etcd,
                f"--data-dir={self.folder / 'etcd'}",
                f"--listen-client-urls={client_url}",
                f"--advertise-client-urls={client_url}",
                f"--listen-peer-urls={peer_url}",
                f"--initial-advertise-peer-urls={peer_url}",
                f"--initial-cluster=default={peer_url}",
            ],
        )

    def _start_api_server(self, etcd_port: int, port: int, token: str) -> None:
        tokens = self.folder / "tokens.csv"
        tokens.write_text(f"{token},administrator,administrator,system:masters\n")
        key = self.folder / "service-account.key"
        key.write_text(_make_signing_key())
        command = [
            str(self._programs[API_SERVER]),
            f"--etcd-servers=http://127.0.0.1:{etcd_port}",
            f"--secure-port={port}",
            "--bind-address=127.0.0.1",
            f"--cert-dir={self.folder / 'certificates'}",
            f"--service-account-key-file={key}",
            f"--service-account-signing-key-file={key}",
            "--service-account-issuer=https://kubernetes.default.svc",
            "--service-cluster-ip-range=10.96.0.0/16",
            f"--token-auth-file={tokens}",
            "--authorization-mode=RBAC",
            "--allow-privileged=true",
        ]
        if self._admission_plugins:
            command.append(f"--enable-admission-plugins={','.join(self._admission_plugins)}")
        if self._disabled_admission_plugins:
            command.append(f"--disable-admission-plugins={','.join(self._disabled_admission_plugins)}")
        self._spawn(API_SERVER, command + list(self._server_arguments))

    def _start_controller(self, name: str) -> None:
        command = [
            str(self._programs[name]),
            f"--kubeconfig={self.kubeconfig}",
            "--leader-elect=false",
            "--secure-port=0",
        ]
        if name == "kube-controller-manager":
            command += [
                f"--controllers={','.join(self._controllers)}",
                "--use-service-account-credentials=true",
                f"--service-account-private-key-file={self.folder / 'service-account.key'}",
                f"--root-ca-file={self._ca_file}",
            ]
        self._spawn(name, command)

    @property
    def _ca_file(self) -> Path:
        return self.folder / "certificates" / "apiserver.crt"

    def _spawn(self, name: str, command: list[str]) -> None:
        # A session of its own keeps the terminal's Ctrl-C away, so that the folder goes after the processes. The
        # signal on the parent's death comes when the thread that started the process ends: keep that one alive.
        with (self.folder / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self.folder,
                start_new_session=True,
                preexec_fn=_make_parent_death_fatal(os.getpid()),
            )
        self._processes.append(process)

    def _wait_until_ready(self, port: int, token: str) -> None:
        deadline = time.monotonic() + _START_SECONDS
        headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
        while True:
            self._check_alive()
            if self._ca_file.exists():
                client = Client("127.0.0.1", port, self._ca_file, headers)
                try:
                    if client.request("GET", "/readyz").status == 200:
                        self._client = client
                        return
                except OSError:
                    pass
                client.close()
            if time.monotonic() > deadline:
                raise ControlPlaneError(f"not ready after {_START_SECONDS:.0f} s\n{self._read_log_ends()}")
            time.sleep(0.1)

    def _check_alive(self) -> None:
        for process in self._processes:
            if process.poll() is not None:
                raise ControlPlaneError(f"exit {process.returncode}: {process.args!r}\n{self._read_log_ends()}")

    def _read_log_ends(self) -> str:
        logs = sorted(self.folder.glob("*.log"))
        return "\n".join(f"--- {log.name}\n{log.read_text(errors='replace')[-2000:]}" for log in logs)


@contextlib.contextmanager
def run_controllers(controllers: Sequence[str], nodes: Sequence[str]) -> Iterator[ControlPlane]:
    """Run v1.34.4 with its scheduler and some controllers, and nodes that have room and no kubelet.

    The node controller would miss the kubelets, and is none of them.
    """
    with ControlPlane(
        "v1.34.4",
        components=(API_SERVER, "kube-scheduler", "kube-controller-manager"),
        disabled_admission_plugins=("ServiceAccount", "TaintNodesByCondition"),
        controllers=controllers,
    ) as running:
        held = {"cpu": "8", "memory": "32Gi", "pods": "110"}
        status = {"allocatable": held, "capacity": held, "conditions": [{"type": "Ready", "status": "True"}]}
        for name in nodes:
            metadata = {"name": name, "labels": {"kubernetes.io/hostname": name}}
            node = {"apiVersion": "v1", "kind": "Node", "metadata": metadata, "status": status}
            answer = running.client.create(node)
            assert answer.status == 201, answer.message
        yield running


def wait_for(condition: Any, seconds: float = 30.0, pause: float = 0.1) -> Any:
    """Call `condition` until it returns something true, and return that; TimeoutError after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > deadline:
            raise TimeoutError(f"still {result!r} after {seconds} s")
        time.sleep(pause)


def _make_parent_death_fatal(parent: int) -> Any:
    libc = ctypes.CDLL(None, use_errno=True)

    def set_parent_death_signal() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)

    return set_parent_death_signal


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _remove_abandoned_folders() -> None:
    for folder in Path(tempfile.gettempdir()).glob(f"{_FOLDER_PREFIX}*-*"):
        owner = re.match(rf"{_FOLDER_PREFIX}(\d+)-", folder.name)
        if owner and not Path(f"/proc/{owner[1]}").exists():
            shutil.rmtree(folder, ignore_errors=True)


def _find_free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    try:
        return [int(opened.getsockname()[1]) for opened in sockets]
    finally:
        for opened in sockets:
            opened.close()


def _make_signing_key() -> str:
    # RFC 5915: version 1, the 32 bytes of a P-256 key, the curve's name. The server derives the public half.
    der = bytes.fromhex("3031020101") + b"\x04\x20\x00" + secrets.token_bytes(31)
    der += bytes.fromhex("a00a06082a8648ce3d030107")
    text = base64.encodebytes(der).decode()
    return f"-----BEGIN EC PRIVATE KEY-----\n{text}-----END EC PRIVATE KEY-----\n"


def _make_kubeconfig(api_port: int, ca_file: Path, token: str) -> Json:
    server = {"server": f"https://127.0.0.1:{api_port}", "certificate-authority": str(ca_file)}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "test", "cluster": server}],
        "users": [{"name": "administrator", "user": {"token": token}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "administrator"}}],
        "current-context": "test",
    }


def _group_path(api_version: str) -> str:
    return f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"


def _write_query(dry_run: bool, field_validation: str, **more: str) -> str:
    query = {"fieldValidation": field_validation, **more}
    if dry_run:
        query["dryRun"] = "All"
    return "?" + urllib.parse.urlencode(query)


def _read_warning(header: str) -> str:
    quoted = re.match(r'\d{3} \S+ "((?:[^"\\]|\\.)*)"', header)
    return re.sub(r"\\(.)", r"\1", quoted[1]) if quoted else header


def _decode_body(text: str) -> Json:
    try:
        body = json.loads(text)
    except ValueError:
        return {"message": text}
    return body if isinstance(body, dict) else {"message": text}
