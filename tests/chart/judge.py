"""What must hold of manifests: Kubernetes' own schemas, pod security, and the shape of what the schemas do not know.

What a newcomer would get wrong: to trust in the schemas alone. They know no pod security, and nothing of the Prometheus
operator's resources, whose unknown fields are dropped in silence. Nor is CEL compiled, here or by them: what the injection
writes is matched by its shape and held against what would be included, so whether a cluster takes it only a cluster tells.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Iterator
from typing import Any

import kubernetes_validate
from kubernetes_validate import utils

from harness import expect
from helm import Manifest

# It would read megabytes anew for each manifest.
utils.schema_contents = functools.lru_cache(maxsize=None)(utils.schema_contents)

NEWEST = utils.major_minor(kubernetes_validate.latest_version())
"""The newest version of Kubernetes that is known."""

SECURITY = {
    "runAsNonRoot": True,
    "runAsUser": 65532,
    "runAsGroup": 65532,
    "readOnlyRootFilesystem": True,
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}
"""The security context of every container of the gateway's image, to the letter."""

MONITORING = "monitoring.coreos.com/v1"

ENDPOINT = {"port": "chathub-admin", "path": "/metrics", "interval": "30s"}


def judge(found: list[Manifest], version: str) -> None:
    """Fails at the first manifest that is not as it must be."""
    expect(bool(found), "nothing is rendered")
    for manifest in found:
        what = f"{manifest['kind']} {manifest['metadata']['name']}"
        if manifest["apiVersion"] == MONITORING:
            judge_monitoring(manifest, what)
        else:
            judge_by_schema(manifest, what, version)
        expect(manifest["kind"] != "Secret", f"{what}: secrets are given by reference only")
        expect("namespace" in manifest["metadata"] or is_the_clusters(manifest), f"{what} has no namespace")
        if manifest["kind"] == "Service":
            judge_service(manifest, what)
        if manifest["kind"] == "ServiceMonitor":
            judge_target(manifest, found, what)
        if pod := pod_of(manifest):
            judge_pod(pod, what)
            judge_settings(pod, manifest["metadata"]["namespace"], found, what)


def judge_service(service: Manifest, what: str) -> None:
    """Whatever is published, metrics and health are not, and they are one Service's alone."""
    ports = [each["name"] for each in service["spec"]["ports"]]
    expect(len(ports) == 1, f"{what} has the ports {ports}")
    is_hidden = service["spec"]["type"] == "ClusterIP"
    expect(is_hidden or ports != ["chathub-admin"], f"{what} publishes the operators' port")


def judge_target(monitor: Manifest, found: list[Manifest], what: str) -> None:
    """What is scraped is one Service, and the one that has the port."""
    wanted = monitor["spec"]["selector"]["matchLabels"].items()
    services = [each for each in found if each["kind"] == "Service" and wanted <= each["metadata"]["labels"].items()]
    ports = [[port["name"] for port in each["spec"]["ports"]] for each in services]
    expect(ports == [["chathub-admin"]], f"{what} finds Services with the ports {ports}")


def judge_settings(pod: dict[str, Any], namespace: str, found: list[Manifest], what: str) -> None:
    """The settings that a pod mounts are in its namespace."""
    there = [each["metadata"] for each in found if each["kind"] == "ConfigMap"]
    named = {(each["namespace"], each["name"]) for each in there}
    for volume in pod.get("volumes", []):
        if volume["name"] == "chathub-gateway":
            name = volume["projected"]["sources"][0]["configMap"]["name"]
            expect((namespace, name) in named, f"{what} mounts {name}, which is not in {namespace} but in {named}")


def is_the_clusters(manifest: Manifest) -> bool:
    return manifest["kind"].startswith("MutatingAdmissionPolicy")


def judge_by_schema(manifest: Manifest, what: str, version: str) -> None:
    try:
        kubernetes_validate.validate(manifest, version, strict=True)
    except kubernetes_validate.ValidationError as problem:
        place = ".".join(str(each) for each in problem.path)
        expect(False, f"{what} is no {manifest['kind']} of Kubernetes {version}: {place}: {problem.message[:300]}")
    except kubernetes_validate.SchemaNotFoundError as problem:
        expect(False, f"{what}: {problem.message}")


