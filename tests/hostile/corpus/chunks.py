"""Chunked content that two servers cut at two places (RFC 9112 §7.1).

What a newcomer would get wrong: the head has passed when a chunk turns out to be wrong. The gateway then breaks its own
request off, which the upstream must see as an unfinished one, and answers 400 and closes.
"""

from __future__ import annotations

from .case import ATTACKER, CHAT, SMUGGLED, WRITE, Case, Got, Group, forwarded, post, refused

LAST = b"0\r\n\r\n"

WRONG = (
    ("0x before a size", "0, or 5", b"0x5\r\nhello\r\n" + LAST),
    ("a plus before a size", "number parsers take a sign", b"+5\r\nhello\r\n" + LAST),
    ("a minus before a size", "a negative number may count as huge", b"-5\r\nhello\r\n" + LAST),
    ("a blank before a size", "trimmed or not", b" 5\r\nhello\r\n" + LAST),
    ("a blank behind a size", "trimmed or not", b"5 \r\nhello\r\n" + LAST),
    ("a tab behind a size", "trimmed or not", b"5\t\r\nhello\r\n" + LAST),
    ("a blank within a size", "5, or 53", b"5 3\r\nhello\r\n" + LAST),
    ("an underscore in a size", "number parsers of some languages skip it", b"0_5\r\nhello\r\n" + LAST),
    ("a comma in a size", "5, or 55", b"5,5\r\nhello\r\n" + LAST),
    ("a letter behind a size", "5, or nothing", b"5g\r\nhello\r\n" + LAST),
    ("a NUL behind a size", "C ends the text there", b"5\x00\r\nhello\r\n" + LAST),
    ("digits of another script", "digits by Unicode", "５".encode() + b"\r\nhello\r\n" + LAST),
    ("no size", "0, or a fault", b"\r\nhello\r\n" + LAST),
    ("only an extension", "0, or a fault", b";x\r\nhello\r\n" + LAST),
    ("a size of 2^64 and 5", "64 bits wrap round to 5", b"10000000000000005\r\nhello\r\n" + LAST),
    ("a size line that ends with a line feed", "a line, or half of one", b"5\nhello\r\n" + LAST),
    ("a size line with a carriage return in it", "a line, or half of one", b"5\rX\r\nhello\r\n" + LAST),
    ("a line feed in an extension", "the line ends here, or there", b"5;x\ny\r\nhello\r\n" + LAST),
    ("a carriage return in an extension", "the line ends here, or there", b"5;x\ry\r\nhello\r\n" + LAST),
    ("a NUL in an extension", "C ends the text there", b"5;x=\x00\r\nhello\r\n" + LAST),
    ("an extension that ends with a line feed", "the line ends here, or there", b"5;x\nhello\r\n" + LAST),
    ("data that go on behind their size", "two bytes are skipped unread", b"5\r\nhelloXX" + LAST),
    ("data that end with a line feed", "one byte, or two", b"5\r\nhello\n" + LAST),
    ("data that end with nothing", "two bytes are skipped unread", b"5\r\nhello" + LAST),
    ("data shorter than their size", "the next chunk's line is data", b"6\r\nhello\r\n" + LAST),
    ("a last chunk that ends with a line feed", "the end, or half of it", b"5\r\nhello\r\n0\n\n"),
    ("a last line that is a line feed", "the end, or half of it", b"5\r\nhello\r\n0\r\n\n"),
    ("no empty line behind the last chunk", "the next request is a trailer", b"5\r\nhello\r\n0\r\n"),
    ("a carriage return in place of the empty line", "the end, or half of it", b"5\r\nhello\r\n0\r\n\r"),
    ("a trailer without a colon", "the next request, or a fault", b"0\r\nGET /smuggled HTTP/1.1\r\n\r\n"),
)

