"""What services mean on Kubernetes: facts about the objects, not their bytes."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from migrator.errors import InputError
from migrator.sources.rancher import RancherPolicy
from migrator.sources.rancher.translate.container import escape_variables

Translate = Callable[..., Any]


def test_a_published_port_is_a_host_port_and_its_service_is_internal(translate: Translate) -> None:
    result = translate("web: {image: nginx, ports: ['9890:80', '127.0.0.1:9891:81/udp', '82']}\n")
    assert result.container("web")["ports"] == [
        {"name": "tcp-80", "containerPort": 80, "hostPort": 9890},
        {"name": "udp-81", "containerPort": 81, "hostPort": 9891, "hostIP": "127.0.0.1", "protocol": "UDP"},
        {"name": "tcp-82", "containerPort": 82, "hostPort": 0},
    ]
    service = result.get("Service", "web")["spec"]
    assert [(port["port"], port["targetPort"]) for port in service["ports"]] == [(80, 80), (81, 81), (82, 82)]
    assert "type" not in service
    assert result.resolve("web") == {"web"}
    assert result.workload("web")["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": 0, "maxUnavailable": 1}
    assert result.fate("web", "ports", 2).fate == "translated"
    assert "random" in result.fate("web", "ports", 2).message


def test_expose_is_internal_alone(translate: Translate) -> None:
    result = translate("web: {image: nginx, expose: [80, '9010:9010']}\n")
    assert result.container("web")["ports"] == [
        {"name": "tcp-80", "containerPort": 80},
        {"name": "tcp-9010", "containerPort": 9010},
    ]
    assert "strategy" not in result.workload("web")["spec"]
    assert [port["port"] for port in result.get("Service", "web")["spec"]["ports"]] == [80, 9010]


def test_one_container_port_under_two_host_ports(translate: Translate) -> None:
    result = translate("web: {image: nginx, ports: ['80', '80:80', '8080:80']}\n")
    assert result.container("web")["ports"] == [
        {"name": "tcp-80", "containerPort": 80, "hostPort": 80},
        {"containerPort": 80, "hostPort": 8080},
    ]
    assert len(result.get("Service", "web")["spec"]["ports"]) == 1


def test_a_service_without_known_ports_is_headless(translate: Translate) -> None:
    service = translate("worker: {image: busybox}\n").get("Service", "worker")["spec"]
    assert (service["clusterIP"], service.get("ports")) == ("None", None)


def test_host_network_ignores_mappings(translate: Translate) -> None:
    result = translate(
        "agent: {image: agent, net: host, ports: ['8080:80'], labels: {io.rancher.container.dns: 'true'}}\n"
    )
    pod = result.pod("agent")
    assert (pod["hostNetwork"], pod["dnsPolicy"]) == (True, "ClusterFirstWithHostNet")
    assert "hostPort" not in pod["containers"][0]["ports"][0]
    assert result.fate("agent", "ports", 0).fate == "reported"
    assert translate("agent: {image: agent, net: host}\n").pod("agent")["dnsPolicy"] == "Default"


@pytest.mark.parametrize(
    ("rancher", "replicas"),
    [
        ("", 1),
        ("web: {scale: 3}\n", 3),
        ("web: {scale: '2'}\n", 2),
        ("web: {scale: 0}\n", 1),
        ("web: {scale: 3, start_on_create: false}\n", 0),
        ("web: {scale_policy: {min: 1, max: 5, increment: 1}}\n", 5),
    ],
)
def test_scale(translate: Translate, rancher: str, replicas: int) -> None:
    assert translate("web: {image: nginx}\n", rancher).workload("web")["spec"]["replicas"] == replicas


def test_global_services_are_daemon_sets_with_hard_host_rules_only(translate: Translate) -> None:
    result = translate(
        """\
        agent:
          image: agent
          labels:
            io.rancher.scheduler.global: 'true'
            io.rancher.scheduler.affinity:host_label: Role=Worker
            io.rancher.scheduler.affinity:host_label_soft: ssd=true
            io.rancher.scheduler.affinity:container_label_ne: app=x
        """
    )
    assert result.workload("agent")["kind"] == "DaemonSet"
    assert result.pod("agent")["affinity"] == {
        "nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {
                "nodeSelectorTerms": [{"matchExpressions": [{"key": "role", "operator": "In", "values": ["worker"]}]}]
            }
        }
    }
    assert result.fate("agent", "labels", "io.rancher.scheduler.affinity:host_label_soft").fate == "ignored"


def test_affinity_hard_and_soft(translate: Translate) -> None:
    result = translate(
        """\
        web:
          image: nginx
          labels:
            io.rancher.scheduler.affinity:host_label: a=1,b=2
            io.rancher.scheduler.affinity:host_label_ne: c=3
            io.rancher.scheduler.affinity:host_label_soft: d=4
            io.rancher.scheduler.affinity:container_label: io.rancher.stack_service.name=shop/db
            io.rancher.scheduler.affinity:container_label_ne: io.rancher.stack_service.name=$${service_name}
            io.rancher.scheduler.affinity:container_label_soft_ne: io.rancher.stack_service.name=other/app
            io.rancher.scheduler.affinity:not_host_label: e=5
            io.rancher.scheduler.affinity: f=6
        db: {image: mysql}
        """
    )
    affinity = result.pod("web")["affinity"]
    node = affinity["nodeAffinity"]
    hard = node["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"][0]["matchExpressions"]
    assert [(rule["key"], rule["operator"]) for rule in hard] == [("a", "In"), ("b", "In"), ("c", "NotIn")]
    soft = node["preferredDuringSchedulingIgnoredDuringExecution"][0]["preference"]["matchExpressions"]
    assert soft == [{"key": "d", "operator": "In", "values": ["4"]}]
    near = affinity["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"][0]
    assert near["labelSelector"]["matchLabels"] == result.workload("db")["spec"]["selector"]["matchLabels"]
    apart = affinity["podAntiAffinity"]
    own = apart["requiredDuringSchedulingIgnoredDuringExecution"][0]
    assert own["labelSelector"]["matchLabels"] == result.workload("web")["spec"]["selector"]["matchLabels"]
    other = apart["preferredDuringSchedulingIgnoredDuringExecution"][0]["podAffinityTerm"]
    assert other["namespaces"] == ["other"]
    assert result.fate("web", "labels", "io.rancher.scheduler.affinity:not_host_label").fate == "reported"
    assert result.fate("web", "labels", "io.rancher.scheduler.affinity").fate == "reported"


def test_health_check_thresholds_are_the_right_way_round(translate: Translate) -> None:
    result = translate(
        "web: {image: nginx}\n",
        """\
        web:
          health_check:
            port: '8080'
            request_line: GET "/healthz" "HTTP/1.1\\r\\nHost:\\ example.com"
            interval: 2500
            response_timeout: 1500
            unhealthy_threshold: 4
            healthy_threshold: 2
            initializing_timeout: 60000
            reinitializing_timeout: 60000
        """,
    )
    container = result.container("web")
    request = {"path": "/healthz", "port": 8080, "httpHeaders": [{"name": "Host", "value": "example.com"}]}
    assert container["readinessProbe"] == {
        "httpGet": request,
        "periodSeconds": 3,
        "timeoutSeconds": 2,
        "successThreshold": 2,
        "failureThreshold": 4,
    }
    assert container["livenessProbe"] == {
        "httpGet": request,
        "periodSeconds": 3,
        "timeoutSeconds": 2,
        "failureThreshold": 4,
    }
    assert container["startupProbe"]["failureThreshold"] == 20
    assert result.fate("web", "health_check", "reinitializing_timeout").fate == "reported"


@pytest.mark.parametrize(
    ("strategy", "liveness", "startup"),
    [("none", False, False), ("recreate", True, True), ("recreateOnQuorum", False, False)],
)
def test_health_check_strategies(translate: Translate, strategy: str, liveness: bool, startup: bool) -> None:
    container = translate(
        "web: {image: nginx}\n",
        f"web: {{health_check: {{port: 80, strategy: {strategy}, initializing_timeout: 1000}}}}\n",
    ).container("web")
    assert container["readinessProbe"]["tcpSocket"] == {"port": 80}
    assert ("livenessProbe" in container, "startupProbe" in container) == (liveness, startup)


def test_head_and_options_become_a_connection_test(translate: Translate) -> None:
    result = translate("web: {image: nginx}\n", "web: {health_check: {port: 80, request_line: OPTIONS / HTTP/1.0}}\n")
    assert "tcpSocket" in result.container("web")["readinessProbe"]
    assert result.fate("web", "health_check", "request_line").fate == "reported"


def test_links_and_aliases_resolve_to_the_right_pods(translate: Translate) -> None:
    result = translate(
        """\
        web: {image: nginx, links: [db, 'db:mysql', 'cache:store'], external_links: ['other/api:backend', '']}
        db: {image: mysql, expose: [3306]}
        cache: {image: redis}
        job: {image: x, links: ['cache:mysql', 'web:db']}
        """
    )
    assert result.resolve("db") == {"db"}
    assert result.resolve("mysql") == {"db"}
    assert result.resolve("store") == {"cache"}
    backend = result.get("Service", "backend")["spec"]
    assert backend["externalName"] == "api.other.svc.cluster.local"
    assert result.fate("job", "links", 0).fate == "reported"
    assert "mysql stands for db" in result.fate("job", "links", 0).message
    assert result.fate("job", "links", 1).fate == "reported"
    assert result.fate("web", "external_links", 1).fate == "reported"
    assert result.fate("web", "links", 0).fate == "translated"


def test_illegal_names_are_renamed_and_listed(translate: Translate) -> None:
    result = translate(
        "My_DB: {image: mysql}\nWeb: {image: nginx, environment: {DB: My_DB}, links: ['My_DB:my_db']}\n",
        name="My_Shop",
    )
    assert result.names("Deployment") == ["my-db", "web"]
    renamed = {item.old: (item.new, item.still_resolves) for item in result.translation.renamed}
    assert renamed == {"My_Shop": ("my-shop", False), "My_DB": ("my-db", False), "Web": ("web", True)}
    assert "My_DB is named my-db now" in result.fate("Web", "environment", "DB").message
    assert result.fate("Web", "links", 0).fate == "reported"


def test_an_old_name_that_is_legal_still_resolves(translate: Translate) -> None:
    long = "a" * 60
    result = translate(f"{long}: {{image: x}}\nweb: {{image: y, links: [{long}]}}\n")
    (renamed,) = result.translation.renamed
    assert (len(renamed.new), renamed.still_resolves) == (52, True)
    assert result.resolve(long) == {renamed.new}
    assert result.fate("web", "links", 0).fate == "translated"


def test_equal_names_stay_apart(translate: Translate) -> None:
    result = translate("a_b: {image: one}\na-b: {image: two}\nA.B: {image: three}\n")
    assert sorted(result.names("Deployment")) == ["a-b", "a-b-2", "a-b-3"]
    assert result.container("a-b")["image"] == "two"
    assert [result.resolve(name) for name in ("a-b", "a-b-2", "a-b-3")] == [{"a-b"}, {"a-b-2"}, {"a-b-3"}]


def test_sidekicks_share_a_pod_and_their_volumes(translate: Translate) -> None:
    result = translate(
        """\
        app:
          image: app
          labels: {io.rancher.sidekicks: 'data, conf , helper'}
          volumes_from: [data, 'conf:ro']
        data: {image: busybox, command: /bin/true, volumes: [/data]}
        conf: {image: app-conf, volumes: [/etc/app], labels: {io.rancher.container.start_once: true}, net: none}
        helper: {image: helper, net: 'container:app', volumes_from: [data], ports: ['9000:9000']}
        """
    )
    pod = result.pod("app")
    assert [container["name"] for container in pod["containers"]] == ["app", "helper"]
    assert [container["name"] for container in pod["initContainers"]] == ["copy-conf", "conf"]
    mounts = {mount["mountPath"]: mount for mount in result.container("app")["volumeMounts"]}
    shared = {mount["mountPath"]: mount["name"] for mount in result.container("app", "helper")["volumeMounts"]}
    assert mounts["/data"]["name"] == shared["/data"]
    assert mounts["/etc/app"]["readOnly"] is True
    assert "readOnly" not in mounts["/data"]
    assert result.names("Deployment") == ["app"]
    assert pod["hostAliases"] == [{"ip": "127.0.0.1", "hostnames": ["helper"]}]
    assert result.container("app", "helper")["ports"][0]["hostPort"] == 9000
    assert result.resolve("helper") == {"app"}


def test_a_sidekick_has_the_life_of_its_primary(translate: Translate) -> None:
    result = translate(
        "a: {image: x, labels: {io.rancher.sidekicks: b}}\nb: {image: y, restart: 'no'}\n", "b: {scale: 5}\n"
    )
    assert result.workload("a")["spec"]["replicas"] == 1
    assert result.fate("b", "scale").fate == "ignored"
    assert result.fate("b", "restart").fate == "ignored"


def test_a_sidekick_that_needs_the_service_up_is_no_init_container(translate: Translate) -> None:
    result = translate(
        """\
        db: {image: mysql, labels: {io.rancher.sidekicks: setup}}
        setup: {image: setup, command: create-tables, labels: {io.rancher.container.start_once: 'true'}}
        """
    )
    assert "initContainers" not in result.pod("db")
    assert [container["name"] for container in result.pod("db")["containers"]] == ["db", "setup"]
    assert result.fate("setup", "labels", "io.rancher.container.start_once").fate == "reported"


def test_ports_that_clash_inside_a_pod_are_reported(translate: Translate) -> None:
    result = translate(
        "a: {image: x, expose: [80], labels: {io.rancher.sidekicks: b}}\nb: {image: y, expose: [80]}\n"
    )
    assert "Port 80/TCP is a's, too" in result.fate("b", "expose").message


def test_a_host_port_is_given_once_in_a_pod(translate: Translate) -> None:
    result = translate(
        "a: {image: x, ports: ['80:80'], labels: {io.rancher.sidekicks: b}}\nb: {image: y, ports: ['80:81']}\n"
    )
    assert result.container("a")["ports"][0]["hostPort"] == 80
    assert "hostPort" not in result.container("a", "b")["ports"][0]
    assert "Host port 80 is a's" in result.fate("b", "ports", 0).message


def test_containers_of_a_pod_mount_one_secret_with_their_own_modes(translate: Translate) -> None:
    result = translate(
        """\
        version: '2'
        services:
          a: {image: x, secrets: [key], labels: {io.rancher.sidekicks: b}}
          b: {image: y, secrets: [{source: key, mode: '0400'}]}
        secrets: {key: {external: true}}
        """
    )
    modes = {volume["name"]: volume["secret"]["items"][0]["mode"] for volume in result.pod("a")["volumes"]}
    assert modes == {"secret-key": 0o444, "secret-key-400": 0o400}
    assert result.container("a", "b")["volumeMounts"][0]["name"] == "secret-key-400"


def test_a_sidekick_of_two_services_is_in_both_pods(translate: Translate) -> None:
    result = translate(
        "a: {image: x, labels: {io.rancher.sidekicks: s}}\nb: {image: y, labels: {io.rancher.sidekicks: s}}\n"
        "s: {image: z}\n"
    )
    assert [len(result.pod(name)["containers"]) for name in ("a", "b")] == [2, 2]
    assert result.fate("b", "labels", "io.rancher.sidekicks").fate == "reported"


def test_a_sidekick_s_sidekick_is_in_the_pod_before_it(translate: Translate) -> None:
    once = "labels: {io.rancher.container.start_once: 'true'"
    result = translate(
        f"""\
        config: {{image: runner, command: register, volumes: [/etc/runner], {once}}}}}
        edit: {{image: busybox, command: sed x, volumes_from: [config], {once}, io.rancher.sidekicks: config}}}}
        runner: {{image: runner, volumes_from: [edit], labels: {{io.rancher.sidekicks: edit}}}}
        """
    )
    names = [item["name"] for item in result.pod("runner")["initContainers"]]
    assert names == ["copy-config", "config", "edit"]
    assert result.names("PersistentVolumeClaim") == []
    assert result.fate("edit", "labels", "io.rancher.sidekicks").fate == "reported"


@pytest.mark.parametrize(
    ("docker", "reason"),
    [
        (
            "a: {image: x, labels: {io.rancher.sidekicks: b}}\nb: {image: x, labels: {io.rancher.sidekicks: a}}\n",
            "of a",
        ),
        (
            "a: {image: rancher/lb-service-haproxy, labels: {io.rancher.sidekicks: b}}\nb: {image: x}\n",
            "of a, which has",
        ),
    ],
)
def test_a_sidekick_without_a_pod_is_left_out_and_named(translate: Translate, docker: str, reason: str) -> None:
    result = translate(docker + "web: {image: nginx}\n")
    (left_out,) = [item for item in result.translation.blocked if item.service == "b"]
    assert reason in left_out.reason
    assert result.names("Deployment") == ["web"]
    assert result.fate("b").fate == "reported"


def test_start_once_alone_is_a_job(translate: Translate) -> None:
    result = translate("job: {image: x, command: run, labels: {io.rancher.container.start_once: 'true'}}\n")
    assert result.workload("job")["kind"] == "Job"
    assert result.pod("job")["restartPolicy"] == "Never"
    assert result.names("Service") == []


def test_start_once_on_every_host_keeps_a_pause_container(translate: Translate) -> None:
    result = translate(
        "job: {image: x, labels: {io.rancher.container.start_once: 'true', io.rancher.scheduler.global: 'true'}}\n"
    )
    assert result.workload("job")["kind"] == "DaemonSet"
    assert [container["image"] for container in result.pod("job")["initContainers"]] == ["x"]


@pytest.mark.parametrize(
    ("service", "kind"),
    [
        ("{image: x}", "Deployment"),
        ("{image: x, restart: always}", "Deployment"),
        ("{image: x, restart: no}", "Job"),
        ("{image: x, restart: 'on-failure:3'}", "Job"),
        ("{image: x, restart: 'no', ports: ['80:80']}", "Deployment"),
        ("{image: x, restart: 'no', expose: [80]}", "Deployment"),
        ("{image: x, restart: 'no', labels: {io.rancher.sidekicks: b}}\nb: {image: y}", "Deployment"),
        ("{image: x, restart: 'no'}\nb: {image: y, links: [a]}", "Deployment"),
        ("{image: x, restart: 'no'}\nb: {image: y, links: [c]}\nc: {image: z}", "Job"),
        ("{image: x, labels: {io.rancher.container.hostname_override: container_name}}", "StatefulSet"),
    ],
)
def test_kinds(translate: Translate, service: str, kind: str) -> None:
    assert translate(f"a: {service}\n").workload("a")["kind"] == kind


def test_named_volumes_are_claims(translate: Translate) -> None:
    result = translate(
        """\
        version: '2'
        services:
          db:
            image: mysql
            volumes: ['data:/var/lib/mysql', 'shared:/shared:ro', 'there:/there', '/etc/localtime:/etc/localtime:ro',
                      '/srv/dump:/dump', '/tmp/scratch']
        volumes:
          data: {driver: rancher-ebs, driver_opts: {size: '20'}}
          shared: {driver: rancher-nfs}
          there: {external: true}
          unused: {}
        """,
        policy=RancherPolicy(storage_classes={"rancher-ebs": "fast"}),
    )
    data = result.get("PersistentVolumeClaim", "data")["spec"]
    assert data == {
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": "fast",
        "resources": {"requests": {"storage": "20Gi"}},
    }
    assert result.get("PersistentVolumeClaim", "shared")["spec"]["accessModes"] == ["ReadWriteMany"]
    assert result.names("PersistentVolumeClaim") == ["data", "shared"]
    volumes = {volume["name"]: volume for volume in result.pod("db")["volumes"]}
    assert volumes["there"]["persistentVolumeClaim"]["claimName"] == "there"
    assert volumes["etc-localtime"]["hostPath"] == {"path": "/etc/localtime"}
    assert volumes["srv-dump"]["hostPath"]["type"] == "DirectoryOrCreate"
    assert volumes["tmp-scratch"] == {"name": "tmp-scratch", "emptyDir": {}}
    mounts = {mount["mountPath"]: mount for mount in result.container("db")["volumeMounts"]}
    assert [path for path, mount in mounts.items() if mount.get("readOnly")] == ["/shared", "/etc/localtime"]
    assert result.fate("volumes", "unused").fate == "reported"


def test_volumes_of_each_container_make_a_stateful_set(translate: Translate) -> None:
    result = translate(
        """\
        version: '2'
        services:
          db: {image: mysql, volumes: ['data:/var/lib/mysql']}
        volumes:
          data: {driver: rancher-ebs, per_container: true}
        """,
        "version: '2'\nservices: {db: {scale: 3}}\n",
    )
    assert result.workload("db")["kind"] == "StatefulSet"
    template = result.workload("db")["spec"]["volumeClaimTemplates"][0]
    assert template["metadata"]["name"] == result.container("db")["volumeMounts"][0]["name"]
    assert result.names("PersistentVolumeClaim") == []
    assert result.workload("db")["spec"]["serviceName"] == "db"
    assert result.get("Service", "db")["spec"]["clusterIP"] == "None"


def test_volumes_from_another_pod_are_shared_claims(translate: Translate) -> None:
    result = translate("a: {image: x, volumes_from: [b]}\nb: {image: y, volumes: [/data]}\n")
    claims = {
        volume["persistentVolumeClaim"]["claimName"] for name in ("a", "b") for volume in result.pod(name)["volumes"]
    }
    assert claims == {"b-data"}
    assert result.get("PersistentVolumeClaim", "b-data")["spec"]["accessModes"] == ["ReadWriteMany"]


def test_secrets_are_mounted_and_their_values_stay(translate: Translate) -> None:
    result = translate(
        """\
        version: '2'
        services:
          web:
            image: nginx
            environment: {DB_PASSWORD: hunter22, DB_URL: 'mysql://u:hunter22@db/x', DB_HOST: db, TOKEN_FILE: /run/t}
            command: [serve, '--password=hunter22']
            secrets: [cert, {source: key, target: app.key, mode: '0400', uid: '5'}]
        secrets:
          cert: {file: ./cert.pem}
          key: {external: 'true'}
        """
    )
    text = result.text() + "".join(key.message for key in result.translation.keys)
    assert "hunter22" not in text
    env = {entry["name"]: entry for entry in result.container("web")["env"]}
    reference = env["DB_PASSWORD"]["valueFrom"]["secretKeyRef"]
    assert reference == {"name": "web-environment", "key": "DB_PASSWORD"}
    assert "valueFrom" in env["DB_URL"]
    assert env["DB_HOST"]["value"] == "db"
    assert env["TOKEN_FILE"]["value"] == "/run/t"
    assert result.container("web")["args"] == ["serve", "--password=$(DB_PASSWORD)"]
    mounts = {mount["mountPath"]: mount for mount in result.container("web")["volumeMounts"]}
    assert set(mounts) == {"/run/secrets/cert", "/run/secrets/app.key"}
    secrets = {
        volume["secret"]["secretName"]: volume["secret"]["items"][0] for volume in result.pod("web")["volumes"]
    }
    assert (secrets["cert"]["mode"], secrets["key"]["mode"]) == (0o444, 0o400)
    assert result.names("Secret") == ["cert", "web-environment"]
    assert all(not result.get("Secret", name).get("stringData") for name in result.names("Secret"))


def test_secret_values_are_copied_when_the_policy_says_so(translate: Translate) -> None:
    result = translate(
        "web: {image: nginx, environment: {API_KEY: abcdef}}\n", policy=RancherPolicy(secret_values="copy")
    )
    assert result.get("Secret", "web-environment")["stringData"] == {"API_KEY": "abcdef"}
    assert result.fate("web", "environment", "API_KEY").fate == "translated"


def test_environment_values_are_strings_as_go_prints_them(translate: Translate) -> None:
    env = translate(
        "web: {image: nginx, environment: {A: true, B: 1, C: 1.50, D: '', E: $$HOME, F: $$(X), G: null}}\n"
    ).container("web")["env"]
    assert [(entry["name"], entry["value"]) for entry in env] == [
        ("A", "true"),
        ("B", "1"),
        ("C", "1.5"),
        ("D", ""),
        ("E", "$HOME"),
        ("F", "$$(X)"),
    ]


def expand_as_the_kubelet(text: str) -> str:
    """Expand `$(NAME)` in a container without variables, as k8s.io/kubernetes' expansion package does."""
    result, place = "", 0
    while place < len(text):
        rest = text[place:]
        if rest.startswith("$$"):
            result, place = result + "$", place + 2
        elif rest.startswith("$(") and ")" in rest:
            name = rest[2 : rest.index(")")]
            known = re.fullmatch("[-._A-Za-z0-9]+", name)
            result += "VALUE" if known else f"$({name})"
            place += len(name) + 3
        else:
            result, place = result + rest[0], place + 1
    return result


