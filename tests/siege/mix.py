"""All that clients do, for as long as one likes, to see whether it leaves anything behind.

What a newcomer would get wrong: clients that are always the same. What is remembered of each credential, each list and
each connection shows only if there are ever new ones; so most requests here are made with a credential that was never
seen before, while what may be remembered is bounded tightly by the gateway's settings.
"""

from __future__ import annotations

import itertools
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from multiprocessing.connection import Connection as Pipe

import http2
from client import Connection

from neighbour import ask, open_connection

THREADS = 4

SETTINGS = {
    "CHATHUB_GATEWAY__CACHE__CAPACITY": "2MiB",
    "CHATHUB_GATEWAY__CACHE__MAX_BODY": "64KiB",
    "CHATHUB_GATEWAY__CACHE__OPERATORS_TTL": "2s",
    "CHATHUB_GATEWAY__THROTTLE__MODE": "observe",
    "CHATHUB_GATEWAY__THROTTLE__MAX_CREDENTIALS": "1000",
}

PAUSE = 0.002
"""After each step of a client, to leave the others a processor."""

SERIAL = itertools.count()


def request(method: str, target: str, key: str, content: bytes = b"", more: str = "") -> bytes:
    """A request."""
    length = f"Content-Type: application/json\r\nContent-Length: {len(content)}\r\n" if method != "GET" else ""
    head = f"{method} {target} HTTP/1.1\r\nHost: mix\r\nX-Authorization-Key: {key}\r\n{length}{more}\r\n"
    return head.encode() + content


class Client:
    """One client, who does one thing after another."""

    def __init__(self, address: tuple[str, int], counts: Counter[str]) -> None:
        self.address, self.counts = address, counts
        self.chance = random.Random(next(SERIAL))
        self.kept = open_connection(address)

    def new_key(self) -> str:
        """A credential that nobody has had before."""
        return f"key-{next(SERIAL)}"

    def expect(self, what: str, status: int, wanted: int = 200) -> None:
        """Counts it, or notes what it came to instead."""
        self.counts[what if status == wanted else f"{what} answered {status}"] += 1

    def hit(self) -> None:
        organization = self.chance.randrange(20)
        self.expect("hits", ask(self.kept, request("GET", f"/api/operator?organizationId={organization}", "same")))

    def miss(self) -> None:
        organization = self.chance.randrange(1_000_000)
        target = f"/api/operator?organizationId={organization}"
        self.expect("misses", ask(self.kept, request("GET", target, self.new_key())))

    def write(self) -> None:
        content = b'{"id":%d,"status":1}' % self.chance.randrange(1000)
        self.expect("writes", ask(self.kept, request("POST", "/api/operator/status", self.new_key(), content)))

    def pass_on(self) -> None:
        self.expect("passes", ask(self.kept, request("GET", "/api/chat/chats?page=1", self.new_key())))

    def open_websocket(self) -> None:
        more = (
            "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        )
        with open_connection(self.address) as connection:
            connection.sendall(request("GET", "/chathub?id=1", self.new_key(), more=more))
            head = connection.recv(4096)
            connection.sendall(b"\x81\x85aaaahello")
            echo = connection.recv(4096)
        self.expect("WebSockets", int(head[9:12]) if echo else 0, 101)

    def abort(self) -> None:
        """Leaves in the middle: of a head, of content, or of a large answer."""
        part = self.chance.randrange(3)
        with open_connection(self.address) as connection:
            if part == 0:
                connection.sendall(b"GET /api/operator?organizationId=24 HTTP/1.1\r\nHost: mix\r\nX-A")
            elif part == 1:
                connection.sendall(request("POST", "/api/chat/1/message", self.new_key(), bytes(20_000))[:10_000])
            else:
                connection.sendall(request("GET", "/api/large", self.new_key()))
                connection.recv(10_000)
        self.counts["aborted"] += 1

    def over_http2(self) -> None:
        """A few requests over a connection of HTTP/2, the last of which is taken back."""
        with Connection("{}:{}".format(*self.address)) as connection:
            session = http2.Session(connection)
            for stream in (1, 3, 5):
                session.send(http2.headers(self.fields(), stream=stream))
                self.expect("over HTTP/2", session.answer(stream).status)
            session.send(http2.headers(self.fields(), stream=7) + http2.frame(http2.RST_STREAM, 0, 7, bytes(4)))

    def fields(self) -> http2.Fields:
        target = f"/api/operator?organizationId={self.chance.randrange(20)}"
        pseudo = ((":method", "GET"), (":scheme", "http"), (":path", target), (":authority", "mix"))
        return (*pseudo, ("x-authorization-key", "same"))

    def steps(self) -> list[Callable[[], None]]:
        """What is done, as often as it stands there."""
        often = [self.hit] * 8 + [self.miss] * 4 + [self.pass_on] * 3
        return [*often, self.write, self.open_websocket, self.abort, self.over_http2]

    def live(self, until: float) -> None:
        """Does things until then."""
        steps = self.steps()
        while time.monotonic() < until:
            step = self.chance.choice(steps)
            try:
                step()
            except (OSError, ValueError, http2.Refused) as problem:
                self.counts[f"{step.__name__} failed: {problem!r}"] += 1
                self.kept.close()
                self.kept = open_connection(self.address)
            time.sleep(PAUSE)


def live(pipe: Pipe, address: tuple[str, int], seconds: float) -> None:
    """Some clients for so long; tells how often each thing was done."""
    counts: Counter[str] = Counter()
    until = time.monotonic() + seconds
    clients = [Client(address, counts) for _ in range(THREADS)]
    threads = [threading.Thread(target=client.live, args=(until,), daemon=True) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    pipe.send(counts)
