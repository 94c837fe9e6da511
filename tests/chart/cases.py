"""The values with which the chart is tested: sets that must be rendered, and single ones that must be refused."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from helm import Cluster

GROUP = "admissionregistration.k8s.io"
DIGEST = "sha256:" + "5f" * 32

SECRETS = {
    "adminToken": {"secretName": "gateway-admin"},
    "serverTls": {"secretName": "gateway-tls", "clientCa": "ca.crt"},
    "upstreamCa": {"configMapName": "roots"},
    "upstreamClient": {"secretName": "gateway-client"},
    "credentials": {"secretName": "gateway-quotas", "tokens": ["reports"]},
}

SETTINGS = {
    "server": {"drain_deadline": "1m30s", "max_connections": 1500, "max_requests_per_connection": 1000000},
    "upstream": {"url": "https://chat.example:8443", "retry_percent": 0},
    "cache": {"operators_ttl": "30s", "capacity": "128MiB"},
    "throttle": {"mode": "observe", "operator": {"rate": "300/m", "burst": 10}, "upstream": {"rate": "50/s"}},
    "log": {"access": False},
}

MONITORING = {
    "podMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
    "prometheusRule": {"enabled": True, "runbookUrl": "https://wiki.example/chathub"},
    "dashboard": {"enabled": True, "annotations": {"folder": "Gateways"}},
}

IMAGE = {"registry": "registry.example/team", "digest": DIGEST, "tag": "ignored"}

EXTRA = {
    "extraEnv": [{"name": "TZ", "value": "UTC"}],
    "extraVolumes": [{"name": "more", "emptyDir": {}}],
    "extraVolumeMounts": [{"name": "more", "mountPath": "/more"}],
}

PLACED: dict[str, Any] = {
    "imagePullSecrets": [{"name": "pull"}],
    "podAnnotations": {"team": "chat"},
    "podLabels": {"team": "chat"},
    "nodeSelector": {"kubernetes.io/arch": "arm64"},
    "tolerations": [{"key": "spot", "operator": "Exists"}],
    "affinity": {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []}},
    "topologySpreadConstraints": [
        {"maxSkew": 1, "topologyKey": "topology.kubernetes.io/zone", "whenUnsatisfiable": "DoNotSchedule"},
        {
            "maxSkew": 2,
            "topologyKey": "kubernetes.io/hostname",
            "whenUnsatisfiable": "ScheduleAnyway",
            "labelSelector": {"matchLabels": {"team": "chat"}},
        },
    ],
    "priorityClassName": "important",
    "serviceAccount": {"annotations": {"team": "chat"}},
    "service": {"annotations": {"team": "chat"}, "type": "LoadBalancer", "port": 443},
}

FULL_SHARED: dict[str, Any] = {
    "mode": "shared",
    "replicas": 3,
    "image": IMAGE,
    "secrets": SECRETS,
    "settings": SETTINGS,
    "monitoring": MONITORING,
    "networkPolicy": {
        "enabled": True,
        "clients": [{"podSelector": {"matchLabels": {"team": "chat"}}}],
        "scrapers": [{"podSelector": {"matchLabels": {"team": "watch"}}}],
        "egress": [{"ports": [{"port": 8600, "protocol": "UDP"}]}],
    },
    "resources": {"limits": {"memory": "256Mi"}},
    **EXTRA,
    **PLACED,
}

INJECTED: dict[str, Any] = {
    "image": IMAGE,
    "secrets": SECRETS,
    "settings": SETTINGS,
    "resources": {"limits": {"memory": "256Mi"}},
    "monitoring": {"podMonitor": {"enabled": True}},
    "injection": {"enabled": True, "namespaces": ["shop", "reports"]},
    "imagePullSecrets": [{"name": "pull"}, {"name": "pull-more"}],
    **EXTRA,
    # Volumes that have maps of words in them.
    "extraVolumes": [
        *EXTRA["extraVolumes"],
        {
            "name": "bundle",
            "projected": {
                "sources": [
                    {
                        "clusterTrustBundle": {
                            "path": "roots.crt",
                            "signerName": "example.com/roots",
                            "labelSelector": {"matchLabels": {"example.com/kind": "roots"}},
                        }
                    }
                ]
            },
        },
    ],
}

CHART: dict[str, dict[str, Any]] = {
    "a sidecar": {},
    "a sidecar with all that it can have": {
        "image": IMAGE,
        "secrets": SECRETS,
        "settings": SETTINGS,
        "resources": {"limits": {"memory": "256Mi"}},
        "monitoring": MONITORING,
    },
    "a classic sidecar": {"sidecar": {"style": "classic"}, "listenHost": "::"},
    "a shared gateway": {"mode": "shared"},
    "a shared gateway with all that it can have": FULL_SHARED,
    "a shared gateway that follows the load": {
        "mode": "shared",
        "autoscaling": {"enabled": True},
        "monitoring": {"serviceMonitor": {"enabled": True}},
        "networkPolicy": {"enabled": True},
        "listenHost": "::",
        "service": {"ipFamilies": ["IPv6", "IPv4"], "ipFamilyPolicy": "PreferDualStack", "port": 2429},
        "podDisruptionBudget": {"enabled": False},
        "serviceAccount": {"create": False},
        "tests": {"enabled": False},
    },
}
"""Values of the chart itself; each set is rendered for every version that is tested."""

EXAMPLE: dict[str, dict[str, Any]] = {
    "an application with a sidecar": {},
    "an application with a classic sidecar": {"chathub-gateway": {"sidecar": {"style": "classic"}}},
    "an application with a sidecar that has all that it can have": {
        "chathub-gateway": CHART["a sidecar with all that it can have"] | EXTRA,
        "credential": {"secretName": "chathub"},
    },
    "an application without a gateway": {"chathub-gateway": {"enabled": False}},
}
"""Values of the example's chart."""