@given(st.text(alphabet="$$()ab -{}", max_size=12))
@example("$($$)")
@example("$(a $(b))")
def test_the_kubelet_hands_on_what_the_command_says(text: str) -> None:
    assert expand_as_the_kubelet(escape_variables(text)) == text


def test_a_shell_s_own_number_reaches_the_shell(translate: Translate) -> None:
    result = translate("web: {image: nginx, command: [sh, -c, 'kill $$$$'], environment: {A: '$$$$'}}\n")
    assert result.container("web")["args"][2] == "kill $$$$"
    assert result.container("web")["env"] == [{"name": "A", "value": "$$$$"}]


def test_commands_are_split_and_escaped(translate: Translate) -> None:
    container = translate(
        """\
        web: {image: nginx, entrypoint: /bin/sh -c, command: "echo 'a b' $$(DATE) $$HOME", working_dir: /w,
              user: '7:8', tty: true, stdin_open: true}
        """
    ).container("web")
    assert container["command"] == ["/bin/sh", "-c"]
    assert container["args"] == ["echo", "a b", "$$(DATE)", "$HOME"]
    assert (container["workingDir"], container["tty"], container["stdin"]) == ("/w", True, True)
    assert container["securityContext"] == {"runAsUser": 7, "runAsGroup": 8}


