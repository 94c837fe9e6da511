"""Lets SignalR's own client talk to the hub, over each of its transports, with the gateway and without.

The three transports look nothing alike on the wire: an upgraded connection, an answer that never ends, and requests
that stay open. To who uses them they are one, so the program must see the same over each.
"""

from __future__ import annotations

import argparse
import json
import re

import harness
from harness import Checks, expect
from playing import INSTALLED, Client, Run, check_same, compare, play_both

CARRIERS = ("WebSockets", "ServerSentEvents", "LongPolling", "WebSocketsAlone")
"""What carries a connection; the last is a WebSocket without negotiation."""

REFUSED, CONNECTED = 1, 1
"""Negotiations of the program: with a wrong token, and with its own."""


def talk(arguments: argparse.Namespace, checks: Checks) -> None:
    """Runs the program over each transport."""
    conversations = {}
    for carrier in CARRIERS:
        command = ["node", INSTALLED / "node/hub.js", carrier]
        client = Client(f"hub over {carrier}", command, settled=has_no_connections)
        with checks.named(f"{client.name}: the program runs to its end, with and without the gateway"):
            direct, through = play_both(client, arguments, INSTALLED / "runs" / f"hub-{carrier}")
            conversations[carrier] = conversation(direct)
        if carrier in conversations:
            compare(client, direct, through, checks)
            with checks.named(f"{client.name}: ChatHub, and not the gateway, answered everything"):
                check_answers(carrier, direct, through)
    with checks.named("hub: the program saw the same, whatever carried it"):
        check_conversations(conversations)


def has_no_connections(chathub: harness.Emulator) -> bool:
    """Whether the gateway has left the hub as its client has: what it keeps open by mistake is a leak at both ends."""
    return chathub.hub_connections() == 0


def conversation(run: Run) -> list[str]:
    """The transcript without what each transport does in its own way."""
    return [line for line in run.transcript if not json.loads(line).get("step", "").startswith("connecting")]


def check_answers(carrier: str, direct: Run, through: Run) -> None:
    """How many polls and posts there are is chance, so only what is not is counted."""
    negotiations = 0 if carrier == "WebSocketsAlone" else REFUSED + CONNECTED
    for name, run in ("without", direct), ("with", through):
        made = run.counters.get("negotiate", 0)
        expect(made == negotiations, f"{name} the gateway {made} negotiations reached ChatHub, not {negotiations}")
    refusals = re.findall(r"^chathub_gateway_refusals_total\{.*\} [1-9].*$", metrics(through), re.MULTILINE)
    expect(not refusals, "\n".join(refusals))


def metrics(run: Run) -> str:
    return (run.directory / "metrics").read_text("utf-8")


def check_conversations(conversations: dict[str, list[str]]) -> None:
    expect(len(conversations) == len(CARRIERS), f"only over these it ran to the end: {list(conversations)}")
    (first, lines), *others = conversations.items()
    for other, other_lines in others:
        check_same(first, lines, other, other_lines)
