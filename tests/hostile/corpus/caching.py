"""Reads that trick a cache: into keeping what is one client's for all, or what was made for a trick (RFC 9111 §7).

What a newcomer would get wrong: only one spelling of each list is ever kept. Every other goes forward to the byte, and
what comes back is nobody else's. After each case somebody else asks for the same target, and the client itself for the
plain list: neither may be given what was made for the trick.
"""

from __future__ import annotations

from .case import (
    KEY,
    LIST,
    ORGANIZATIONS,
    SMUGGLED,
    Case,
    Got,
    Group,
    get,
    length,
    refused,
    request,
    unhurt,
)

PATHS = (
    ("a style sheet's name", "caches that go by endings keep it for all", "/api/operator/x.css?organizationId=24"),
    ("a script's name behind a parameter", "the path ends before, or behind", "/api/operator;x.js?organizationId=24"),
    ("a parameter in the path", "the path ends before, or behind", "/api/operator;x?organizationId=24"),
    ("an encoded question mark", "the path ends before, or behind", "/api/operator%3ForganizationId=24"),
    ("an encoded hash and a name", "the path ends before, or behind", "/api/operator%23x.css?organizationId=24"),
    ("an encoded line feed and a name", "the path ends before, or behind", "/api/operator%0ax.css?organizationId=24"),
    ("an encoded NUL and a name", "the path ends before, or behind", "/api/operator%00x.css?organizationId=24"),
    ("dots with a parameter", "up, or a name", "/api/operator/..;/operator?organizationId=24"),
    ("dots", "up, or a name", "/api/x/../operator?organizationId=24"),
    ("encoded dots", "up, or a name", "/static/%2e%2e/api/operator?organizationId=24"),
    ("an encoded slash", "a slash, or a byte of a name", "/api%2foperator?organizationId=24"),
    ("an encoded letter", "the same path, or another", "/api/%6fperator?organizationId=24"),
    ("a backslash", "a slash, or a byte of a name", "/api\\operator?organizationId=24"),
    ("two slashes before", "an authority, or a path", "//api/operator?organizationId=24"),
    ("two slashes within", "one, or an empty name", "/api//operator?organizationId=24"),
    ("a slash behind", "the same path, or another", "/api/operator/?organizationId=24"),
    ("a dot", "the same path, or another", "/api/./operator?organizationId=24"),
    ("capitals", "the same path, or another", "/API/Operator?organizationId=24"),
)

QUERIES = (
    ("another parameter", "asks for it anew", "organizationId=24&x=1"),
    ("a parameter before", "asks for it anew", "x=1&organizationId=24"),
    ("two organizations", "the first, or the last", "organizationId=24&organizationId=25"),
    ("two organizations behind a semicolon", "one, or two", "organizationId=24;organizationId=25"),
    ("an empty parameter", "the same query, or another", "organizationId=24&"),
    ("encoded digits", "the same query, or another", "organizationId=%32%34"),
    ("an encoded name", "the same query, or another", "organization%49d=24"),
    ("a name in small letters", "the same name, or another", "organizationid=24"),
    ("a number in hexadecimal", "24 to the upstream", "organizationId=0x18"),
    ("a number with zeros", "24 to the upstream", "organizationId=024"),
    ("a number with a plus", "24 to the upstream", "organizationId=+24"),
    ("a number with a blank", "24 to the upstream", "organizationId=24%20"),
    ("a number with a NUL", "24 to one, nothing to another", "organizationId=24%00"),
    ("a number with a line break", "24 to one, nothing to another", "organizationId=24%0d%0a"),
    ("a number beyond 32 bits", "wraps round to 24", "organizationId=4294967320"),
    ("a method in the query", "a delete, or a read", "organizationId=24&_method=DELETE"),
    ("a callback", "a script, or a list", "organizationId=24&callback=x"),
    ("a token in the query", "somebody else's list", "organizationId=24&access_token=victim"),
    ("no organization", "the client's own", ""),
)

FIELDS = (
    ("Range", "a part is no list", "Range: bytes=0-0"),
    ("If-None-Match", "a 304 is no list", "If-None-Match: *"),
    ("If-Modified-Since", "a 304 is no list", "If-Modified-Since: Thu, 01 Jan 2099 00:00:00 GMT"),
    ("Origin", "the answer names it", "Origin: https://evil.example"),
    ("Cookie", "the answer may be its owner's", "Cookie: session=victim"),
    ("Accept-Charset", "another charset", "Accept-Charset: utf-16"),
    ("X-Original-URL", "some servers take it for the target", "X-Original-URL: /api/operator?organizationId=25"),
    ("X-Rewrite-URL", "some servers take it for the target", "X-Rewrite-URL: /api/operator?organizationId=25"),
    ("X-HTTP-Method-Override", "some servers take it for the method", "X-HTTP-Method-Override: DELETE"),
    ("X-HTTP-Method", "some servers take it for the method", "X-HTTP-Method: DELETE"),
    ("X-Method-Override", "some servers take it for the method", "X-Method-Override: HEAD"),
)
"""Fields by which an upstream may choose another answer, which is then not to be kept for the plain list."""

