"""The rules as they are kept: what each asks, whether each alert is told in full, and tested both ways.

What a newcomer would get wrong: a case that expects no sample is one in which the alert is silent, whatever its name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import promql
import yaml

RUNBOOKS = "https://runbooks.invalid/chathub-gateway"
"""Stands for the address that an operator sets."""

PREFIX = "ChathubGateway"
SEVERITIES = {"critical", "warning"}


@dataclass(frozen=True)
class Rule:
    """A recording rule, or an alert."""

    kept: dict[str, Any]

    @property
    def alert(self) -> str:
        """The alert's name; nothing if it is none."""
        return self.kept.get("alert", "")

    @property
    def name(self) -> str:
        """Its name."""
        return self.alert or self.kept["record"]

    @property
    def expression(self) -> str:
        """What it asks."""
        return self.kept["expr"]

    @property
    def anchor(self) -> str:
        """Where its runbook stands on the page: under the heading `Alert NAME`, without the prefix."""
        return f"alert-{self.alert.removeprefix(PREFIX).lower()}"


def read(path: Path) -> list[dict[str, Any]]:
    """The groups."""
    return yaml.safe_load(path.read_text("utf-8"))["groups"]


def all_of(groups: list[dict[str, Any]]) -> list[Rule]:
    """All rules, in their order."""
    return [Rule(rule) for group in groups for rule in group["rules"]]


def alerts_of(groups: list[dict[str, Any]]) -> list[Rule]:
    """All alerts."""
    return [rule for rule in all_of(groups) if rule.alert]


def faults(alerts: list[Rule]) -> Iterator[str]:
    """What an alert lacks, in words."""
    for rule in alerts:
        kept, texts = rule.kept, rule.kept.get("annotations", {})
        if not rule.alert.startswith(PREFIX):
            yield f"{rule.alert} does not begin with {PREFIX}"
        if kept.get("labels", {}).get("severity") not in SEVERITIES:
            yield f"{rule.alert} has no severity of {sorted(SEVERITIES)}"
        if "for" not in kept:
            yield f"{rule.alert} does not say for how long"
        if set(texts) != {"summary", "description", "runbook_url"}:
            yield f"{rule.alert} has the annotations {sorted(texts)}"
        if texts.get("runbook_url") != f"{RUNBOOKS}#{rule.anchor}":
            yield f"{rule.alert} does not point at {RUNBOOKS}#{rule.anchor}"
        if len(texts.get("summary", "")) > 100:
            yield f"the summary of {rule.alert} is no line"


def untested(alerts: list[Rule], files: list[Path]) -> Iterator[str]:
    """Alerts without a case in which they fire, or without one in which they are silent, and cases of no alert."""
    cases = [case for file in files for case in yaml.safe_load(file.read_text("utf-8"))["tests"]]
    firing, silent = set(), set()
    for case in cases:
        for test in case.get("promql_expr_test", []):
            named = re.search(r'ALERTS\{alertname="(\w+)", alertstate="firing"\}', test["expr"])
            if not named:
                yield f"the case {case['name']!r} asks for {test['expr']}, not for an alert that fires"
                continue
            (firing if test.get("exp_samples") else silent).add(named.group(1))
    names = {rule.alert for rule in alerts}
    for way, tested in (("fires", firing), ("is silent", silent)):
        yield from (f"no case shows that {name} {way}" for name in sorted(names - tested))
        yield from (f"a case is about {name}, which is no alert" for name in sorted(tested - names))


def hastened(groups: list[dict[str, Any]], window: str, delay: str) -> list[dict[str, Any]]:
    """The same rules over short windows, and alerts that fire whatever happens, so that their texts are written."""
    made = []
    for group in groups:
        rules = [{**rule, "expr": promql.hastened(rule["expr"], window, delay)} for rule in group["rules"]]
        for rule in rules:
            if "alert" in rule:
                rule |= {"expr": f"({promql.answering(rule['expr'])}) >= 0", "for": "0s"}
        made.append({**group, "rules": rules})
    return made
