"""Requests over HTTP/2 that become another request, or two, when they are written as HTTP/1.1 (RFC 9113 §8, §10.3).

HTTP/2 frames lengths and names, so that line ends, blanks and colons may stand anywhere in them. What a newcomer would
get wrong: a refusal here is a 400 or a reset of the stream; both are right, and the connection may go on.
"""

from __future__ import annotations

import http2

from .case import ATTACKER, CHAT, LIST, SMUGGLED, Case, Got, Group

TARGET = "/api/nothing"
METHOD, SCHEME, AUTHORITY, PATH = (
    (":method", "GET"),
    (":scheme", "http"),
    (":authority", "chathub.example"),
    (":path", TARGET),
)
KEY = ("x-authorization-key", ATTACKER)
GET = (METHOD, SCHEME, AUTHORITY, PATH)
POST = ((":method", "POST"), SCHEME, AUTHORITY, (":path", CHAT))
GOT = Got("GET", TARGET)

FIELDS = (
    ("a line break in a value", "another field", ("x", "y\r\nX-Original-URL: /admin")),
    ("a head's end in a value", "another request", ("x", f"y\r\n\r\n{SMUGGLED.decode()}")),
    ("a line feed in a value", "another field", ("x", "y\nX-Original-URL: /admin")),
    ("a carriage return in a value", "another field", ("x", "y\rX-Original-URL: /admin")),
    ("a NUL in a value", "C ends the text there", ("x", "y\x00z")),
    ("a line break in a name", "another field", ("x: y\r\nx-original-url", "/admin")),
    ("a colon in a name", "another field", ("transfer-encoding: chunked\r\nx", "y")),
    ("only a colon in a name", "another field", ("transfer-encoding:x", "chunked")),
    ("a blank in a name", "another name, or the same", ("transfer-encoding ", "chunked")),
    ("a NUL in a name", "another name, or the same", ("x\x00", "y")),
    ("capitals in a name", "malformed by RFC 9113 §8.2", ("Transfer-Encoding", "chunked")),
    ("an empty name", "a line that begins with a colon", ("", "y")),
    ("a high byte in a name", "not a token", ("x\xe9", "y")),
    ("transfer-encoding", "of HTTP/1.1 alone", ("transfer-encoding", "chunked")),
    ("connection", "of HTTP/1.1 alone", ("connection", "close")),
    ("connection that names a credential", "of HTTP/1.1 alone", ("connection", "x-authorization-key")),
    ("keep-alive", "of HTTP/1.1 alone", ("keep-alive", "timeout=9")),
    ("proxy-connection", "of HTTP/1.1 alone", ("proxy-connection", "keep-alive")),
    ("upgrade", "of HTTP/1.1 alone", ("upgrade", "h2c")),
    ("te with chunked", "trailers is all it may say", ("te", "chunked")),
    ("a pseudo-field behind fields", "malformed by RFC 9113 §8.3", (":path", "/smuggled")),
    ("a pseudo-field of answers", "malformed by RFC 9113 §8.3", (":status", "200")),
    ("a pseudo-field that nobody knows", "malformed by RFC 9113 §8.3", (":x", "y")),
    ("a protocol without CONNECT", "not announced", (":protocol", "websocket")),
    ("a second credential", "the cache goes by one, the upstream by the other", ("x-authorization-key", "victim")),
)

