"""What the gateway takes of memory, how fast it starts, and what a hit costs when there is much of everything."""

from __future__ import annotations

import json
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import harness
import peers
import works
from harness import Program, expect
from peers import Peer, Setting

STARTS = 21
CONNECTIONS = 10_000
"""Open at once."""

PLACES = {"CHATHUB_GATEWAY__SERVER__MAX_CONNECTIONS": "12000"}
"""So that nobody waits for a place."""

ROOM = {**PLACES, "CHATHUB_GATEWAY__CACHE__CAPACITY": "64GiB", "CHATHUB_GATEWAY__CACHE__OPERATORS_TTL": "10h"}
"""So that nothing that is stored leaves, either."""

ROUNDS, SECONDS = 5, 2


@dataclass
class Footprint:
    """All of it. Memory in bytes, times in seconds."""

    starts: list[float] = field(default_factory=list)
    idle: int = 0
    per_connection: float = 0
    per_list: dict[str, float] = field(default_factory=dict)
    hits: dict[str, dict[str, float]] = field(default_factory=dict)
    """Processor time of a hit in microseconds, by what there was much of and how much."""

    def render(self) -> str:
        """A section of the report."""
        rows = [
            "## Footprint of the gateway\n",
            f"- Start to the first answer (which the upstream gave): {statistics.median(self.starts) * 1e3:.1f} ms"
            f" (median of {STARTS} starts, {min(self.starts) * 1e3:.1f} to {max(self.starts) * 1e3:.1f}).",
            f"- Memory after the first answer: {self.idle / 1e6:.1f} MB.",
            f"- Each of {CONNECTIONS:,} open connections that were answered once and are idle: {self.per_connection:,.0f} bytes.",
        ]
        rows += [
            f"- Each stored list, {what}: {size:,.0f} bytes, content and bookkeeping."
            for what, size in self.per_list.items()
        ]
        for what, costs in self.hits.items():
            first = next(iter(costs.values()))
            told = ", ".join(f"{count}: {cost:.1f} µs ({cost / first:.2f} ×)" for count, cost in costs.items())
            rows.append(f"- Processor time of a hit with so many {what}: {told}.")
        return "\n".join(rows) + "\n"


def measure(most_lists: int) -> Footprint:
    """Measures everything; the lists take about five kilobytes each."""
    prints = Footprint()
    directory = peers.directory("footprint")
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, directory.parent, ignore_errors=True)
        plain = stack.enter_context(peers.start_upstream(directory, "2048"))
        for _ in range(STARTS):
            prints.starts.append(start(directory, plain.url))
        with gateway(directory, plain.url, PLACES) as idle:
            prints.idle = idle.memory()
            prints.per_connection = connections(idle)
        say(f"starts in {statistics.median(prints.starts) * 1e3:.1f} ms, {prints.idle / 1e6:.1f} MB idle")
        lists(directory, most_lists, prints)
        many(directory, plain.url, prints)
    return prints


def say(text: str) -> None:
    print(f"  {text}", file=sys.stderr, flush=True)


@contextmanager
def gateway(directory: Path, upstream: str, settings: dict[str, str]) -> Iterator[Peer]:
    """A gateway with its defaults, but for quotas and what is asked for."""
    with peers.gateway(Setting(directory, upstream, 2), {**peers.UNPACED, **settings}) as peer:
        yield peer


def start(directory: Path, upstream: str) -> float:
    """Starts a gateway and asks it without pause until it answers."""
    port = peers.free_port()
    command: list[str | Path] = [
        peers.RELEASE / "chathub-gateway", "--listen", f"127.0.0.1:{port}", "--admin-listen", "127.0.0.1:0",
        "--upstream", upstream,
    ]  # fmt: skip
    began = time.perf_counter()
    with Program("start", command, directory):
        while time.perf_counter() - began < harness.START_SECONDS:
            try:
                with socket.create_connection(("127.0.0.1", port)) as connection:
                    connection.sendall(b"GET /api/operator?organizationId=24 HTTP/1.1\r\nHost: a\r\n\r\n")
                    if connection.recv(65536).startswith(b"HTTP/1.1 200 "):
                        return time.perf_counter() - began
            except ConnectionRefusedError:
                time.sleep(0.0002)  # between two looks, not for an event
    raise harness.Failure("the gateway does not start")