def judge_monitoring(manifest: Manifest, what: str) -> None:
    """The fields that are used, and no others: what is unknown there is dropped without a word."""
    spec = manifest["spec"]
    if manifest["kind"] == "PrometheusRule":
        expect(set(spec) == {"groups"} and bool(spec["groups"]), f"{what} has no groups")
        for group in spec["groups"]:
            expect(set(group) <= {"name", "interval", "rules"} and bool(group["rules"]), f"{what}: {group['name']}")
        return
    endpoints = {"PodMonitor": "podMetricsEndpoints", "ServiceMonitor": "endpoints"}[manifest["kind"]]
    expect(set(spec) <= {"selector", "namespaceSelector", endpoints}, f"{what} has {sorted(spec)}")
    expect(spec[endpoints] == [ENDPOINT], f"{what}: {spec[endpoints]}")
    expect(bool(spec["selector"]["matchLabels"]), f"{what} selects everything")


def pod_of(manifest: Manifest) -> dict[str, Any] | None:
    """The spec of the pods that a manifest makes."""
    if manifest["kind"] == "Pod":
        return manifest["spec"]
    return manifest.get("spec", {}).get("template", {}).get("spec")


def containers(pod: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Containers of every kind."""
    yield from pod.get("initContainers", [])
    yield from pod["containers"]


def gateway_of(pod: dict[str, Any]) -> dict[str, Any]:
    """The gateway's container."""
    found = [each for each in containers(pod) if each["name"] == "chathub-gateway"]
    expect(len(found) == 1, f"{len(found)} containers are the gateway")
    return found[0]


def judge_pod(pod: dict[str, Any], what: str) -> None:
    """The restricted standard, and no token of Kubernetes."""
    expect(pod.get("automountServiceAccountToken") is False, f"{what} mounts a token")
    for field in ("hostNetwork", "hostPID", "hostIPC"):
        expect(not pod.get(field), f"{what} has {field}")
    for volume in pod.get("volumes", []):
        expect("hostPath" not in volume, f"{what} mounts the node's {volume['name']}")
    volumes = {each["name"] for each in pod.get("volumes", [])}
    for container in containers(pod):
        judge_container(container, pod, f"{what}, container {container['name']}")
        mounted = {each["name"] for each in container.get("volumeMounts", [])}
        expect(mounted <= volumes, f"{what} mounts {mounted - volumes}, which the pod has not")


def judge_container(container: dict[str, Any], pod: dict[str, Any], what: str) -> None:
    security = container.get("securityContext", {})
    if container["image"].startswith(("chathub-gateway:", "registry.example/team/chathub-gateway")):
        expect(security == SECURITY, f"{what}: {security}")
    variables = [each["name"] for each in container.get("env", [])]
    expect(len(variables) == len(set(variables)), f"{what} has a variable twice: {variables}")
    # An application may leave to the pod what the pod can say.
    of_pod = pod.get("securityContext", {})
    said = {**of_pod, **security}
    expect(said.get("runAsNonRoot") is True and said.get("runAsUser", 0) > 0, f"{what} may be root")
    expect(said.get("seccompProfile") == {"type": "RuntimeDefault"}, f"{what} has no seccomp profile")
    expect(security.get("allowPrivilegeEscalation") is False, f"{what} may gain rights")
    expect(security.get("capabilities") == {"drop": ["ALL"]}, f"{what} has capabilities")
    resources = container.get("resources", {})
    expect({"cpu", "memory"} <= set(resources.get("requests", {})), f"{what} asks for no resources: {resources}")
    expect("memory" in resources.get("limits", {}), f"{what} has no limit of memory: {resources}")


def from_cel(text: str) -> Any:
    """What an object or list written in CEL is, read back as JSON."""
    text = re.sub(r"Object[\w.]*\{", "{", text)
    return json.loads(re.sub(r"([{,]\s*)(\w+): ", r'\1"\2": ', text))