def test_security_and_resources(translate: Translate) -> None:
    result = translate(
        """\
        agent:
          image: agent
          privileged: true
          cap_add: [CAP_NET_ADMIN, sys_time]
          cap_drop: [ALL]
          pid: host
          read_only: true
          sysctls: {net.core.somaxconn: 1024}
          group_add: ['44', video]
          extra_hosts: ['db:10.0.0.5', 'x:name']
          dns: [169.254.169.250, 8.8.8.8]
          mem_limit: 512m
          mem_reservation: 1073741824
          cpu_shares: 512
          ulimits: {nofile: 1024}
          shm_size: 64m
          tmpfs: [/scratch]
        """
    )
    pod, container = result.pod("agent"), result.container("agent")
    security = container["securityContext"]
    assert security["privileged"] is True
    assert security["capabilities"] == {"add": ["NET_ADMIN", "SYS_TIME"], "drop": ["ALL"]}
    assert security["readOnlyRootFilesystem"] is True
    assert pod["hostPID"] is True
    assert pod["securityContext"] == {
        "supplementalGroups": [44],
        "sysctls": [{"name": "net.core.somaxconn", "value": "1024"}],
    }
    assert pod["hostAliases"] == [{"ip": "10.0.0.5", "hostnames": ["db"]}]
    assert pod["dnsConfig"] == {"nameservers": ["8.8.8.8"]}
    assert container["resources"] == {
        "requests": {"memory": "512Mi", "cpu": "500m"},
        "limits": {"memory": "512Mi"},
    }
    assert {mount["mountPath"] for mount in container["volumeMounts"]} == {"/dev/shm", "/scratch"}
    for path in (("group_add", 1), ("extra_hosts", 1), ("mem_reservation",), ("cpu_shares",), ("ulimits",)):
        assert result.fate("agent", *path).fate == "reported", path
    assert result.fate("agent", "dns", 0).fate == "ignored"


