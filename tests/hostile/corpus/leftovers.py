"""Bytes that are left on a connection: requests in a row, and content that nobody reads since the answer came early.

What a newcomer would get wrong: an answer that the gateway gives itself, a hit or a refusal, leaves the content on the
connection. It has to be read and dropped, or the connection closed, for the next request begins behind it.
"""

from __future__ import annotations

from .case import (
    ATTACKER,
    CHAT,
    KEY,
    LIST,
    ORGANIZATIONS,
    SMUGGLED,
    WRITE,
    Case,
    Got,
    Group,
    forwarded,
    get,
    length,
    post,
    request,
)

OTHER = "victim-token"
LOGIN = "/api/company/get-token"
LONG = SMUGGLED * 2000
"""More than fits into the buffers of a socket and a server together."""

BAD = post("Content-Length: 53", "Transfer-Encoding: chunked", body=b"0\r\n\r\n" + SMUGGLED)

IN_A_ROW = Group(
    "requests in a row",
    (
        Case(
            "a good one and a bad one",
            "the bad one is refused in its turn",
            (get(LIST) + BAD,),
            (200, 400),
            (Got("GET", LIST),),
            closes=True,
        ),
        Case(
            "a hit and a bad one",
            "the bad one is refused in its turn",
            (get(LIST) + BAD,),
            (200, 400),
            closes=True,
            before=(get(LIST),),
        ),
        Case(
            "a hit and half of another",
            "half a head is no request",
            (get(LIST) + SMUGGLED[:-3],),
            (200,),
            closes=True,
            before=(get(LIST),),
            ends=True,
        ),
        Case(
            "two hits and a write",
            "what is behind a write is not answered from before it",
            (get(LIST) + get(LIST) + post("Content-Length: 0", target="/api/other") + get(LIST),),
            (200, 200, 200, 200),
            (Got("POST", "/api/other"), Got("GET", LIST)),
            before=(get(LIST),),
        ),
        forwarded(
            "two clients in a row",
            "each is given its own",
            get("/api/a") + get("/api/a", f"X-Authorization-Key: {OTHER}", key=None),
            Got("GET", "/api/a"),
            Got("GET", "/api/a", who=f"key:{OTHER}"),
        ),
        forwarded(
            "two clients of a list in a row",
            "each is given its own",
            get(LIST) + get(LIST, f"X-Authorization-Key: {OTHER}-{ATTACKER}", key=None),
            Got("GET", LIST),
            Got("GET", LIST, who=f"key:{OTHER}-{ATTACKER}"),
        ),
        forwarded(
            "one with a credential and one without",
            "nobody is given nobody's",
            get("/api/a") + get("/api/a", key=None),
            Got("GET", "/api/a"),
            Got("GET", "/api/a", who="nobody"),
        ),
        forwarded(
            "HEAD and another",
            "an answer to HEAD has a length and no content",
            request("HEAD /api/a HTTP/1.1") + get("/api/b"),
            Got("HEAD", "/api/a"),
            Got("GET", "/api/b"),
        ),
        forwarded(
            "fifty",
            "in order, each once",
            b"".join(get(f"/api/{number}") for number in range(50)),
            *(Got("GET", f"/api/{number}") for number in range(50)),
        ),
        forwarded(
            "a write with a read at its heels",
            "content ends where its length says",
            post(length(b"hello"), body=b"hello") + get("/api/b"),
            Got("POST", CHAT, b"hello"),
            Got("GET", "/api/b"),
        ),
        forwarded(
            "an empty line behind content",
            "a habit of old clients",
            post(length(b"hello"), body=b"hello") + b"\r\n" + get("/api/b"),
            Got("POST", CHAT, b"hello"),
            Got("GET", "/api/b"),
        ),
    ),
)


def _unread(name: str, sent: bytes, status: int, closes: bool = False) -> Case:
    return Case(name, "content that nobody read is not the next request", (sent,), (status,), closes=closes)


