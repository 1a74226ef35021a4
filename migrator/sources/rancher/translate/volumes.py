"""Volumes, `volumes_from`, volume drivers, tmpfs: pod volumes, mounts and claims.

Docker copies an image's content into a fresh volume; a pod does not. Where one container takes another's volumes
an init container of the same image copies it.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from typing import Any

from migrator.model.record import record
from migrator.sources.rancher.compose import KeyOrigin
from migrator.sources.rancher.stack import StackService
from migrator.sources.rancher.translate.model import Draft, KeyFate, Part, mark, report
from migrator.sources.rancher.translate.names import make_distinct, make_name
from migrator.sources.rancher.translate.numbers import read_boolean, read_size, write_size
from migrator.sources.rancher.translate.survey import Context, image_name, read_scale, words
from migrator.sources.tables import load_table

_OPTIONS = frozenset(
    {"ro", "rw", "z", "Z", "shared", "rshared", "slave", "rslave", "private", "rprivate", "nocopy", "consistent",
     "cached", "delegated"}
)  # fmt: skip
_PROPAGATION = {
    "shared": "Bidirectional",
    "rshared": "Bidirectional",
    "slave": "HostToContainer",
    "rslave": "HostToContainer",
}
_SYSTEM_PATHS = ("/proc", "/sys", "/dev", "/etc", "/run", "/var/run", "/boot", "/lib", "/usr", "/bin", "/sbin")
_SIZE_OPTIONS = ("size", "volume-size", "volumeSize")


@record
class Mount:
    """A volume of a container: `source` None is an anonymous one."""

    owner: str
    source: str | None
    target: str
    options: tuple[str, ...]
    origin: KeyOrigin

    @property
    def read_only(self) -> bool:
        """Tell whether it is mounted for reading only."""
        return "ro" in self.options

    @property
    def on_host(self) -> bool:
        """Tell whether it is a path of the host."""
        return self.source is not None and self.source.startswith("/")

    @property
    def named(self) -> bool:
        """Tell whether it is a volume with a name."""
        return self.source is not None and not self.source.startswith(("/", ".", "~"))


@record
class Claim:
    """A named volume: the claim's name, and what its driver gave."""

    name: str
    origin: KeyOrigin
    driver: str
    access_mode: str
    size: str
    storage_class: str | None
    external: bool
    per_container: bool
    per_host: bool
    options: tuple[str, ...]


@record
class PodVolumes:
    """The storage of a pod: volumes, each member's mounts, claim templates, init containers that copy content."""

    volumes: tuple[dict[str, Any], ...]
    mounts: Mapping[str, tuple[dict[str, Any], ...]]
    templates: tuple[dict[str, Any], ...]
    copies: tuple[dict[str, Any], ...]
    claims: tuple[str, ...]
    fates: tuple[KeyFate, ...]
    comments: tuple[str, ...]


def parse_mount(owner: str, value: Any, origin: KeyOrigin) -> Mount:
    """Read `[source:]target[:options]`, or the long form's mapping."""
    if isinstance(value, Mapping):
        source = value.get("source")
        kept = ("ro",) if read_boolean(value.get("read_only")) else ()
        return Mount(owner, None if source is None else str(source), str(value.get("target", "")), kept, origin)
    parts = str(value).strip().split(":")
    options: tuple[str, ...] = ()
    if len(parts) > 1 and set(parts[-1].split(",")) <= _OPTIONS:
        options = tuple(parts.pop().split(","))
    if len(parts) == 1:
        return Mount(owner, None, _clean(parts[0]), options, origin)
    return Mount(owner, parts[0] or None, _clean(parts[1]), (*options, *parts[2:]), origin)


def _clean(path: str) -> str:
    return re.sub(r"/{2,}", "/", path).rstrip("/") or path


def read_mounts(service: StackService) -> tuple[Mount, ...]:
    """Give the volumes that a service declares itself; blank ones are left out."""
    value = service.get("volumes")
    if value is None:
        return ()
    items = value if isinstance(value, list) else list(value) if isinstance(value, Mapping) else [value]
    return tuple(
        parse_mount(service.name, item, service.origin_of("volumes", place))
        for place, item in enumerate(items)
        if item not in (None, "")
    )