@pytest.mark.parametrize(
    ("strategy", "ports", "expected"),
    [
        ("{start_first: true, batch_size: 2}", "[]", {"maxSurge": 2, "maxUnavailable": 0}),
        ("{batch_size: 2, interval_millis: 5000}", "[]", {"maxSurge": 0, "maxUnavailable": 2}),
        ("{start_first: true}", "['80:80']", {"maxSurge": 0, "maxUnavailable": 1}),
    ],
)
def test_upgrades(translate: Translate, strategy: str, ports: str, expected: dict[str, int]) -> None:
    result = translate(f"web: {{image: x, ports: {ports}}}\n", f"web: {{upgrade_strategy: {strategy}}}\n")
    spec = result.workload("web")["spec"]
    assert spec["strategy"]["rollingUpdate"] == expected
    assert spec.get("minReadySeconds") == (5 if "interval" in strategy else None)


def test_a_label_under_rancher_s_name_selects_the_services_that_carry_it(translate: Translate) -> None:
    labels = "{io.rancher.community.x: 'true', 'io.rancher.scheduler.affinity:container_label_ne': '%s=true'}"
    carrier = labels % "io.rancher.community.x"
    result = translate(f"a: {{image: x, labels: {carrier}}}\nb: {{image: x, labels: {carrier}}}\nc: {{image: x}}\n")
    rules = result.pod("a")["affinity"]["podAntiAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert rules[0]["labelSelector"] == {
        "matchLabels": {"app.kubernetes.io/instance": "shop"},
        "matchExpressions": [{"key": "app.kubernetes.io/name", "operator": "In", "values": ["a", "b"]}],
    }
    assert result.workload("a")["spec"]["strategy"]["rollingUpdate"]["maxSurge"] == 0
    assert result.fate("a", "labels", "io.rancher.scheduler.affinity:container_label_ne").fate == "translated"