OPAQUE = (
    ("Accept for XML", "another form of the list", "Accept: application/xml"),
    ("Accept for text/json", "another content type", "Accept: text/json"),
    ("Accept with a weight of zero", "everything but JSON", "Accept: application/json;q=0"),
    ("Accept-Encoding", "a coding that others cannot read", "Accept-Encoding: br"),
    ("X-Forwarded-Host", "links to another host", "X-Forwarded-Host: evil.example"),
    ("X-Forwarded-Proto", "links to another scheme", "X-Forwarded-Proto: nothttps"),
    ("Forwarded", "links to another host", "Forwarded: host=evil.example"),
    ("X-Forwarded-For", "another client", "X-Forwarded-For: 127.0.0.1"),
    ("no-store", "not to be kept", "Cache-Control: no-store"),
    ("only-if-cached", "nothing, or the list", "Cache-Control: only-if-cached"),
    ("a field of 20,000 bytes", "too long for the upstream, and the error is kept", "X: " + "x" * 20000),
)


def _told(name: str, why: str, *fields: str) -> Case:
    return Case(name, why, (get(LIST, *fields),), (200,), (Got("GET", LIST),))


def _hit(name: str, why: str, *fields: str, target: str = LIST) -> Case:
    """The plain list is in memory: the trick must not be answered with it."""
    return Case(
        f"{name}, with the list in memory",
        why,
        (get(target, *fields),),
        (200,),
        (Got("GET", target),),
        before=(get(target),),
    )


DECEPTION = Group(
    "spellings of a list",
    (
        *(unhurt(name, why, target) for name, why, target in PATHS),
        *(unhurt(name, why, f"/api/operator?{query}") for name, why, query in QUERIES),
        unhurt("a list of organizations with a query", "asks for it anew", f"{ORGANIZATIONS}?x=1"),
        unhurt("a list of organizations with an empty query", "the same target, or another", f"{ORGANIZATIONS}?"),
        unhurt(
            "a list of organizations with a style sheet's name",
            "caches that go by endings keep it for all",
            f"{ORGANIZATIONS}/x.css",
        ),
        unhurt("a hub's name before a list", "hub traffic is not paced", "/chathub/../api/operator?organizationId=24"),
        Case(
            "an absolute target of a list",
            "the same list",
            (request(f"GET http://evil.example{LIST} HTTP/1.1"),),
            (200,),
            (Got("GET", LIST),),
        ),
    ),
)

CONFUSION = Group(
    "fields that change an answer",
    (
        *(_told(*row) for row in FIELDS),
        *(_hit(*row) for row in FIELDS),
        *(_told(*row) for row in OPAQUE),
        *(
            _told(name, why, field.replace("24", "7"))
            for name, why, field in (("two Accepts", "the first, or both", "Accept: */*\r\nAccept: application/xml"),)
        ),
        refused("a control character in a field", "the upstream's error is kept", get(LIST, "X: \x01") + SMUGGLED),
        Case(
            "HEAD of a list",
            "a list without content",
            (request(f"HEAD {LIST} HTTP/1.1"),),
            (200,),
            (Got("HEAD", LIST),),
        ),
        Case(
            "a method in small letters",
            "a read to the upstream",
            (request(f"get {LIST} HTTP/1.1"),),
            (200,),
            (Got("get", LIST),),
        ),
        Case(
            "POST with an override to GET",
            "a write to us, a read to another",
            (request(f"POST {LIST} HTTP/1.1", "X-HTTP-Method-Override: GET", "Content-Length: 0"),),
            (200,),
            (Got("POST", LIST),),
        ),
        Case(
            "a list with content",
            "the answer may depend on it",
            (get(LIST, length(b"organizationId=25"), body=b"organizationId=25"),),
            (200,),
            (Got("GET", LIST, b"organizationId=25"),),
        ),
        Case(
            "a list with no chunks",
            "content, though there is none",
            (get(LIST, "Transfer-Encoding: chunked", body=b"0\r\n\r\n"),),
            (200,),
            (Got("GET", LIST),),
        ),
        Case(
            "a list without a credential",
            "nobody's list",
            (get(LIST, key=None),),
            (200,),
            (Got("GET", LIST, who="nobody"),),
            before=(get(LIST, KEY, key=None),),
        ),
    ),
)

GROUPS = (DECEPTION, CONFUSION)