def split_source(text: str) -> tuple[str, tuple[str, ...]]:
    """Read an entry of `volumes_from`: `service[:ro|rw]`, `container:name[:ro]`."""
    parts = text.strip().split(":")
    if parts[0] == "container" and len(parts) > 1:
        parts = parts[1:]
    return parts[0], tuple(part for part in parts[1:] if part in _OPTIONS)


def find_mounts(context: Context, name: str, seen: frozenset[str] = frozenset()) -> tuple[Mount, ...]:
    """Give all volumes that a service's container sees: its own, and those of its `volumes_from`."""
    service = context.service(name)
    mounts = list(read_mounts(service))
    targets = {mount.target for mount in mounts}
    for text, origin in service.texts("volumes_from"):
        source, options = split_source(text)
        if context.stack.service(source) is None or source in seen or source == name:
            continue
        for mount in find_mounts(context, source, seen | {name}):
            if mount.target not in targets:
                targets.add(mount.target)
                kept = (*mount.options, "ro") if "ro" in options and not mount.read_only else mount.options
                mounts.append(Mount(mount.owner, mount.source, mount.target, kept, origin))
    return tuple(mounts)


def find_shared(context: Context) -> frozenset[str]:
    """Give the services whose anonymous volumes a container of another pod takes."""
    shared: set[str] = set()
    for service in context.stack.services:
        if not context.has_pods(service.name):
            continue
        mates = _pod_mates(context, service.name)
        for mount in find_mounts(context, service.name):
            if mount.owner != service.name and mount.owner not in mates:
                shared.add(mount.owner)
    return frozenset(shared)


def _pod_mates(context: Context, name: str) -> frozenset[str]:
    owners = context.primaries.get(name, (name,))
    return frozenset(mate for owner in owners for mate in context.pods.get(owner, ()))


def claim_name(context: Context, mount: Mount) -> str:
    """Give the name of the claim behind a named volume, or behind an anonymous one that pods share."""
    if mount.source is not None:
        return make_name(mount.source, fallback="volume")
    return make_name(f"{mount.owner}-{mount.target.strip('/')}", fallback="volume")


def read_claim(context: Context, mount: Mount) -> Claim:
    """Find what a named volume is: from the top level `volumes`, from its service's `volume_driver`, else local."""
    table = load_table("sources/rancher/drivers.yaml")
    service = context.service(mount.owner)
    setting = context.stack.section("volumes").get(mount.source or "")
    spec = setting.value if setting and isinstance(setting.value, Mapping) else {}
    driver = str(spec.get("driver") or service.text("volume_driver") or "local")
    row = table["drivers"].get(driver, table["unknown"])
    options = spec.get("driver_opts")
    options = options if isinstance(options, Mapping) else {}
    external = spec.get("external")
    name = claim_name(context, mount)
    if isinstance(external, Mapping) and external.get("name"):
        name = make_name(str(external["name"]), fallback="volume")
    access_mode = row["accessMode"]
    if mount.source is None:
        access_mode, row = "ReadWriteMany", table["unknown"]
    return Claim(
        name=name,
        origin=setting.origin if setting else mount.origin,
        driver=driver,
        access_mode=access_mode,
        size=_read_claim_size(options, context.policy.storage_size),
        storage_class=context.policy.storage_classes.get(driver),
        external=isinstance(external, Mapping) or read_boolean(external),
        per_container=read_boolean(spec.get("per_container")),
        per_host=row["perHost"],
        options=tuple(key for key in options if key not in _SIZE_OPTIONS),
    )


def _read_claim_size(options: Mapping[str, Any], default: str) -> str:
    for key in _SIZE_OPTIONS:
        value = options.get(key)
        if value:
            text = str(value)
            size = read_size(f"{text}g" if text.isdigit() and int(text) < 65536 else text)
            if size:
                return write_size(size)
    return default


def find_users(context: Context, name: str) -> frozenset[str]:
    """Give the pods, by their primary, that use a named volume."""
    return frozenset(
        primary
        for primary, members in context.pods.items()
        for member in members
        for mount in find_mounts(context, member)
        if mount.named and mount.source == name
    )


def needs_own_claims(context: Context, primary: str) -> bool:
    """Tell whether every pod needs volumes of its own, as each container had or each host gave."""
    members = context.pods[primary]
    several = read_scale(context.service(primary)) > 1
    for member in members:
        for mount in find_mounts(context, member):
            if mount.named and _is_own(context, mount, several):
                return True
    return False