ITSELF = "io.rancher.stack_service.name=$${stack_name}/$${service_name}"


@pytest.mark.parametrize(
    ("rule", "value", "surge"),
    [
        ("container_label_ne", ITSELF, 0),
        ("container_label_ne", "io.rancher.stack_service.name=$${service_name}", 0),
        ("container_label_ne", "tier=front", 0),
        ("container_label_soft_ne", ITSELF, None),
        ("container_label_ne", "io.rancher.stack_service.name=$${stack_name}/db", None),
        ("container_label_ne", "io.rancher.stack_service.name=other/$${service_name}", None),
        ("container_label", ITSELF, None),
    ],
)
def test_pods_that_share_no_node_are_replaced_before_others_are_added(
    translate: Translate, rule: str, value: str, surge: int | None
) -> None:
    label = f"'io.rancher.scheduler.affinity:{rule}': '{value}'"
    result = translate(
        f"web: {{image: x, labels: {{tier: front, {label}}}}}\ndb: {{image: y}}\n", "web: {scale: 3}\n"
    )
    assert result.workload("web")["spec"].get("strategy", {}).get("rollingUpdate", {}).get("maxSurge") == surge


def test_pods_that_share_no_node_cannot_start_first(translate: Translate) -> None:
    label = f"'io.rancher.scheduler.affinity:container_label_ne': '{ITSELF}'"
    result = translate(f"web: {{image: x, labels: {{{label}}}}}\n", "web: {upgrade_strategy: {start_first: true}}\n")
    assert result.workload("web")["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": 0, "maxUnavailable": 1}
    assert "No two of these pods share a node" in result.fate("web", "upgrade_strategy", "start_first").message


@pytest.mark.parametrize(
    ("grace", "seconds"),
    [("10s", 10), ("1m30s", 90), ("1500ms", 2), ("20", 20), ("0s", 0), ("soon", None)],
)
def test_grace_periods_are_durations(translate: Translate, grace: str, seconds: int | None) -> None:
    result = translate(f"web: {{image: x, stop_grace_period: '{grace}'}}\n")
    assert result.pod("web").get("terminationGracePeriodSeconds") == seconds
    assert result.fate("web", "stop_grace_period").fate == ("reported" if grace == "soon" else "translated")


def test_empty_keys_of_an_export_need_nobody(translate: Translate) -> None:
    result = translate("web: {image: x, log_driver: '', log_opt: {}, ulimits: null, mac_address: '02:42'}\n")
    assert [result.fate("web", key).fate for key in ("log_driver", "log_opt", "ulimits")] == ["ignored"] * 3
    assert result.fate("web", "mac_address").fate == "reported"


def test_keys_that_nothing_reads_are_not_called_translated(translate: Translate) -> None:
    result = translate(
        """\
        version: '2'
        services:
          web:
            image: x
            memory: 512
            privileged: true
            security_opt: [no-new-privileges]
            healthcheck: {test: [CMD, 'true']}
            labels: {io.rancher.container.hostname_override: container_name}
            volumes: ['data:/data']
        volumes:
          data: {driver: local, per_container: true, label: x}
        """,
        """\
        version: '2'
        services:
          web:
            health_check: {port: 80}
            upgrade_strategy: {batch_size: 2, batches: 2}
            scale_policy: {max: 2, most: 3}
        """,
    )
    web = ("services", "web")
    unknown = [(*web, "upgrade_strategy", "batches"), (*web, "scale_policy", "most"), ("volumes", "data", "label")]
    for path in unknown:
        assert "unknown to Rancher" in result.fate(*path).message, path
    assert "one pod at a time" in result.fate(*web, "upgrade_strategy", "batch_size").message
    assert result.fate(*web, "memory").fate == "reported"
    assert "no-new-privileges" in result.fate(*web, "security_opt").message
    assert result.fate(*web, "healthcheck").fate == "ignored"


@pytest.mark.parametrize(
    ("settings", "rancher", "path", "words"),
    [
        ("", "scale: lots", ("scale",), "no number of containers"),
        ("", "scale: -1", ("scale",), "no number of containers"),
        ("cpu_shares: many", "", ("cpu_shares",), "no number"),
        ("", "health_check: {port: 80, interval: soon}", ("health_check", "interval"), "the default"),
        ('command: "echo \'a"', "", ("command",), "not closed"),
        ("volumes: ['a:/a:fast']", "", ("volumes", 0), "no option of a volume"),
        ("secrets: [{source: a, mode: rw}]", "", ("secrets", 0, "mode"), "no octal mode"),
    ],
)
def test_values_that_say_nothing_are_reported(
    translate: Translate, settings: str, rancher: str, path: tuple[str | int, ...], words: str
) -> None:
    result = translate(
        f"web: {{image: x{', ' if settings else ''}{settings}}}\n", f"web: {{{rancher}}}\n" if rancher else ""
    )
    fate = result.fate("web", *path)
    assert (fate.fate, words in fate.message) == ("reported", True), fate.message


