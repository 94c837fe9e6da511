"""Connections to the hub over bare sockets, one class for each way in which it carries what it says.

A client library reads ahead, waits and tries again, so that one cannot tell when something came, nor that a connection
was cut. Here every byte is asked for by hand. A record is what the hub says at a time, without the byte that ends it.
"""

from __future__ import annotations

import base64
import http.client
import json
import os
import socket
import struct
from typing import Protocol
from urllib.parse import quote, urlsplit

from harness import Failure, ask, expect

END = "\x1e"
"""Ends every record."""

HELLO = json.dumps({"protocol": "json", "version": 1}) + END

PATIENCE_SECONDS = 20
"""How long a connection may be silent before a test takes it for dead."""


class Connection(Protocol):
    """A connection that has said hello."""

    def say(self, record: str) -> None:
        """Sends a record."""

    def heard(self) -> str:
        """The next record; fails when the connection is closed or silent for too long."""

    def close(self) -> None:
        """Leaves."""


def invocation(text: str) -> str:
    """A call of `SendMessage` that asks for no completion: all that comes back is the event."""
    return json.dumps({"type": 1, "target": "SendMessage", "arguments": [1001, text]})


def negotiate(url: str, token: str) -> str:
    """Begins a connection and returns its id."""
    answer = ask("POST", f"{url}/chathub/negotiate?negotiateVersion=1", {"Authorization": f"Bearer {token}"})
    expect(answer.status == 200, f"negotiation is answered {answer.status}")
    return answer.json()["connectionToken"]


def greet(connection: Connection) -> None:
    """Shakes hands."""
    connection.say(HELLO.removesuffix(END))
    answer = connection.heard()
    expect(answer == "{}", f"the hub answers hello with {answer}")


class Posting:
    """The half of a connection on which the client speaks, where that takes requests of its own."""

    def __init__(self, url: str, identity: str, token: str) -> None:
        self.target = f"/chathub?id={identity}"
        self.fields = {"Authorization": f"Bearer {token}", "Content-Type": "text/plain;charset=UTF-8"}
        self.http = connect(url)

    def post(self, record: str) -> None:
        self.http.request("POST", self.target, (record + END).encode(), self.fields)
        answer = self.http.getresponse()
        answer.read()
        expect(answer.status == 200, f"a record sent is answered {answer.status}")


class EventStream:
    """Server-sent events. What the client says may take another way than what it hears."""

    def __init__(self, url: str, say_url: str, token: str) -> None:
        identity = negotiate(url, token)
        self.posting = Posting(say_url, identity, token)
        self.http = connect(url)
        self.http.request(
            "GET", f"/chathub?id={identity}&access_token={quote(token)}", headers={"Accept": "text/event-stream"}
        )
        self.answer = self.http.getresponse()
        expect(self.answer.status == 200, f"an event stream is answered {self.answer.status}")
        opening = self.answer.readline()
        expect(opening == b":\r\n", f"an event stream begins with {opening!r}")
        greet(self)

    def say(self, record: str) -> None:
        self.posting.post(record)

    def heard(self) -> str:
        line, end = self.answer.readline(), self.answer.readline()
        if not line.startswith(b"data: ") or end != b"\r\n":
            raise Failure(f"the event stream ended, or is broken: {line[:80]!r}, {end!r}")
        return line[len(b"data: ") :].decode().rstrip("\r\n").removesuffix(END)

    def close(self) -> None:
        self.posting.http.close()
        self.answer.close()
        self.http.close()


class Polling:
    """Long polling: a request is open for as long as the hub has nothing to say."""

    def __init__(self, url: str, say_url: str, token: str) -> None:
        identity = negotiate(url, token)
        self.posting = Posting(say_url, identity, token)
        self.http = connect(url)
        self.waiting: list[str] = []
        self.poll()
        expect(self.polled() == [], "the first poll only tells that the connection is there")
        self.poll()
        greet(self)

    def poll(self) -> None:
        """Asks for what there is to hear. There is always one poll open."""
        self.http.request("GET", self.posting.target, headers=self.posting.fields)

    def polled(self) -> list[str]:
        """The records that the open poll brings; none if it ends by itself."""
        answer = self.http.getresponse()
        text = answer.read().decode()
        expect(answer.status == 200, f"a poll is answered {answer.status}")
        return text.split(END)[:-1]

    def say(self, record: str) -> None:
        self.posting.post(record)

    def heard(self) -> str:
        while not self.waiting:
            self.waiting = self.polled()
            self.poll()
        return self.waiting.pop(0)

    def close(self) -> None:
        self.http.close()
        self.posting.http.request("DELETE", self.posting.target, headers=self.posting.fields)
        self.posting.http.getresponse().read()
        self.posting.http.close()


class WebSocket:
    """A WebSocket without negotiation."""

    def __init__(self, url: str, token: str) -> None:
        self.socket = open_socket(url)
        self.stream = self.socket.makefile("rb")
        self.waiting: list[str] = []
        key = base64.b64encode(os.urandom(16)).decode()
        lines = [
            "GET /chathub HTTP/1.1",
            "Host: hub",
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Version: 13",
            f"Sec-WebSocket-Key: {key}",
            f"Authorization: Bearer {token}",
        ]
        self.socket.sendall("".join(f"{line}\r\n" for line in [*lines, ""]).encode())
        status = self.stream.readline().decode().strip()
        expect(" 101 " in status, f"a WebSocket is answered {status!r}")
        while self.stream.readline() not in (b"\r\n", b""):
            pass
        greet(self)

    def say(self, record: str) -> None:
        content, mask = (record + END).encode(), os.urandom(4)
        # A client masks what it sends. The whole mask at once, for byte by byte takes longer than what is measured.
        repeated = (mask * (len(content) // 4 + 1))[: len(content)]
        masked = (int.from_bytes(content, "big") ^ int.from_bytes(repeated, "big")).to_bytes(len(content), "big")
        self.socket.sendall(b"\x81" + client_length(len(content)) + mask + masked)

    def heard(self) -> str:
        while not self.waiting:
            kind, content = self.frame()
            expect(kind == 0x81, f"the WebSocket ended, or is broken: a frame of kind {kind:#x}")
            self.waiting = content.decode().split(END)[:-1]
        return self.waiting.pop(0)

    def frame(self) -> tuple[int, bytes]:
        kind, length = self.read(2)
        if length == 126:
            (length,) = struct.unpack(">H", self.read(2))
        elif length == 127:
            (length,) = struct.unpack(">Q", self.read(8))
        return kind, self.read(length)

    def read(self, length: int) -> bytes:
        content = self.stream.read(length)
        expect(len(content) == length, "the WebSocket was cut")
        return content

    def close(self) -> None:
        self.stream.close()
        self.socket.close()


def client_length(length: int) -> bytes:
    """The length of a client's frame, with the bit that says that it is masked."""
    if length < 126:
        return struct.pack(">B", 0x80 | length)
    if length < 1 << 16:
        return struct.pack(">BH", 0x80 | 126, length)
    return struct.pack(">BQ", 0x80 | 127, length)


def connect(url: str) -> http.client.HTTPConnection:
    """A connection for requests, one after another."""
    target = urlsplit(url)
    connection = http.client.HTTPConnection(target.hostname or "", target.port, timeout=PATIENCE_SECONDS)
    connection.connect()
    return connection


def open_socket(url: str) -> socket.socket:
    """A connection for whatever one likes to send."""
    target = urlsplit(url)
    return socket.create_connection((target.hostname or "", target.port or 80), timeout=PATIENCE_SECONDS)
