"""What befalls two of the gateways while Prometheus looks: memory and line. Those of gate.py have other trouble.

All that the dashboard can show is to happen here, for a panel that shows nothing when it happens is of no use. What a
newcomer would get wrong: to let it happen once. A rate is made of two scrapes, so parts are played again and again.
"""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Callable

from harness import ask, expect
from stage import CHATS, FRESH, LIST, ORGANIZATIONS, OWN, STATUS, SYNCHRONIZE, Play, Stage, head

# === memory: lists, what keeps them out of memory, and writes ===

MEMORY = {
    "cache.operators_ttl": "2s",
    "cache.organizations_ttl": "3s",
    "cache.refresh_ahead": "1s",
    "cache.capacity": "32KiB",
    "cache.max_body": "8KiB",
    "cache.quarantine": "1s",
    "upstream.head_timeout": "1s",
    "throttle.operator.rate": "1000/s",
    "throttle.operator.burst": "1000",
    "log.access_buffer": "4KiB",
    "log.access_hit_percent": "50",
    "metrics.organizations": "6,24",
}

CALM = "/api/operator?organizationId=6"
"""A list that no write hides."""

ODD = [
    {**OWN, "Cookie": "a=b"},
    {**OWN, "Origin": "https://widget.example"},
    {**OWN, "X_Authorization_Key": "dropped"},
    FRESH,
    {},
]
"""Requests that memory does not answer."""

ODD_ANSWERS = [
    "html",
    {"large": 20_000},
    {"fields": [["Set-Cookie", "a=b"]]},
    {"fields": [["Vary", "*"]]},
    {"statusBefore": 503},
    "dropBefore",
]
"""Answers that are not stored."""

DOUBTS = [{"statusBefore": 500}, "dropAfter", {"latencyBefore": 1500}, {"statusBefore": 409}]
"""What becomes of writes; after the first three nobody knows whether they were applied."""

LONG = "a" * 5000
"""Part of a path that is longer than `log.access_buffer`."""


def play_memory(stage: Stage, play: Play) -> None:
    """Clients that poll, clients that ask oddly, writes of unknown outcome, and more lists than there is room for."""
    stage.chathub.order("PATCH", "/switches", {"latencyBeforeMs": 5})
    # Before any write of unknown outcome: one of an operator whom no stored list has keeps all lists out of memory, and here
    # the next comes before that has ended.
    for target in (LIST, CALM):
        stage.caller().call("GET", target)
    for part, times, pause in (
        (_polls(stage), 4, 0.02),
        (_asks_oddly(stage), 1, 0.05),
        (_answers_oddly(stage), 1, 0.1),
        (_asks_much(stage), 1, 0.01),
        (_writes(stage), 1, 0.1),
        (_leaves(stage), 1, 0.3),
        (_purges(stage), 1, 0.5),
        (_talks_long(stage), 1, 0.1),
    ):
        play.act(part, times, pause)


def _polls(stage: Stage) -> Callable[[], None]:
    callers = threading.local()

    def part() -> None:
        caller = callers.__dict__.setdefault("own", stage.caller())
        caller.call("GET", LIST)
        caller.call("GET", CALM)
        caller.call("GET", ORGANIZATIONS)

    return part


def _asks_oddly(stage: Stage) -> Callable[[], None]:
    caller = stage.caller()

    def part() -> None:
        for fields in ODD:
            caller.call("GET", LIST, fields)
        caller.call("GET", "/api/operator?organizationId=024")

    return part


def _answers_oddly(stage: Stage) -> Callable[[], None]:
    caller, odd = stage.caller(), itertools.cycle(ODD_ANSWERS)

    def part() -> None:
        stage.fault("listOperators", next(odd))
        caller.call("GET", LIST, FRESH)

    return part


def _asks_much(stage: Stage) -> Callable[[], None]:
    caller, organizations = stage.caller(), itertools.cycle(range(1000, 1300))

    def part() -> None:
        caller.call("GET", f"/api/operator?organizationId={next(organizations)}")

    return part


def _writes(stage: Stage) -> Callable[[], None]:
    caller, doubts = stage.caller(), itertools.cycle(DOUBTS)

    def part() -> None:
        caller.call("POST", STATUS, OWN, json.dumps({"id": 101, "status": 1}))
        caller.call("POST", SYNCHRONIZE, OWN, json.dumps([{"organizationId": 42, "name": "Ann"}]))
        stage.fault("setStatus", next(doubts))
        caller.call("POST", STATUS, OWN, json.dumps({"id": 102, "status": 0}))

    return part


def _leaves(stage: Stage) -> Callable[[], None]:
    """A client that leaves before the answer: once of a read, once of a write."""
    content = json.dumps({"id": 1, "status": 1})

    def part() -> None:
        for endpoint, request in (
            ("listChats", head("GET", CHATS)),
            ("setChatStatus", head("PUT", "/api/chat/status", f"Content-Length: {len(content)}") + content.encode()),
        ):
            stall = stage.stall(endpoint)
            with stage.connect() as client:
                client.sendall(request)
                stage.wait_for_held(stall, 1)
            stage.hold("writes_in_flight" if endpoint == "setChatStatus" else "requests_in_flight")
            stage.release(stall)

    return part


def _purges(stage: Stage) -> Callable[[], None]:
    """Of one organization: the others' lists are to grow old enough to be refreshed ahead."""
    target = f"{stage.between.admin}/purge?organization=24"
    return lambda: expect(ask("POST", target).status == 200, "a purge is refused")


def _talks_long(stage: Stage) -> Callable[[], None]:
    """A request whose line in the log is longer than what may wait to be written."""
    caller = stage.caller()
    return lambda: caller.call("GET", "/api/" + LONG) and None


# === line: quotas, waits, and an upstream that refuses ===

LINE = {
    "throttle.max_wait": "3s",
    "throttle.max_waiting_per_credential": "8",
    "throttle.max_credentials": "2",
    "throttle.operator.rate": "5/s",
    "throttle.operator.burst": "2",
    "throttle.login.burst": "1",
}


def play_line(stage: Stage, play: Play) -> None:
    """More requests than quotas allow, more credentials than are told apart, and 429s all the same."""
    play.act(_hurries(stage), 12, 0.05)
    play.act(_is_strange(stage), 2, 0.02)
    play.act(_is_refused(stage), 1, 0.05)


def _hurries(stage: Stage) -> Callable[[], None]:
    return lambda: stage.caller().call("GET", LIST, FRESH) and None


def _is_strange(stage: Stage) -> Callable[[], None]:
    numbers = itertools.count()
    return lambda: stage.caller().call("GET", LIST, {"X-Authorization-Key": f"stranger-{next(numbers)}"}) and None


def _is_refused(stage: Stage) -> Callable[[], None]:
    caller, statuses = stage.caller(), itertools.cycle((429, 429, 503))

    def part() -> None:
        stage.fault("listChats", {"statusBefore": next(statuses)})
        for _ in range(3):
            caller.call("GET", CHATS)

    return part
