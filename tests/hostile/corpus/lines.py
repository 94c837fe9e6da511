"""Lines, names and values that end at another place for another server (RFC 9112 §2.2, §5), and request lines."""

from __future__ import annotations

from .case import CHAT, HOST, KEY, SMUGGLED, Case, Got, Group, forwarded, get, refused, request

TARGET = "/api/nothing"

ENDS = (
    ("a bare line feed", "one field, or two", "X: y\nX-Original-URL: /admin"),
    ("a bare carriage return", "one field, or two", "X: y\rX-Original-URL: /admin"),
    ("two carriage returns", "the end of the line, or a byte of the value", "X: y\r"),
    ("a carriage return alone", "the end of the head, or a field", "\r"),
    ("a NUL in a value", "C ends the text there", "X: y\x00z"),
    ("folded with a blank", "one value, or two fields", "X: y\r\n z"),
    ("folded with a tab", "one value, or two fields", "X: y\r\n\tz"),
    ("folded with nothing", "a blank line, or the end of the head", "X: y\r\n "),
    ("no colon", "a field, or a fault", "X"),
    ("a second request line", "a field, or a request", "GET /smuggled HTTP/1.1"),
)
"""From these two servers may read two heads of different lengths."""

NAMES = (
    ("a NUL in a name", "C ends the text there", "X\x00: y"),
    ("a backspace in a value", "shows otherwise in a log", "X: y\x08z"),
    ("an escape in a value", "shows otherwise in a log", "X: \x1b[2Jy"),
    ("a delete in a value", "a control like the others", "X: y\x7f"),
    ("a bell in a value", "makes the upstream fail, and the failure is what is kept", "X: \x07"),
    ("a unit separator in a name", "trimmed by some", "\x1fX: y"),
    ("no name", "a field, or a fault", ": y"),
    ("a blank behind a name", "another name, or the same", "X : y"),
    ("a tab behind a name", "another name, or the same", "X\t: y"),
    ("a blank within a name", "another name, or the same", "X Y: z"),
    ("a bracket in a name", "not a token", "X(y): z"),
    ("a quote in a name", "not a token", 'X": z'),
    ("a slash in a name", "not a token", "X/y: z"),
    ("UTF-8 in a name", "not a token", "X\xc3\xa9: z"),
    ("a high byte in a name", "not a token", "X\x80: z"),
    ("an equals sign for a colon", "a field, or a fault", "X= y"),
)
"""Here it is clear where the lines end, and not what they say."""


def _faulty(name: str, why: str, field: str, is_doubtful: bool) -> Case:
    return refused(name, why, get(TARGET, field) + SMUGGLED, is_doubtful=is_doubtful)


def _before(name: str, why: str, start: bytes) -> Case:
    return refused(name, why, start + get(TARGET) + SMUGGLED)


def _line(name: str, why: str, line: str) -> Case:
    return refused(name, why, request(line) + SMUGGLED)


