"""Settings that change and change again under all that clients do.

What a newcomer would get wrong: to show only that nothing fails. A gateway that never reads its settings passes that, so
each change is waited for in the metrics, and in the end its clients are asked by which lifetime and quota they are served.
"""

from __future__ import annotations

import http.client
import itertools
import json
import os
import signal
from pathlib import Path

from bench import Besieged, helper, told
from harness import expect

import mix

PATIENCE = 20.0

WIDE = "100000/s"
"""No client waits for such a quota."""

SETTINGS = {
    "CHATHUB_GATEWAY__THROTTLE__MODE": "enforce",
    "CHATHUB_GATEWAY__THROTTLE__OTHER__RATE": WIDE,
}
"""Room for all that is listed: a full store takes no list that was asked for once, and lifetimes are told from lists."""


class Volume:
    """A directory as Kubernetes shows a ConfigMap: links to a directory that is put in the place of the last."""

    def __init__(self, path: Path) -> None:
        self.path, self.versions = path, itertools.count()
        path.mkdir(parents=True)
        self.file = path / "settings.toml"
        self.write("")
        self.file.symlink_to("..data/settings.toml")

    def write(self, text: str) -> None:
        """Shows another version, all at once."""
        version = self.path / f"..{next(self.versions)}"
        version.mkdir()
        (version / "settings.toml").write_text(text, "utf-8")
        link = self.path / "..new"
        link.symlink_to(version.name)
        os.replace(link, self.path / "..data")


def settings(ttl: str, rate: str, burst: int, limits: int) -> str:
    """Lifetimes, quotas, limits, and how much is told."""
    return f"""
cache.operators_ttl = "{ttl}"
server.max_in_flight = {limits}
server.max_connections = {limits}
server.max_body = "{limits}B"
upstream.head_timeout = "{limits}ms"
throttle.max_wait = "0s"
throttle.operator = {{ rate = "{rate}", burst = {burst} }}
log.level = "{"info" if limits % 2 else "debug"}"
"""


GOOD = [settings("60s", WIDE, 1000, 60_000), settings("1s", "90000/s", 900, 50_001)]
"""They take turns, and whoever keeps to what is usual notices nothing of either."""

BAD = settings("7", WIDE, 1000, 60_000).replace("max_body", "max_bdy")


def change_all_the_while(gateway: Besieged, volume: Volume, seconds: float) -> tuple[float, float]:
    """Changes settings while clients do all they do, and returns how often they were taken and refused."""
    with helper(mix.live, gateway.address, seconds) as pipe:
        for number in itertools.count():
            if number % 4 == 3:
                change(gateway, volume, BAD, hangs_up=True, outcome="failed")
            else:
                change(gateway, volume, GOOD[number % 2], hangs_up=True)
            if pipe.poll(0.05):
                break
        counts = told(pipe, "the clients tell", PATIENCE)
    print(f"    {sum(counts.values())} steps: {dict(counts.most_common())}")
    wrong = {what: count for what, count in counts.items() if "failed" in what or "answered" in what}
    expect(not wrong, f"each step is as it should be: {wrong}")
    return reloads(gateway)


def serves_by_the_last(gateway: Besieged, volume: Volume) -> None:
    """Shows that a lifetime and a quota are in force, and that bad settings change neither."""
    change(gateway, volume, settings("777s", "1/m", 3, 60_000))
    expect(statuses(gateway, "quota", range(1, 6)) == [200] * 3 + [429] * 2, "three at once and no more")
    status = cache_status(gateway, "quota", 1)
    expect(" hit; ttl=7" in status, f"the lifetime is 777 s: {status}")

    change(gateway, volume, BAD, outcome="failed")
    expect(gateway.metric("settings_reload_failed") == 1, "the metric stays up")
    expect(statuses(gateway, "other", range(1, 6)) == [200] * 3 + [429] * 2, "the quota goes on")
    status = cache_status(gateway, "quota", 1)
    expect(" hit; ttl=7" in status, f"the lifetime goes on: {status}")
    lines = gateway.program.err.read_text("utf-8").splitlines()
    errors = [event["error"] for event in map(json.loads, lines) if event["level"] == "ERROR"]
    for problem in ('settings.toml:2:23: cache.operators_ttl = "7": has no unit', "server.max_bdy: is unknown"):
        expect(problem in errors[-1], f"it is not said that {problem}, but {errors[-1]}")


def reloads(gateway: Besieged) -> tuple[float, float]:
    """How often settings were taken, and refused."""
    done, failed = (gateway.metric("settings_reloads_total", outcome=outcome) for outcome in ("done", "failed"))
    return done, failed


def change(gateway: Besieged, volume: Volume, text: str, hangs_up: bool = False, outcome: str = "done") -> None:
    """Shows other settings, with a signal or without, and waits until they are in force or refused."""

    def count() -> float:
        return gateway.metric("settings_reloads_total", outcome=outcome)

    before = count()
    volume.write(text)
    if hangs_up:
        gateway.program.process.send_signal(signal.SIGHUP)
    gateway.wait_for(f"settings are {outcome}", lambda: count() > before, PATIENCE)


def lists(gateway: Besieged, key: str, organization: int) -> http.client.HTTPResponse:
    """One list, over a connection of its own."""
    connection = http.client.HTTPConnection(*gateway.address, timeout=10)
    try:
        connection.request("GET", f"/api/operator?organizationId={organization}", headers={"X-Authorization-Key": key})
        response = connection.getresponse()
        response.read()
        return response
    finally:
        connection.close()


def statuses(gateway: Besieged, key: str, organizations: range) -> list[int]:
    """What is answered to one after another."""
    return [lists(gateway, key, organization).status for organization in organizations]


def cache_status(gateway: Besieged, key: str, organization: int) -> str:
    """What is said of the cache."""
    return lists(gateway, key, organization).headers["Cache-Status"]