def test_a_host_s_path_goes_up_no_folder(translate: Translate) -> None:
    result = translate("web: {image: x, volumes: ['/srv/../data:/data']}\n")
    assert result.pod("web")["volumes"][0]["hostPath"]["path"] == "/data"


def test_a_daemon_set_has_no_claim_for_each_pod(translate: Translate) -> None:
    result = translate(
        """\
        version: '2'
        services: {a: {image: x, labels: {io.rancher.scheduler.global: 'true'}, volumes: ['v:/v']}}
        volumes: {v: {driver: rancher-nfs, per_container: true}}
        """
    )
    assert "not one each" in result.fate("services", "a", "volumes", 0).message


def test_user_labels_stay_and_rancher_s_go(translate: Translate) -> None:
    result = translate(
        """\
        web:
          image: nginx
          labels: {tier: front, traefik.rule: 'Host:a.example', io.rancher.container.pull_image: always,
                   io.rancher.whatever: x, 'a b': c, app.kubernetes.io/name: other}
        """
    )
    metadata = result.workload("web")["spec"]["template"]["metadata"]
    assert metadata["labels"]["tier"] == "front"
    assert metadata["annotations"] == {"traefik.rule": "Host:a.example"}
    assert metadata["labels"]["app.kubernetes.io/name"] == "web"
    assert "io.rancher" not in result.text()
    assert result.container("web")["imagePullPolicy"] == "Always"
    for name in ("io.rancher.whatever", "a b", "app.kubernetes.io/name"):
        assert result.fate("web", "labels", name).fate == "reported"


def test_agents_of_rancher_are_left_out_with_the_reason(translate: Translate) -> None:
    result = translate(
        "web: {image: nginx, links: [dns]}\n"
        "dns: {image: external-dns, labels: {io.rancher.container.create_agent: 'true', "
        "io.rancher.container.agent.role: external-dns}}\n"
    )
    assert result.names("Deployment") == ["web"]
    assert [(item.service, item.line) for item in result.translation.blocked] == [("dns", 2)]
    assert "left out" in result.fate("dns", "image").message
    assert result.fate("web", "links", 0).fate == "reported"


@pytest.mark.parametrize(
    ("docker", "rancher", "reason"),
    [
        ("nfs: {image: x}\n", "nfs: {storage_driver: {name: rancher-nfs}}\n", "is a storage driver"),
        ("net: {image: x}\n", "net: {network_driver: {name: vxlan}}\n", "is a network driver"),
        ("vm: {image: x, vcpu: 2}\n", "", "virtual machine"),
        ("meta: {image: 'rancher/metadata:v0.9'}\n", "", "Rancher's metadata service"),
        ("npm: {image: 'rancher/network-policy-manager:v0.2.8'}\n", "", "Rancher's network policies"),
        ("ebs: {image: 'rancher/storage-ebs:v0.9.8'}\n", "", "a volume driver"),
        (
            "a: {image: x, labels: {io.rancher.container.create_agent: true}}\n",
            "",
            "Every service works only beside a Rancher server",
        ),
        ("version: '2'\nservices: {}\nsecrets: {a: {file: a}}\n", "", "no service that makes anything"),
    ],
)
def test_stacks_of_rancher_itself_are_refused(translate: Translate, docker: str, rancher: str, reason: str) -> None:
    translation = translate(docker, rancher).translation
    assert translation.objects == ()
    assert reason in translation.refused
    assert translation.keys
    assert all(key.fate == "reported" for key in translation.keys)


@pytest.mark.parametrize(
    ("docker", "problem"),
    [
        ("web:\n  image: nginx\n  ports: [':80']\n", "PortWrongFormat: ':80'"),
        ("web:\n  image: nginx\n  ports: ['8000-8010:80']\n", "PortWrongFormat"),
        ("web:\n  image: nginx\n  ports: ['80:80/x']\n", "PortInvalidProtocol"),
        ("web:\n  command: x\n  image: 'nginx:$TAG'\n", "invalid reference format"),
        ("web:\n  command: x\n  image: ''\n", "neither an image nor a build path"),
    ],
)
def test_what_rancher_refuses_is_refused_in_its_words(translate: Translate, docker: str, problem: str) -> None:
    with pytest.raises(InputError) as refusal:
        translate(docker)
    assert problem in refusal.value.problem
    assert refusal.value.line == 3


def test_external_services_and_dns_services(translate: Translate) -> None:
    result = translate(
        """\
        mail: {image: rancher/external-service}
        legacy: {image: rancher/external-service}
        front: {image: rancher/dns-service, links: [a]}
        both: {image: rancher/dns-service, links: [a, b]}
        a: {image: x, expose: [80]}
        b: {image: y}
        """,
        "mail: {hostname: smtp.example.com}\nlegacy: {external_ips: [10.1.1.1, 10.1.1.2]}\n",
    )
    assert result.get("Service", "mail")["spec"]["externalName"] == "smtp.example.com"
    assert "selector" not in result.get("Service", "legacy")["spec"]
    slice_object = result.get("EndpointSlice", "legacy-ipv4")
    assert [endpoint["addresses"] for endpoint in slice_object["endpoints"]] == [["10.1.1.1"], ["10.1.1.2"]]
    assert slice_object["metadata"]["labels"]["kubernetes.io/service-name"] == "legacy"
    assert result.resolve("front") == {"a"}
    assert result.resolve("both") == {"a", "b"}
    assert result.resolve("a") == {"a"}


def test_an_external_service_that_is_an_address_has_endpoints(translate: Translate) -> None:
    result = translate("e: {image: rancher/external-service}\n", "e: {hostname: 10.0.0.9}\n")
    assert result.get("EndpointSlice", "e-ipv4")["endpoints"] == [{"addresses": ["10.0.0.9"]}]
    assert "externalName" not in result.get("Service", "e")["spec"]


def test_one_namespace_for_all_stacks(translate: Translate) -> None:
    result = translate("web: {image: nginx}\n", policy=RancherPolicy(namespace="apps"))
    assert {item.data["metadata"].get("namespace", "apps") for item in result.translation.objects} == {"apps"}
    assert result.names("Namespace") == ["apps"]
    assert "labels" not in result.get("Namespace", "apps")["metadata"]


def test_files_are_one_for_each_service_in_the_stack_s_order(translate: Translate) -> None:
    result = translate("web: {image: x, links: ['db:sql'], volumes: ['v:/v']}\ndb: {image: y}\n")
    names = list(dict.fromkeys(item.file_name for item in result.translation.objects))
    assert names == ["shop/namespace.yaml", "shop/volumes.yaml", "shop/web.yaml", "shop/db.yaml", "shop/aliases.yaml"]


@pytest.mark.parametrize(
    "docker",
    [
        "catalog: {image: x}\nversion: {image: y}\n",
        "version: '2'\nservices: {catalog: {image: x}, version: {image: y}, .catalog: {name: z}}\n",
    ],
)
def test_services_may_be_named_like_sections(translate: Translate, docker: str) -> None:
    assert translate(docker).names("Deployment") == ["catalog", "version"]


