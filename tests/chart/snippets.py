"""What README.md and NOTES.txt tell an application's author to write, taken at its word: put into a chart, and rendered.

What a newcomer would get wrong: to try it on the cluster at hand. Where Helm asks no cluster, it takes one for granted that
may be old, and the style becomes classic; a snippet that knows the native container alone would then render a pod without
any gateway, and say nothing.
"""

from __future__ import annotations

import re
import shutil
import tempfile
import textwrap
from pathlib import Path
from typing import Any

import cases
import harness
import helm
import judge
import yaml
from harness import expect
from helm import DIRECTORY, Cluster, manifests, of_kind, template
from subject import CLASSIC, NATIVE, Test, pod_of

HEAD = """
apiVersion: apps/v1
kind: Deployment
metadata:
  name: shop
  namespace: {{ .Release.Namespace }}
spec:
  selector: {matchLabels: {app: shop}}
"""

NOTED = """
        - name: shop
          env:
            {{- include "chathub-gateway.env" $gateway | nindent 12 }}
"""
"""What the notes leave to the application."""


def readme(test: Test) -> None:
    text = (harness.ROOT / "README.md").read_text("utf-8")
    found = re.search(r"In its pod template:\n\n```yaml\n(.+?)```", text, re.DOTALL)
    expect(found is not None, "README.md has no pod template")
    try_out(test, found[1])


def notes(test: Test) -> None:
    for cluster in (NATIVE, CLASSIC):
        said = helm.notes(test.chart, {}, cluster)
        found = re.search(r"( +\{\{- \$gateway := .+?)\n\n", said, re.DOTALL)
        expect(found is not None, f"the notes have no pod template:\n{said}")
        lines = textwrap.indent(textwrap.dedent(found[1]), "  ")
        # The application's own container stands last in its list, wherever that is.
        place = lines.index("      volumes:")
        try_out(test, lines[:place] + NOTED.lstrip("\n") + lines[place:])


def try_out(test: Test, snippet: str) -> None:
    """Renders it for clusters with and without native sidecars, and for none: there is one gateway, in its place."""
    with tempfile.TemporaryDirectory(dir=DIRECTORY) as place:
        chart = made(test, Path(place) / "shop", snippet)
        for cluster, style in ((NATIVE, "native"), (CLASSIC, "classic")):
            for values in ({}, {"imagePullSecrets": [{"name": "pull"}]}):
                pod = pod_of(template(chart, {"chathub-gateway": values}, cluster), "Deployment")
                in_place(pod, style)
                expect((pod["imagePullSecrets"] or []) == values.get("imagePullSecrets", []), "it is not pulled")
        ended = helm.helm("template", "shop", chart)
        expect(ended.code == 0, f"it is not rendered without a cluster: {ended.complaint}")
        pod = pod_of(ended.said, "Deployment")
        in_place(
            pod,
            "native" if any(each["name"] == "chathub-gateway" for each in pod["initContainers"] or []) else "classic",
        )


def in_place(pod: dict[str, Any], style: str) -> None:
    pod = {name: value for name, value in pod.items() if value is not None}
    there = pod.get("initContainers", []) if style == "native" else pod["containers"]
    expect(bool(there) and there[0]["name"] == "chathub-gateway", f"{style}: the gateway is not the first of {there}")
    judge.gateway_of(pod)
    expect(pod["containers"][-1]["env"][0]["value"] == "http://127.0.0.1:2428", "the application is not told of it")
    expect(pod["volumes"][0]["name"] == "chathub-gateway", "its settings are not mounted")


def made(test: Test, chart: Path, snippet: str) -> Path:
    """A chart of an application that is the snippet and what it leaves out."""
    lines = snippet.splitlines(keepends=True)
    own = next(number for number, line in enumerate(lines) if line.strip() == "- name: shop")
    lines.insert(own + 1, "          image: shop:1\n")
    (chart / "templates").mkdir(parents=True)
    (chart / "templates/deployment.yaml").write_text(HEAD + "".join(lines), "utf-8")
    description = yaml.safe_load((test.example / "Chart.yaml").read_text("utf-8")) | {"name": "shop"}
    description["dependencies"] = [{"name": "chathub-gateway", "version": description["dependencies"][0]["version"]}]
    (chart / "Chart.yaml").write_text(yaml.safe_dump(description), "utf-8")
    shutil.copytree(test.example / "charts", chart / "charts")
    return chart


def uninformed(test: Test) -> None:
    """Whoever can inject has native sidecars, whatever version Helm takes for granted; their gateways end at once."""
    values = cases.INJECTED | {"settings": {}}
    values["injection"] = values["injection"] | {"apiVersion": "v1"}
    found = manifests(template(test.chart, values, Cluster("1.25.0")))
    text = helm.settings_file(found)
    expect('drain_delay = "0s"' in text, f"a native sidecar waits for others to end:\n{text}")
    (policy,) = of_kind(found, "MutatingAdmissionPolicy")
    patch = policy["spec"]["mutations"][0]["jsonPatch"]["expression"]
    expect('restartPolicy: "Always"' in patch, "what is injected is no sidecar")
