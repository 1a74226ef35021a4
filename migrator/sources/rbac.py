"""PodSecurityPolicies, and what says who may use them: roles, bindings, service accounts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from migrator.model.objects import (
    PodSecurityPolicyObject,
    PodSecurityPolicyProblem,
    Role,
    RoleBinding,
    ServiceAccount,
)
from migrator.model.reference import Location, ResourceRef
from migrator.model.workload import PackedData
from migrator.sources.extract import FieldError, ObjectReader, read_ref

CLUSTER_KINDS: Final = ("ClusterRole", "ClusterRoleBinding")


def read_pod_security_policy(
    data: Mapping[str, Any], location: Location, reader: ObjectReader
) -> PodSecurityPolicyObject:
    """Read a PodSecurityPolicy; what the API server would refuse it for are its problems."""
    # Loaded here: most inputs hold no such policy any more.
    from migrator.psp.read import read_policy

    policy = read_policy(data)
    return PodSecurityPolicyObject(
        ref=ResourceRef(str(data["apiVersion"]), str(data["kind"]), None, policy.name),
        location=location,
        data=PackedData.pack({"metadata": data.get("metadata"), "spec": data.get("spec")}),
        problems=tuple(
            PodSecurityPolicyProblem(
                problem.field, reader.line_of(problem.field), problem.effect == "refused", problem.message
            )
            for problem in policy.problems
        ),
    )


def read_role(data: Mapping[str, Any], location: Location, reader: ObjectReader) -> Role:
    """Read a Role or ClusterRole.

    Raises FieldError for fields that the API would not decode.
    """
    ref, metadata = _read_ref(data, reader)
    rules = _read_mappings(data, "rules", reader)
    for index, rule in enumerate(rules):
        for key in ("verbs", "apiGroups", "resources", "resourceNames"):
            reader.sequence(rule, key, ("rules", index))
    packed = {
        "labels": dict(reader.texts(metadata, "labels", ("metadata",))),
        "annotations": metadata.get("annotations") or {},
        "rules": rules,
        "aggregationRule": dict(reader.mapping(data, "aggregationRule", ())),
    }
    return Role(ref=ref, own_namespace=ref.namespace, location=location, data=PackedData.pack(packed))


def read_role_binding(data: Mapping[str, Any], location: Location, reader: ObjectReader) -> RoleBinding:
    """Read a RoleBinding or ClusterRoleBinding.

    Raises FieldError for fields that the API would not decode.
    """
    ref, _ = _read_ref(data, reader)
    role = reader.mapping(data, "roleRef", ())
    subjects = _read_mappings(data, "subjects", reader)
    if data["apiVersion"].endswith("/v1alpha1"):
        subjects = [_convert_subject(subject) for subject in subjects]
    return RoleBinding(
        ref=ref,
        own_namespace=ref.namespace,
        location=location,
        role_kind=reader.text(role, "kind", ("roleRef",)) or "",
        role_name=reader.text(role, "name", ("roleRef",)) or "",
        subjects=PackedData.pack(subjects),
    )


def _convert_subject(subject: Mapping[str, Any]) -> Mapping[str, Any]:
    # pkg/apis/rbac/v1alpha1/conversion.go: the user "*" was everybody who is known.
    if subject.get("kind") == "User" and subject.get("name") == "*":
        return {"kind": "Group", "name": "system:authenticated"}
    return subject


def read_service_account(data: Mapping[str, Any], location: Location, reader: ObjectReader) -> ServiceAccount:
    """Read a ServiceAccount, and whether its pods get its token."""
    ref, _ = read_ref(data, reader)
    automount = data.get("automountServiceAccountToken")
    if automount is not None and not isinstance(automount, bool):
        raise FieldError(("automountServiceAccountToken",), "must be a boolean")
    return ServiceAccount(ref, ref.namespace, location, automount)


def _read_ref(data: Mapping[str, Any], reader: ObjectReader) -> tuple[ResourceRef, Mapping[str, Any]]:
    ref, metadata = read_ref(data, reader)
    if ref.kind in CLUSTER_KINDS:
        ref = ResourceRef(ref.api_version, ref.kind, None, ref.name)
    return ref, metadata


def _read_mappings(data: Mapping[str, Any], key: str, reader: ObjectReader) -> list[Mapping[str, Any]]:
    items = reader.sequence(data, key, ())
    for index, item in enumerate(items):
        if not isinstance(item, dict):
            raise FieldError((key, index), "must be a map")
    return list(items)
