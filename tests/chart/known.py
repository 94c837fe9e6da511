"""What the chart knows of the gateway's settings, and of its own values, held against the gateway and values.yaml.

What a newcomer would get wrong: to keep a list of settings here. `chathub-gateway config` prints every setting with its
bounds, so a new one that the schema lacks is found by itself.
"""

from __future__ import annotations

import difflib
import json
import re
import subprocess
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

import harness
from harness import expect
from helm import Cluster, manifests, settings_file, template

THE_CHARTS_OWN = {"server.listen", "admin.listen"}
"""Settings that the chart makes of its values `listenHost` and `ports`."""

RESTART = "needs a restart"
"""What the gateway says of a setting that is read at the start only."""

FROM_OUTSIDE = {"enabled", "global"}
"""Values that a chart may get from one that depends on it, and has no default for."""

OPEN = {"resources", "affinity", "securityContext", "podSecurityContext"}
"""Values of which the schema leaves it to Kubernetes what they hold."""


@dataclass(frozen=True)
class Setting:
    """A setting as the gateway prints it: what is said of it, its default or example, and whether that is in force."""

    about: str
    value: Any
    is_set: bool

    @property
    def notes(self) -> list[str]:
        """What is said of it in brackets, such as its bounds."""
        found = re.search(r"\(([^()]+)\)\.?$", self.about)
        return found[1].split("; ") if found else []

    @property
    def is_of_the_shape(self) -> bool:
        """Whether it says where the gateway listens, or names a file."""
        return isinstance(self.value, str) and bool(re.fullmatch(r"/.+|[\d.]+:\d+", self.value))

    @property
    def bounds(self) -> str:
        """Its bounds, as the gateway words them."""
        return "; ".join(note for note in self.notes if note != RESTART)

    @property
    def needs_restart(self) -> bool:
        """Whether it is read at the start only."""
        return RESTART in self.notes


def run(gateway: Path, *arguments: str | Path, variables: Mapping[str, str] | None = None) -> str:
    """Asks the gateway for something about settings."""
    ended = ask(gateway, *arguments, variables=variables or {})
    expect(ended.returncode == 0, f"{arguments} ended with {ended.returncode}: {ended.stderr}")
    return ended.stdout