def _is_own(context: Context, mount: Mount, several: bool) -> bool:
    claim = read_claim(context, mount)
    if claim.external:
        return False
    return claim.per_container or (claim.per_host and several and len(find_users(context, mount.source or "")) == 1)


def build_volumes(context: Context, primary: str, kind: str, shared: frozenset[str]) -> PodVolumes:
    """Build the storage of a pod whose workload is of a kind."""
    return _PodBuilder(context, primary, kind, shared).build()


class _PodBuilder:
    """Gathers the volumes of one pod, each once."""

    def __init__(self, context: Context, primary: str, kind: str, shared: frozenset[str]) -> None:
        self.context = context
        self.primary = primary
        self.kind = kind
        self.shared = shared
        self.names: dict[tuple[str, str], str] = {}
        self.volumes: list[dict[str, Any]] = []
        self.templates: list[dict[str, Any]] = []
        self.claims: list[str] = []
        self.fates: list[KeyFate] = []
        self.comments: list[str] = []

    def build(self) -> PodVolumes:
        members = self.context.pods[self.primary]
        mounts = {member: tuple(self._mount_all(member)) for member in members}
        copies = tuple(self._copy_content(members, mounts))
        for member in members:
            self._report_sources(member)
        return PodVolumes(
            volumes=tuple(self.volumes),
            mounts=mounts,
            templates=tuple(self.templates),
            copies=copies,
            claims=tuple(self.claims),
            fates=tuple(self.fates),
            comments=tuple(dict.fromkeys(self.comments)),
        )

    def _mount_all(self, member: str) -> Iterator[dict[str, Any]]:
        targets: set[str] = set()
        for mount in find_mounts(self.context, member):
            if not mount.target.startswith("/") or ":" in mount.target:
                self.fates.append(report(mount.origin, f"{mount.target!r} is no absolute path; left out."))
                continue
            if mount.target in targets:
                self.fates.append(report(mount.origin, f"{mount.target} is mounted twice; the first counts."))
                continue
            targets.add(mount.target)
            strange = [option for option in mount.options if option not in _OPTIONS]
            if strange:
                self.fates.append(report(mount.origin, f"{', '.join(strange)}: no option of a volume; left out."))
            entry: dict[str, Any] = {"name": self._volume(mount), "mountPath": mount.target}
            if mount.read_only:
                entry["readOnly"] = True
            propagation = next((_PROPAGATION[option] for option in mount.options if option in _PROPAGATION), None)
            if propagation == "Bidirectional" and not read_boolean(self.context.service(member).get("privileged")):
                propagation = "HostToContainer"
                message = "Only privileged containers may share mounts back; they are seen from the host only."
                self.fates.append(report(mount.origin, message))
            if propagation:
                entry["mountPropagation"] = propagation
            yield entry
        yield from self._mount_memory(self.context.service(member), targets)

    def _mount_memory(self, service: StackService, targets: set[str]) -> Iterator[dict[str, Any]]:
        for text, _ in service.texts("tmpfs"):
            path, _, options = text.partition(":")
            if path in targets or not path.startswith("/"):
                continue
            targets.add(path)
            size = re.search(r"size=([0-9]+[kmgKMG]?)", options)
            yield {"name": self._memory(service, path, size[1] if size else None), "mountPath": path}
        size_text = service.text("shm_size")
        if size_text and "/dev/shm" not in targets:
            yield {"name": self._memory(service, "/dev/shm", size_text), "mountPath": "/dev/shm"}

    def _memory(self, service: StackService, path: str, size: str | None) -> str:
        name = self._make_volume_name(f"{service.name}-{path.strip('/')}")
        limit = read_size(size) if size else None
        medium: dict[str, Any] = {"medium": "Memory"}
        if limit:
            medium["sizeLimit"] = write_size(limit)
        self.volumes.append({"name": name, "emptyDir": medium})
        return name

    def _make_volume_name(self, text: str) -> str:
        taken = {volume["name"] for volume in self.volumes} | {item["metadata"]["name"] for item in self.templates}
        return make_distinct(make_name(text, fallback="volume"), taken)

    def _volume(self, mount: Mount) -> str:
        key = (mount.owner, mount.target) if mount.source is None else ("", mount.source)
        if key not in self.names:
            self.names[key] = self._add_volume(mount)
        return self.names[key]

    def _add_volume(self, mount: Mount) -> str:
        if mount.on_host:
            return self._add_host_path(mount)
        if mount.named or (mount.source is None and mount.owner in self.shared):
            return self._add_claim(mount)
        name = self._make_volume_name(
            mount.target if mount.owner == self.primary else f"{mount.owner}-{mount.target.strip('/')}"
        )
        self.volumes.append({"name": name, "emptyDir": {}})
        if mount.source is not None:
            message = (
                f"{mount.source} was a path beside the compose file; fill this volume from a ConfigMap or an image."
            )
            self.fates.append(report(mount.origin, message))
            self.comments.append(f"{mount.target} was {mount.source} beside the compose file: fill it")
        else:
            message = "emptyDir: as in Cattle the data ends with the container; use a claim if it must stay."
            if mount.owner != self.primary:
                message = f"emptyDir: {mount.owner} kept the data of {mount.target}; use a claim if it must stay."
                self.comments.append(message)
            self.fates.append(report(mount.origin, message))
        return name

    def _add_host_path(self, mount: Mount) -> str:
        path = posixpath.normpath(mount.source or "/")  # the API takes no `..` here
        name = self._make_volume_name(path.strip("/") or "root")
        host: dict[str, Any] = {"path": path}
        kind = _find_path_type(path)
        if kind:
            host["type"] = kind
        self.volumes.append({"name": name, "hostPath": host})
        if path.endswith("docker.sock"):
            message = "hostPath: nodes with containerd have no Docker socket; this container needs another way."
            self.fates.append(report(mount.origin, message))
            self.comments.append("needs the Docker socket, which nodes with containerd do not have")
        return name

    def _add_claim(self, mount: Mount) -> str:
        claim = read_claim(self.context, mount)
        several = read_scale(self.context.service(self.primary)) > 1
        if self.kind == "DaemonSet" and claim.per_host and not claim.external:
            name = self._make_volume_name(claim.name)
            path = f"/var/lib/{self.context.namespace}/{claim.name}"
            self.volumes.append({"name": name, "hostPath": {"path": path, "type": "DirectoryOrCreate"}})
            message = f"hostPath {path}: a local volume of each host; copy its data there."
            self.fates.append(report(mount.origin, message))
            return name
        if self.kind == "StatefulSet" and mount.named and _is_own(self.context, mount, several):
            name = self._make_volume_name(claim.name)
            self.templates.append({"metadata": {"name": name}, "spec": claim_spec(claim)})
            message = "volumeClaimTemplates: a volume for each pod, as each container or host had its own."
            self.fates.append(mark(mount.origin, "translated", message))
            return name
        name = self._make_volume_name(claim.name)
        self.volumes.append({"name": name, "persistentVolumeClaim": {"claimName": claim.name}})
        self.claims.append(claim.name)
        if claim.per_container and self.kind in ("DaemonSet", "Job"):
            message = f"A {self.kind} has no claims of its own: all its pods share {claim.name}, not one each."
            self.fates.append(report(mount.origin, message))
            self.comments.append(message)
        if claim.access_mode == "ReadWriteOnce" and (several or self.kind == "DaemonSet"):
            message = f"{claim.name} is ReadWriteOnce, but several pods use it: choose a ReadWriteMany storage class."
            self.fates.append(report(mount.origin, message))
            self.comments.append(message)
        return name

    def _copy_content(
        self, members: tuple[str, ...], mounts: Mapping[str, tuple[dict[str, Any], ...]]
    ) -> Iterator[dict[str, Any]]:
        """Copy what an image holds at paths that another container of the pod takes."""
        for source in members:
            service = self.context.service(source)
            taken = [
                mount
                for member in members
                if member != source
                for mount in find_mounts(self.context, member)
                if mount.owner == source and not mount.on_host
            ]
            image = image_name(service.text("image"))
            if not taken or image in words()["emptyImages"] or not service.text("image"):
                continue
            paths = list(dict.fromkeys(mount.target for mount in taken if mount.target.startswith("/")))
            entries = {entry["mountPath"]: entry["name"] for entry in mounts[source]}
            paths = [path for path in paths if path in entries]
            if paths:
                message = f"an init container copies what {service.text('image')} holds, as Docker did"
                self.comments.append(f"{message}; the image needs a shell")
                yield {
                    "name": make_name(f"copy-{self.context.names[source]}"),
                    "image": service.text("image").removeprefix("docker:"),
                    "command": [
                        "sh",
                        "-c",
                        "; ".join(_write_copy(path, number) for number, path in enumerate(paths)),
                    ],
                    "volumeMounts": [
                        {"name": entries[path], "mountPath": f"/volumes/{number}"}
                        for number, path in enumerate(paths)
                    ],
                }

    def _report_sources(self, member: str) -> None:
        service = self.context.service(member)
        mates = self.context.pods[self.primary]
        for text, origin in service.texts("volumes_from"):
            source, _ = split_source(text)
            known = self.context.stack.service(source)
            if known is None:
                self.fates.append(
                    report(origin, f"There is no service {source} in this stack; its volumes are missing.")
                )
            elif not find_mounts(self.context, source):
                message = (
                    f"{source} declares no volumes here; those of its image (VOLUME) cannot be seen: write them down."
                )
                self.fates.append(report(origin, message))
            elif source not in mates:
                message = f"{source} runs in another pod: its volumes become ReadWriteMany claims that both mount."
                self.fates.append(report(origin, message))
            else:
                self.fates.append(mark(origin, "translated", f"volumes of the pod that {source} declares"))


