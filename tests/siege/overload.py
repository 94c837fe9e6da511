"""More requests than an upstream can answer, and what of them is answered while its client still waits.

What a newcomer would get wrong: a load generator that waits for an answer before it asks again. It slows down with
what it measures, so that there never is an overload; real clients come whether others were served or not. Here each
request has its moment, and a client leaves after a time, by closing its connection.
"""

from __future__ import annotations

import random
import select
import socket
import time
from collections import deque
from dataclasses import dataclass, field
from multiprocessing.connection import Connection as Pipe

import bench

WORKERS, WORK_SECONDS = 16, 0.080
CAPACITY = WORKERS / WORK_SECONDS
"""So little that also a slow machine can offer five times as much, and refuse it."""

LEAST_GOODPUT = 0.9
"""How much of what was answered at the best is to be answered at the worst."""

REFUSED_SECONDS = 0.05
"""How long nearly every refusal may take."""

PATIENCE = 1.0
"""How long a client waits for its answer."""

REQUEST = f"GET {bench.PASSED} HTTP/1.1\r\nHost: overload\r\n{bench.FIELDS}\r\n".encode()


@dataclass
class Load:
    """What became of the requests of one load."""

    rate: float
    seconds: float
    sent: int = 0
    good: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    without_retry: int = 0
    others: int = 0
    left: int = 0
    broken: int = 0
    late: float = 0.0

    @property
    def goodput(self) -> float:
        """Answers 200 in time, a second."""
        return len(self.good) / self.seconds

    @property
    def most_refused_within(self) -> float:
        """How long it took to refuse 95 % of those who were."""
        return bench.quantile(sorted(self.refused), 0.95)

    def is_borne(self, peak: float) -> bool:
        """Whether enough is answered of what may be at the best, and others are refused at once."""
        is_quick = bool(self.refused) and self.most_refused_within < REFUSED_SECONDS
        return self.goodput >= LEAST_GOODPUT * peak and is_quick

    def __str__(self) -> str:
        lines = (
            f"{self.sent / self.seconds:.0f}/s offered, at most {self.late * 1e3:.0f} ms late",
            f"{self.goodput:.0f}/s answered in time ({bench.spread(self.good)})",
            f"{len(self.refused) / self.seconds:.0f}/s refused ({bench.spread(self.refused)})",
            f"{self.left} clients left without an answer, {self.others} had another, {self.broken} a broken one",
        )
        return "\n      ".join(lines)


@dataclass
class Exchange:
    """A request under way."""

    socket: socket.socket
    began: float
    received: bytes = b""
    is_done: bool = False


class Generator:
    """One load, from one thread."""

    def __init__(self, address: tuple[str, int], rate: float, seconds: float) -> None:
        self.address, self.load = address, Load(rate, seconds)
        self.free: list[socket.socket] = []
        self.under_way: dict[int, Exchange] = {}
        self.in_order: deque[Exchange] = deque()
        self.poll = select.epoll()

    def run(self) -> Load:
        """Sends all of it, and waits until each request has ended in one way or another."""
        chance, begin = random.Random(1), time.monotonic()
        due = begin
        while due < begin + self.load.seconds:
            now = time.monotonic()
            self.load.late = max(self.load.late, now - due)
            while due <= now:
                self.send(now)
                due += chance.expovariate(self.load.rate)
            self.look(max(0.0, due - time.monotonic()))
        while self.in_order:
            self.look(0.05)
        return self.load

    def send(self, now: float) -> None:
        """A client comes."""
        self.load.sent += 1
        connection = self.free.pop() if self.free else self.connect()
        exchange = Exchange(connection, now)
        try:
            connection.send(REQUEST)
        except OSError:
            self.forget(connection)
            self.load.broken += 1
            return
        self.under_way[connection.fileno()] = exchange
        self.in_order.append(exchange)

    def connect(self) -> socket.socket:
        """A new connection. On loopback that takes no time, unless the server's queue is full."""
        connection = socket.create_connection(self.address, timeout=PATIENCE)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.setblocking(False)
        self.poll.register(connection, select.EPOLLIN)
        return connection

    def forget(self, connection: socket.socket) -> None:
        """Closes it."""
        self.poll.unregister(connection)
        connection.close()

    def look(self, seconds: float) -> None:
        """Takes what has come, and lets those leave who have waited for too long."""
        for descriptor, _ in self.poll.poll(seconds, 512):
            if (exchange := self.under_way.get(descriptor)) is not None:
                self.take(exchange, descriptor)
            else:
                self.drop_unused(descriptor)
        now = time.monotonic()
        while self.in_order and (self.in_order[0].is_done or self.in_order[0].began + PATIENCE < now):
            exchange = self.in_order.popleft()
            if not exchange.is_done:
                self.load.left += 1
                del self.under_way[exchange.socket.fileno()]
                self.forget(exchange.socket)

    def drop_unused(self, descriptor: int) -> None:
        """The server has closed a connection that nobody used."""
        for connection in self.free:
            if connection.fileno() == descriptor:
                self.free.remove(connection)
                self.forget(connection)
                return

    def take(self, exchange: Exchange, descriptor: int) -> None:
        """Reads once, and notes the answer if it is whole."""
        try:
            some = exchange.socket.recv(65536)
        except BlockingIOError:
            return
        except OSError:
            some = b""
        exchange.received += some
        head, end, content = exchange.received.partition(b"\r\n\r\n")
        if some and (not end or len(content) < _length(head)):
            return
        exchange.is_done = True
        del self.under_way[descriptor]
        self.note(exchange, head.lower(), bool(end))
        if some and b"connection: close" not in head.lower():
            self.free.append(exchange.socket)
        else:
            self.forget(exchange.socket)

    def note(self, exchange: Exchange, head: bytes, is_whole: bool) -> None:
        """Counts an answer."""
        took, status = time.monotonic() - exchange.began, head[9:12]
        if not is_whole:
            self.load.broken += 1
        elif status == b"200" and took > PATIENCE:
            # It comes when its client would have left, had we looked in time.
            self.load.left += 1
        elif status == b"200":
            self.load.good.append(took)
        elif status == b"503":
            self.load.refused.append(took)
            self.load.without_retry += b"\r\nretry-after:" not in head
        else:
            self.load.others += 1


def _length(head: bytes) -> int:
    """The length of the content; none of our servers sends another form for what is asked here."""
    _, found, rest = head.lower().partition(b"content-length:")
    return int(rest.split(b"\r\n")[0]) if found else 0


def offer(pipe: Pipe, address: tuple[str, int], rate: float, seconds: float) -> None:
    """Offers a load and tells what became of it."""
    pipe.send(Generator(address, rate, seconds).run())


def offered(address: tuple[str, int], times: float, seconds: float) -> Load:
    """What became of a load of so many times the capacity; it comes from a process of its own."""
    with bench.helper(offer, address, times * CAPACITY, seconds) as pipe:
        return bench.told(pipe, "the load ends", seconds + 30)
