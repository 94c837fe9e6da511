"""The dashboard as it is kept: what it asks Prometheus for, how its panels lie, and how its file is laid out.

It is edited in Grafana and exported ("Export for sharing externally" off), then laid out anew with `tests/watch/run
--tidy FILE`: what fits on a line stands on one, so that a change of one panel is a change of a few lines.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

WIDTH = 120
COLUMNS = 24

CORE_PANELS = {"row", "timeseries", "stat", "table"}
"""What every Grafana has."""

UNITS = {"reqps", "ops", "short", "s", "bytes", "percentunit"}
"""Those in use: seconds and bytes are what is measured, and a share lies between 0 and 1."""


@dataclass(frozen=True)
class Question:
    """An expression, and where it stands."""

    place: str
    expression: str


def read(path: Path) -> dict[str, Any]:
    """The dashboard."""
    return json.loads(path.read_text("utf-8"))


def laid_out(value: Any, indent: int = 0) -> str:
    """JSON of which every part stands on one line if it fits."""
    line = json.dumps(value, ensure_ascii=False)
    if not isinstance(value, dict | list) or not value or indent + len(line) <= WIDTH:
        return line
    inner = " " * (indent + 2)
    if isinstance(value, dict):
        parts = [f"{json.dumps(key)}: {laid_out(part, indent + 2)}" for key, part in value.items()]
        opening, closing = "{}"
    else:
        parts = [laid_out(part, indent + 2) for part in value]
        opening, closing = "[]"
    return f"{opening}\n" + ",\n".join(inner + part for part in parts) + f"\n{' ' * indent}{closing}"


def panels(dashboard: dict[str, Any]) -> list[dict[str, Any]]:
    """Its panels that show something."""
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def questions(dashboard: dict[str, Any]) -> Iterator[Question]:
    """Every expression: of panels and of annotations."""
    for panel in panels(dashboard):
        for target in panel["targets"]:
            yield Question(f"panel {panel['title']!r}, {target['refId']}", target["expr"])
    for annotation in dashboard["annotations"]["list"]:
        yield Question(f"annotation {annotation['name']!r}", annotation["expr"])


def variables(dashboard: dict[str, Any]) -> dict[str, str]:
    """What Grafana asks for the values of a variable: `label_values(METRIC, LABEL)`."""
    asked = [variable for variable in dashboard["templating"]["list"] if variable["type"] == "query"]
    return {variable["name"]: variable["query"]["query"] for variable in asked}


def faults(dashboard: dict[str, Any]) -> Iterator[str]:
    """What is wrong with its form, in words."""
    seen: dict[int, str] = {}
    for panel in dashboard["panels"]:
        title = panel["title"]
        if panel["id"] in seen:
            yield f"{title!r} and {seen[panel['id']]!r} have the id {panel['id']}"
        seen[panel["id"]] = title
        if panel["type"] not in CORE_PANELS:
            yield f"{title!r} is a {panel['type']}, which a Grafana without plugins may not have"
    for panel in panels(dashboard):
        yield from _faults_of(panel)
    yield from _overlaps(dashboard["panels"])


def _faults_of(panel: dict[str, Any]) -> Iterator[str]:
    title = panel["title"]
    if panel.get("datasource") != {"type": "prometheus", "uid": "${datasource}"}:
        yield f"{title!r} does not ask the Prometheus that was chosen"
    if panel["fieldConfig"]["defaults"].get("unit") not in UNITS:
        yield f"{title!r} has no unit, or an unknown one"
    text = panel.get("description", "")
    if len(text) < 60 or not text.endswith("."):
        yield f"{title!r} does not say in sentences what is normal and what to do"
    references = [target["refId"] for target in panel["targets"]]
    if len(set(references)) != len(references):
        yield f"{title!r} has two questions of one name"
    if any(label not in target["expr"] for target in panel["targets"] for label in ("$job", "$instance", "$pod")):
        yield f"{title!r} does not heed what was chosen above"


def _overlaps(all_panels: list[dict[str, Any]]) -> Iterator[str]:
    taken: dict[tuple[int, int], str] = {}
    for panel in all_panels:
        place = panel["gridPos"]
        if place["x"] + place["w"] > COLUMNS:
            yield f"{panel['title']!r} is wider than the page"
        cells = [(x, y) for x in range(place["x"], place["x"] + place["w"]) for y in _lines(place)]
        for other in {taken[cell] for cell in cells if cell in taken}:
            yield f"{panel['title']!r} lies upon {other!r}"
        taken.update(dict.fromkeys(cells, panel["title"]))


def _lines(place: dict[str, int]) -> range:
    return range(place["y"], place["y"] + place["h"])