INJECTORS = [
    Cluster("1.32.0", (f"{GROUP}/v1alpha1/MutatingAdmissionPolicy",)),
    Cluster("1.34.0", (f"{GROUP}/v1alpha1/MutatingAdmissionPolicy", f"{GROUP}/v1beta1/MutatingAdmissionPolicy")),
    Cluster("1.36.0", tuple(f"{GROUP}/{each}/MutatingAdmissionPolicy" for each in ("v1alpha1", "v1beta1", "v1"))),
    # Rendered without a cluster, as many pipelines do.
    Cluster("1.36.0"),
]


@dataclass(frozen=True)
class Refusal:
    """Values that must be refused, and words that the message must have."""

    values: dict[str, Any]
    words: tuple[str, ...]


def settings(section: str, **entries: Any) -> dict[str, Any]:
    return {"settings": {section: entries}}


REFUSALS = [
    Refusal({"mode": "both"}, ("mode", '"sidecar", "shared"')),
    Refusal({"replica": 2}, ("replica is not allowed",)),
    Refusal(settings("cache", operators_ttl=30), ("settings.cache.operators_ttl", "Expected: string")),
    Refusal(settings("cache", operators_ttl="30"), ("settings.cache.operators_ttl", "([0-9]+s)?")),
    Refusal(settings("cache", operators_ttl="1m60"), ("settings.cache.operators_ttl",)),
    Refusal(settings("cache", operator_ttl="30s"), ("settings.cache", "operator_ttl is not allowed")),
    Refusal(settings("cache", capacity="64Mi"), ("settings.cache.capacity", "i?B")),
    Refusal(settings("server", workers=0), ("settings.server.workers", "greater than or equal to 1")),
    Refusal(settings("server", workers=1.5), ("settings.server.workers", "Expected: integer")),
    Refusal(settings("server", listen="0.0.0.0:80"), ("settings.server", "listen is not allowed")),
    Refusal(settings("throttle", mode=False), ("settings.throttle.mode", "Expected: string")),
    Refusal(settings("throttle", operator={"rate": "5/d"}), ("settings.throttle.operator.rate", "[smh]")),
    Refusal(settings("log", level="loud"), ("settings.log.level", '"error"')),
    Refusal(settings("upstream", url="chatapi.smsbat.com"), ("settings.upstream.url",)),
    Refusal({"image": {"digest": "latest"}}, ("image.digest", "sha256")),
    Refusal({"listenHost": "localhost"}, ("listenHost", "ipv4")),
    Refusal({"service": {"ipFamilies": ["IPv5"]}}, ("service.ipFamilies", '"IPv6"')),
    Refusal(
        {"mode": "shared", "podLabels": {"app.kubernetes.io/name": "shop"}},
        ("podLabels", "app.kubernetes.io/name is the chart's own"),
    ),
    Refusal(
        {"mode": "shared", "podAnnotations": {"chathub-gateway/restart": "now"}},
        ("podAnnotations", "chathub-gateway/restart is the chart's own"),
    ),
    Refusal({"sidecar": {"style": "nativ"}}, ("sidecar.style", '"native"')),
    Refusal({"secrets": {"adminToken": {"value": "hush"}}}, ("secrets.adminToken", "value is not allowed")),
    Refusal({"ports": {"clients": 70000}}, ("ports.clients", "65535")),
    Refusal({"resources": {"limits": {"memory": "96Mi"}}}, ("resources.limits.memory", "96Mi", "64MiB")),
    Refusal(settings("cache", capacity="1GiB"), ("resources.limits.memory", "192Mi", "1GiB")),
    Refusal(settings("cache", fetch_buffer="64MiB"), ("resources.limits.memory", "192Mi", "64MiB", "225Mi at least")),
    Refusal(settings("server", max_connections=10000), ("resources.limits.memory", "192Mi", "10000", "345Mi at least")),
    Refusal(settings("throttle", max_waiting=10000), ("resources.limits.memory", "192Mi", "10000", "433Mi at least")),
    Refusal(
        {"mode": "shared", "resources": {"limits": {"memory": "188Mi"}}},
        ("resources.limits.memory", "2000", "189Mi at least"),
    ),
    Refusal({"resources": {"limits": {"memory": "1X"}}}, ("resources.limits.memory", "1X")),
    Refusal({"resources": {"limits": {"memory": "Gi"}}}, ("resources.limits.memory", "Gi is not written")),
    Refusal({"resources": {"limits": {"memory": "0.1Gi"}}}, ("resources.limits.memory", "0.1Gi is too little")),
    Refusal({"resources": {"limits": {"memory": 100000000}}}, ("resources.limits.memory", "100000000 is too little")),
    Refusal({"extraEnv": [{"name": "CHATHUB_GATEWAY_CONFIG", "value": "/x"}]}, ("extraEnv", "CHATHUB_GATEWAY_CONFIG")),
    Refusal(
        {"extraEnv": [{"name": "CHATHUB_GATEWAY__ADMIN__LISTEN", "value": "0.0.0.0:1"}]},
        ("extraEnv", "CHATHUB_GATEWAY__ADMIN__LISTEN", "listenHost, ports"),
    ),
    Refusal(
        {
            "secrets": {"adminToken": {"secretName": "a"}},
            "extraEnv": [{"name": "CHATHUB_GATEWAY__ADMIN__TOKEN_FILE", "value": "/token"}],
        },
        ("extraEnv", "CHATHUB_GATEWAY__ADMIN__TOKEN_FILE", "secrets"),
    ),
    Refusal(
        {"extraEnv": [{"name": "CHATHUB_GATEWAY__SERVER__MAX_BODY", "value": "9GiB"}]},
        ("extraEnv", "CHATHUB_GATEWAY__SERVER__MAX_BODY", "settings.server.max_body"),
    ),
    Refusal(
        {"extraEnv": [{"name": "CHATHUB_GATEWAY__SERVER__WORKERS", "value": "9"}]},
        ("extraEnv", "CHATHUB_GATEWAY__SERVER__WORKERS", "settings.server.workers"),
    ),
    Refusal(
        settings("throttle", operator={"burst": 9})
        | {"extraEnv": [{"name": "CHATHUB_GATEWAY__THROTTLE__OPERATOR__BURST", "value": "5"}]},
        ("extraEnv", "CHATHUB_GATEWAY__THROTTLE__OPERATOR__BURST", "settings.throttle.operator.burst"),
    ),
    Refusal(
        {"extraEnv": [{"name": "TZ", "value": "UTC"}, {"name": "TZ", "value": "CET"}]}, ("extraEnv", "TZ", "twice")
    ),
    Refusal({"imagePullSecrets": ["pull"]}, ("imagePullSecrets", "object")),
    Refusal({"ports": {"clients": 2429}}, ("ports.clients", "2429", "ports.admin")),
    Refusal(
        {"mode": "shared", **settings("server", drain_deadline="5s")},
        ("settings.server.drain_deadline", "longer than settings.server.drain_delay", "5s"),
    ),
    Refusal(
        {"sidecar": {"style": "classic"}, **settings("server", drain_deadline="9s999ms")},
        ("settings.server.drain_deadline", "longer than settings.server.drain_delay", "10s"),
    ),
    Refusal(settings("server", drain_delay="25s"), ("settings.server.drain_deadline", "25s")),
    Refusal({"mode": "shared", "injection": {"enabled": True}}, ("injection.enabled", "shared")),
    Refusal({"injection": {"enabled": True}}, ("injection.enabled", "injection.apiVersion")),
    Refusal(
        {"injection": {"enabled": True, "apiVersion": "v1"}, "sidecar": {"style": "classic"}},
        ("sidecar.style", "native"),
    ),
    Refusal({"monitoring": {"serviceMonitor": {"enabled": True}}}, ("monitoring.serviceMonitor.enabled", "podMonitor")),
    Refusal(
        {"mode": "shared", "monitoring": {"serviceMonitor": {"enabled": True}, "podMonitor": {"enabled": True}}},
        ("monitoring.serviceMonitor.enabled", "twice"),
    ),
    Refusal(
        {"monitoring": {"prometheusRule": {"enabled": True, "without": ["ChathubGatewayGon"]}}},
        ("monitoring.prometheusRule.without", "ChathubGatewayGon"),
    ),
    Refusal(
        {"secrets": {"upstreamCa": {"configMapName": "roots", "secretName": "roots"}}, "mode": "shared"},
        ("secrets.upstreamCa", "not both"),
    ),
    Refusal(
        {"secrets": {"adminToken": {"secretName": "a"}}, **settings("admin", token_file="/token")},
        ("settings.admin.token_file", "secrets"),
    ),
    Refusal(
        {"mode": "shared", "autoscaling": {"enabled": True, "minReplicas": 5}},
        ("autoscaling.minReplicas", "maxReplicas"),
    ),
]

