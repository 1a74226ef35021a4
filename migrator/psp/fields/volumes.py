"""`volumes`, `allowedHostPaths`, `allowedFlexVolumes`, `allowedCSIDrivers`: what a pod may mount.

Source: validatePodVolumes in provider.go, pkg/security/podsecuritypolicy/util/util.go.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

from migrator.model.field import FieldPath
from migrator.podsecurity.checks.restricted_volumes import ALLOWED as RESTRICTED_SOURCES
from migrator.podsecurity.level import BASELINE, RESTRICTED
from migrator.psp.demand import Demand, Enforced, write_text, write_texts
from migrator.psp.field_rule import FieldRule
from migrator.psp.messages import write_invalid, write_value
from migrator.psp.model import AllowedHostPath, PodSecurityPolicy
from migrator.psp.pod import Object, get_spec, visit_containers
from migrator.psp.volume_types import VOLUME_TYPES, find_volume_type


def concerns(policy: PodSecurityPolicy) -> bool:
    """Every policy has a say."""
    return True


def validate_pod(policy: PodSecurityPolicy, pod: Object) -> Iterator[str]:
    """The type of every volume must be listed; some types are then asked more."""
    for index, volume in enumerate(get_spec(pod).get("volumes") or ()):
        place: FieldPath = ("spec", "volumes", index)
        volume_type = find_volume_type(volume)
        if volume_type is None:
            yield write_invalid(place, '""', f"unknown volume type for volume: {volume.get('name')}")
        elif not _is_type_allowed(policy, volume_type, volume):
            text = f"{volume_type} volumes are not allowed to be used"
            yield write_invalid(place, write_value(volume_type), text)
        elif volume_type in _FURTHER_CHECKS:
            yield from _FURTHER_CHECKS[volume_type](policy, pod, volume, place)


def _is_type_allowed(policy: PodSecurityPolicy, volume_type: str, volume: Object) -> bool:
    if "*" in policy.volumes or volume_type in policy.volumes:
        return True
    # Before 1.21 a service account's token came as a secret: policies that allow those allow its successor.
    return volume_type == "projected" and "secret" in policy.volumes and is_service_account_token(volume)


def is_service_account_token(volume: Object) -> bool:
    """Whether a projected volume has nothing in it that the ServiceAccount plugin would not put there."""
    return all(_is_token_source(source) for source in volume["projected"].get("sources") or ())


def _is_token_source(source: Object) -> bool:
    token, config_map, downward = (source.get(key) for key in ("serviceAccountToken", "configMap", "downwardAPI"))
    if token is None and config_map is None and downward is None:
        return False
    if token is not None and (token.get("path") != "token" or token.get("audience")):
        return False
    if config_map is not None and config_map.get("name") != "kube-root-ca.crt":
        return False
    return downward is None or all(_is_namespace(item) for item in downward.get("items") or ())


def _is_namespace(item: Object) -> bool:
    field = item.get("fieldRef")
    return (
        item.get("path") == "namespace"
        and field is not None
        and (field.get("apiVersion") or "v1") == "v1"
        and field.get("fieldPath") == "metadata.namespace"
    )


def _validate_host_path(policy: PodSecurityPolicy, pod: Object, volume: Object, place: FieldPath) -> Iterator[str]:
    path = volume["hostPath"].get("path") or ""
    allowed = find_allowed_host_path(policy.allowed_host_paths, path)
    if allowed is None:
        yield write_invalid((*place, "hostPath", "pathPrefix"), write_value(path), "is not allowed to be used")
    elif allowed.read_only:
        yield from _validate_mounts(pod, volume.get("name"))


def find_allowed_host_path(allowed: Sequence[AllowedHostPath], path: str) -> AllowedHostPath | None:
    """The entry that lets a path be used: a writable one before a read-only one; no entries allow all."""
    if not allowed:
        return AllowedHostPath("/")
    matching = [entry for entry in allowed if _is_below(path, entry.path_prefix)]
    return min(matching, key=lambda entry: entry.read_only, default=None)


def _is_below(path: str, prefix: str) -> bool:
    # One slash is cut, as upstream does: "/a//" stays "/a/".
    path, prefix = path.removesuffix("/"), prefix.removesuffix("/")
    return path == prefix or path.startswith(prefix + "/")


def _validate_mounts(pod: Object, name: Any) -> Iterator[str]:
    for path, container in visit_containers(pod):
        for index, mount in enumerate(container.get("volumeMounts") or ()):
            if mount.get("name") == name and not mount.get("readOnly"):
                place = (*path, "volumeMounts", index, "readOnly")
                yield write_invalid(place, "false", "must be read-only")


def _validate_flex_volume(policy: PodSecurityPolicy, pod: Object, volume: Object, place: FieldPath) -> Iterator[str]:
    driver = volume["flexVolume"].get("driver") or ""
    if policy.allowed_flex_volumes and driver not in policy.allowed_flex_volumes:
        yield write_invalid((*place, "driver"), write_value(driver), "Flexvolume driver is not allowed to be used")


def _validate_csi(policy: PodSecurityPolicy, pod: Object, volume: Object, place: FieldPath) -> Iterator[str]:
    driver = volume["csi"].get("driver") or ""
    if policy.allowed_csi_drivers and driver not in policy.allowed_csi_drivers:
        text = "Inline CSI driver is not allowed to be used"
        yield write_invalid((*place, "csi", "driver"), write_value(driver), text)


_FURTHER_CHECKS: Final[Mapping[str, Callable[[PodSecurityPolicy, Object, Object, FieldPath], Iterator[str]]]] = {
    "hostPath": _validate_host_path,
    "flexVolume": _validate_flex_volume,
    "csi": _validate_csi,
}


def demand(policy: PodSecurityPolicy, enforced: Enforced) -> Iterator[Demand]:
    """Volumes of the listed types, paths and drivers."""
    yield from _demand_types(policy, enforced)
    for source, demand_more in (
        ("hostPath", _demand_host_paths),
        ("flexVolume", _demand_flex_drivers),
        ("csi", _demand_csi_drivers),
    ):
        if source in _list_left(enforced) and not {"*", source}.isdisjoint(policy.volumes):
            yield from demand_more(policy)


def _list_left(enforced: Enforced) -> frozenset[str]:
    """List the sources of volumes that are not refused already; those of Kubernetes 1.24."""
    if enforced.covers(RESTRICTED):
        return RESTRICTED_SOURCES.intersection(VOLUME_TYPES)
    return frozenset(VOLUME_TYPES) - ({"hostPath"} if enforced.covers(BASELINE) else set())


def _demand_types(policy: PodSecurityPolicy, enforced: Enforced) -> Iterator[Demand]:
    left = _list_left(enforced)
    listed = [source for source in VOLUME_TYPES if source in left and VOLUME_TYPES[source] in policy.volumes]
    if "*" in policy.volumes or len(listed) == len(left):
        return
    wanted = [f"has(v.{source})" for source in listed]
    described = listed
    if "secret" in listed and "projected" not in listed:
        wanted.append(_IS_TOKEN)
        described = [*listed, "projected (a service account's token)"]
    yield Demand(
        f"variables.volumes.all(v, {' || '.join(wanted)})" if wanted else "variables.volumes.size() == 0",
        f"volumes must be of {', '.join(described)}" if wanted else "volumes must not be used",
    )


# As is_service_account_token; a source is of one kind only.
_IS_TOKEN: Final = (
    "has(v.projected) && v.projected.?sources.orValue([]).all(s,"
    " has(s.serviceAccountToken)"
    " && s.serviceAccountToken.path == 'token' && s.serviceAccountToken.?audience.orValue('') == ''"
    " || has(s.configMap) && s.configMap.?name.orValue('') == 'kube-root-ca.crt'"
    " || has(s.downwardAPI) && s.downwardAPI.?items.orValue([]).all(i,"
    " i.path == 'namespace' && i.?fieldRef.?fieldPath.orValue('') == 'metadata.namespace'))"
)


def _demand_host_paths(policy: PodSecurityPolicy) -> Iterator[Demand]:
    allowed = policy.allowed_host_paths
    if not allowed:
        return
    below = " || ".join(_write_is_below(entry.path_prefix) for entry in allowed)
    paths = ", ".join(entry.path_prefix for entry in allowed)
    yield Demand(f"variables.volumes.all(v, !has(v.hostPath) || {below})", f"hostPath must be below {paths}")
    if any(entry.read_only for entry in allowed):
        writable = [entry.path_prefix for entry in allowed if not entry.read_only]
        yield Demand(_write_mounts_are_read_only(writable), _say_read_only(writable))


def _write_mounts_are_read_only(writable: Sequence[str]) -> str:
    """Write that every mount of a host path is read-only that is not below one of some paths."""
    others = f" && !({' || '.join(map(_write_is_below, writable))})" if writable else ""
    # The names are listed once: looked for at every mount, large pods would cost more than the API server allows.
    return (
        f"[variables.volumes.filter(v, has(v.hostPath){others}).map(v, v.name)].all(names,"
        " variables.containers.all(c, c.?volumeMounts.orValue([]).all(m,"
        " m.?readOnly.orValue(false) || !(m.name in names))))"
    )


def _say_read_only(writable: Sequence[str]) -> str:
    others = f" that is not below {', '.join(writable)}" if writable else ""
    return f"volumeMounts of a hostPath{others} must set readOnly: true"


def _write_is_below(prefix: str) -> str:
    bare = prefix.removesuffix("/")
    below = f"v.hostPath.path.startsWith({write_text(bare + '/')})"
    return f"v.hostPath.path == {write_text(bare)} || {below}" if bare else below


def _demand_flex_drivers(policy: PodSecurityPolicy) -> Iterator[Demand]:
    if policy.allowed_flex_volumes:
        yield Demand(
            f"variables.volumes.all(v, !has(v.flexVolume) || v.flexVolume.driver in "
            f"{write_texts(policy.allowed_flex_volumes)})",
            f"flexVolume.driver must be {' or '.join(policy.allowed_flex_volumes)}",
        )


def _demand_csi_drivers(policy: PodSecurityPolicy) -> Iterator[Demand]:
    if policy.allowed_csi_drivers:
        yield Demand(
            f"variables.volumes.all(v, !has(v.csi) || v.csi.driver in {write_texts(policy.allowed_csi_drivers)})",
            f"csi.driver must be {' or '.join(policy.allowed_csi_drivers)}",
        )


RULE = FieldRule("volumes", concerns, validate_pod=validate_pod, demand=demand)
