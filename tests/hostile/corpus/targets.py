"""Where a request goes: Host, the four forms of a target, and targets that are two for another server.

What a newcomer would get wrong: the gateway has one upstream, and no name in a request sends anything elsewhere. A
target is forwarded to the byte, encoded line ends and dots included; whoever cleans it makes another request of it.
"""

from __future__ import annotations

from .case import CHAT, HOST, KEY, SMUGGLED, Case, Got, Group, forwarded, get, refused, request

TARGET = "/api/nothing"
LINE = f"GET {TARGET} HTTP/1.1"


def _host(name: str, why: str, *fields: str, line: str = LINE) -> Case:
    return refused(name, why, request(line, *fields, host=None) + SMUGGLED)


def _sent(name: str, why: str, *fields: str, line: str = LINE, got: Got | None = None) -> Case:
    return forwarded(name, why, request(line, *fields, host=None), got or Got("GET", TARGET))


AUTHORITY = Group(
    "hosts and forms of targets",
    (
        _host("no host", "a MUST of RFC 9112 §3.2"),
        _host(
            "no host, an absolute target", "a MUST all the same", line=f"GET http://chathub.example{TARGET} HTTP/1.1"
        ),
        _host("two hosts", "the first or the last", HOST, "Host: evil.example"),
        _host("two equal hosts", "a MUST all the same", HOST, HOST),
        _host("an empty host", "any, or none", "Host:"),
        _host("a host with a path", "part of the target, or not", "Host: chathub.example/evil"),
        _host("a host with a user", "evil.example, or not", "Host: chathub.example@evil.example"),
        _host("a list of hosts", "the first or the last", "Host: chathub.example, evil.example"),
        _host("a host with a blank", "the first or the last", "Host: chathub.example evil.example"),
        _host("a host with a word for a port", "evil.example, or not", "Host: chathub.example:evil.example"),
        _host("a host with two ports", "the first or the last", "Host: chathub.example:80:81"),
        _host("a host with a long port", "wraps round to another", "Host: chathub.example:4294967376"),
        _host("a host in brackets that do not close", "an address, or not", "Host: [::1"),
        _host("a port without a host", "any, or none", "Host: :80"),
        _host("a host that is folded", "evil.example, or not", "Host: chathub.example\r\n evil.example"),
        _host("a host with a blank behind its name", "no host, or this one", "Host : chathub.example"),
        _host("a host behind a blank", "no host, or this one", f" {HOST}"),
        _host("a host with a NUL", "C ends the text there", "Host: chathub.example\x00.evil.example"),
        _sent("another host", "there is one upstream", "Host: evil.example:99"),
        _sent("a host in brackets", "an address", "Host: [::1]:80"),
        _sent(
            "an absolute target with another authority",
            "there is one upstream",
            HOST,
            line=f"GET http://evil.example{TARGET} HTTP/1.1",
        ),
        _sent(
            "an absolute target of another scheme",
            "there is one upstream",
            HOST,
            line=f"GET https://evil.example:1{TARGET} HTTP/1.1",
        ),
        _sent("HTTP/1.0 without a host", "it needs none", line=f"GET {TARGET} HTTP/1.0"),
        _host(
            "a user in an absolute target",
            "evil.example, or not",
            HOST,
            line=f"GET http://chathub.example@evil.example{TARGET} HTTP/1.1",
        ),
        _host("an authority for a target", "for CONNECT alone", HOST, line="GET chathub.example:80 HTTP/1.1"),
        _host("an asterisk for a target", "for OPTIONS alone", HOST, line="GET * HTTP/1.1"),
        _host("a word for a target", "a path, or a host", HOST, line="GET api HTTP/1.1"),
        _host("an at sign before a target", "a path, or a host", HOST, line=f"GET @evil.example{TARGET} HTTP/1.1"),
        _sent(
            "OPTIONS of an asterisk", "the server as a whole", HOST, line="OPTIONS * HTTP/1.1", got=Got("OPTIONS", "*")
        ),
        refused("CONNECT", "a way to anywhere", request("CONNECT evil.example:443 HTTP/1.1"), status=405),
        refused("CONNECT to a path", "a request like any, or a tunnel", request(f"CONNECT {TARGET} HTTP/1.1")),
        refused(
            "CONNECT with a request behind",
            "RFC 9931: a client may have taken the tunnel for granted",
            request("CONNECT evil.example:443 HTTP/1.1") + SMUGGLED,
            status=405,
            is_doubtful=True,
        ),
        Case("TRACE", "tells what a browser must not know", (request(f"TRACE {TARGET} HTTP/1.1"),), (405,)),
    ),
)

RAW = (
    ("a line break", "the version, and a field", "/a\r\nX-Original-URL: /admin\r\nX: y"),
    ("a bare line feed", "the end of the line, or not", "/a\nX-Original-URL:/admin"),
    ("a bare carriage return", "the end of the line, or not", "/a\rX-Original-URL:/admin"),
    ("a blank", "the end of the target, or not", "/a b"),
    ("a tab", "the end of the target, or not", "/a\tb"),
    ("a NUL", "C ends the text there", "/a\x00b"),
    ("a delete", "a control like the others", "/a\x7fb"),
    ("a fragment", "for the client alone", "/a#b"),
    ("a fragment behind a query", "for the client alone", "/a?b#c"),
    ("UTF-8", "to be encoded", "/\xc3\xa9"),
    ("a high byte", "to be encoded", "/\xff"),
    ("an angle", "to be encoded", "/<script>"),
)

ENCODED = (
    ("an encoded line break", "stays encoded", "/a%0d%0aX-Original-URL:%20/admin"),
    ("an encoded line break in the query", "stays encoded", "/a?b=%0d%0aSet-Cookie:%20c=d"),
    ("an encoded NUL", "stays encoded", "/a%00b"),
    ("an encoded blank", "stays encoded", "/a%20HTTP/1.1"),
    ("encoded dots", "stay encoded", "/a/%2e%2e/%2e%2e/b"),
    ("dots", "stay", "/a/../../b"),
    ("dots with a parameter", "stay", "/a/..;/b"),
    ("slashes", "stay", "//evil.example//a"),
    ("a backslash", "stays", "/a\\..\\b"),
    ("an encoded encoding", "is decoded by nobody", "/a%252e%252e/b"),
    ("an encoding that is none", "stays", "/%zz%"),
    ("an overlong encoding", "stays", "/%c0%ae%c0%ae/b"),
    ("an empty query", "stays", "/a?"),
    ("question marks", "stay", "/a???b"),
    ("a scheme in the path", "stays", "/http://evil.example/"),
)


def _raw(name: str, why: str, target: str) -> Case:
    return refused(name, why, request(f"GET {target} HTTP/1.1") + SMUGGLED)


SPLIT = Group(
    "targets",
    (
        *(_raw(*row) for row in RAW),
        *(forwarded(name, why, get(target), Got("GET", target)) for name, why, target in ENCODED),
        forwarded(
            "a write with dots",
            "counts as a write of everything",
            request(f"POST {CHAT}/../.. HTTP/1.1", "Content-Length: 0", key=KEY),
            Got("POST", f"{CHAT}/../.."),
        ),
    ),
)

GROUPS = (AUTHORITY, SPLIT)
