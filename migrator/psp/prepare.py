"""What the API server makes of a pod before and after its policies are asked.

Before: defaults, and the token that the ServiceAccount plugin mounts. After: seccomp annotations and fields are
brought into line. Source: pkg/apis/core/v1/defaults.go,
plugin/pkg/admission/serviceaccount, pkg/registry/core/pod/strategy.go of Kubernetes 1.24.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from migrator.model.field import FieldPath, format_path
from migrator.psp.fields.seccomp import convert_annotation, convert_field
from migrator.psp.pod import (
    SECCOMP_CONTAINER_PREFIX,
    SECCOMP_POD,
    Object,
    get_annotations,
    get_security_context,
    get_spec,
    set_fields,
    visit_containers,
)
from migrator.psp.shape import read_pod

TOKEN_MOUNT_PATH: Final = "/var/run/secrets/kubernetes.io/serviceaccount"
_TOKEN_VOLUME_PREFIX: Final = "kube-api-access-"
# The API server ends the name with five random characters.
_TOKEN_VOLUME: Final = _TOKEN_VOLUME_PREFIX + "00000"


def prepare_pod(pod: Object, service_account: Object | None = None) -> dict[str, Any]:
    """Make the pod that the policies see out of the one that was submitted.

    `service_account` is the ServiceAccount object that the pod runs under, None where it is not known; of it only
    `automountServiceAccountToken` counts. Raises PodShapeError for a pod that the API server would not decode.
    """
    return mount_service_account_token(set_defaults(read_pod(pod)), service_account)


def set_defaults(pod: Object) -> dict[str, Any]:
    """Fill in the API's defaults that policies can see."""
    spec = dict(get_spec(pod))
    spec["securityContext"] = dict(get_security_context(spec))
    if not spec.get("serviceAccountName"):
        spec["serviceAccountName"] = spec.get("serviceAccount") or "default"
    if spec.get("hostNetwork"):
        # Ephemeral containers have no ports.
        for field in ("initContainers", "containers"):
            if spec.get(field):
                spec[field] = [_set_host_ports(container) for container in spec[field]]
    return {**pod, "spec": spec}


def _set_host_ports(container: Object) -> Object:
    ports = container.get("ports")
    if not ports:
        return container
    return {
        **container,
        "ports": [
            port if port.get("hostPort") else {**port, "hostPort": port.get("containerPort")} for port in ports
        ],
    }


def mount_service_account_token(pod: Object, service_account: Object | None = None) -> dict[str, Any]:
    """Mount the service account's token as its admission plugin does.

    Containers that already mount something at the token's place get none; no volume is added where none is
    mounted.
    """
    spec = dict(get_spec(pod))
    if not _is_automounted(spec, service_account):
        return dict(pod)
    volumes = list(spec.get("volumes") or ())
    existing = next((v["name"] for v in volumes if str(v.get("name")).startswith(_TOKEN_VOLUME_PREFIX)), None)
    mount = {"name": existing or _TOKEN_VOLUME, "readOnly": True, "mountPath": TOKEN_MOUNT_PATH}
    mounted = False
    for field in ("initContainers", "containers"):
        containers = list(spec.get(field) or ())
        for index, container in enumerate(containers):
            mounts = container.get("volumeMounts") or ()
            if all(item.get("mountPath") != TOKEN_MOUNT_PATH for item in mounts):
                containers[index] = {**container, "volumeMounts": [*mounts, mount]}
                mounted = True
        if containers:
            spec[field] = containers
    if mounted and existing is None:
        spec["volumes"] = [*volumes, {"name": _TOKEN_VOLUME, "projected": _TOKEN_SOURCE}]
    return {**pod, "spec": spec}


_TOKEN_SOURCE: Final[Mapping[str, Any]] = {
    "defaultMode": 0o644,
    "sources": [
        {"serviceAccountToken": {"path": "token", "expirationSeconds": 3607}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {
            "downwardAPI": {
                "items": [
                    {
                        "path": "namespace",
                        "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"},
                    }
                ]
            }
        },
    ],
}


def _is_automounted(spec: Object, service_account: Object | None) -> bool:
    for holder in (spec, service_account or {}):
        choice = holder.get("automountServiceAccountToken")
        if choice is not None:
            return bool(choice)
    return True


def finish_pod(pod: Object) -> Object:
    """Make the pod that is stored out of the one that admission left.

    Seccomp annotations become fields, and fields annotations.
    """
    holders: list[tuple[str, FieldPath, Object]] = [(SECCOMP_POD, ("spec",), get_spec(pod))]
    for path, container in visit_containers(pod):
        holders.append((SECCOMP_CONTAINER_PREFIX + str(container.get("name")), path, container))
    return set_fields(pod, [change for holder in holders for change in _sync_seccomp(pod, *holder)])


def _sync_seccomp(pod: Object, key: str, path: FieldPath, holder: Object) -> Iterator[tuple[FieldPath, Any]]:
    annotation = get_annotations(pod).get(key)
    field = get_security_context(holder).get("seccompProfile")
    if annotation is None and field is not None:
        text = convert_field(field)
        if text:
            yield ("metadata", "annotations", key), text
    elif annotation is not None and field is None:
        profile = convert_annotation(annotation)
        if profile:
            yield (*path, "securityContext", "seccompProfile"), profile


def find_invalid_values(pod: Object) -> Iterator[str]:
    """Say what the API's validation refuses that a policy may have written, or made wrong by what it wrote.

    Source: ValidateSecurityContext and ValidatePodSecurityContext in pkg/apis/core/validation/validation.go.
    """
    context = get_security_context(get_spec(pod))
    groups = [context.get("fsGroup"), *(context.get("supplementalGroups") or ())]
    yield from _find_invalid_ids(("spec", "securityContext"), [context.get("runAsUser"), *groups])
    for path, container in visit_containers(pod):
        own = get_security_context(container)
        place = (*path, "securityContext")
        yield from _find_invalid_ids(place, [own.get("runAsUser"), own.get("runAsGroup")])
        if own.get("allowPrivilegeEscalation") is not False:
            continue
        if own.get("privileged"):
            text = "cannot set `allowPrivilegeEscalation` to false and `privileged` to true"
            yield f"{format_path(place)}: Invalid value: {text}"
        if "CAP_SYS_ADMIN" in ((own.get("capabilities") or {}).get("add") or ()):
            text = "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN"
            yield f"{format_path(place)}: Invalid value: {text}"


def _find_invalid_ids(place: FieldPath, ids: list[int | None]) -> Iterator[str]:
    for number in ids:
        if number is not None and not 0 <= number <= 2**31 - 1:
            yield f"{format_path(place)}: Invalid value: {number}: must be between 0 and 2147483647, inclusive"
