"""Another client, who does nothing wrong and must not notice the siege.

It asks for a list that is in memory, again and again, mostly over a connection that it has and every tenth time over a
new one: who keeps connections may be served long after nobody new is let in.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection as Pipe

import bench
from harness import expect

PAUSE = 0.004
"""Between an answer and the next request: who asks without a pause takes a processor of the two there may be."""

PATIENCE = 5.0

ENOUGH = 6
"""Answers by which one can tell that it is served."""

REQUEST = f"GET {bench.CACHED} HTTP/1.1\r\nHost: neighbour\r\n{bench.FIELDS}\r\n".encode()


@dataclass
class Story:
    """What became of the requests."""

    seconds: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return f"{len(self.seconds)} answered, {len(self.failures)} failed; {bench.spread(self.seconds)}"


def open_connection(address: tuple[str, int]) -> socket.socket:
    """A connection without delays."""
    connection = socket.create_connection(address, timeout=PATIENCE)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def ask(connection: socket.socket, request: bytes = REQUEST) -> int:
    """One exchange; returns the status."""
    connection.sendall(request)
    received = b""
    while (end := received.find(b"\r\n\r\n")) < 0:
        received += _some(connection)
    missing = int(received[:end].lower().partition(b"content-length:")[2].split(b"\r\n")[0]) - len(received) + end + 4
    while missing > 0:
        missing -= len(_some(connection))
    return int(received[9:12])


def _some(connection: socket.socket) -> bytes:
    some = connection.recv(65536)
    if not some:
        raise ConnectionError("closed before the answer was whole")
    return some


def live(pipe: Pipe, address: tuple[str, int]) -> None:
    """Asks until told to stop, and hands over the story."""
    story, kept, count = Story(), open_connection(address), 0
    ask(kept)  # so that it is in memory
    pipe.send("asks")
    while not pipe.poll(PAUSE):
        count += 1
        began = time.monotonic()
        try:
            if count % 10:
                status = ask(kept)
            else:
                with open_connection(address) as fresh:
                    status = ask(fresh)
            took = time.monotonic() - began
            story.seconds.append(took)
            if len(story.seconds) == ENOUGH:
                pipe.send("is served")
            if status != 200:
                story.failures.append(f"answered {status}")
        except (OSError, ValueError) as problem:
            kind = "a new connection" if count % 10 == 0 else "the kept connection"
            story.failures.append(f"{kind}, after {time.monotonic() - began:.2f} s: {problem!r}")
            if count % 10:
                kept.close()
                kept = open_connection(address)
    pipe.send(story)


@dataclass
class Neighbour:
    """A neighbour that asks."""

    pipe: Pipe
    is_served: bool = False

    def has_been_served(self) -> bool:
        """Whether it has had enough answers for us to tell. Whoever besieges briefly goes on until then."""
        if not self.is_served and self.pipe.poll():
            self.is_served = bench.told(self.pipe, "the neighbour is served", 0) == "is served"
        return self.is_served

    def stop(self) -> Story:
        """Stops it, and returns its story."""
        self.pipe.send("stop")
        told = "is served"
        while isinstance(told, str):
            told = bench.told(self.pipe, "the neighbour tells", 2 * PATIENCE)
        return told


@contextmanager
def neighbour(address: tuple[str, int]) -> Iterator[Neighbour]:
    """A neighbour for as long as the block lasts, whose story is told after it; it fails if one request did."""
    with bench.helper(live, address) as pipe:
        bench.told(pipe, "the neighbour begins", 10)
        other = Neighbour(pipe)
        yield other
        story = other.stop()
    print(f"    the neighbour: {story}", flush=True)
    expect(not story.failures, f"the neighbour was harmed: {'; '.join(story.failures[:5])}")
    expect(len(story.seconds) >= ENOUGH, "the neighbour was hardly answered")