def _repeated(*fields: str, body: bytes) -> bytes:
    return get(LIST, KEY, *fields, body=body)


EARLY = Group(
    "content that nobody reads",
    (
        _unread("a repeated credential with content", _repeated(length(SMUGGLED), body=SMUGGLED), 400),
        _unread(
            "a repeated credential with chunks",
            _repeated("Transfer-Encoding: chunked", body=b"%x\r\n%s\r\n0\r\n\r\n" % (len(SMUGGLED), SMUGGLED)),
            400,
        ),
        Case(
            "a repeated credential with much content",
            "content that nobody read is not the next request",
            (_repeated(length(LONG), body=LONG),),
            (400,),
        ),
        _unread("TRACE with content", request("TRACE / HTTP/1.1", length(SMUGGLED), body=SMUGGLED), 405),
        _unread(
            "CONNECT with content",
            request("CONNECT evil.example:443 HTTP/1.1", length(SMUGGLED), body=SMUGGLED),
            405,
            closes=True,
        ),
        _unread("content over the limit", post("Content-Length: 999999999999", body=SMUGGLED), 413, closes=True),
        _unread(
            "content over the limit of 63 bits",
            post("Content-Length: 9223372036854775807", body=SMUGGLED),
            413,
            closes=True,
        ),
        Case(
            "over quota with content",
            "content that nobody read is not the next request",
            (post(length(SMUGGLED), body=SMUGGLED, target=LOGIN, key=None),),
            (429,),
            before=(post("Content-Length: 0", target=LOGIN, key=None),),
        ),
        Case(
            "over quota with chunks",
            "content that nobody read is not the next request",
            (
                post(
                    "Transfer-Encoding: chunked",
                    body=b"%x\r\n%s\r\n0\r\n\r\n" % (len(SMUGGLED), SMUGGLED),
                    target=LOGIN,
                    key=None,
                ),
            ),
            (429,),
            before=(post("Content-Length: 0", target=LOGIN, key=None),),
        ),
        forwarded(
            "an early answer of the upstream",
            "the rest of the content is still the first's",
            request("POST /api/early HTTP/1.1", length(SMUGGLED), body=SMUGGLED),
            Got("POST", "/api/early", SMUGGLED),
        ),
        Case(
            "an early answer with much content behind",
            "the rest is sent, or both connections end",
            (request("POST /api/early HTTP/1.1", length(LONG), body=LONG),),
            (200,),
            (Got("POST", "/api/early", LONG),),
        ),
        Case(
            "an early answer to a read of a fat list",
            "the rest of the content is still the first's",
            (get("/api/early/operator", length(LONG), body=LONG),),
            (200,),
            (Got("GET", "/api/early/operator", LONG),),
        ),
        forwarded(
            "content on a list of organizations",
            "not a hit, so nothing is left",
            get(ORGANIZATIONS, length(SMUGGLED), body=SMUGGLED),
            Got("GET", ORGANIZATIONS, SMUGGLED),
        ),
        Case(
            "content on a list that is in memory",
            "not a hit, so nothing is left",
            (get(LIST, length(SMUGGLED), body=SMUGGLED),),
            (200,),
            (Got("GET", LIST, SMUGGLED),),
            before=(get(LIST),),
        ),
        Case(
            "chunks on a list that is in memory",
            "not a hit, so nothing is left",
            (get(LIST, "Transfer-Encoding: chunked", body=b"%x\r\n%s\r\n0\r\n\r\n" % (len(SMUGGLED), SMUGGLED)),),
            (200,),
            (Got("GET", LIST, SMUGGLED),),
            before=(get(LIST),),
        ),
        Case(
            "a buffered write with a request for content",
            "read as a whole, sent as a whole",
            (post(length(LONG), body=LONG, target=WRITE),),
            (200,),
            (Got("POST", WRITE, LONG),),
        ),
    ),
)

GROUPS = (IN_A_ROW, EARLY)