def connections(peer: Peer) -> float:
    """Opens many connections, has each answered once, and returns the memory that each takes."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    before, target = peer.memory(), urlsplit(peer.url)
    request = f"GET {works.LIST} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {works.BEARER}\r\n\r\n".encode()
    opened = [socket.create_connection((target.hostname, target.port)) for _ in range(CONNECTIONS)]
    try:
        for connection in opened:
            connection.sendall(request)
            expect(connection.recv(65536).startswith(b"HTTP/1.1 200 "), "a connection was not answered")
        return (peer.memory() - before) / CONNECTIONS
    finally:
        for connection in opened:
            connection.close()


def lists(directory: Path, most: int, prints: Footprint) -> None:
    """Stores more and more lists, and asks for any of them."""
    costs: dict[str, list[float]] = {}
    with peers.start_upstream(directory / "distinct", "distinct:2048") as upstream, ExitStack() as stack:
        counts = [count for count in (1, 1_000, 100_000, 1_000_000) if count <= most]
        # One gateway for each count, so that the rounds can be taken in turn.
        filled = {}
        for count in counts:
            peer = stack.enter_context(gateway(directory / str(count), upstream.url, ROOM))
            before = peer.memory()
            filled[count] = peer
            drive(peer, ["each", str(count)], until=count)
            if count == 100_000:
                prints.per_list["each with 24 operators that no other has, one of 100,000"] = (
                    peer.memory() - before
                ) / count
                say(f"{(peer.memory() - before) / count:,.0f} bytes for each of {count:,} lists")
        for _ in range(ROUNDS):
            for count, peer in filled.items():
                costs.setdefault(f"{count:,}", []).append(drive(peer, ["any", str(count)]))
    prints.hits["stored lists of one credential"] = {count: statistics.median(all) for count, all in costs.items()}
    say(f"{prints.hits}")


def many(directory: Path, upstream: str, prints: Footprint) -> None:
    """Asks with many credentials, and over many connections."""
    with gateway(directory / "many", upstream, ROOM) as peer:
        credentials: dict[str, list[float]] = {}
        for turn in range(ROUNDS + 1):
            for count in (1, 100, 10_000):
                cost = drive(peer, ["credentials", str(count)])
                if turn > 0:  # the first time they are fetched
                    credentials.setdefault(f"{count:,}", []).append(cost)
        open_at_once: dict[str, list[float]] = {}
        for _ in range(ROUNDS):
            for count in (64, 1_000, CONNECTIONS):
                open_at_once.setdefault(f"{count:,}", []).append(drive(peer, ["same"], connections=count))
    prints.hits["credentials"] = {count: statistics.median(all) for count, all in credentials.items()}
    prints.hits["connections"] = {count: statistics.median(all) for count, all in open_at_once.items()}


def drive(peer: Peer, script: list[str], until: int | None = None, connections: int = 64) -> float:
    """Has wrk send what the script says, and returns the processor time of a request in microseconds. With `until`, it
    goes on until so many lists are stored."""
    seconds = SECONDS if until is None else 2 + until // 4_000
    path = works.LIST if script[0] in ("same", "credentials") else "/api/operator?organizationId="
    before = peer.cpu_seconds()
    options = ["-t2", f"-c{connections}", f"-d{seconds}s", "-s", str(peers.HERE / "load.lua")]
    command = ["wrk", *options, "-H", f"Authorization: Bearer {works.BEARER}", peer.url + path, "--", *script]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=harness.environment({}))
    expect(done.returncode == 0, f"wrk failed: {done.stderr or done.stdout}")
    told = json.loads(done.stdout.strip().splitlines()[-1])
    expect(told["failed"] == 0, f"{told['failed']} requests failed")
    expect(until is None or told["requests"] >= until, f"only {told['requests']} of {until} lists were stored")
    return (peer.cpu_seconds() - before) / told["requests"] * 1e6
