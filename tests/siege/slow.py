"""Crowds of clients that send or take too little, over connections that cost them nothing.

What a newcomer would get wrong: how a client that reads nothing learns that it was cut. Its end comes behind all that
was sent before, so it does not; who wants to know asks the gateway.
"""

from __future__ import annotations

import select
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from bench import FIELDS, Besieged
from harness import expect

SOURCES = 8
"""Addresses that a crowd comes from: each has ports for some 28,000 connections to one server."""

SEGMENT = 1400
"""As on a network. By loopback's segments of 64 KB the system reckons buffers of megabytes, and runs out of them."""

BATCH = 500
"""As many as connect before one looks whether they were accepted: more may wait longer than a slow machine has time."""

HALF = b"GET /api/operator?organizationId=24 HTTP/1.1\r\nHost: half\r\nX-Half: a"

PERIOD = 0.5
"""Between two signs of life of a slow client."""


@dataclass
class Crowd:
    """Connections that are watched until the other side has closed them."""

    open: dict[int, socket.socket] = field(default_factory=dict)
    poll: select.epoll = field(default_factory=select.epoll)
    received: dict[int, bytes] = field(default_factory=dict)
    opened: float = 0.0
    ended: list[float] = field(default_factory=list)
    statuses: dict[str, int] = field(default_factory=dict)

    def join(self, count: int, address: tuple[str, int], first: bytes, buffer: int = 0, reads: bool = True) -> None:
        """Opens so many more connections and says the first words on each."""
        self.opened = time.monotonic()
        for number in range(count):
            connection = socket.socket()
            if buffer:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, SEGMENT)
            connection.bind((f"127.0.0.{2 + number % SOURCES}", 0))
            connection.settimeout(30)
            connection.connect(address)
            connection.sendall(first)
            connection.setblocking(False)
            self.open[connection.fileno()] = connection
            if reads:
                self.poll.register(connection, select.EPOLLIN)

    def listen(self, seconds: float) -> None:
        """Reads what comes for so long, or until all have been closed; with no time at all, what has come."""
        until, left = time.monotonic() + seconds, seconds
        while self.open and left >= 0:
            for number, _ in self.poll.poll(left, 4096):
                self._read(number)
            left = until - time.monotonic()

    def _read(self, number: int) -> None:
        try:
            some = self.open[number].recv(4096)
        except BlockingIOError:
            return
        except OSError:
            some = b""
        if some:
            self.received[number] = self.received.get(number, b"") + some[:64]
            return
        status = self.received.pop(number, b"")[9:12].decode() or "closed"
        self.statuses[status] = self.statuses.get(status, 0) + 1
        self.ended.append(time.monotonic())
        self.poll.unregister(number)
        self.open.pop(number).close()

    def say(self, words: bytes) -> None:
        """A sign of life from each that is still there."""
        for connection in self.open.values():
            try:
                connection.send(words)
            except OSError:
                continue

    def sip(self) -> None:
        """Each takes a byte."""
        for connection in self.open.values():
            try:
                connection.recv(1)
            except OSError:
                continue

    def drain(self, seconds: float) -> int:
        """One of them takes all that there still is, until its end; returns how much it was."""
        connection, taken = next(iter(self.open.values())), 0
        connection.settimeout(seconds)
        try:
            while some := connection.recv(1 << 20):
                taken += len(some)
        except OSError:
            pass  # cut hard, or there is no end
        return taken

    def leave(self) -> None:
        """All go."""
        for connection in self.open.values():
            connection.close()
        self.open.clear()
        self.poll.close()


@contextmanager
def crowd() -> Iterator[Crowd]:
    """A crowd that has left after the block."""
    people = Crowd()
    try:
        yield people
    finally:
        people.leave()


def half_heads(gateway: Besieged, count: int, seconds: float) -> int:
    """So many heads are begun and never ended. Returns the memory that each took while all were there."""
    before = gateway.rss()
    with crowd() as people:

        def are_accepted() -> bool:
            people.listen(0)
            return gateway.metric("connections") + len(people.ended) >= joined

        began, joined = time.monotonic(), 0
        while joined < count:
            some = min(BATCH, count - joined)
            people.join(some, gateway.address, HALF)
            opened, joined = time.monotonic(), joined + some
            gateway.wait_for("the gateway has accepted all", are_accepted, 10)
        took = gateway.rss() - before
        people.listen(seconds + 5)
        expect(not people.open, f"{len(people.open)} of {count} were not closed")
        late = max(people.ended) - opened
        print(
            f"    {count} half heads, opened in {opened - began:.1f} s: {took / count:.0f} bytes each; ended "
            f"{people.statuses}, the last {late:.2f} s after it was opened; then {gateway.rss() / 2**20:.1f} MiB",
            flush=True,
        )
        expect(set(people.statuses) <= {"408", "closed"}, "each is answered 408 or closed")
        expect(late < seconds + 2, f"a time of {seconds} s became {late:.1f} s")
    return took // count


class Slow:
    """A crowd in which each does a little now and then, and what became of it."""

    def __init__(self, name: str, people: Crowd, metric: tuple[str, str, str]) -> None:
        self.name, self.people, self.metric = name, people, metric
        self.stayed = self.counted = 0.0
        self.given = self.most_memory = 0

    @property
    def statuses(self) -> dict[str, int]:
        """How many were answered what."""
        return self.people.statuses

    def look(self, gateway: Besieged, count: int) -> bool:
        """Notes what there is to see, and returns whether all have been cut."""
        self.most_memory = max(self.most_memory, gateway.rss())
        name, label, value = self.metric
        if self.counted < count:
            self.counted = gateway.metric(name, **{label: value})
            self.stayed = time.monotonic() - self.people.opened
        return self.counted >= count

    def __str__(self) -> str:
        given = f"; one was given {self.given:,} bytes in all" if self.given else ""
        return f"{self.name}: {self.counted:.0f} cut after {self.stayed:.1f} s; {self.statuses}{given}"


def be_slow(gateway: Besieged, count: int, seconds: float) -> tuple[Slow, Slow, Slow]:
    """Three crowds, with so many people each, until all have been cut."""
    with crowd() as heads, crowd() as contents, crowd() as readers:
        post = f"POST /api/chat/1/message HTTP/1.1\r\nHost: slow\r\n{FIELDS}Content-Length: 100000\r\n\r\n"
        get = f"GET /api/large HTTP/1.1\r\nHost: slow\r\n{FIELDS}\r\n"
        heads.join(count, gateway.address, b"GET / HTTP/1.1\r\nHost: slow\r\n")
        contents.join(count, gateway.address, post.encode())
        readers.join(count, gateway.address, get.encode(), buffer=2048, reads=False)
        crowds = (
            Slow("heads, a line now and then", heads, ("refusals_total", "reason", "head-timeout")),
            Slow("contents, a byte now and then", contents, ("refusals_total", "reason", "content-timeout")),
            Slow("readers of a byte now and then", readers, ("connections_closed_total", "cause", "untaken")),
        )
        until = time.monotonic() + seconds
        # All are asked each time: there is something to note of each.
        while not all([one.look(gateway, count) for one in crowds]) and time.monotonic() < until:
            heads.listen(PERIOD / 2)
            contents.listen(PERIOD / 2)
            heads.say(b"X-Slow: a\r\n")
            contents.say(b"x")
            readers.sip()
            if not heads.open and not contents.open:
                time.sleep(PERIOD)  # it is what makes readers slow
        heads.listen(2)
        contents.listen(2)
        crowds[2].given = readers.drain(10)
        return crowds
