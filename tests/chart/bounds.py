"""What the chart refuses so that no pod has to: held against what the gateway refuses itself.

What a newcomer would get wrong: to trust the chart's table because it was copied with care. The gateway tells the bounds of
each setting (`chathub-gateway config`), so the table is compared with it, and then both are asked what lies just beyond.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cases
import helm
import known
from harness import expect
from helm import Cluster

CLUSTER = Cluster("1.33.0")
LENGTHS = {"h": 3_600_000, "m": 60_000, "s": 1000, "ms": 1}
SIZES = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}

ROOMY = {"resources": {"limits": {"memory": "4Ti"}}}
"""A limit of memory that is not what refuses."""

WRONG = 78
"""The gateway's exit code for wrong settings."""


def check_table(gateway: Path, chart: Path) -> None:
    """The chart's bounds and defaults are the gateway's, for each duration and size."""
    settings = known.settings_of(known.run(gateway, "config"))
    bounded = {
        path: each.bounds for path, each in settings.items() if known.kind_of(each.value) in ("duration", "size")
    }
    table = {path: " to ".join(each) for path, each in helm.included(chart, "bounds").items()}
    expect(table == bounded, f"the chart's bounds are others: {sorted(table.items() ^ bounded.items())}")
    rates = {each.bounds for path, each in settings.items() if path.endswith(".rate")}
    expect(rates == {"up to 1000000/s"}, f"rates have other bounds than the chart knows: {rates}")
    for path, default in helm.included(chart, "program").items():
        there = str(settings[path].value)
        expect(default == there, f"{path} is {there} by default, and {default} to the chart")


def check_beyond(gateway: Path, chart: Path) -> None:
    """What is just beyond a bound is refused by both, with the value and the bounds in the message."""
    for path, (least, most) in helm.included(chart, "bounds").items():
        for value in beyond(least, most):
            ended = helm.try_template(chart, {"settings": nested(path, value)} | ROOMY, CLUSTER)
            expect(ended.code != 0, f"{path}: {value} is taken")
            for word in (f"settings.{path}", value, least, most):
                expect(word in ended.complaint, f"{path}: {value}: the message does not say {word}: {ended.complaint}")
            expect(refused(gateway, nested(path, value)), f"{path}: {value} is refused, and the gateway takes it")
    for number in (0, 1):
        settings: dict[str, Any] = {}
        for path, bounds in helm.included(chart, "bounds").items():
            settings.setdefault(path.partition(".")[0], {})[path.partition(".")[2]] = bounds[number]
        expect(not refused(gateway, settings), f"the gateway refuses {settings}")
        helm.template(chart, {"settings": settings} | ROOMY, CLUSTER)


def beyond(least: str, most: str) -> Iterator[str]:
    """Values just below the least, if there are, just above the most, and far above it."""
    is_size = least.endswith("B")
    units, unit = (SIZES, "B") if is_size else (LENGTHS, "ms")
    lowest, highest = (int(number) * units[name] for number, name in map(parted, (least, most)))
    if lowest > 0:
        yield f"{lowest - 1}{unit}"
    yield f"{highest + 1}{unit}"
    yield "9" * 40 + ("TiB" if is_size else "h")


def parted(text: str) -> tuple[str, str]:
    found = re.fullmatch(r"([0-9]+)([A-Za-z]+)", text)
    expect(found is not None, f"{text} is no bound")
    return found[1], found[2]


def check_rules(gateway: Path, chart: Path) -> None:
    """Settings that do not go together are refused by both, those that just do by neither."""
    for rule in cases.RULES:
        ended = helm.try_template(chart, {**rule.values, **ROOMY}, CLUSTER)
        expect(ended.code != 0, f"{rule.values} is taken")
        for word in rule.words:
            expect(word in ended.complaint, f"{rule.values}: the message does not say {word!r}: {ended.complaint}")
        expect(refused(gateway, rule.values["settings"]), f"{rule.values} is refused, and the gateway takes it")
    for values in cases.WITHIN_RULES:
        expect(not refused(gateway, values["settings"]), f"the gateway refuses {values}")
        helm.template(chart, {**values, **ROOMY}, CLUSTER)


def check_memory(chart: Path) -> None:
    """A limit of memory is understood as Kubernetes lets it be written (but in thousandths), and printed as it was."""
    for given, printed in (
        (201326592, "201326592"),
        (201326592.0, "201326592"),
        ("201326592", "201326592"),
        ("0.5Gi", "0.5Gi"),
        (".2Gi", ".2Gi"),
        ("5e8", "5e8"),
        ("2e+8", "2e+8"),
        ("0.001T", "0.001T"),
        ("1Pi", "1Pi"),
    ):
        values = {"mode": "shared", "resources": {"limits": {"memory": given, "cpu": 0.5}}}
        (deployment,) = helm.of_kind(helm.manifests(helm.template(chart, values, CLUSTER)), "Deployment")
        limits = deployment["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]
        expect(limits == {"memory": printed, "cpu": "0.5"}, f"{given} has become {limits}")


def refused(gateway: Path, settings: dict[str, Any]) -> bool:
    """Whether the gateway refuses settings. It is asked by variables, and reads no file that they name."""
    variables = {known.variable(path): str(value) for path, value in known.flat(settings).items()}
    ended = known.ask(gateway, "config", variables=variables)
    expect(ended.returncode in (0, WRONG), f"{settings}: the gateway ended with {ended.returncode}: {ended.stderr}")
    return ended.returncode == WRONG


def nested(path: str, value: Any) -> dict[str, Any]:
    """A setting in its sections."""
    section, _, rest = path.partition(".")
    return {section: nested(rest, value) if rest else value}
