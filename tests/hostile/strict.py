"""Reads requests of HTTP/1.1 and takes none whose meaning another server could see differently (RFC 9112).

What a newcomer would get wrong: being strict here is what the upstream of these tests is for. A lenient one would
answer a request that was altered or split on its way, and nobody would see it. So there is no repairing: what is not
to the letter is a Fault. A field name with an underscore is to the letter; what it may stand for is judged elsewhere.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

MAX_HEAD = 256 * 1024
MAX_BODY = 64 * 1024 * 1024

TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
TARGET = re.compile(rb"[^\x00-\x20\x7f]+")
VALUE = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")
LENGTH = re.compile(rb"[0-9]{1,19}")
HOST = re.compile(rb"[0-9A-Za-z._~!$&'()*+;=%\[\]:-]+")
SIZE_LINE = re.compile(rb"([0-9A-Fa-f]{1,16})(?:[ \t]*;[\t\x20-\x7e\x80-\xff]*)?")

CREDENTIALS = ("authorization", "x-authorization-key")
"""Fields that say who asks. Which of two counts is anybody's guess."""


Fields = tuple[tuple[str, str], ...]


class Fault(Exception):
    """What is wrong with a request."""


class Ended(Exception):
    """The other side has closed; `cut` tells whether in the middle of a request."""

    def __init__(self, cut: bytes) -> None:
        super().__init__(f"cut off behind {cut[-60:]!r}" if cut else "closed")
        self.cut = cut


@dataclass(frozen=True)
class Head:
    """A head that is to the letter."""

    method: str
    target: str
    version: str
    fields: Fields
    length: int
    is_chunked: bool

    def values(self, name: str) -> list[str]:
        """All values of a field."""
        return [value for field, value in self.fields if field == name]

    def value(self, name: str) -> str | None:
        """The value of a field that is there at most once."""
        return next(iter(self.values(name)), None)


def parse_head(raw: bytes) -> Head:
    """Reads a head that ends with its empty line."""
    lines = raw.removesuffix(b"\r\n\r\n").split(b"\r\n")
    parts = lines[0].split(b" ")
    require(len(parts) == 3, f"the request line has {len(parts)} parts: {lines[0]!r}")
    method, target, version = parts
    require(TOKEN.fullmatch(method) is not None, f"the method is {method!r}")
    require(TARGET.fullmatch(target) is not None, f"the target is {target!r}")
    require(version in (b"HTTP/1.0", b"HTTP/1.1"), f"the version is {version!r}")
    fields = tuple(_field(line) for line in lines[1:])
    head = Head(_text(method), _text(target), _text(version), fields, 0, False)
    _check_host(head)
    for name in CREDENTIALS:
        require(len(head.values(name)) < 2, f"{name} is there twice")
    return _framed(head)


def is_field(line: bytes) -> bool:
    """Whether a line is a field."""
    try:
        return bool(_field(line))
    except Fault:
        return False


def _field(line: bytes) -> tuple[str, str]:
    name, colon, value = line.partition(b":")
    require(colon == b":" and TOKEN.fullmatch(name) is not None, f"a field line is {line!r}")
    require(VALUE.fullmatch(value) is not None, f"a field's value is {value!r}")
    return _text(name).lower(), _text(value.strip(b" \t"))


def _check_host(head: Head) -> None:
    hosts = head.values("host")
    require(len(hosts) == 1 or not hosts and head.version == "HTTP/1.0", f"the hosts are {hosts}")
    for host in hosts:
        require(HOST.fullmatch(host.encode("latin-1")) is not None, f"the host is {host!r}")


def _framed(head: Head) -> Head:
    lengths, codings = head.values("content-length"), head.values("transfer-encoding")
    require(not (lengths and codings), f"there are a length {lengths} and a coding {codings}")
    require(len(lengths) < 2 and len(codings) < 2, f"the lengths are {lengths}, the codings {codings}")
    if codings:
        require(codings[0].lower() == "chunked", f"the coding is {codings[0]!r}")
        require(head.version == "HTTP/1.1", "HTTP/1.0 has a coding")
        return Head(head.method, head.target, head.version, head.fields, 0, True)
    if lengths:
        require(LENGTH.fullmatch(lengths[0].encode("latin-1")) is not None, f"the length is {lengths[0]!r}")
        return Head(head.method, head.target, head.version, head.fields, int(lengths[0]), False)
    return head


class Reader:
    """Takes requests out of what `receive` brings; that returns nothing when the other side has closed."""

    def __init__(self, receive: Callable[[], bytes]) -> None:
        self._receive = receive
        self._bytes = b""

    def head(self) -> tuple[Head, bytes]:
        """The next head, read and raw."""
        raw = self._until(b"\r\n\r\n", MAX_HEAD)
        return parse_head(raw), raw

    def body(self, head: Head) -> tuple[bytes, Fields]:
        """The content of the request whose head was read last, and its trailers."""
        if not head.is_chunked:
            return self._exactly(head.length), ()
        body = b""
        while True:
            line = self._until(b"\r\n", MAX_HEAD).removesuffix(b"\r\n")
            size = SIZE_LINE.fullmatch(line)
            if size is None:
                raise Fault(f"a chunk begins with {line!r}")
            if int(size[1], 16) == 0:
                break
            body += self._exactly(int(size[1], 16))
            require(self._exactly(2) == b"\r\n", "a chunk does not end with CRLF")
        return body, self._trailers()

    def _trailers(self) -> Fields:
        fields = []
        while line := self._until(b"\r\n", MAX_HEAD).removesuffix(b"\r\n"):
            fields.append(_field(line))
            name = fields[-1][0]
            require(name not in ("host", "content-length", "transfer-encoding"), f"a trailer is {name}")
        return tuple(fields)

    def _until(self, end: bytes, most: int) -> bytes:
        while (place := self._bytes.find(end)) < 0:
            require(re.search(rb"(?<!\r)\n", self._bytes) is None, f"a bare line feed in {self._bytes[:200]!r}")
            require(len(self._bytes) < most, "a head or a line without an end")
            self._fill()
        taken, self._bytes = self._bytes[: place + len(end)], self._bytes[place + len(end) :]
        require(re.search(rb"(?<!\r)\n|\r(?!\n)", taken) is None, f"a bare line end in {taken[:200]!r}")
        return taken

    def _exactly(self, count: int) -> bytes:
        while len(self._bytes) < count:
            require(len(self._bytes) <= MAX_BODY, f"content of {count} bytes")
            self._fill()
        taken, self._bytes = self._bytes[:count], self._bytes[count:]
        return taken

    def _fill(self) -> None:
        more = self._receive()
        if not more:
            raise Ended(self._bytes)
        self._bytes += more


def require(holds: bool, message: str) -> None:
    """A Fault unless it holds."""
    if not holds:
        raise Fault(message)


def _text(raw: bytes) -> str:
    return raw.decode("latin-1")
