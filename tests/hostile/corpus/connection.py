"""What belongs to one connection and is abused to reach past it: Connection, Upgrade, Expect (RFC 9110 §7.6, §10.1).

What a newcomer would get wrong: a gateway obeys Connection, and removes what it names. What the gateway's own decisions
rest on stays whatever it names; otherwise a list would be fetched without the credential under which it is kept.
"""

from __future__ import annotations

from .case import (
    ATTACKER,
    BEARER,
    CHAT,
    LIST,
    SMUGGLED,
    Case,
    Got,
    Group,
    forwarded,
    get,
    length,
    post,
    request,
)

TARGET = "/api/nothing"
GOT = Got("GET", TARGET)
COOKIE = "Cookie: session=1"


def _named(names: str, *fields: str, got: Got | None = None) -> Case:
    why = "what decides must not go"
    return Case(
        f"Connection: {names}", why, (get(LIST, f"Connection: {names}", *fields),), (200,), (got or Got("GET", LIST),)
    )


def _closing(names: str) -> Case:
    sent = get(LIST, f"Connection: {names}") + SMUGGLED
    return Case(
        f"Connection: {names}, and a request behind",
        "a last request is the last",
        (sent,),
        (200,),
        (Got("GET", LIST),),
        closes=True,
    )


HOPS = Group(
    "hop-by-hop fields",
    (
        _named("X-Authorization-Key"),
        _named("x-authorization-key, X-AUTHORIZATION-KEY"),
        _named("keep-alive, X-Authorization-Key"),
        Case(
            "Connection: Authorization",
            "what decides must not go",
            (get(LIST, "Connection: Authorization", BEARER, key=None),),
            (200,),
            (Got("GET", LIST, who=f"bearer:Bearer {ATTACKER}"),),
        ),
        _named("Host"),
        _named("Cookie", COOKIE, got=Got("GET", LIST).with_fields(cookie="session=1")),
        _named("X-Trace", "X-Trace: 1", got=Got("GET", LIST).with_fields(x_trace=None)),
        _named("X-Forwarded-For", "X-Forwarded-For: 192.0.2.1", got=Got("GET", LIST).with_fields(x_forwarded_for=None)),
        _named(", ,;=, \x80, X-Authorization-Key"),
        _named("Connection, Keep-Alive", "Keep-Alive: timeout=9", got=Got("GET", LIST).with_fields(keep_alive=None)),
        forwarded(
            "Connection: Content-Length",
            "content without a length is a request",
            post("Connection: Content-Length", length(SMUGGLED), body=SMUGGLED),
            Got("POST", CHAT, SMUGGLED),
        ),
        forwarded(
            "Connection: Transfer-Encoding",
            "chunks without a coding are a request",
            post("Connection: Transfer-Encoding", "Transfer-Encoding: chunked", body=b"5\r\nhello\r\n0\r\n\r\n"),
            Got("POST", CHAT, b"hello"),
        ),
        forwarded(
            "Connection: Content-Type",
            "content is read by its type",
            post("Connection: Content-Type", "Content-Type: application/json", length(b"{}"), body=b"{}"),
            Got("POST", CHAT, b"{}").with_fields(content_type="application/json"),
        ),
        _closing("close"),
        _closing("close, X-Authorization-Key"),
        _closing("keep-alive, close"),
        forwarded(
            "a Keep-Alive and a TE",
            "for this connection alone",
            get(TARGET, "Keep-Alive: timeout=9", "TE: trailers, chunked", "Connection: TE"),
            GOT.with_fields(keep_alive=None, te="trailers"),
        ),
        forwarded(
            "a Trailer that names a credential", "a name, and no more", get(TARGET, "Trailer: X-Authorization-Key"), GOT
        ),
        forwarded(
            "a Proxy-Connection",
            "of nobody's standard",
            get(TARGET, "Proxy-Connection: keep-alive"),
            GOT.with_fields(proxy_connection=None),
        ),
    ),
)