PSEUDO = (
    (
        "a line break in the path",
        "another field",
        (METHOD, SCHEME, AUTHORITY, (":path", f"{TARGET} HTTP/1.1\r\nX-Original-URL: /admin\r\nx: y")),
    ),
    (
        "a request in the path",
        "another request",
        (METHOD, SCHEME, AUTHORITY, (":path", f"{TARGET} HTTP/1.1\r\nHost: x\r\n\r\nGET /smuggled")),
    ),
    ("a blank in the path", "the version, or the path", (METHOD, SCHEME, AUTHORITY, (":path", f"{TARGET} HTTP/1.1"))),
    ("a tab in the path", "the version, or the path", (METHOD, SCHEME, AUTHORITY, (":path", f"{TARGET}\tHTTP/1.1"))),
    (
        "an absolute path",
        "elsewhere, or a path",
        (METHOD, SCHEME, AUTHORITY, (":path", f"http://evil.example{TARGET}")),
    ),
    ("an at sign for a path", "elsewhere, or a path", (METHOD, SCHEME, AUTHORITY, (":path", "@evil.example/"))),
    ("no path", "malformed by RFC 9113 §8.3.1", (METHOD, SCHEME, AUTHORITY)),
    ("an empty path", "malformed by RFC 9113 §8.3.1", (METHOD, SCHEME, AUTHORITY, (":path", ""))),
    ("an asterisk for a path", "for OPTIONS alone", (METHOD, SCHEME, AUTHORITY, (":path", "*"))),
    ("two paths", "the first, or the last", (METHOD, SCHEME, AUTHORITY, PATH, (":path", "/smuggled"))),
    (
        "a request in the method",
        "another request",
        ((":method", "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\nGET"), SCHEME, AUTHORITY, PATH),
    ),
    ("a blank in the method", "the target, or the method", ((":method", "GET /smuggled"), SCHEME, AUTHORITY, PATH)),
    ("an empty method", "malformed", ((":method", ""), SCHEME, AUTHORITY, PATH)),
    ("no method", "malformed by RFC 9113 §8.3.1", (SCHEME, AUTHORITY, PATH)),
    ("two methods", "the first, or the last", (METHOD, (":method", "POST"), SCHEME, AUTHORITY, PATH)),
    (
        "a line break in the authority",
        "another field",
        (METHOD, SCHEME, (":authority", "x\r\nX-Original-URL: /admin"), PATH),
    ),
    (
        "a user in the authority",
        "evil.example, or not",
        (METHOD, SCHEME, (":authority", "chathub.example@evil.example"), PATH),
    ),
    (
        "a path in the authority",
        "part of the target, or not",
        (METHOD, SCHEME, (":authority", "chathub.example/evil"), PATH),
    ),
    (
        "a list for an authority",
        "the first, or the last",
        (METHOD, SCHEME, (":authority", "chathub.example, evil.example"), PATH),
    ),
    ("two authorities", "the first, or the last", (METHOD, SCHEME, AUTHORITY, (":authority", "evil.example"), PATH)),
    ("an empty authority", "any, or none", (METHOD, SCHEME, (":authority", ""), PATH)),
    ("no authority and no host", "a request to nobody", (METHOD, SCHEME, PATH)),
    (
        "no authority and two hosts",
        "the first, or the last",
        (METHOD, SCHEME, PATH, ("host", "chathub.example"), ("host", "evil.example")),
    ),
    ("no scheme", "malformed by RFC 9113 §8.3.1", (METHOD, AUTHORITY, PATH)),
    ("two schemes", "the first, or the last", (METHOD, SCHEME, (":scheme", "https"), AUTHORITY, PATH)),
    (
        "a URI for a scheme",
        "before the authority, another one",
        (METHOD, (":scheme", "http://evil.example/?x="), AUTHORITY, PATH),
    ),
    ("a line break in the scheme", "another field", (METHOD, (":scheme", "http\r\nx: y"), AUTHORITY, PATH)),
)

LENGTHS = (
    ("a length and no content", "the upstream waits for it", (("content-length", "5"),), None),
    (
        "a length longer than the content",
        "the upstream takes the next request for it",
        (("content-length", "500"),),
        SMUGGLED,
    ),
    (
        "a length shorter than the content",
        "the rest is the next request",
        (("content-length", "5"),),
        b"hello" + SMUGGLED,
    ),
    ("two lengths", "the first, or the last", (("content-length", "5"), ("content-length", "6")), b"hello"),
    ("a list of lengths", "the first, or the last", (("content-length", "5, 5"),), b"hello"),
    ("a length with a plus", "number parsers take a sign", (("content-length", "+5"),), b"hello"),
    ("an empty length", "zero, or none", (("content-length", ""),), b"hello"),
)


def _refused(name: str, why: str, frames: bytes, status: int = 400) -> Case:
    return Case(name, why, (frames,), (status,), http2=True)


def _sent(name: str, why: str, frames: bytes, got: Got) -> Case:
    return Case(name, why, (frames,), (200,), (got,), http2=True)


def _length(name: str, why: str, fields: http2.Fields, content: bytes | None) -> Case:
    head = http2.headers((*POST, *fields, KEY), ends=content is None)
    return _refused(name, why, head + (http2.data(content) if content is not None else b""))


def _behind(*trailers: tuple[str, str]) -> bytes:
    """A write with trailers, which it announces: a server may drop those that are not."""
    named = ("trailer", ", ".join(name for name, _ in trailers if name[:1].isalpha() and "\r" not in name) or "x")
    head = http2.headers((*POST, named, KEY), ends=False)
    return head + http2.data(b"hello", ends=False) + http2.headers(trailers)


def _shadow() -> Case:
    sent = http2.headers((METHOD, SCHEME, AUTHORITY, (":path", LIST), ("x_authorization_key", "victim"), KEY))
    why = "to a program behind a server of the CGI kind it is the real one"
    return Case("a key with underscores", why, (sent,), (200,), (Got("GET", LIST),), either=True, http2=True)