RULES = [
    Refusal(
        settings("cache", max_body="128MiB", fetch_buffer="128MiB"), ("settings.cache.max_body", "128MiB", "64MiB")
    ),
    Refusal(
        settings("cache", max_body="64MiB", fetch_buffer="63MiB"), ("settings.cache.max_body", "cache.fetch_buffer")
    ),
    Refusal(
        settings("cache", max_inspect="9MiB", inspect_buffer="8MiB"),
        ("settings.cache.max_inspect", "cache.inspect_buffer"),
    ),
    Refusal(settings("cache", capacity="4MiB"), ("settings.cache.capacity", "8MiB", "4MiB")),
    Refusal(
        settings("throttle", login={"rate": "1/h", "burst": 1000}), ("settings.throttle.login.burst", "24", "42/h")
    ),
    Refusal(settings("throttle", operator={"burst": 500000}), ("settings.throttle.operator.burst", "432000", "5/s")),
    Refusal(settings("throttle", other={"rate": "1/h"}), ("settings.throttle.other.burst", "25", "1/h")),
    Refusal(settings("throttle", upstream={"rate": "1/h", "burst": 25}), ("settings.throttle.upstream.burst", "24")),
    Refusal(settings("throttle", other={"rate": "1000001/s"}), ("settings.throttle.other.rate", "1000000/s")),
    Refusal(settings("throttle", login={"rate": "9" * 30 + "/h"}), ("settings.throttle.login.rate", "1000000/s")),
    Refusal(settings("upstream", url="https://chat.example:0"), ("settings.upstream.url", "between 1 and 65535")),
    Refusal(settings("upstream", url="https://chat.example:65536/"), ("settings.upstream.url", "between 1 and 65535")),
    Refusal(settings("upstream", url="https://:443"), ("settings.upstream.url",)),
    Refusal(
        settings("server", tls_key="/more/tls.key"), ("settings.server.tls_key", "settings.server.tls_certificate")
    ),
    Refusal(settings("server", tls_certificate="/more/tls.crt"), ("settings.server.tls_certificate", "tls_key")),
    Refusal(settings("server", tls_client_ca="/more/ca.crt"), ("settings.server.tls_client_ca", "tls_certificate")),
    Refusal(settings("upstream", client_key="/more/tls.key"), ("settings.upstream.client_key", "client_certificate")),
    Refusal(settings("upstream", client_certificate="/more/tls.crt"), ("settings.upstream.client_certificate",)),
    Refusal(
        settings("server", drain_deadline="5s", drain_delay="5s"), ("settings.server.drain_deadline", "drain_delay")
    ),
]
"""Settings that the gateway refuses only together, or by what the schema cannot say; the chart must, too."""

WITHIN_RULES = [
    settings("cache", max_body="64MiB", fetch_buffer="64MiB"),
    settings("cache", max_inspect="8MiB", inspect_buffer="8MiB"),
    settings("cache", capacity="8MiB"),
    settings("cache", capacity="0B"),
    settings("throttle", login={"rate": "1/h", "burst": 24}),
    settings("throttle", operator={"burst": 432000}),
    settings("throttle", other={"rate": "3600000000/h"}),
    settings("throttle", upstream={"burst": 1000000}),
    settings("upstream", url="HTTPS://[2001:db8::1]:65535/"),
    settings("server", drain_deadline="010s", head_timeout="0000000000000008s", max_target="08KiB"),
    settings("server", tls_key="/more/tls.key", tls_certificate="/more/tls.crt", tls_client_ca="/more/ca.crt"),
]
"""Settings that are just good enough."""