def _write_copy(path: str, number: int) -> str:
    target = f"/volumes/{number}"
    # `$$(` keeps the kubelet from taking `$(` for a variable.
    return f'if [ -d "{path}" ] && [ -z "$$(ls -A {target})" ]; then cp -a "{path}/." {target}/; fi'


def _find_path_type(path: str) -> str | None:
    if path.endswith(".sock"):
        return "Socket"
    if path == "/" or any(path == system or path.startswith(system + "/") for system in _SYSTEM_PATHS):
        return None
    return None if "." in path.rpartition("/")[2] else "DirectoryOrCreate"


def claim_spec(claim: Claim) -> dict[str, Any]:
    """Give the spec of a claim."""
    spec: dict[str, Any] = {"accessModes": [claim.access_mode]}
    if claim.storage_class:
        spec["storageClassName"] = claim.storage_class
    spec["resources"] = {"requests": {"storage": claim.size}}
    return spec


def draft_claims(context: Context, used: frozenset[str]) -> Part:
    """Draft the claims that pods refer to, each once; those declared but not used are reported."""
    drafts: dict[str, Draft] = {}
    fates: list[KeyFate] = []
    sources: set[str] = set()
    for primary, members in context.pods.items():
        for member in members:
            for mount in find_mounts(context, member):
                if (not mount.named and mount.source is not None) or mount.on_host:
                    continue
                sources.add(mount.source or "")
                claim = read_claim(context, mount)
                if claim.name not in used or claim.name in drafts:
                    continue
                if claim.external:
                    fates.append(
                        report(claim.origin, f"The claim {claim.name} must exist already; it is not created.")
                    )
                    continue
                drafts[claim.name] = _draft_claim(context, claim, primary)
                if claim.options:
                    text = f"driver_opts {', '.join(claim.options)}: parameters of a StorageClass"
                    fates.append(report(claim.origin, f"PersistentVolumeClaim {claim.name}; {text}."))
    for name, setting in context.stack.section("volumes").items():
        if name not in sources:
            message = "No service uses this volume; nothing is created for it."
            if "$" in name:
                message = f"Rancher replaced no variable in a name: {message[0].lower()}{message[1:]}"
            fates.append(report(setting.origin, message))
    return Part(drafts=tuple(drafts.values()), fates=tuple(fates))


def _draft_claim(context: Context, claim: Claim, primary: str) -> Draft:
    comments = []
    if claim.storage_class is None and claim.driver != "local":
        comments.append(
            f"Rancher's driver was {claim.driver}: choose a storage class that offers {claim.access_mode}."
        )
    if claim.access_mode == "ReadWriteMany" and claim.driver == "local":
        comments.append("Several pods share this volume: choose a storage class that offers ReadWriteMany.")
    return Draft(
        "rancher_persistent_volume_claim.yaml.j2",
        {
            "name": claim.name,
            "labels": {"app.kubernetes.io/part-of": context.instance},
            "spec": claim_spec(claim),
        },
        "volumes",
        claim.origin,
        tuple(comments),
    )
