"""Gateways in trouble, and a real Prometheus that is asked everything that the dashboard and the rules ask.

What a newcomer would get wrong: that a question is answered proves little, since every series of the gateway is there
from the start, at zero. So a panel has passed only when it has shown a number other than zero while there was something
to show; and an alert, which is to be silent, when its parts have met (see promql.py) and its text can be written.
"""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import harness
import promql
import rules
from dashboard import Question
from gate import GATE, play_gate, play_seal, seal_settings, tell_streams
from harness import expect
from rules import Rule
from scenes import LINE, MEMORY, play_line, play_memory
from server import Prometheus, prometheus
from stage import Play, Stage

PLAY_SECONDS = 14
"""How long there is trouble: some rounds of the slowest part, which waits for files to be seen."""

WINDOW, DELAY = "10s", "5s"
"""In place of minutes, hours and days."""

SEEN_SECONDS = 10
"""How long it may take until Prometheus has scraped what there is."""

HOLD_SECONDS = 3
"""How long a scene is held for it: longer than it takes between two scrapes."""

STEP_SECONDS = 0.25
"""Between two looks at what was scraped: shorter than anything lasts."""

JOB = "gateway"
VARIABLES = {"job": JOB, "namespace": "shop|office", "pod": ".*", "instance": ".*", "datasource": "prometheus"}
"""As Grafana would fill them in."""

ABSENT = "ChathubGatewayAbsent"
"""Never true here, for there are gateways."""


@dataclass(frozen=True)
class Trouble:
    """What is left when all is over: a Prometheus that has seen it."""

    server: Prometheus
    began: float

    def shown(self, question: str) -> list[list[float]]:
        """The values of each series that a question brings, over the whole time."""
        asked = promql.bound(promql.hastened(question, WINDOW, DELAY), VARIABLES)
        # A second more, for the last look is to see the last scrape.
        until = time.time() + 1
        data = self.server.ask("query_range", query=asked, start=self.began, end=until, step=STEP_SECONDS)
        return [[float(value) for _, value in series["values"]] for series in data["result"]]


@contextmanager
def trouble(gateway: Path, emulator: Path, logs: Path, groups: list[dict[str, Any]]) -> Iterator[Trouble]:
    """Plays all scenes before a Prometheus that works out the rules."""
    hastened = logs / "rules.json"
    hastened.parent.mkdir(parents=True, exist_ok=True)
    hastened.write_text(json.dumps({"groups": rules.hastened(groups, WINDOW, DELAY)}), "utf-8")
    seal = logs / "seal"
    with ExitStack() as opened:
        stages: dict[str, Stage] = {}
        for name, settings in (("memory", MEMORY), ("line", LINE), ("gate", GATE), ("seal", seal_settings(seal))):
            file = seal / "settings.toml" if name == "seal" else None
            stages[name] = Stage(gateway, emulator, logs / name, settings, file)
            opened.callback(stages[name].open.close)
        server = opened.enter_context(prometheus(logs, [job(stages)], hastened))
        _await(server, f'count(up{{job="{JOB}"}} == 1) == {len(stages)}')
        for stage in stages.values():
            stage.wait_for_scrape = lambda query: _await(server, query, HOLD_SECONDS)
        began = time.time()
        play_all(stages, seal)
        see_the_end(stages, server, seal)
        yield Trouble(server, began)


def job(stages: dict[str, Stage]) -> dict[str, Any]:
    """What is scraped, with the labels that Kubernetes would give; the one that starts anew is scraped without monitors, and
    is known to have been a gateway by its past alone."""
    targets = []
    for name, stage in stages.items():
        labels = {"namespace": "shop" if name == "line" else "office", "pod": f"{name}-0"}
        endpoint = {} if name == "seal" else {"endpoint": "chathub-admin"}
        targets.append({"targets": [stage.target], "labels": labels | endpoint})
    return {"job_name": JOB, "static_configs": targets}


def play_all(stages: dict[str, Stage], seal: Path) -> None:
    """All at once, for a time."""
    play = Play(PLAY_SECONDS)
    play_memory(stages["memory"], play)
    play_line(stages["line"], play)
    play_gate(stages["gate"], play)
    play_seal(stages["seal"], play, seal)
    play.end()


def see_the_end(stages: dict[str, Stage], server: Prometheus, seal: Path) -> None:
    """One gateway starts anew, and one stops with streams open; Prometheus is to see both."""
    seal_settings(seal)  # or what was spoilt would keep it from starting
    stages["seal"].restart(lambda: _await(server, "up == 0"))
    _await(server, f"changes(process_start_time_seconds[{WINDOW}]) > 0")
    tell_streams(stages["gate"], lambda: _await(server, "sum(rate(chathub_gateway_streams_ended_total[5s])) > 0"))


def _await(server: Prometheus, query: str, seconds: float = SEEN_SECONDS) -> None:
    harness.wait_until(f"Prometheus sees {query}", lambda: server.values(query) or None, server.program, seconds)


# === what is judged ===


def silent_panels(seen: Trouble, questions: list[Question]) -> Iterator[str]:
    """Questions of the dashboard that have shown nothing all the time."""
    for question in questions:
        series = seen.shown(question.expression)
        if not any(value and math.isfinite(value) for values in series for value in values):
            what = "only zeros" if series else "nothing"
            yield f"{question.place} shows {what}: {question.expression}"


def broken_rules(seen: Trouble, asked: list[Rule]) -> Iterator[str]:
    """Rules whose parts do not meet."""
    for rule in asked:
        if rule.alert != ABSENT and not seen.shown(promql.answering(rule.expression)):
            yield f"{rule.name} is about nothing that there is: {rule.expression}"


def quiet_alerts(seen: Trouble, asked: list[Rule]) -> Iterator[str]:
    """Alerts whose condition was never met."""
    yield from (
        f"{rule.name} was never set off: {rule.expression}" for rule in asked if not seen.shown(rule.expression)
    )


def unwritten_texts(seen: Trouble, asked: list[Rule]) -> Iterator[str]:
    """Alerts whose texts cannot be written, or name a label that their series do not have."""
    told = {rule["name"]: rule for group in seen.server.ask("rules")["groups"] for rule in group["rules"]}
    for rule in asked:
        state = told[rule.name]
        if state["health"] != "ok":
            yield f"{rule.name} cannot be worked out: {state.get('lastError')}"
        if rule.alert and rule.alert != ABSENT:
            yield from _unwritten(rule, state["alerts"])


def _unwritten(rule: Rule, alerts: list[dict[str, Any]]) -> Iterator[str]:
    if not alerts:
        yield f"{rule.name} was never written"
    for alert in alerts:
        for name, text in alert["annotations"].items():
            if "error expanding template" in text:
                yield f"the {name} of {rule.name} cannot be written: {text}"
            for label in re.findall(r"\$labels\.(\w+)", rule.kept["annotations"][name]):
                if label not in alert["labels"]:
                    yield f"the {name} of {rule.name} speaks of {label}, which is none of {sorted(alert['labels'])}"


def empty_variables(seen: Trouble, asked: dict[str, str]) -> Iterator[str]:
    """Variables of the dashboard for which there is no value to choose."""
    for name, question in asked.items():
        expect(question.startswith("label_values("), f"the variable {name} asks {question}")
        series, _, label = question.removeprefix("label_values(").removesuffix(")").rpartition(", ")
        match = promql.bound(series, VARIABLES)
        found = seen.server.ask(f"label/{label}/values", **{"match[]": match})
        if not found:
            yield f"there is no {name} to choose: {question}"