REFUSED = Group(
    "HTTP/2, refused",
    (
        *(_refused(name, why, http2.headers((*GET, KEY, field))) for name, why, field in FIELDS),
        *(_refused(name, why, http2.headers((*fields, KEY))) for name, why, fields in PSEUDO),
        *(_length(*row) for row in LENGTHS),
        _refused("a line break in trailers", "another field", _behind(("x", "y\r\nz: y"))),
        _refused(
            "CONNECT",
            "a way to anywhere",
            http2.headers(((":method", "CONNECT"), (":authority", "evil.example:443"), KEY)),
            405,
        ),
        _refused(
            "CONNECT with a protocol",
            "not announced",
            http2.headers(
                ((":method", "CONNECT"), (":protocol", "websocket"), SCHEME, AUTHORITY, (":path", "/chathub"), KEY)
            ),
        ),
        _refused(
            "TRACE",
            "tells what a browser must not know",
            http2.headers(((":method", "TRACE"), SCHEME, AUTHORITY, PATH, KEY)),
            405,
        ),
        _refused(
            "a value of 40,000 bytes", "no credential is as long", http2.headers((*GET, ("x", "y" * 40000), KEY)), 431
        ),
        _refused("a thousand fields", "each costs memory", http2.headers((*GET, *(("x", "y"),) * 1000, KEY)), 431),
    ),
)

CARRIED = Group(
    "HTTP/2, forwarded",
    (
        _sent("a read", "a request like any", http2.headers((*GET, KEY)), GOT),
        _sent(
            "a read with content",
            "content has a length of its own in HTTP/2",
            http2.headers((*GET, KEY), ends=False) + http2.data(SMUGGLED),
            Got("GET", TARGET, SMUGGLED),
        ),
        _sent(
            "a list with content",
            "the answer may depend on it",
            http2.headers((METHOD, SCHEME, AUTHORITY, (":path", LIST), KEY), ends=False) + http2.data(SMUGGLED),
            Got("GET", LIST, SMUGGLED),
        ),
        _sent(
            "a write with a request for content",
            "content is not the next request",
            http2.headers((*POST, KEY), ends=False) + http2.data(SMUGGLED),
            Got("POST", CHAT, SMUGGLED),
        ),
        _sent(
            "a write with chunks for content",
            "chunks are content like any",
            http2.headers((*POST, KEY), ends=False) + http2.data(b"0\r\n\r\n" + SMUGGLED),
            Got("POST", CHAT, b"0\r\n\r\n" + SMUGGLED),
        ),
        _sent(
            "a length that is right",
            "written anew, or the same",
            http2.headers((*POST, ("content-length", "5"), KEY), ends=False) + http2.data(b"hello"),
            Got("POST", CHAT, b"hello"),
        ),
        _sent(
            "a path with an encoded line break",
            "stays encoded",
            http2.headers((METHOD, SCHEME, AUTHORITY, (":path", "/a%0d%0aX:%20y"), KEY)),
            Got("GET", "/a%0d%0aX:%20y"),
        ),
        _sent(
            "a host in place of the authority",
            "as a client of HTTP/1.1 would",
            http2.headers((METHOD, SCHEME, PATH, ("host", "chathub.example"), KEY)),
            GOT,
        ),
        _sent(
            "a host like the authority", "the same twice", http2.headers((*GET, ("host", "chathub.example"), KEY)), GOT
        ),
        Case(
            "a fragment in the path",
            "for the client alone: cut off, or refused",
            (http2.headers((METHOD, SCHEME, AUTHORITY, (":path", f"{TARGET}#x"), KEY)),),
            (200,),
            (GOT,),
            either=True,
            http2=True,
        ),
        Case(
            "a length of zero and content",
            "forwarded without, before the content shows; it is no request",
            (http2.headers((*POST, ("content-length", "0"), KEY), ends=False) + http2.data(SMUGGLED),),
            (400,),
            (Got("POST", CHAT),),
            either=True,
            http2=True,
        ),
        Case(
            "a pseudo-field in trailers",
            "malformed by RFC 9113 §8.1: dropped, or refused",
            (_behind((":path", "/smuggled")),),
            (200,),
            (Got("POST", CHAT, b"hello"),),
            either=True,
            http2=True,
        ),
        Case(
            "another host than the authority",
            "RFC 9113 §8.3.1 would refuse it; there is one upstream",
            (http2.headers((*GET, ("host", "evil.example"), KEY)),),
            (200,),
            (GOT,),
            either=True,
            http2=True,
        ),
        _sent(
            "te with trailers",
            "asked for anew",
            http2.headers((*GET, ("te", "trailers"), KEY)),
            GOT.with_fields(te="trailers"),
        ),
        _sent(
            "cookies in crumbs",
            "RFC 9113 §8.2.3: one field again",
            http2.headers((*GET, ("cookie", "a=b"), ("cookie", "c=d"), KEY)),
            GOT.with_fields(cookie="a=b; c=d"),
        ),
        _sent(
            "a method in small letters",
            "as it is written",
            http2.headers(((":method", "get"), SCHEME, AUTHORITY, PATH, KEY)),
            Got("get", TARGET),
        ),
        *(
            _sent(
                f"{name} in trailers",
                "who asks is decided before the trailers come",
                _behind((name, "victim")),
                Got("POST", CHAT, b"hello"),
            )
            for name in ("authorization", "x-authorization-key", "x_authorization_key")
        ),
        _shadow(),
    ),
)

GROUPS = (REFUSED, CARRIED)
