"""The upstream of these tests: keeps every request that reaches it, and tells in each answer for what it was made.

An answer is a list as ChatHub's are, with one member. Its name says whose credential was in the request and which
number the request has; what else could make an answer differ stands beside it. So a list that somebody is given by
mistake gives itself away. Connections are kept alive, for a request that is cut wrongly shows in the one behind it.
"""

from __future__ import annotations

import base64
import hashlib
import json
import socket
import threading
from dataclasses import dataclass

import strict

TELLING = (
    "accept-charset",
    "cookie",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "origin",
    "range",
    "x-http-method",
    "x-http-method-override",
    "x-method-override",
    "x-original-url",
    "x-rewrite-url",
)
"""Fields by which a server of this kind may choose another answer.

What proxies add to every request, such as X-Forwarded-Host, is not among them: nothing could be stored behind one.
"""

EARLY = "/api/early"
"""Here the answer is given before the content is read."""

HUB = "/chathub"
"""Here a WebSocket is granted, elsewhere not; h2c is granted everywhere. Behind a 101 what comes is dropped."""


@dataclass(frozen=True)
class Received:
    """A request that came whole."""

    number: int
    connection: int
    head: strict.Head
    body: bytes
    trailers: strict.Fields

    def __str__(self) -> str:
        return f"{self.head.method} {self.head.target} with {len(self.body)} bytes"


class Recorder:
    """Listens from its making to its close; each connection has a thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._more = threading.Condition(self._lock)
        self._received: list[Received] = []
        self._faults: list[str] = []
        self._numbers = 0
        self._connections: dict[int, socket.socket] = {}
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def take(self) -> tuple[list[Received], list[str]]:
        """What came since the last call: whole requests, and what was wrong with others."""
        with self._lock:
            taken = self._received, self._faults
            self._received, self._faults = [], []
            return taken

    def wait_for_early(self, count: int, seconds: float) -> None:
        """Waits until so many have been read whole of those that are answered before, or so long."""
        with self._lock:
            self._more.wait_for(
                lambda: sum(one.head.target.startswith(EARLY) for one in self._received) >= count, seconds
            )

    def drop_connections(self) -> None:
        """Closes all connections, so that nothing of a case that went wrong reaches the next."""
        with self._lock:
            connections = list(self._connections.values())
        for connection in connections:
            _shut(connection)

    def close(self) -> None:
        """Ends it."""
        self._listener.close()
        self.drop_connections()

    def _accept(self) -> None:
        number = 0
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            number += 1
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self._lock:
                self._connections[number] = connection
            threading.Thread(target=self._serve, args=(number, connection), daemon=True).start()

    def _serve(self, number: int, connection: socket.socket) -> None:
        reader = strict.Reader(lambda: connection.recv(65536))
        try:
            while self._exchange(number, connection, reader):
                pass
        except strict.Fault as fault:
            self._note(f"connection {number}: {fault}")
            _send(connection, b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
        except (strict.Ended, OSError):
            # Whoever breaks off in the middle has asked for nothing.
            pass
        finally:
            with self._lock:
                del self._connections[number]
            connection.close()

    def _exchange(self, number: int, connection: socket.socket, reader: strict.Reader) -> bool:
        """Answers one request, and tells whether another may follow."""
        head, _ = reader.head()
        protocol = (head.value("upgrade") or "").lower()
        if _is_granted(head, protocol):
            self._keep(Received(self._next(), number, head, *reader.body(head)))
            _send(connection, _granted(head, protocol))
            while connection.recv(65536):
                pass
            return False
        if (head.value("expect") or "").lower() == "100-continue":
            _send(connection, b"HTTP/1.1 100 Continue\r\n\r\n")
        received = Received(self._next(), number, head, b"", ())
        if head.target.startswith(EARLY):
            _send(connection, _answer(received))
        received = Received(received.number, number, head, *reader.body(head))
        self._keep(received)
        if not head.target.startswith(EARLY):
            _send(connection, _answer(received))
        return head.version == "HTTP/1.1" and "close" not in (head.value("connection") or "").lower()

    def _next(self) -> int:
        with self._lock:
            self._numbers += 1
            return self._numbers

    def _keep(self, received: Received) -> None:
        with self._lock:
            self._received.append(received)
            self._more.notify_all()

    def _note(self, fault: str) -> None:
        with self._lock:
            self._faults.append(fault)


def _is_granted(head: strict.Head, protocol: str) -> bool:
    is_asked = head.version == "HTTP/1.1" and "upgrade" in (head.value("connection") or "").lower()
    return is_asked and (protocol == "h2c" or protocol == "websocket" and head.target.startswith(HUB))


def _granted(head: strict.Head, protocol: str) -> bytes:
    key = (head.value("sec-websocket-key") or "") + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
    accept = base64.b64encode(hashlib.sha1(key.encode("latin-1")).digest()).decode()
    fields = ("Connection: upgrade", f"Upgrade: {protocol}", f"Sec-WebSocket-Accept: {accept}")
    return "\r\n".join(["HTTP/1.1 101 Switching", *fields, "", ""]).encode()


def who(head: strict.Head) -> str:
    """Whose credential a request has."""
    kinds = (("bearer", "authorization"), ("key", "x-authorization-key"))
    return "+".join(f"{kind}:{value}" for kind, name in kinds for value in head.values(name)) or "nobody"


def _answer(received: Received) -> bytes:
    """A list of one, which tells all on which it may depend."""
    head, asker = received.head, who(received.head)
    told: dict[str, object] = {name: value for name in TELLING if (value := head.value(name)) is not None}
    if received.body:
        told["content"] = len(received.body)
    member = {"id": received.number, "name": f"{asker} #{received.number}", "status": 0}
    content = json.dumps([{**member, "who": asker, "asked": f"{head.method} {head.target}", "told": told}]).encode()
    fields = ["Content-Type: application/json; charset=utf-8", f"Content-Length: {len(content)}"]
    if origin := head.value("origin"):
        fields.append(f"Access-Control-Allow-Origin: {origin}")
    raw = "\r\n".join(["HTTP/1.1 200 OK", *fields, "", ""]).encode("latin-1")
    return raw if head.method == "HEAD" else raw + content


def _send(connection: socket.socket, raw: bytes) -> None:
    connection.sendall(raw)


def _shut(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
