"""Requests that are larger than any that somebody means: each is refused in bounded time and space."""

from __future__ import annotations

from .case import CHAT, KEY, SMUGGLED, Case, Got, Group, forwarded, get, post, refused, request

TARGET = "/api/nothing"
MEGABYTE = "x" * (1 << 20)


def _large(name: str, why: str, sent: bytes, status: int = 431) -> Case:
    return refused(name, why, sent + SMUGGLED, status=status)


GROUP = Group(
    "sizes",
    (
        _large("a target of 9,000 bytes", "no list is as far away", get("/" + "x" * 9000), 414),
        _large("a target of a megabyte", "no list is as far away", get("/" + MEGABYTE), 414),
        _large("a value of 40,000 bytes", "no credential is as long", get(TARGET, "X: " + "x" * 40000)),
        _large("a value of a megabyte", "no credential is as long", get(TARGET, "X: " + MEGABYTE)),
        _large("a name of 70,000 bytes", "longer than libraries count", get(TARGET, "x" * 70000 + ": y")),
        _large("a thousand fields", "each costs memory", get(TARGET, *("x: y",) * 1000)),
        _large("a thousand fields of one byte", "each costs memory", get(TARGET, *("x:",) * 1000)),
        _large(
            "a credential of 40,000 bytes",
            "each is hashed",
            get(TARGET, f"X-Authorization-Key: {'x' * 40000}", key=None),
        ),
        _large("a method of 40,000 bytes", "no verb is as long", request("X" * 40000 + f" {TARGET} HTTP/1.1")),
        _large("a head of blank lines", "a head never begins", b"\r\n" * 1000, 400),
        forwarded("ninety fields", "within the limit", get(TARGET, *("x: y",) * 90), Got("GET", TARGET)),
        forwarded("a target of 8,000 bytes", "within the limit", get("/" + "x" * 8000), Got("GET", "/" + "x" * 8000)),
        forwarded(
            "20,000 chunks of one byte",
            "framing must not cost more than what it frames",
            post("Transfer-Encoding: chunked", body=b"1\r\nx\r\n" * 20000 + b"0\r\n\r\n"),
            Got("POST", CHAT, b"x" * 20000),
        ),
        Case(
            "chunk extensions of a megabyte",
            "read for nothing",
            (
                post(
                    "Transfer-Encoding: chunked",
                    body=(b"1;" + b"x" * 1000 + b"\r\nx\r\n") * 1000 + b"0\r\n\r\n" + SMUGGLED,
                ),
            ),
            (400,),
            closes=True,
        ),
        refused(
            "a credential that fills the head",
            "as large as may be, and one more",
            request(f"GET {TARGET} HTTP/1.1", f"{KEY}{'x' * (33 * 1024)}", key=None) + SMUGGLED,
            status=431,
        ),
    ),
)

GROUPS = (GROUP,)
