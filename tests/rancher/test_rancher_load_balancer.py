"""Load balancers of both generations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from migrator.sources.rancher import RancherPolicy
from migrator.sources.rancher.compose import KeyOrigin
from migrator.sources.rancher.translate.load_balancer_rules import matches, read_target_label

Translate = Callable[..., Any]
HERE = KeyOrigin("f", (), 1)

BALANCER = "lb: {image: 'rancher/lb-service-haproxy:v0.9.1', ports: ['80:80', '443:443', '3306:3306']}\n"


def test_http_becomes_an_ingress_and_tcp_a_service(translate: Translate) -> None:
    result = translate(
        BALANCER + "web: {image: nginx}\napi: {image: api}\ndb: {image: mysql}\n",
        """\
        lb:
          scale: 2
          lb_config:
            default_cert: shop.example
            port_rules:
              - {source_port: 80, protocol: http, service: web, target_port: 8080}
              - {source_port: 443, protocol: https, hostname: shop.example, service: web, target_port: 8080}
              - {source_port: 443, protocol: https, hostname: shop.example, path: /api, service: api, target_port: 90}
              - {source_port: 3306, protocol: tcp, service: db, target_port: 3306}
          health_check: {port: 42}
        """,
    )
    spec = result.get("Ingress", "lb")["spec"]
    assert spec["tls"] == [{"hosts": ["shop.example"], "secretName": "shop-example"}]
    paths = {
        (rule.get("host", ""), path["path"]): (
            path["backend"]["service"]["name"],
            path["backend"]["service"]["port"]["number"],
        )
        for rule in spec["rules"]
        for path in rule["http"]["paths"]
    }
    assert paths == {
        ("", "/"): ("web", 8080),
        ("shop.example", "/"): ("web", 8080),
        ("shop.example", "/api"): ("api", 90),
    }
    for name, port in (("web", 8080), ("api", 90)):
        assert port in [entry["port"] for entry in result.get("Service", name)["spec"]["ports"]]
    database = result.get("Service", "lb")["spec"]
    assert (database["type"], database["ports"][0]["port"]) == ("NodePort", 3306)
    assert result.resolve("lb") == {"db"}
    assert result.names("Deployment") == ["web", "api", "db"]
    assert result.fate("lb", "health_check").fate == "ignored"
    assert result.fate("lb", "scale").fate == "ignored"


def test_the_policy_decides_between_node_port_and_load_balancer(translate: Translate) -> None:
    rancher = "lb: {lb_config: {port_rules: [{source_port: 3306, protocol: tcp, service: db, target_port: 3307}]}}\n"
    result = translate(BALANCER + "db: {image: mysql}\n", rancher, policy=RancherPolicy(load_balancer=True))
    service = result.get("Service", "lb")["spec"]
    assert service["type"] == "LoadBalancer"
    assert service["ports"] == [{"name": "tcp-3306", "port": 3306, "targetPort": 3307}]


def test_rules_that_are_not_published_stay_inside(translate: Translate) -> None:
    result = translate(
        "lb: {image: rancher/lb-service-haproxy}\nweb: {image: nginx}\n",
        "lb: {lb_config: {port_rules: [{source_port: 80, service: web, target_port: 8080}]}}\n",
    )
    assert result.names("Ingress") == []
    assert "type" not in result.get("Service", "lb")["spec"]
    assert result.resolve("lb") == {"web"}


def test_several_targets_of_one_rule_share_a_service(translate: Translate) -> None:
    result = translate(
        BALANCER + "blue: {image: x}\ngreen: {image: x}\nother: {image: x}\n",
        """\
        lb:
          lb_config:
            port_rules:
              - {source_port: 80, protocol: http, service: blue, target_port: 8080}
              - {source_port: 80, protocol: http, service: green, target_port: 8080}
        """,
    )
    backend = result.get("Ingress", "lb")["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]
    assert result.resolve(backend["name"]) == {"blue", "green"}
    assert result.resolve("blue") == {"blue"}


def test_selector_rules_find_services_of_the_stack(translate: Translate) -> None:
    result = translate(
        BALANCER + "web: {image: x, labels: {tier: front}}\ndb: {image: x}\n",
        """\
        lb: {lb_config: {port_rules: [{source_port: 80, protocol: http, selector: tier=front}]}}
        web: {lb_config: {port_rules: [{hostname: shop.example, path: /w, target_port: 8080}]}}
        """,
    )
    rule = result.get("Ingress", "lb")["spec"]["rules"][0]
    path = rule["http"]["paths"][0]
    assert (rule["host"], path["path"], path["backend"]["service"]) == (
        "shop.example",
        "/w",
        {"name": "web", "port": {"number": 8080}},
    )


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ("{source_port: 80, service: missing, target_port: 80}", "Failed to find existing service: missing"),
        ("{source_port: 80, service: web, hostname: shop.*, target_port: 80}", "no host that an Ingress takes"),
        ("{source_port: 80, selector: a=b}", "nothing in this stack answers to"),
        ("{source_port: 80, service: other/api, target_port: 80}", "convert that stack"),
        ("{source_port: 3306, protocol: tls, service: web, target_port: 80}", "TLS"),
        ("{source_port: 3306, hostname: a.example, service: web, target_port: 80}", "clients move from port 3306"),
    ],
)
def test_what_an_ingress_cannot_do_is_reported(translate: Translate, rule: str, words: str) -> None:
    result = translate(BALANCER + "web: {image: x}\n", f"lb: {{lb_config: {{port_rules: [{rule}]}}}}\n")
    fate = result.fate("lb", "lb_config", "port_rules", 0)
    assert fate.fate == "reported"
    assert words in fate.message


def test_the_older_form_takes_ports_links_and_labels(translate: Translate) -> None:
    result = translate(
        """\
        lb:
          image: rancher/load-balancer-service
          ports: ['80:8080', '443:8443', '5000:5000/tcp']
          links: [web, 'api:backend']
          labels:
            io.rancher.loadbalancer.target.web: shop.example:80/shop=8081
            io.rancher.loadbalancer.target.api: 5000=5001
            io.rancher.loadbalancer.ssl.ports: '443'
        web: {image: x}
        api: {image: x}
        """
    )
    rules = result.get("Ingress", "lb")["spec"]["rules"]
    paths = {
        (rule.get("host", ""), path["path"]): path["backend"]["service"]["name"]
        for rule in rules
        for path in rule["http"]["paths"]
    }
    assert paths[("shop.example", "/shop")] == "web"
    # mergePortRules keeps the rules that no label overrides: port 80 still reaches api, 443 both.
    assert result.resolve(paths[("", "/")]) >= {"api"}
    assert "tls" in result.get("Ingress", "lb")["spec"]
    services = [result.get("Service", name) for name in result.names("Service")]
    raw = next(item for item in services if item["spec"].get("type") == "NodePort")
    assert raw["spec"]["ports"][0]["port"] == 5000
    assert result.resolve(raw["metadata"]["name"]) == {"web", "api"}


@pytest.mark.parametrize(
    ("label", "expected"),
    [
        ("8080", [(0, "", "", 8080)]),
        ("shop.example", [(0, "shop.example", "", 0)]),
        ("shop.example:80", [(80, "shop.example", "", 0)]),
        ("shop.example:80/path", [(80, "shop.example", "/path", 0)]),
        ("shop.example:80/path=81", [(80, "shop.example", "/path", 81)]),
        ("80/path=81", [(80, "", "/path", 81)]),
        ("80=8080", [(80, "", "", 8080)]),
        ("/path=81", [(0, "", "/path", 81)]),
        ("a.example, b.example=82", [(0, "a.example", "", 0), (0, "b.example", "", 82)]),
    ],
)
def test_target_labels(label: str, expected: list[tuple[int, str, str, int]]) -> None:
    rules = read_target_label(label, HERE)
    assert [(rule.source_port, rule.host, rule.path, rule.target_port) for rule in rules] == expected


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ("a=1", True),
        ("a=2", False),
        ("a!=2", True),
        ("a", True),
        ("z", False),
        ("a in (1, 2), b=x", True),
        ("a notin (1, 2)", False),
        ("a notin (3)", True),
        ("", False),
    ],
)
def test_selectors(selector: str, expected: bool) -> None:
    assert matches(selector, {"a": "1", "b": "x"}) is expected


def test_plain_http_on_another_port_keeps_its_port(translate: Translate) -> None:
    result = translate(
        "lb: {image: rancher/lb-service-haproxy, ports: ['8080:8080', '30080:30080']}\nweb: {image: x}\n",
        """\
        lb:
          lb_config:
            port_rules:
              - {source_port: 8080, protocol: http, service: web, target_port: 80}
              - {source_port: 30080, protocol: http, service: web, target_port: 80}
        """,
    )
    assert result.names("Ingress") == []
    assert result.get("Service", "lb")["spec"]["ports"] == [
        {"name": "tcp-8080", "port": 8080, "targetPort": 80},
        {"name": "tcp-30080", "port": 30080, "targetPort": 80},
    ]


def test_settings_of_haproxy_are_reported(translate: Translate) -> None:
    result = translate(
        BALANCER + "web: {image: x}\n",
        """\
        lb:
          lb_config:
            config: "frontend 80"
            stickiness_policy: {name: sticky}
            port_rules: [{source_port: 80, protocol: http, service: web, target_port: 80, priority: 3}]
        """,
    )
    for path in (("config",), ("stickiness_policy",), ("port_rules", 0, "priority")):
        assert result.fate("lb", "lb_config", *path).fate == "reported", path
    assert result.fate("lb", "ports").fate == "translated"


def test_the_name_of_an_http_balancer_resolves_to_its_only_target(translate: Translate) -> None:
    rules = "{source_port: 80, protocol: http, service: web, target_port: %d}"
    for port, kind in ((80, "ExternalName"), (8080, None)):
        rancher = f"lb: {{lb_config: {{port_rules: [{rules % port}]}}}}\n"
        result = translate(BALANCER + "web: {image: x}\n", rancher)
        assert result.get("Service", "lb")["spec"].get("type") == kind
        assert result.resolve("lb") == {"web"}


def test_exposed_ports_of_the_older_form_stay_inside(translate: Translate) -> None:
    result = translate(
        "lb: {image: rancher/load-balancer-service, expose: ['3306:3307/tcp'], links: [db]}\ndb: {image: x}\n"
    )
    service = result.get("Service", "lb")["spec"]
    assert service["ports"] == [{"name": "tcp-3306", "port": 3306, "targetPort": 3307}]
    assert "type" not in service


def test_a_balancer_s_own_key_to_rancher_s_api_keeps_nothing_out(translate: Translate) -> None:
    result = translate(
        """\
        lb:
          image: rancher/lb-service-haproxy:v0.9.1
          ports: ['3306:3306']
          labels:
            io.rancher.container.agent.role: environmentAdmin,agent
            io.rancher.container.agent_service.drain_provider: 'true'
            io.rancher.container.create_agent: 'true'
        db: {image: mysql}
        """,
        "lb: {lb_config: {port_rules: [{source_port: 3306, protocol: tcp, service: db, target_port: 3306}]}}\n",
    )
    assert result.translation.blocked == ()
    assert result.resolve("lb") == {"db"}
    assert result.fate("lb", "labels", "io.rancher.container.create_agent").fate == "ignored"
    assert result.fate("lb", "labels", "io.rancher.container.agent_service.drain_provider").fate == "ignored"


def test_a_udp_rule_s_target_listens_on_udp(translate: Translate) -> None:
    result = translate(
        "lb: {image: rancher/lb-service-haproxy, ports: ['53:53/udp', '853:853']}\ndns: {image: x}\n",
        """\
        lb:
          lb_config:
            port_rules:
              - {source_port: 53, protocol: udp, service: dns, target_port: 5353}
              - {source_port: 853, protocol: tcp, service: dns, target_port: 5353}
        """,
    )
    both = [
        {"name": "tcp-5353", "port": 5353, "targetPort": 5353},
        {"name": "udp-5353", "port": 5353, "targetPort": 5353, "protocol": "UDP"},
    ]
    assert result.get("Service", "dns")["spec"]["ports"] == both
    assert [(port["containerPort"], port.get("protocol")) for port in result.container("dns")["ports"]] == [
        (5353, None),
        (5353, "UDP"),
    ]


HTTP_AND_HTTPS = """\
    lb:
      lb_config:
        port_rules:
          - {source_port: 80, protocol: http, hostname: shop.example, service: redirect, target_port: 8080}
          - {source_port: 80, protocol: http, hostname: shop.example, service: other, target_port: 8080}
          - {source_port: 443, protocol: https, hostname: shop.example, service: blue, target_port: 8080}
          - {source_port: 443, protocol: https, hostname: shop.example, service: green, target_port: 8080}
    """
FOUR = "redirect: {image: x}\nother: {image: x}\nblue: {image: x}\ngreen: {image: x}\n"


def test_of_http_and_https_rules_of_a_host_the_latter_stay(translate: Translate) -> None:
    result = translate(BALANCER + FOUR, HTTP_AND_HTTPS)
    (rule,) = result.get("Ingress", "lb")["spec"]["rules"]
    (path,) = rule["http"]["paths"]
    backend = path["backend"]["service"]["name"]
    assert result.resolve(backend) == {"blue", "green"}
    assert [name for name in result.names("Service") if "-targets-" in name] == [backend]
    labels = {label for name in ("redirect", "other") for label in result.workload(name)["spec"]["template"]
              ["metadata"]["labels"]}  # fmt: skip
    assert not any(label.startswith("migrator.dev/") for label in labels)
    fate = result.fate("lb", "lb_config", "port_rules", 0)
    assert fate.fate == "reported"
    assert "to blue, green, as the rule for port 443 says; of this rule redirect, other gets nothing" in fate.message
    assert "can do that; else give it a host name of its own, or write a Gateway" in fate.message
    answers = {(port.host_port, port.target.kind if port.target else None) for port in result.translation.published}
    assert {(80, "Ingress"), (443, "Ingress")} <= answers


def test_http_and_https_to_the_same_targets_share_one_service(translate: Translate) -> None:
    rules = HTTP_AND_HTTPS.replace("redirect", "green").replace("other", "blue")
    result = translate(BALANCER + FOUR, rules)
    (rule,) = result.get("Ingress", "lb")["spec"]["rules"]
    backend = rule["http"]["paths"][0]["backend"]["service"]["name"]
    assert [name for name in result.names("Service") if "-targets-" in name] == [backend]
    assert "one place" not in result.fate("lb", "lb_config", "port_rules", 2).message


def test_targets_without_pods_get_no_share_and_no_service_of_a_group(translate: Translate) -> None:
    rules = """\
        lb:
          lb_config:
            port_rules:
              - {source_port: 80, protocol: http, service: web, target_port: 8080}
              - {source_port: 80, protocol: http, service: outside, target_port: 8080}
        """
    result = translate(BALANCER + "web: {image: x}\noutside: {external_ips: [192.0.2.1]}\n", rules)
    path = result.get("Ingress", "lb")["spec"]["rules"][0]["http"]["paths"][0]
    assert path["backend"]["service"] == {"name": "web", "port": {"number": 8080}}
    assert not any("-targets-" in name for name in result.names("Service"))
    assert "outside has no pods" in result.fate("lb", "lb_config", "port_rules", 0).message


def test_what_is_said_of_a_port_stands_at_its_service_only(translate: Translate) -> None:
    result = translate(
        BALANCER + "web: {image: x}\ndb: {image: x}\n",
        """\
        lb:
          lb_config:
            port_rules:
              - {source_port: 80, protocol: http, service: web, target_port: 80}
              - {source_port: 443, protocol: sni, hostname: a.example, service: web, target_port: 8443}
              - {source_port: 3306, protocol: tcp, service: db, target_port: 3306}
        """,
    )
    said = [item.text for item in result.translation.objects if "must end at the target" in item.text]
    assert len(said) == 1
    assert "targetPort: 8443" in said[0]
