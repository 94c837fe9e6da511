"""What belongs to a pod's shape: its variables, ports and files, its ids, its secrets for pulling, its Services.

What a newcomer would get wrong: to look at one rendering alone. An upgrade changes the ConfigMap under pods that were made
by the rendering before, so some of these checks hold the file of one against the container of another.
"""

from __future__ import annotations

from typing import Any

import cases
import helm
import judge
import known
import yaml
from harness import expect
from helm import DIRECTORY, Cluster, manifests, of_kind, settings_file, template
from subject import CLASSIC, NATIVE, OLDEST, Test, pod_of, variables_of

FILES = {
    "settings": {
        "server": {"tls_certificate": "/more/tls.crt", "tls_key": "/more/tls.key", "tls_client_ca": "/more/ca.crt"},
        "admin": {"token_file": "/more/token"},
        "upstream": {"ca_file": "/more/up.crt", "client_certificate": "/more/c.crt", "client_key": "/more/c.key"},
        "throttle": {"credentials_file": "/more/credentials.toml"},
    }
}
"""Files that somebody mounts by himself."""


def shapes(test: Test) -> None:
    """Addresses and files are variables of the container, and nothing of them stands in the file."""
    settings = known.settings_of(known.run(test.gateway, "config"))
    wanted = {path for path, setting in settings.items() if setting.is_of_the_shape}
    listed = set(helm.included(test.chart, "shape"))
    expect(listed == wanted, f"the shape and the gateway do not agree on {sorted(listed ^ wanted)}")
    for values in (FILES, {"secrets": cases.SECRETS}):
        found = manifests(template(test.chart, {"mode": "shared", **values}, NATIVE))
        text = settings_file(found)
        expect("/" not in text.replace("/s", ""), f"the file of settings names files:\n{text}")
        given = variables_of(found)
        expect(set(given) == {known.variable(path) for path in wanted}, f"the container has {sorted(given)}")
        file = DIRECTORY / "shape.toml"
        file.write_text(text, "utf-8")
        came = known.settings_of(known.run(test.gateway, "config", "--config", file, variables=given))
        for path in wanted:
            expect(came[path].value == given[known.variable(path)], f"{path} came as {came[path].value}")


def old_pods(test: Test) -> None:
    """Pods of before an upgrade go on with the file of after it, which names neither new ports nor files."""
    before = variables_of(manifests(template(test.chart, {"mode": "shared"}, NATIVE)))
    after = cases.FULL_SHARED | {"ports": {"clients": 3428, "admin": 3429}, "listenHost": "::"}
    for values in (after, {"mode": "shared", **FILES}):
        file = DIRECTORY / "upgraded.toml"
        file.write_text(settings_file(manifests(template(test.chart, values, NATIVE))), "utf-8")
        # It reads the files that are named, and none is mounted here.
        known.run(test.gateway, "check", "--config", file, variables=before)
        came = known.settings_of(known.run(test.gateway, "config", "--config", file, variables=before))
        listens = [came[path].value for path in ("server.listen", "admin.listen")]
        expect(listens == ["0.0.0.0:2428", "0.0.0.0:2429"], f"a pod of before would be asked at {listens}")


def rollouts(test: Test) -> None:
    settings = known.settings_of(known.run(test.gateway, "config"))
    awaiting = {path for path, setting in settings.items() if setting.needs_restart}
    # A change of the shape changes the container, and so the pods, without a digest.
    wanted = awaiting - set(helm.included(test.chart, "shape"))
    listed = set(helm.included(test.chart, "awaiting"))
    expect(listed == wanted, f"restartDigest and the gateway do not agree on {sorted(listed ^ wanted)}")

    def pods(values: dict[str, Any]) -> Any:
        text = template(test.chart, {"mode": "shared", **values}, NATIVE)
        (deployment,) = of_kind(manifests(text), "Deployment")
        return deployment["spec"]["template"]

    before = pods({})
    for values in (
        cases.settings("cache", operators_ttl="1s"),
        cases.settings("throttle", operator={"burst": 9}),
        cases.settings("log", level="warn"),
    ):
        expect(pods(values) == before, f"{values} replaces the pods, though it is read while running")
    for values in (
        cases.settings("upstream", url="https://other.example"),
        cases.settings("server", workers=9),
        cases.settings("log", format="text"),
        cases.settings("admin", token_file="/more/token"),
        {"ports": {"admin": 3429}},
        {"listenHost": "::"},
    ):
        expect(pods(values) != before, f"{values} waits for a restart that nobody brings")


