"""A client that sends whatever bytes it is told, and reads what comes back.

What a newcomer would get wrong: no wait is for a time alone. A read ends with an answer, with the end of the
connection, or when nothing has come for so long that nothing will; which of the three it was is what a case is judged
by.
"""

from __future__ import annotations

import json
import socket
from dataclasses import dataclass
from typing import Any

ANSWER_SECONDS = 5.0
"""How long an answer that is due may take."""

END_SECONDS = 5.0
"""How long an end that is due may take."""


class Silence(Exception):
    """Nothing has come for the time given."""


class Gone(Exception):
    """The other side has closed."""


@dataclass(frozen=True)
class Answer:
    """An answer. Its status is 0 if it came without a head, as HTTP/0.9 has it."""

    status: int
    fields: tuple[tuple[str, str], ...]
    body: bytes

    def value(self, name: str) -> str:
        """The value of a field, or nothing."""
        return next((value for field, value in self.fields if field == name), "")

    def made_for(self) -> dict[str, Any] | None:
        """What the upstream says its answer was made for, if it is one of the upstream's."""
        try:
            made = json.loads(self.body)[0]
            return {name: made[name] for name in ("who", "asked", "told")}
        except (ValueError, LookupError, TypeError):
            return None


class Connection:
    """A connection of its own."""

    def __init__(self, address: str) -> None:
        host, _, port = address.rpartition(":")
        self._socket = socket.create_connection((host, int(port)), timeout=ANSWER_SECONDS)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._bytes = b""
        self.is_gone = False

    def __enter__(self) -> Connection:  # noqa: PYI034
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def send(self, raw: bytes) -> None:
        """Sends all of it, or as much as the other side takes before it closes."""
        try:
            self._socket.settimeout(ANSWER_SECONDS)
            self._socket.sendall(raw)
        except OSError:
            # What the other side said before it closed is still to be read.
            pass

    def end(self) -> None:
        """Tells the other side that nothing more comes."""
        try:
            self._socket.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def answer(self, has_content: bool = True, seconds: float = ANSWER_SECONDS) -> Answer:
        """The next final answer."""
        while True:
            if not self._peek(5, seconds).startswith(b"HTTP/"):
                return Answer(0, (), self._rest(seconds))
            head = self._until(b"\r\n\r\n", seconds).decode("latin-1").split("\r\n")
            status = int(head[0].split(" ")[1])
            lines = (line.partition(":") for line in head[1:] if line)
            fields = tuple((name.strip().lower(), value.strip()) for name, _, value in lines)
            if status < 200 and status != 101:
                continue
            answer = Answer(status, fields, b"")
            body = self._body(answer, seconds) if has_content and status not in (101, 204, 304) else b""
            return Answer(status, fields, body)

    def is_closed(self, seconds: float = END_SECONDS) -> bool:
        """Whether the other side closes within the time. What it still sends before that is dropped."""
        try:
            while True:
                self._bytes = b""
                self._fill(seconds)
        except Gone:
            return True
        except Silence:
            return False

    def exactly(self, count: int, seconds: float) -> bytes:
        """So many bytes."""
        while len(self._bytes) < count:
            self._fill(seconds)
        taken, self._bytes = self._bytes[:count], self._bytes[count:]
        return taken

    def _body(self, answer: Answer, seconds: float) -> bytes:
        if "chunked" in answer.value("transfer-encoding").lower():
            body = b""
            while size := int(self._until(b"\r\n", seconds).split(b";")[0], 16):
                body += self.exactly(size, seconds)
                self.exactly(2, seconds)
            while self._until(b"\r\n", seconds) != b"\r\n":
                pass
            return body
        length = answer.value("content-length")
        return self.exactly(int(length), seconds) if length else self._rest(seconds)

    def _rest(self, seconds: float) -> bytes:
        try:
            while True:
                self._fill(seconds)
        except Gone:
            taken, self._bytes = self._bytes, b""
            return taken

    def _peek(self, count: int, seconds: float) -> bytes:
        while len(self._bytes) < count:
            try:
                self._fill(seconds)
            except Gone:
                if not self._bytes:
                    raise
                break
        return self._bytes[:count]

    def _until(self, end: bytes, seconds: float) -> bytes:
        while (place := self._bytes.find(end)) < 0:
            self._fill(seconds)
        taken, self._bytes = self._bytes[: place + len(end)], self._bytes[place + len(end) :]
        return taken

    def _fill(self, seconds: float) -> None:
        self._socket.settimeout(seconds)
        try:
            more = self._socket.recv(65536)
        except TimeoutError:
            raise Silence from None
        except OSError:
            more = b""
        if not more:
            self.is_gone = True
            raise Gone
        self._bytes += more


def get(address: str, target: str, *fields: str) -> Answer:
    """One read, over a connection of its own."""
    lines = [f"GET {target} HTTP/1.1", "Host: chathub.example", "Connection: close", *fields, "", ""]
    with Connection(address) as connection:
        connection.send("\r\n".join(lines).encode("latin-1"))
        return connection.answer()