EXPECT = Group(
    "expectations",
    (
        forwarded(
            "100-continue without content", "nothing is to be waited for", get(TARGET, "Expect: 100-continue"), GOT
        ),
        forwarded(
            "100-continue with a length of zero",
            "nothing is to be waited for",
            post("Expect: 100-continue", "Content-Length: 0"),
            Got("POST", CHAT),
        ),
        forwarded(
            "100-continue with content at once",
            "the content is not the next request",
            post("Expect: 100-continue", length(SMUGGLED), body=SMUGGLED),
            Got("POST", CHAT, SMUGGLED),
        ),
        forwarded(
            "100-continue on a fat list",
            "the content is not the next request",
            get(LIST, "Expect: 100-continue", length(SMUGGLED), body=SMUGGLED),
            Got("GET", LIST, SMUGGLED),
        ),
        forwarded(
            "100-continue behind another word",
            "an expectation, or none",
            get(LIST, "Expect: y 100-continue", length(SMUGGLED), body=SMUGGLED),
            Got("GET", LIST, SMUGGLED),
        ),
        forwarded(
            "100-continue twice",
            "waits for two",
            post("Expect: 100-continue", "Expect: 100-continue", length(b"hello"), body=b"hello"),
            Got("POST", CHAT, b"hello"),
        ),
        forwarded(
            "an expectation that nobody knows",
            "the upstream's to refuse",
            post("Expect: 200-ok", length(SMUGGLED), body=SMUGGLED),
            Got("POST", CHAT, SMUGGLED),
        ),
        forwarded(
            "100-continue of HTTP/1.0",
            "HTTP/1.0 has none",
            request(f"POST {CHAT} HTTP/1.0", "Expect: 100-continue", length(b"hello"), body=b"hello"),
            Got("POST", CHAT, b"hello"),
        ),
        forwarded(
            "an empty expectation",
            "none",
            post("Expect:", length(SMUGGLED), body=SMUGGLED),
            Got("POST", CHAT, SMUGGLED),
        ),
    ),
)

H2C = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__")
SOCKET = (
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Version: 13",
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
)
PAST = "behind a 101 nothing is counted, paced, or hidden by a write"

UPGRADE = Group(
    "upgrades",
    (
        forwarded("h2c", PAST, get(TARGET, *H2C), GOT.with_fields(upgrade=None, http2_settings=None)),
        forwarded(
            "h2c on a list", PAST, get(LIST, *H2C), Got("GET", LIST).with_fields(upgrade=None, http2_settings=None)
        ),
        forwarded(
            "h2c on the hub",
            PAST,
            get("/chathub", *H2C),
            Got("GET", "/chathub").with_fields(upgrade=None, http2_settings=None),
        ),
        forwarded(
            "h2c with content",
            PAST,
            post(*H2C, length(SMUGGLED), body=SMUGGLED),
            Got("POST", CHAT, SMUGGLED).with_fields(upgrade=None),
        ),
        forwarded(
            "h2c without Connection", "not asked for", get(TARGET, "Upgrade: h2c"), GOT.with_fields(upgrade=None)
        ),
        forwarded(
            "Connection without an upgrade",
            "not asked for",
            get(TARGET, "Connection: upgrade"),
            GOT.with_fields(upgrade=None),
        ),
        forwarded(
            "a WebSocket of HTTP/1.0",
            "HTTP/1.0 has no upgrade",
            request("GET /chathub HTTP/1.0", *SOCKET),
            Got("GET", "/chathub").with_fields(upgrade=None),
        ),
        forwarded(
            "a protocol that nobody speaks",
            "what is behind it is the next request",
            get(TARGET, "Connection: upgrade", "Upgrade: cow/1") + SMUGGLED,
            GOT,
            Got("GET", "/smuggled"),
        ),
        forwarded(
            "a WebSocket that is not granted",
            "what is behind it is the next request",
            get(TARGET, *SOCKET) + SMUGGLED,
            GOT,
            Got("GET", "/smuggled"),
        ),
        forwarded(
            "a WebSocket by POST",
            "its content is not yet the tunnel's",
            post(*SOCKET, length(SMUGGLED), body=SMUGGLED),
            Got("POST", CHAT, SMUGGLED),
        ),
        Case(
            "a WebSocket of the hub",
            "the one upgrade that this API has",
            (get("/chathub", *SOCKET),),
            (101,),
            (Got("GET", "/chathub").with_fields(upgrade="websocket"),),
        ),
        Case(
            "a WebSocket of the hub, with a request behind",
            "bytes of the tunnel, whatever they look like",
            (get("/chathub", *SOCKET) + SMUGGLED,),
            (101,),
            (Got("GET", "/chathub"),),
        ),
        forwarded("a list by WebSocket", "a list all the same", get(LIST, *SOCKET), Got("GET", LIST)),
    ),
)

GROUPS = (HOPS, EXPECT, UPGRADE)