def ids(test: Test) -> None:
    """Where a cluster gives ids to each namespace, none is asked for; all else of the contexts stays."""
    own = {"runAsUser": None, "runAsGroup": None}
    values = {"securityContext": own, "podSecurityContext": own | {"fsGroup": None}}
    rest = {name: value for name, value in judge.SECURITY.items() if name not in own}
    for text in (
        template(test.chart, {"mode": "shared", **values}, NATIVE),
        template(test.example, {"chathub-gateway": values, "job": {"enabled": False}}, NATIVE),
    ):
        pods = [judge.pod_of(each) or {} for each in manifests(text) if judge.pod_of(each)]
        expect(len(pods) == 2, f"there are {len(pods)} pods, and not the gateway's or application's and helm test's")
        for pod in pods:
            for container in judge.containers(pod):
                if container["name"] == "operators-app":
                    continue
                expect(container["securityContext"] == rest, f"{container['name']}: {container['securityContext']}")
                is_application = container["name"] == "chathub-gateway" and "initContainers" in pod
                context = pod["securityContext"]
                wanted = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
                expect(is_application or context == wanted, f"{container['name']}'s pod: {context}")
    text = template(test.chart, cases.INJECTED | values, Cluster("1.36.0"))
    expect("runAsUser" not in text and "fsGroup" not in text, "what is injected asks for ids")
    text = template(test.chart, {"mode": "shared", "podSecurityContext": {"fsGroup": 1000680000}}, NATIVE)
    expect("fsGroup: 1000680000" in text, "an id has become a fraction")


def pulling(test: Test) -> None:
    """A pod's secrets for pulling are the application's and the gateway's, none twice."""
    values = {
        "imagePullSecrets": [{"name": "own"}, {"name": "pull"}],
        "chathub-gateway": {"imagePullSecrets": [{"name": "pull"}, {"name": "more"}]},
    }
    for cluster in (NATIVE, CLASSIC):
        for kind in ("Deployment", "Job"):
            names = [each["name"] for each in pod_of(template(test.example, values, cluster), kind)["imagePullSecrets"]]
            expect(names == ["own", "pull", "more"], f"a {kind} is pulled with {names}")


def services(test: Test) -> None:
    """What is published is the clients' port alone (see also judge); the operators' Service has the same families."""
    for kind in ("LoadBalancer", "NodePort", "ClusterIP"):
        families = {"ipFamilies": ["IPv6", "IPv4"], "ipFamilyPolicy": "PreferDualStack"}
        values = {"mode": "shared", "service": {"type": kind, "annotations": {"team": "chat"}, **families}}
        clients, admin = (each for each in of_kind(manifests(template(test.chart, values, NATIVE)), "Service"))
        told = [(each["spec"]["type"], each["spec"]["ports"][0]["name"]) for each in (clients, admin)]
        expect(told == [(kind, "chathub"), ("ClusterIP", "chathub-admin")], f"the Services are {told}")
        expect(families.items() <= admin["spec"].items(), f"the operators' Service has {admin['spec']}")
        expect("annotations" not in admin["metadata"], "a balancer is told of the operators' Service")
        expect(admin["metadata"]["name"] == "shop-chathub-gateway-admin", f"{admin['metadata']['name']}")


def eviction(test: Test) -> None:
    for version, wanted in (("1.26", None), ("1.27", "AlwaysAllow"), (OLDEST, "AlwaysAllow")):
        (budget,) = of_kind(
            manifests(template(test.chart, {"mode": "shared"}, Cluster(f"{version}.0"))), "PodDisruptionBudget"
        )
        policy = budget["spec"].get("unhealthyPodEvictionPolicy")
        expect(policy == wanted, f"on {version} pods that are not ready are evicted by {policy}")


def egress(test: Test) -> None:
    text = template(test.chart, cases.FULL_SHARED, NATIVE)
    (policy,) = of_kind(manifests(text), "NetworkPolicy")
    names, chathub, *more = policy["spec"]["egress"]
    ports = {(each["port"], each["protocol"]) for each in names["ports"]}
    expect(ports == {(port, kind) for port in (53, 5353) for kind in ("UDP", "TCP")}, f"names are asked at {ports}")
    expect(chathub["ports"][0]["port"] == 8443, f"ChatHub is at {chathub}")
    expect(more == cases.FULL_SHARED["networkPolicy"]["egress"], f"what was added is {yaml.safe_dump(more)}")
