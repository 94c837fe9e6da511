"""A crowd that takes all descriptors which a gateway has, and goes again.

What a newcomer would get wrong: to try it once. How soon somebody new is served when the crowd has left is judged by the
quickest of several times, for a busy machine is slow now and then, and a gateway that rests too long is so each time.
"""

from __future__ import annotations

import time

from bench import Besieged
from harness import expect
from neighbour import ask, open_connection
from slow import Crowd, crowd

FEW = 64
"""Descriptors that the gateway may have."""

TIMES = 3

MOST_IDLE_CORES = 0.05
SERVED_SECONDS = 0.5


def take_and_leave(gateway: Besieged) -> None:
    """Lets crowds come that are too large, and looks what that costs the gateway and the next client."""
    before, took, cores = gateway.metric("accept_errors_total"), [], 0.0
    for number in range(TIMES):
        with crowd() as people:
            _take(gateway, people)
            if number == 0:
                cores = gateway.cores(3)
        took.append(_seconds_until_served(gateway))
    failed = gateway.metric("accept_errors_total") - before
    lines = gateway.program.err.read_text("utf-8").count("accepting a connection failed")
    print(f"    {cores:.3f} cores; {failed:.0f} accepts failed, {lines} lines in the log say so")
    told = ", ".join(f"{seconds * 1e3:.0f} ms" for seconds in took)
    print(f"    each time after the others had left, a new client was served within {told}")
    expect(cores < MOST_IDLE_CORES, f"{cores:.3f} cores for nothing")
    expect(min(took) < SERVED_SECONDS, f"a new client was served after {min(took):.2f} s at the earliest")


def _take(gateway: Besieged, people: Crowd) -> None:
    before = gateway.metric("accept_errors_total")
    people.join(4 * FEW, gateway.address, b"GET / HTTP/1.1\r\n", reads=False)
    gateway.wait_for("accepting fails", lambda: gateway.metric("accept_errors_total") > before, 5)


def _seconds_until_served(gateway: Besieged) -> float:
    began = time.monotonic()
    with open_connection(gateway.address) as connection:
        status = ask(connection)
    expect(status == 200, f"a new client was answered {status}")
    return time.monotonic() - began