FIELD = Group(
    "lines and fields",
    (
        *(_faulty(*row, is_doubtful=True) for row in ENDS),
        *(_faulty(*row, is_doubtful=False) for row in NAMES),
        refused(
            "the first field is folded",
            "it continues the request line, or nothing",
            f"GET {TARGET} HTTP/1.1\r\n {HOST}\r\n{KEY}\r\n\r\n".encode() + SMUGGLED,
        ),
        refused(
            "all lines end with line feeds",
            "a head, or the beginning of one",
            get(TARGET).replace(b"\r\n", b"\n") + SMUGGLED,
        ),
        refused(
            "all lines end with carriage returns",
            "a head, or the beginning of one",
            get(TARGET).replace(b"\r\n", b"\r") + SMUGGLED,
        ),
        refused(
            "the head ends with a line feed", "the end, or a line", get(TARGET).removesuffix(b"\r\n") + b"\n" + SMUGGLED
        ),
        refused(
            "the request line ends with a line feed",
            "a line, or half of one",
            get(TARGET).replace(b"\r\n", b"\n", 1) + SMUGGLED,
        ),
        _before("three empty lines before the request", "one or two are a habit of old clients", b"\r\n\r\n\r\n"),
        _before("a line feed before the request", "an empty line, or a byte of the method", b"\n"),
        _before("a blank before the request", "trimmed, or a byte of the method", b" "),
        _before("a NUL before the request", "skipped, or a byte of the method", b"\x00"),
        _before("a byte order mark before the request", "skipped, or bytes of the method", b"\xef\xbb\xbf"),
        _before("a TLS hello", "the wrong port", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"),
        forwarded(
            "two empty lines before the request", "they are skipped", b"\r\n\r\n" + get(TARGET), Got("GET", TARGET)
        ),
        forwarded(
            "high bytes in a value",
            "opaque, and passed on",
            get(TARGET, "X: \x80\xff"),
            Got("GET", TARGET).with_fields(x="\x80\xff"),
        ),
        forwarded(
            "odd but good names",
            "tokens, all of them",
            get(TARGET, "!#$%&'*+-.^_`|~9a: y"),
            Got("GET", TARGET).with_fields(),
        ),
        forwarded("an empty value", "a value like any", get(TARGET, "X:"), Got("GET", TARGET).with_fields(x="")),
    ),
)

VERSION = Group(
    "request lines",
    (
        _line("two blanks before the target", "an empty target, or none", f"GET  {TARGET} HTTP/1.1"),
        _line("two blanks before the version", "an empty word, or none", f"GET {TARGET}  HTTP/1.1"),
        _line("tabs for blanks", "separators, or bytes of the method", f"GET\t{TARGET}\tHTTP/1.1"),
        _line("a blank behind the version", "trimmed or not", f"GET {TARGET} HTTP/1.1 "),
        _line("a word behind the version", "the last counts, or the first", f"GET {TARGET} HTTP/1.1 HTTP/1.1"),
        _line("no version", "HTTP/0.9, which has no fields", f"GET {TARGET}"),
        _line("HTTP/0.9", "the same, said aloud", f"GET {TARGET} HTTP/0.9"),
        _line("HTTP/2.0", "a version that has no such line", f"GET {TARGET} HTTP/2.0"),
        _line("HTTP/1.2", "nobody knows how it is framed", f"GET {TARGET} HTTP/1.2"),
        _line("HTTP/1.10", "1.1, or 1.10", f"GET {TARGET} HTTP/1.10"),
        _line("HTTP/01.1", "a number, or two digits", f"GET {TARGET} HTTP/01.1"),
        _line("HTTP/1", "a number, or two digits", f"GET {TARGET} HTTP/1"),
        _line("HTTP/1,1", "a point, or any byte", f"GET {TARGET} HTTP/1,1"),
        _line("a version in small letters", "the name has case", f"GET {TARGET} http/1.1"),
        _line("another protocol", "not ours", f"GET {TARGET} ICY/1.1"),
        _line("no method", "an empty word", f" {TARGET} HTTP/1.1"),
        _line("a method that is no token", "GET, or nothing", f"G(E)T {TARGET} HTTP/1.1"),
        _line("a method with a NUL", "C ends the text there", f"GET\x00 {TARGET} HTTP/1.1"),
        _line("a colon in the method", "a field, or a request line", f"GET: {TARGET} HTTP/1.1"),
        _line("a method alone", "half a line", "GET"),
        refused(
            "HTTP/0.9 with a request behind",
            "a simple request ends with its line",
            f"GET {TARGET}\r\n".encode() + SMUGGLED,
        ),
        forwarded(
            "a method that nobody knows",
            "the upstream's to refuse",
            request(f"BREW {TARGET} HTTP/1.1"),
            Got("BREW", TARGET),
        ),
        forwarded(
            "a method in small letters", "as it is written", request(f"get {TARGET} HTTP/1.1"), Got("get", TARGET)
        ),
        Case(
            "a request of HTTP/1.0 with another behind",
            "the connection ends with the first",
            (request(f"POST {CHAT} HTTP/1.0") + SMUGGLED,),
            (200,),
            (Got("POST", CHAT),),
            closes=True,
        ),
    ),
)

GROUPS = (FIELD, VERSION)
