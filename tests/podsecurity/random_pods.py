"""Random pods and namespace labels that reach every branch of every check.

Each value is harmless or harmful; a pod draws first how many of its values are harmful, so that many pods pass
nearly everything and many fail in several places at once. Everything may also be absent or null.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Any

from migrator.podsecurity.checks.restricted_volumes import ALLOWED, RESTRICTED_TYPES

HARMFUL_SHARES = (0.0, 0.02, 0.05, 0.2, 0.5)
NAMES = ("web", "web", "proxy", "init", "side-car", "", 'quo"te', "käse", "web2")
# Go writes these as %q: quotes, backslashes, controls, formats and letters beyond ASCII are where it differs.
ODD_TEXTS = (
    "unconfined",
    "Unconfined",
    'say "no"',
    "back\\slash",
    "tab\tnew\nline\r",
    "\x07\x08\x0b\x0c\x00\x1b\x7f",
    "no\u00a0break soft\u00adhyphen",
    "line\u2028paragraph\u2029",
    "käse 世界 \U0001f600",
    "\U000e0001tag \U0010fffd",
    "runtime/default ",
    "Localhost/x",
    "localhost",
)
CAPABILITIES = ("CHOWN", "NET_BIND_SERVICE", "SETUID", "KILL")
HARMFUL_CAPABILITIES = ("NET_RAW", "SYS_ADMIN", "CAP_CHOWN", "chown", "ALL", "", None)
SYSCTLS = ("kernel.shm_rmid_forced", "net.ipv4.tcp_syncookies", "net.ipv4.ping_group_range")
HARMFUL_SYSCTLS = (
    "kernel.msgmax",
    "net.core.somaxconn",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_notsent_lowat",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_slow_start_after_idle",
    "net.ipv4.tcp_wmem",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_unprivileged_port_start",
    "",
)
LABEL_LEVELS = ("privileged", "baseline", "restricted", "Restricted", "", "none", 'say "no"', "käse")
LABEL_VERSIONS = (
    *("latest", "v1.0", "v1.25", "v1.37", "v1.99", "1.25", "v1.25.3", "v1.01", "v2.0", "", "v1.-1", "v1.25\n"),
    *("v1.9223372036854775807", "v1.9223372036854775808", "Latest", "v1.٣"),
)

Draw = Callable[[], Any]


class PodGenerator:
    """Draws pods from one source of chance."""

    def __init__(self, random: Random) -> None:
        self.random = random
        self.share = 0.0

    def draw_pod(self) -> dict[str, Any]:
        self.share = self.random.choice(HARMFUL_SHARES)
        spec = {
            "containers": self.draw_containers(1, 3),
            "initContainers": self.sometimes(0.4, lambda: self.draw_containers(0, 2)),
            "ephemeralContainers": self.sometimes(0.25, lambda: self.draw_containers(0, 2)),
            "volumes": self.sometimes(0.5, lambda: [self.draw_volume() for _ in range(self.random.randint(0, 4))]),
            "securityContext": self.sometimes(0.85, self.draw_pod_security_context),
            "hostNetwork": self.draw_flag(False),
            "hostPID": self.draw_flag(False),
            "hostIPC": self.draw_flag(False),
            "hostUsers": self.sometimes(0.3, lambda: self.random.random() < 0.4),
            "os": self.sometimes(0.2, lambda: {"name": self.random.choice(("windows", "linux", "windows", ""))}),
        }
        metadata = {"name": "pod", "annotations": self.sometimes(0.5, lambda: self.draw_annotations(spec))}
        return {"metadata": self.clean(metadata), "spec": self.clean(spec)}

    def draw_containers(self, least: int, most: int) -> list[dict[str, Any] | None]:
        containers = [self.draw_container() for _ in range(self.random.randint(least, most))]
        return [None if self.random.random() < 0.005 else container for container in containers]

    def draw_container(self) -> dict[str, Any]:
        return self.clean(
            {
                "name": self.sometimes(0.98, lambda: self.random.choice(NAMES)),
                "image": "registry.example/app:1",
                "restartPolicy": self.sometimes(0.1, lambda: "Always"),
                "securityContext": self.sometimes(0.92, self.draw_security_context),
                "ports": self.sometimes(0.5, lambda: [self.draw_port() for _ in range(self.random.randint(0, 3))]),
                "livenessProbe": self.sometimes(0.4, self.draw_handler),
                "readinessProbe": self.sometimes(0.3, self.draw_handler),
                "startupProbe": self.sometimes(0.2, self.draw_handler),
                "lifecycle": self.sometimes(0.3, self.draw_lifecycle),
            }
        )

    def draw_security_context(self) -> dict[str, Any]:
        return self.clean(
            {
                "allowPrivilegeEscalation": self.pick((False,), (True, None)),
                "capabilities": self.draw_capabilities() if not self.is_harmful() else None,
                "privileged": self.draw_flag(False),
                "procMount": self.sometimes(0.3, lambda: self.pick(("Default",), ("Unmasked", "", "default"))),
                **self.draw_shared_fields(0.3),
            }
        )

    def draw_pod_security_context(self) -> dict[str, Any]:
        count = self.random.randint(0, 3)
        return self.clean(
            {
                "sysctls": self.sometimes(0.4, lambda: [self.draw_sysctl() for _ in range(count)]),
                "fsGroup": self.sometimes(0.2, lambda: 1000),
                **self.draw_shared_fields(0.9),
            }
        )

    def draw_shared_fields(self, share: float) -> dict[str, Any]:
        """Draw the fields that pods and containers both have; `share` of them say runAsNonRoot and seccomp."""
        return {
            "runAsNonRoot": self.sometimes(share, lambda: self.pick((True,), (False, None))),
            "runAsUser": self.sometimes(0.4, lambda: self.pick((1, 1000), (0,))),
            "seccompProfile": self.sometimes(share, self.draw_profile),
            "appArmorProfile": self.sometimes(0.3, self.draw_profile),
            "seLinuxOptions": self.sometimes(0.4, self.draw_se_linux_options),
            "windowsOptions": self.sometimes(0.3, lambda: self.clean({"hostProcess": self.draw_flag(False)})),
        }

    def draw_profile(self) -> dict[str, Any]:
        types = self.pick(("RuntimeDefault", "Localhost"), ("Unconfined", "", "runtimeDefault", "Other", None))
        return self.clean({"type": types, "localhostProfile": self.sometimes(0.2, lambda: "a.json")})

    def draw_se_linux_options(self) -> dict[str, Any]:
        harmful_types = ("container_engine_t", "container_engine_t", "spc_t", "container_t ")
        return self.clean(
            {
                "type": self.sometimes(
                    0.7, lambda: self.pick(("container_t", "container_init_t", "container_kvm_t", ""), harmful_types)
                ),
                "user": self.sometimes(0.4, lambda: self.pick(("",), ("system_u",))),
                "role": self.sometimes(0.4, lambda: self.pick(("",), ("system_r",))),
                "level": self.sometimes(0.3, lambda: "s0:c1,c2"),
            }
        )

    def draw_capabilities(self) -> dict[str, Any]:
        add = [self.pick(CAPABILITIES, HARMFUL_CAPABILITIES) for _ in range(self.random.randint(0, 2))]
        if self.random.random() < 0.5:
            add = [name for name in add if name == "NET_BIND_SERVICE"]
        drop = self.pick((["ALL"], ["KILL", "ALL"]), (["all"], ["KILL"], [], [None], None))
        return self.clean({"add": self.sometimes(0.6, lambda: add), "drop": drop})

    def draw_port(self) -> dict[str, Any]:
        return self.clean({"containerPort": 8080, "hostPort": self.pick((0, None), (80, 443, 8080, 10250, 53))})

    def draw_handler(self) -> dict[str, Any]:
        """Draw a probe or a lifecycle handler."""
        return self.clean(
            {
                "httpGet": self.sometimes(0.5, lambda: self.clean({"path": "/", "host": self.draw_host()})),
                "tcpSocket": self.sometimes(0.3, lambda: self.clean({"port": 80, "host": self.draw_host()})),
                "exec": self.sometimes(0.2, lambda: {"command": ["true"]}),
            }
        )

    def draw_host(self) -> str | None:
        host: str | None = self.pick(("", None), ("10.0.0.1", "example.com", "127.0.0.1"))
        return host

    def draw_lifecycle(self) -> dict[str, Any]:
        return self.clean(
            {
                "postStart": self.sometimes(0.5, self.draw_handler),
                "preStop": self.sometimes(0.5, self.draw_handler),
            }
        )

    def draw_sysctl(self) -> dict[str, Any] | None:
        if self.is_harmful() and self.random.random() < 0.1:
            return None
        return self.clean({"name": self.pick(SYSCTLS, HARMFUL_SYSCTLS), "value": "1"})

    def draw_volume(self) -> dict[str, Any] | None:
        chance = self.random.random()
        if chance < 0.02:
            return None
        volume: dict[str, Any] = {"name": self.random.choice(("data", "logs", "", 'quo"te', "data"))}
        if chance < 0.1:
            return volume
        volume[self.pick(tuple(sorted(ALLOWED)), RESTRICTED_TYPES)] = {} if chance < 0.95 else None
        if self.is_harmful():
            volume[self.random.choice((*sorted(ALLOWED), *RESTRICTED_TYPES))] = {}
        return volume

    def draw_annotations(self, spec: dict[str, Any]) -> dict[str, Any]:
        lists = ("containers", "initContainers", "ephemeralContainers")
        containers = [container for key in lists for container in spec[key] or ()]
        names = [(container or {}).get("name") or "" for container in containers] + ["stranger"]
        keys = ["seccomp.security.alpha.kubernetes.io/pod", "container.apparmor.security.beta.kubernetes.io/"]
        keys += [f"container.apparmor.security.beta.kubernetes.io/{name}" for name in names]
        keys += [f"container.seccomp.security.alpha.kubernetes.io/{name}" for name in names]
        allowed = ("runtime/default", "localhost/a", "localhost/")
        annotations = {
            key: self.pick(allowed, (*ODD_TEXTS, "docker/default", "", None))
            for key in keys
            if self.random.random() < 0.3
        }
        return {"example.com/note": "unconfined", **annotations}

    def draw_flag(self, harmless: bool) -> Any:
        return self.sometimes(0.3, lambda: self.pick((harmless,), (not harmless,)))

    def is_harmful(self) -> bool:
        return self.random.random() < self.share

    def pick(self, harmless: Sequence[Any], harmful: Sequence[Any]) -> Any:
        return self.random.choice(harmful if self.is_harmful() else harmless)

    def sometimes(self, share: float, draw: Draw) -> Any:
        return draw() if self.random.random() < share else None

    def clean(self, fields: dict[str, Any]) -> dict[str, Any]:
        """Leave out most of what is None; the rest stays as null."""
        return {k: v for k, v in fields.items() if v is not None or self.random.random() < 0.05}


def draw_labels(random: Random) -> dict[str, str]:
    """Draw Pod Security labels, valid and invalid, mixed with others."""
    modes = ("enforce", "audit", "warn")
    labels = {f"pod-security.kubernetes.io/{mode}": random.choice(LABEL_LEVELS) for mode in modes}
    labels |= {f"pod-security.kubernetes.io/{mode}-version": random.choice(LABEL_VERSIONS) for mode in modes}
    labels["pod-security.kubernetes.io/Enforce"] = "restricted"
    return {key: value for key, value in labels.items() if random.random() < 0.5}
