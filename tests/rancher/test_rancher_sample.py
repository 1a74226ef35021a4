"""The sample stack says in its README what becomes of it: so it does."""

from __future__ import annotations

from pathlib import Path

import pytest
from translated_stack import Translated

from migrator.errors import InputError
from migrator.sources.rancher import RancherPolicy, find_stacks, read_answers, read_stack, translate_stack

SAMPLE = Path(__file__).parents[2] / "samples" / "rancher-v1.6"


@pytest.fixture(scope="module")
def storefront() -> Translated:
    (folder,) = find_stacks(SAMPLE)
    return Translated(
        translate_stack(read_stack(folder, read_answers(SAMPLE / "answers.txt"), None), RancherPolicy())
    )


def test_missing_answers_are_named() -> None:
    (folder,) = find_stacks(SAMPLE)
    with pytest.raises(InputError, match=r"SESSION_SECRET .*, DB_PASSWORD"):
        read_stack(folder, {}, None)


def test_the_port_and_the_rollout(storefront: Translated) -> None:
    assert storefront.container("web")["ports"] == [{"name": "tcp-80", "containerPort": 80, "hostPort": 9890}]
    spec = storefront.workload("web")["spec"]
    assert (spec["replicas"], spec["strategy"]["rollingUpdate"]) == (2, {"maxSurge": 0, "maxUnavailable": 1})


def test_the_pod(storefront: Translated) -> None:
    pod = storefront.pod("web")
    assert [container["name"] for container in pod["containers"]] == ["web", "web-reload"]
    assert [container["name"] for container in pod["initContainers"]] == ["copy-web-content", "web-content"]
    assert pod["hostAliases"] == [{"ip": "127.0.0.1", "hostnames": ["web-reload"]}]
    assert storefront.container("web", "web-reload")["volumeMounts"][0]["readOnly"] is True


def test_the_load_balancer(storefront: Translated) -> None:
    assert len(storefront.get("Ingress", "lb")["spec"]["rules"]) == 2
    assert storefront.get("Service", "lb")["spec"]["ports"] == [
        {"name": "tcp-7000", "port": 7000, "targetPort": 8080}
    ]
    assert storefront.resolve("lb") == {"catalog"}


def test_the_names(storefront: Translated) -> None:
    assert [(item.old, item.new) for item in storefront.translation.renamed] == [("Catalog_DB", "catalog-db")]
    assert "Catalog_DB is named catalog-db now" in storefront.fate("services", "catalog", "environment", "DB").message
    assert storefront.resolve("api") == {"catalog"}


def test_the_probes(storefront: Translated) -> None:
    web, catalog = storefront.container("web"), storefront.container("catalog")
    assert (web["readinessProbe"]["failureThreshold"], web["readinessProbe"]["successThreshold"]) == (3, 2)
    assert web["startupProbe"]["failureThreshold"] == 30
    assert {key for key in catalog if key.endswith("Probe")} == {"readinessProbe"}


def test_secrets_and_what_stays_behind(storefront: Translated) -> None:
    text = storefront.text() + "".join(key.message for key in storefront.translation.keys)
    assert "sample-session-key" not in text
    assert "sample-database-password" not in text
    assert [item.service for item in storefront.translation.blocked] == ["dns"]
    assert storefront.workload("metrics")["kind"] == "DaemonSet"