def test_every_key_has_one_fate(translate: Translate) -> None:
    result = translate(
        "web:\n  image: nginx\n  nonsense: 1\n  logging: {driver: x}\n  depends_on: [db]\ndb: {image: y}\n",
        "web: {scale: 2}\nghost: {scale: 3}\n.catalog: {name: Shop, questions: []}\n",
    )
    fates = {key.path: key.fate for key in result.translation.keys}
    assert fates == {
        ("web",): "translated",
        ("web", "image"): "translated",
        ("web", "nonsense"): "reported",
        ("web", "logging"): "reported",
        ("web", "logging", "driver"): "reported",
        ("web", "depends_on"): "ignored",
        ("db",): "translated",
        ("db", "image"): "translated",
        ("web", "scale"): "translated",
        ("ghost",): "reported",
        ("ghost", "scale"): "reported",
        (".catalog",): "ignored",
        (".catalog", "name"): "ignored",
        (".catalog", "questions"): "ignored",
    }


def test_a_service_that_selects_containers_is_a_selector(translate: Translate) -> None:
    result = translate(
        "all: {image: rancher/none, labels: {io.rancher.service.selector.container: 'tier=front'}}\n"
        "odd: {image: rancher/none, labels: {io.rancher.service.selector.container: 'tier in (a, b)'}}\n"
        "web: {image: x, labels: {tier: front}}\napi: {image: x, labels: {tier: back}}\n"
    )
    service = result.get("Service", "all")["spec"]
    assert (service["selector"], service["clusterIP"]) == ({"tier": "front"}, "None")
    assert result.resolve("all") == {"web"}
    assert "odd" not in result.names("Service")
    assert result.fate("odd", "labels", "io.rancher.service.selector.container").fate == "reported"


def test_labels_that_change_nothing_say_so(translate: Translate) -> None:
    result = translate(
        "a: {image: x, labels: {io.rancher.service.selector.container: 'role=b', "
        "io.rancher.container.pull_image: never}}\nb: {image: x, labels: {role: b}}\n"
    )
    assert result.resolve("a") == {"a"}
    assert "role=b" in result.fate("a", "labels", "io.rancher.service.selector.container").message
    assert result.fate("a", "labels", "io.rancher.container.pull_image").fate == "reported"


def test_odd_volumes_are_left_out_and_reported(translate: Translate) -> None:
    result = translate(
        """\
        web:
          image: x
          volumes: ['/a:relative', '/b:/b', '/c:/b', './here:/here', '/var/run/docker.sock:/var/run/docker.sock',
                    '/d:/d:rshared', '/e:/e:z,slave']
        """
    )
    mounts = {mount["mountPath"]: mount for mount in result.container("web")["volumeMounts"]}
    assert list(mounts) == ["/b", "/here", "/var/run/docker.sock", "/d", "/e"]
    volumes = {volume["name"]: volume for volume in result.pod("web")["volumes"]}
    assert volumes[mounts["/b"]["name"]]["hostPath"]["path"] == "/b"
    assert "emptyDir" in volumes[mounts["/here"]["name"]]
    assert volumes[mounts["/var/run/docker.sock"]["name"]]["hostPath"]["type"] == "Socket"
    assert mounts["/d"]["mountPropagation"] == "HostToContainer"
    assert mounts["/e"]["mountPropagation"] == "HostToContainer"
    assert [result.fate("web", "volumes", place).fate for place in (0, 2, 3, 4, 5)] == ["reported"] * 5


def test_a_volume_of_each_host_under_a_global_service_stays_on_the_host(translate: Translate) -> None:
    result = translate(
        "agent: {image: x, volumes: ['state:/state'], labels: {io.rancher.scheduler.global: 'true'}}\n"
    )
    (volume,) = result.pod("agent")["volumes"]
    assert volume["hostPath"] == {"path": "/var/lib/shop/state", "type": "DirectoryOrCreate"}
    assert result.names("PersistentVolumeClaim") == []


def test_several_pods_on_one_volume_are_warned_about(translate: Translate) -> None:
    result = translate(
        "version: '2'\nservices: {a: {image: x, volumes: ['d:/d', 'l:/l']}}\nvolumes: {d: {driver: rancher-ebs}}\n",
        "version: '2'\nservices: {a: {scale: 2}}\n",
    )
    assert result.workload("a")["kind"] == "StatefulSet"
    assert [item["metadata"]["name"] for item in result.workload("a")["spec"]["volumeClaimTemplates"]] == ["l"]
    assert "ReadWriteOnce" in result.fate("services", "a", "volumes", 0).message


def test_host_rules_without_a_node_label_are_reported(translate: Translate) -> None:
    result = translate(
        """\
        a:
          image: x
          labels:
            io.rancher.scheduler.affinity:host_label: 'io.rancher.host.os=linux,io.rancher.host.kvm=true,a b=c,ok=yes'
            io.rancher.scheduler.affinity:container: other_1
            io.rancher.scheduler.affinity:host_label_ne: $${service_name}=
        """
    )
    (term,) = result.pod("a")["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"][
        "nodeSelectorTerms"
    ]
    assert [rule["key"] for rule in term["matchExpressions"]] == ["kubernetes.io/os", "ok"]
    message = result.fate("a", "labels", "io.rancher.scheduler.affinity:host_label").message
    assert "io.rancher.host.kvm was Rancher's host label" in message
    assert "a b=c is no legal node label" in message
    assert result.fate("a", "labels", "io.rancher.scheduler.affinity:container").fate == "reported"
    assert result.fate("a", "labels", "io.rancher.scheduler.affinity:host_label_ne").fate == "ignored"


def test_security_options(translate: Translate) -> None:
    result = translate(
        "a: {image: x, security_opt: ['seccomp:unconfined', 'label:type:t', 'label:disable', 'no-new-privileges',"
        " 'apparmor=unconfined'], devices: ['/dev/fuse:/dev/fuse:rwm']}\n"
    )
    security = result.container("a")["securityContext"]
    assert security["seccompProfile"] == {"type": "Unconfined"}
    assert security["seLinuxOptions"] == {"type": "t"}
    assert security["appArmorProfile"] == {"type": "Unconfined"}
    assert security["privileged"] is True
    assert result.fate("a", "security_opt", 2).fate == "reported"
    assert result.pod("a")["volumes"] == [{"name": "device-dev-fuse", "hostPath": {"path": "/dev/fuse"}}]


def test_keys_of_an_extended_file_count_where_they_are_used(translate: Translate) -> None:
    result = translate(
        "web: {extends: {file: common.yml, service: base}}\n",
        **{"common.yml": "base:\n  image: x\n  ulimits: {nofile: 1}\nother:\n  image: y\n"},
    )
    fates = {(key.file.rpartition("/")[2], key.path): key.fate for key in result.translation.keys}
    assert fates["common.yml", ("base", "image")] == "translated"
    assert fates["common.yml", ("base", "ulimits")] == "reported"
    assert fates["common.yml", ("other", "image")] == "ignored"
    assert fates["docker-compose.yml", ("web", "extends")] == "translated"