CLEAR = (
    ("a size with many zeros", "some count digits, some do not", b"00000000000000005\r\nhello\r\n" + LAST),
    ("a trailer that is a length", "it counts for the next, or not at all", b"0\r\nContent-Length: 5\r\n\r\n"),
    ("a trailer that is a coding", "it counts for the next, or not at all", b"0\r\nTransfer-Encoding: chunked\r\n\r\n"),
    ("a trailer that is a host", "it goes elsewhere, or not", b"0\r\nHost: evil.example\r\n\r\n"),
    ("a trailer with a blank behind its name", "a field, or a fault", b"0\r\nX : y\r\n\r\n"),
    ("a trailer folded over lines", "a field, or two", b"0\r\nX: y\r\n z\r\n\r\n"),
    ("a trailer with a NUL", "C ends the text there", b"0\r\nX: \x00\r\n\r\n"),
    ("an extension of 2,000 bytes", "read for nothing", b"5;" + b"x" * 2000 + b"\r\nhello\r\n" + LAST),
    ("too many trailers", "read for nothing", b"0\r\n" + b"x: y\r\n" * 200 + b"\r\n"),
)
"""Refused as well, though it is clear where they end."""

RIGHT = (
    ("an extension", "ignored", b"5;x\r\nhello\r\n" + LAST),
    ("an extension with a value", "ignored", b"5;x=y;z\r\nhello\r\n" + LAST),
    ("an extension in quotes", "a semicolon and a size within do not count", b'5;x="; 3"\r\nhello\r\n' + LAST),
    ("a blank before an extension", "RFC 9112 §7.1.1 allows it", b"5 ;x\r\nhello\r\n" + LAST),
    ("an extension of the last chunk", "ignored", b"5\r\nhello\r\n0;x=y\r\n\r\n"),
    ("many zeros for the last chunk", "zero all the same", b"5\r\nhello\r\n0000000000000000\r\n\r\n"),
    ("one byte a chunk", "put together again", b"1\r\nh\r\n1\r\ne\r\n1\r\nl\r\n01\r\nl\r\n001\r\no\r\n" + LAST),
    ("a trailer", "not for the upstream's head", b"5\r\nhello\r\n0\r\nX: y\r\n\r\n"),
)


def _wrong(name: str, why: str, body: bytes, target: str = CHAT, is_doubtful: bool = True) -> Case:
    sent = post("Transfer-Encoding: chunked", body=body + SMUGGLED, target=target)
    return refused(name, why, sent, is_doubtful=is_doubtful)


def _right(name: str, why: str, body: bytes) -> Case:
    return forwarded(name, why, post("Transfer-Encoding: chunked", body=body), Got("POST", CHAT, b"hello"))


def _credential_trailer(field: str) -> Case:
    body = f"5\r\nhello\r\n0\r\n{field}: victim\r\n\r\n".encode()
    got = Got("POST", CHAT, b"hello")
    sent = post("Transfer-Encoding: chunked", f"Trailer: {field}", body=body)
    return forwarded(f"{field} in a trailer", "who asks is decided before the trailers come", sent, got)


_BUFFERED = (row for row in WRONG if row[0] in ("a line feed in an extension", "no empty line behind the last chunk"))

GROUP = Group(
    "chunks",
    (
        *(_wrong(*row) for row in WRONG),
        *(_wrong(f"{name}, of a buffered write", why, body, WRITE) for name, why, body in _BUFFERED),
        *(_wrong(*row, is_doubtful=False) for row in CLEAR),
        *(_right(*row) for row in RIGHT),
        *(_credential_trailer(field) for field in ("Authorization", "X-Authorization-Key", "X_Authorization_Key")),
        Case(
            "a chunk that is announced and never sent",
            "the length of the next request is not to be guessed",
            (post("Transfer-Encoding: chunked", body=b"40000000\r\n" + ATTACKER.encode()),),
            (400,),
            closes=True,
            is_doubtful=True,
            ends=True,
        ),
    ),
)

GROUPS = (GROUP,)
