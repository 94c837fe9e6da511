"""As much of HTTP/2 as it takes to send a malformed request and to see what becomes of it (RFC 9113, RFC 7541).

A library would refuse to send what these tests are about, so frames are written here: fields as literals that are never
indexed, without Huffman coding. Of answers only the status is decoded. The table of fields is set to a size of zero, so
that a status is either an index of the static table or three digits, plain or Huffman-coded.
"""

from __future__ import annotations

import struct

from client import ANSWER_SECONDS, Answer, Connection, Gone

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, CONTINUATION = 0, 1, 3, 4, 6, 7, 9
END_STREAM, ACK, END_HEADERS, PADDED, PRIORITY = 1, 1, 4, 8, 32

STATUSES = {8: 200, 9: 204, 10: 206, 11: 304, 12: 400, 13: 404, 14: 500}
"""What has an index of its own in the static table."""

DIGITS = {"00000": "0", "00001": "1", "00010": "2"} | {f"{value:06b}": str(value - 22) for value in range(25, 32)}
"""The Huffman codes of digits."""

Fields = tuple[tuple[str, str], ...]


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """A frame, whatever is in it."""
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def block(fields: Fields) -> bytes:
    """A field block."""
    return b"".join(b"\x10" + _text(name) + _text(value) for name, value in fields)


def headers(fields: Fields, ends: bool = True, stream: int = 1) -> bytes:
    """A head, or trailers, in as many frames as they take."""
    parts = [whole[at : at + 16384] for whole in (block(fields),) for at in range(0, len(whole), 16384)] or [b""]
    kinds = [HEADERS] + [CONTINUATION] * (len(parts) - 1)
    last = [0] * (len(parts) - 1) + [END_HEADERS]
    first = [END_STREAM if ends else 0] + [0] * (len(parts) - 1)
    return b"".join(
        frame(kind, a | b, stream, part) for kind, a, b, part in zip(kinds, first, last, parts, strict=True)
    )


def data(content: bytes, ends: bool = True, stream: int = 1) -> bytes:
    """Content, in one frame."""
    return frame(DATA, END_STREAM if ends else 0, stream, content)


def _text(text: str) -> bytes:
    raw = text.encode("latin-1")
    return _number(len(raw)) + raw


def _number(value: int) -> bytes:
    """An integer with a prefix of seven bits."""
    if value < 127:
        return bytes([value])
    coded, value = b"\x7f", value - 127
    while value >= 128:
        coded, value = coded + bytes([value % 128 + 128]), value // 128
    return coded + bytes([value])


class Refused(Exception):
    """The stream was reset, or the connection ended, without an answer."""


class Session:
    """A connection with prior knowledge."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.is_gone = False
        connection.send(PREFACE + frame(SETTINGS, 0, 0, struct.pack(">HI", 1, 0)))

    def send(self, frames: bytes) -> None:
        """Sends frames."""
        self._connection.send(frames)

    def answer(self, stream: int = 1, seconds: float = ANSWER_SECONDS) -> Answer:
        """The answer on a stream, once it is whole."""
        status, body = 0, b""
        while True:
            kind, flags, on, payload = self._next(seconds)
            if kind == GOAWAY:
                self.is_gone = True
            if kind == GOAWAY and struct.unpack(">I", payload[4:8])[0] != 0 or kind == RST_STREAM and on == stream:
                raise Refused
            if on != stream:
                continue
            if kind == HEADERS and not status:
                status = _status(_unpadded(flags, payload))
            elif kind == DATA:
                body += _unpadded(flags, payload)
            if kind in (HEADERS, DATA) and flags & END_STREAM:
                return Answer(status, (), body)
            if 100 <= status < 200:
                status = 0

    def _next(self, seconds: float) -> tuple[int, int, int, bytes]:
        try:
            head = self._connection.exactly(9, seconds)
            kind, flags, on = struct.unpack(">BBI", head[3:])
            payload = self._connection.exactly(int.from_bytes(head[:3], "big"), seconds)
        except Gone:
            self.is_gone = True
            raise Refused from None
        if kind in (SETTINGS, PING) and not flags & ACK:
            self.send(frame(kind, ACK, 0, payload if kind == PING else b""))
        return kind, flags, on, payload


def speaks(address: str) -> bool:
    """Whether a server takes HTTP/2 on its port for HTTP/1.1."""
    with Connection(address) as connection:
        session = Session(connection)
        try:
            return session._next(ANSWER_SECONDS)[0] == SETTINGS
        except Refused:
            return False


def _unpadded(flags: int, payload: bytes) -> bytes:
    padding = payload[0] if flags & PADDED else 0
    start = (1 if flags & PADDED else 0) + (5 if flags & PRIORITY else 0)
    return payload[start : len(payload) - padding]


def _status(fields: bytes) -> int:
    """The status, which is the first field; changes of the table's size may stand before it."""
    while fields and fields[0] & 0xE0 == 0x20:
        fields = fields[1:]
    first = fields[0]
    if first & 0x80:
        return STATUSES.get(first & 0x7F, 0)
    length, is_coded = fields[1] & 0x7F, fields[1] & 0x80
    digits = fields[2 : 2 + length]
    return int(_decoded(digits) if is_coded else digits)


def _decoded(coded: bytes) -> str:
    bits, text = "".join(f"{byte:08b}" for byte in coded), ""
    while len(text) < 3:
        size = 5 if bits[:5] in DIGITS else 6
        text, bits = text + DIGITS[bits[:size]], bits[size:]
    return text