def ask(gateway: Path, *arguments: str | Path, variables: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Asks the gateway for something that it may refuse."""
    environment = harness.environment(variables)
    return subprocess.run([gateway, *arguments], capture_output=True, text=True, timeout=20, env=environment)


def variable(path: str) -> str:
    """The variable of a setting."""
    return "CHATHUB_GATEWAY__" + path.replace(".", "__").upper()


def flat(settings: Mapping[str, Any], path: str = "") -> dict[str, Any]:
    """Settings in their sections, by their paths."""
    found: dict[str, Any] = {}
    for name, value in settings.items():
        here = f"{path}.{name}" if path else name
        found |= flat(value, here) if isinstance(value, dict) else {here: value}
    return found


def settings_of(printed: str) -> dict[str, Setting]:
    """Reads what `config` prints: each setting behind its comment, absent ones within a comment."""
    found: dict[str, Setting] = {}
    section, about = "", ""
    for line in printed.splitlines():
        if heading := re.fullmatch(r"\[([\w.]+)\]", line):
            section = heading[1]
        elif entry := re.fullmatch(r"(# )?(\w+) = (.+)", line):
            value = tomllib.loads(f"it = {entry[3]}")["it"]
            found[f"{section}.{entry[2]}"] = Setting(about, value, entry[1] is None)
        about = line.removeprefix("# ")
    return found


def check_names(gateway: Path, schema: dict[str, Any]) -> None:
    """The schema has the settings that the gateway has, with the same bounds and words."""
    known = settings_of(run(gateway, "config"))
    described = described_settings(schema)
    missing = set(known) - set(described) - THE_CHARTS_OWN
    expect(not missing, f"values.schema.json lacks the settings {sorted(missing)}")
    strange = set(described) - set(known)
    expect(not strange, f"values.schema.json has settings that the gateway has not: {sorted(strange)}")
    for path in sorted(set(described) & set(known)):
        compare(path, known[path], described[path])


def described_settings(schema: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The schema's settings by their paths."""

    def walk(path: str, node: dict[str, Any]) -> dict[str, dict[str, Any]]:
        if "properties" not in node:
            return {path: node}
        found: dict[str, dict[str, Any]] = {}
        for name, below in node["properties"].items():
            found |= walk(f"{path}.{name}" if path else name, below)
        return found

    return walk("", schema["properties"]["settings"])


def compare(path: str, setting: Setting, described: dict[str, Any]) -> None:
    """A setting's kind, and of numbers and words their bounds, which the gateway prints in brackets."""
    wanted = "rate" if path.endswith(".rate") else kind_of(setting.value)
    kind = described.get("$ref", "").rpartition("/")[2] or described["type"]
    expect(kind in (wanted, "string"), f"{path} is described as {kind}, and is {wanted}")
    if kind == "integer":
        said = f"{described['minimum']} to {described['maximum']}"
        expect(setting.bounds == said, f"{path} is described as {said}: {setting.about}")
    if kind == "array":
        each = described["items"]
        said = f"up to {described['maxItems']}, each {each['minimum']} to {each['maximum']}"
        expect(setting.bounds == said, f"{path} is described as {said}: {setting.about}")
    if "enum" in described:
        words = re.split(r", | or ", setting.bounds)
        expect(described["enum"] == words, f"{path} is described as {described['enum']}: {setting.about}")


def kind_of(value: Any) -> str:
    """What the schema would call a value."""
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer"
    if isinstance(value, list):
        return "array"
    for kind, shape in (("duration", r"\d+(ms|s|m|h)"), ("size", r"\d+([KMGT]i)?B"), ("path", r"/.+")):
        if re.fullmatch(shape, value):
            return kind
    return "string"


def check_values(chart: Path, schema: dict[str, Any]) -> None:
    """values.yaml and the schema have the same values, and the schema takes no others."""
    values = yaml.safe_load((chart / "values.yaml").read_text("utf-8"))

    def walk(path: str, value: Any, node: dict[str, Any]) -> None:
        expect(bool(path == "" or node.get("description")), f"values.schema.json says nothing of {path}")
        if "properties" not in node or path == "settings" or path in OPEN:
            return
        expect(node["additionalProperties"] is False, f"values.schema.json takes anything in {path or 'the values'}")
        here, there = set(value), set(node["properties"]) - (FROM_OUTSIDE if not path else set())
        expect(here == there, f"{path or 'the values'}: only in one of values.yaml and schema: {sorted(here ^ there)}")
        for name, below in value.items():
            walk(f"{path}.{name}" if path else name, below, node["properties"][name])

    walk("", values, schema)


def check_passing(gateway: Path, chart: Path, directory: Path) -> None:
    """Every setting in force, given as a value, comes out of the chart as it went in: no 5 as 5.0, no word unquoted."""
    known = settings_of(run(gateway, "config"))
    given: dict[str, Any] = {}
    for path, setting in known.items():
        if setting.is_set and path not in THE_CHARTS_OWN:
            *sections, name = path.split(".")
            place = given
            for section in sections:
                place = place.setdefault(section, {})
            place[name] = setting.value
    # The gateway's own bounds of connections and waiting requests take more than the chart's limit of memory.
    values = {"settings": given, "resources": {"limits": {"memory": "1Gi"}}}
    text = template(chart, values, Cluster("1.33.0"))
    file = directory / "passed.toml"
    file.write_text(settings_file(manifests(text)), "utf-8")
    # The one setting that the gateway leaves open, and the chart does not.
    wanted = run(gateway, "config", variables={variable("server.workers"): "1"}).splitlines()
    came = run(gateway, "config", "--config", file).splitlines()
    changes = difflib.unified_diff(wanted, came, "as they were written", "as they came", n=0, lineterm="")
    expect(came == wanted, "\n".join(changes))


def schema_of(chart: Path) -> dict[str, Any]:
    """The chart's schema."""
    return json.loads((chart / "values.schema.json").read_text("utf-8"))
