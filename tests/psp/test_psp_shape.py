"""Pods as they are found: nulls, and values of wrong types."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from migrator.model.field import format_path
from migrator.psp.admit import select_policy
from migrator.psp.prepare import prepare_pod
from migrator.psp.read import read_policy
from migrator.psp.shape import PodShapeError, read_pod


@pytest.mark.parametrize(
    ("spec", "read"),
    [
        ({"containers": [{"name": "a", "ports": None}], "volumes": None}, {"containers": [{"name": "a"}]}),
        ({"volumes": [{"name": "v", "emptyDir": None}]}, {"volumes": [{"name": "v"}]}),
        ({"securityContext": {"fsGroup": None, "sysctls": [None]}}, {"securityContext": {"sysctls": [{}]}}),
        ({"containers": [None]}, {"containers": [{}]}),
        ({"unread": {"a": None}}, {"unread": {"a": None}}),
        ({"hostNetwork": False, "containers": []}, {"hostNetwork": False, "containers": []}),
    ],
)
def test_null_is_absent(spec: dict[str, Any], read: dict[str, Any]) -> None:
    assert read_pod({"metadata": None, "spec": spec}) == {"spec": read}


@pytest.mark.parametrize(
    ("pod", "message"),
    [
        (
            {"spec": {"containers": [{"ports": [{"hostPort": "80"}]}]}},
            "spec.containers[0].ports[0].hostPort: must be an integer",
        ),
        (
            {"spec": {"containers": [{"securityContext": {"runAsUser": True}}]}},
            "spec.containers[0].securityContext.runAsUser: must be an integer",
        ),
        ({"spec": {"containers": {"name": "a"}}}, "spec.containers: must be a list"),
        ({"spec": {"containers": ["a"]}}, "spec.containers[0]: must be a mapping"),
        ({"spec": {"hostNetwork": "true"}}, "spec.hostNetwork: must be a boolean"),
        ({"spec": {"volumes": [{"hostPath": "/var"}]}}, "spec.volumes[0].hostPath: must be a mapping"),
        ({"metadata": {"annotations": {"a/b": 1}}}, 'metadata.annotations["a/b"]: must be a string'),
        ({"spec": []}, "spec: must be a mapping"),
    ],
)
def test_what_cannot_be_decoded_is_told_with_its_place(pod: dict[str, Any], message: str) -> None:
    with pytest.raises(PodShapeError) as raised:
        prepare_pod(pod)
    assert str(raised.value) == message
    assert format_path(raised.value.field) == message.partition(":")[0]
    assert str(pickle.loads(pickle.dumps(raised.value))) == message


@pytest.mark.parametrize("pod", [{}, {"spec": {}}, {"spec": {"containers": []}}, {"metadata": {}, "spec": None}])
def test_nearly_nothing_is_a_pod(pod: dict[str, Any]) -> None:
    rules = {field: {"rule": "RunAsAny"} for field in ("seLinux", "runAsUser", "supplementalGroups", "fsGroup")}
    policy = read_policy({"metadata": {"name": "p"}, "spec": rules})
    assert select_policy(prepare_pod(pod), [policy]).selected == "p"