def test_metadata_becomes_a_config_map_without_its_secrets(translate: Translate) -> None:
    result = translate(
        "web: {image: x, environment: {DB_PASSWORD: hunter22}}\n",
        "web: {metadata: {name: shop, tls.key: abcdefgh, conf: {user: u, auth: 'u:hunter22'}, list: [a, b]}}\n",
    )
    assert result.get("ConfigMap", "web-metadata")["data"] == {"name": "shop", "list": '["a", "b"]'}
    assert result.fate("web", "metadata", "tls.key").fate == "reported"
    assert result.fate("web", "metadata", "conf").fate == "reported"


def test_one_name_server_of_rancher_s_leaves_no_dns_config(translate: Translate) -> None:
    result = translate("a: {image: x, dns: 169.254.169.250, dns_search: [x.rancher.internal], hostname: My.Host}\n")
    assert "dnsConfig" not in result.pod("a")
    assert "hostname" not in result.pod("a")
    assert result.fate("a", "dns_search", 0).fate == "reported"
    assert result.fate("a", "hostname").fate == "reported"
    assert translate("a: {image: x, hostname: Box}\n").pod("a")["hostname"] == "box"


def test_names_that_only_rancher_answers_are_pointed_at(translate: Translate) -> None:
    result = translate(
        "a: {image: x, command: 'curl http://rancher-metadata/latest', environment: {A: a.rancher.internal, B: a}}\n"
    )
    assert "metadata service is Rancher's" in result.fate("a", "command").message
    assert "Rancher's DNS zone" in result.fate("a", "environment", "A").message
    assert result.fate("a", "environment", "B").fate == "translated"


def test_keys_to_rancher_s_api_are_pointed_at_by_their_names(translate: Translate) -> None:
    result = translate("a: {image: x, environment: {CATTLE_URL: 'http://r/v1', CATTLE_SECRET_KEY: abcdef, URL: x}}\n")
    assert "Rancher's API" in result.fate("a", "environment", "CATTLE_URL").message
    assert "Rancher's API" in result.fate("a", "environment", "CATTLE_SECRET_KEY").message
    assert result.fate("a", "environment", "URL").fate == "translated"


def test_containers_on_the_host_s_network_pull_their_pod_along(translate: Translate) -> None:
    result = translate(
        "a: {image: x, labels: {io.rancher.sidekicks: b}}\nb: {image: y, net: host}\n"
        "c: {image: z, net: 'container:a'}\n"
    )
    assert result.pod("a")["hostNetwork"] is True
    assert "a is on the node's network, too" in result.fate("b", "net").message
    assert result.fate("c", "net").fate == "reported"


SECTIONS = """\
    version: '2'
    services:
      web: {image: nginx}
      db: {image: mysql}
      tool: {image: replaced}
    load_balancers:
      lb:
        ports: ['80:80', '3306:3306']
        port_rules:
        - {source_port: 80, protocol: http, service: web, target_port: 8080}
        - {source_port: 3306, protocol: tcp, service: db, target_port: 3307}
        config: maxconn 4
        shoe: 1
    external_services:
      mail: {external_ips: [192.0.2.9], shoe: 1}
      tool: {hostname: tool.example}
    aliases:
      both: {services: [web, db]}
      gone: {containers: [c]}
    containers:
      alone: {image: busybox}
    dependencies:
      queue: {template: 'community:queue'}
    """


def test_sections_of_later_executors_are_services_too(translate: Translate) -> None:
    result = translate(SECTIONS)
    assert result.names("Deployment") == ["alone", "web", "db"]
    path = result.get("Ingress", "lb")["spec"]["rules"][0]["http"]["paths"][0]
    assert path["backend"]["service"] == {"name": "web", "port": {"number": 8080}}
    assert result.get("Service", "lb")["spec"]["ports"] == [{"name": "tcp-3306", "port": 3306, "targetPort": 3307}]
    assert result.get("EndpointSlice", "mail-ipv4")["endpoints"] == [{"addresses": ["192.0.2.9"]}]
    assert result.get("Service", "tool")["spec"]["externalName"] == "tool.example"
    assert result.resolve("both") == {"web", "db"}
    assert result.resolve("alone") == {"alone"}


@pytest.mark.parametrize(
    ("path", "fate", "words"),
    [
        (("load_balancers", "lb", "config"), "reported", "HAProxy"),
        (("load_balancers", "lb", "port_rules", 0), "translated", "the Ingress lb to web:8080"),
        (("load_balancers", "lb", "shoe"), "reported", "'shoe' is unknown"),
        (("external_services", "mail"), "translated", "objects"),
        (("external_services", "mail", "shoe"), "reported", "'shoe' is unknown"),
        (("services", "tool", "image"), "ignored", "Replaced by external_services.tool"),
        (("aliases", "both", "services"), "translated", "target"),
        (("aliases", "gone", "containers"), "reported", "names no services"),
        (("dependencies",), "reported", "convert them in the same run"),
        (("dependencies", "queue"), "reported", "See dependencies."),
    ],
)
def test_keys_of_those_sections_have_a_fate(
    translate: Translate, path: tuple[str | int, ...], fate: str, words: str
) -> None:
    found = translate(SECTIONS).fate(*path)
    assert (found.fate, words in found.message) == (fate, True), found.message


@pytest.mark.parametrize("section", ["storage_drivers", "network_drivers", "virtual_machines"])
def test_sections_of_rancher_s_infrastructure_are_refused(translate: Translate, section: str) -> None:
    result = translate(f"version: '2'\nservices: {{web: {{image: x}}}}\n{section}: {{own: {{image: y}}}}\n")
    assert result.translation.objects == ()
    assert "own" in str(result.translation.refused)


def test_of_a_key_without_equivalent_the_ones_below_point_at_it(translate: Translate) -> None:
    result = translate("web: {image: x, ulimits: {nofile: {soft: 1, hard: 2}}}\n")
    assert "container runtime" in result.fate("web", "ulimits").message
    below = result.fate("web", "ulimits", "nofile", "soft")
    assert (below.fate, below.message, below.inherited) == ("reported", "See web.ulimits.", True)


def test_a_link_to_a_stack_that_is_not_here_names_it(translate: Translate) -> None:
    result = translate("web: {image: x, external_links: ['back/api:api']}\n")
    fate = result.fate("web", "external_links", 0)
    assert fate.fate == "translated"
    assert fate.message.endswith("-> api.back.svc.cluster.local; convert stack back, too, unless it runs elsewhere")


def test_no_network_is_said_of_what_stays_alone_only(translate: Translate) -> None:
    result = translate(
        """\
        web: {image: x, labels: {io.rancher.sidekicks: 'data, tool'}}
        data: {image: y, net: none, labels: {io.rancher.container.start_once: 'true'}}
        tool: {image: z, net: none}
        alone: {image: z, net: none}
        """
    )
    assert result.fate("data", "net").fate == "ignored"
    assert "a NetworkPolicy knows whole pods only" in result.fate("tool", "net").message
    assert "deny traffic with a NetworkPolicy" in result.fate("alone", "net").message
