"""What is tested: copies of the chart and of the example, and what they render.

What a newcomer would get wrong: to render for one version of Kubernetes alone. Style, names of APIs and fields depend on it,
so what must hold of all that is rendered is asked of `Test.rendered`.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cases
import helm
import judge
import known
from harness import expect
from helm import DIRECTORY, Cluster, Manifest, manifests, of_kind, template

OLDEST = "1.29"
"""The first Kubernetes with native sidecars in every cluster."""

CLASSIC = Cluster("1.28.0")
NATIVE = Cluster("1.33.0")


class Test:
    """What the checks share."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self.gateway: Path = arguments.gateway
        self.is_update: bool = arguments.update
        self.chart, self.example = helm.copies(DIRECTORY / "copy")
        self.schema = known.schema_of(self.chart)

    def rendered(self) -> Iterator[tuple[str, str, str]]:
        """Every set of values, for every version: what it is, the version, and the text."""
        for version in (OLDEST, judge.NEWEST):
            for chart, sets in ((self.chart, cases.CHART), (self.example, cases.EXAMPLE)):
                for name, values in sets.items():
                    yield f"{name} on {version}", version, template(chart, values, Cluster(f"{version}.0"))


def pod_of(text: str, kind: str) -> dict[str, Any]:
    """The pod of the one manifest of a kind."""
    (found,) = of_kind(manifests(text), kind)
    return judge.pod_of(found) or {}


def variables_of(found: list[Manifest]) -> dict[str, str]:
    """The settings that the gateway's container has as variables; where the pod is an application's, `helm test` has them."""
    for pod in filter(None, map(judge.pod_of, found)):
        for container in judge.containers(pod):
            given = {each["name"]: each.get("value", "") for each in container.get("env", [])}
            if "CHATHUB_GATEWAY_CONFIG" in given:
                return {name: value for name, value in given.items() if name.startswith("CHATHUB_GATEWAY__")}
    expect(False, "no container has the gateway's settings")
    return {}
