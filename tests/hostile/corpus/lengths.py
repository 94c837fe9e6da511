"""Heads from which two servers read two lengths: the root of all smuggling (RFC 9112 §6.3, §11.2).

Each is played with three tails, so that whichever length a server reads, a request is left over that nobody sent.
"""

from __future__ import annotations

from .case import (
    CHAT,
    HOST,
    KEY,
    SMUGGLED,
    WRITE,
    Case,
    Got,
    Group,
    doubtful,
    forwarded,
    get,
    length,
    post,
    refused,
    request,
)

CHUNKED = "Transfer-Encoding: chunked"

BOTH = Group(
    "both framing fields",
    (
        doubtful("CL.TE", "one goes by the length, the next by the chunks", "Content-Length: 53", CHUNKED),
        doubtful("TE.CL", "the same the other way round", CHUNKED, "Content-Length: 5"),
        doubtful("CL.TE with a length of zero", "zero may count as none", "Content-Length: 0", CHUNKED),
        doubtful(
            "TE.CL with an unknown coding",
            "whoever drops the coding keeps the length",
            "Transfer-Encoding: cow",
            "Content-Length: 5",
        ),
        doubtful(
            "identity and a length", "identity was a coding once", "Transfer-Encoding: identity", "Content-Length: 5"
        ),
        doubtful("an empty coding and a length", "empty may count as none", "Transfer-Encoding:", "Content-Length: 5"),
        doubtful(
            "a coding that Connection names",
            "a hop-by-hop field leaves the length alone",
            "Connection: Transfer-Encoding",
            CHUNKED,
            "Content-Length: 5",
        ),
        doubtful(
            "both on a list",
            "reads of lists are often let through",
            CHUNKED,
            "Content-Length: 5",
            line="GET /api/operator?organizationId=24 HTTP/1.1",
        ),
        doubtful(
            "chunks of HTTP/1.0",
            "HTTP/1.0 has none, so a server reads no content",
            CHUNKED,
            line=f"POST {CHAT} HTTP/1.0",
        ),
        doubtful(
            "both of HTTP/1.0",
            "only the length is known there",
            CHUNKED,
            "Content-Length: 5",
            "Connection: keep-alive",
            line=f"POST {CHAT} HTTP/1.0",
        ),
    ),
)

LENGTHS = (
    ("twice, different", "the first or the last", "Content-Length: 5", "Content-Length: 58"),
    ("twice, equal", "some repair it, some refuse it", "Content-Length: 5", "Content-Length: 5"),
    ("twice, the second empty", "the first or none", "Content-Length: 5", "Content-Length:"),
    ("a list of equals", "some repair it, some read 5", "Content-Length: 5, 5"),
    ("a list", "the first or the last", "Content-Length: 5, 58"),
    ("a comma before it", "an empty member may be dropped", "Content-Length: ,5"),
    ("a comma behind it", "an empty member may be dropped", "Content-Length: 5,"),
    ("a plus", "number parsers take a sign", "Content-Length: +5"),
    ("a minus", "a negative number may count as huge", "Content-Length: -5"),
    ("minus zero", "or as none", "Content-Length: -0"),
    ("hexadecimal", "0 or 5", "Content-Length: 0x5"),
    ("a point", "5 or 50", "Content-Length: 5.0"),
    ("an exponent", "5 or 50", "Content-Length: 5e1"),
    ("an underscore", "number parsers of some languages skip it: 5 or 53", "Content-Length: 5_3"),
    ("a blank within", "5 or 53", "Content-Length: 5 3"),
    ("quotes", "some fields may be quoted", 'Content-Length: "5"'),
    ("nothing", "zero or none", "Content-Length:"),
    ("blanks", "zero or none", "Content-Length:  \t "),
    ("2^64 and 5", "64 bits wrap round to 5", "Content-Length: 18446744073709551621"),
    ("2^32 and 5, as text behind", "5 or none", "Content-Length: 5;4294967301"),
    ("a no-break space", "trimming by Unicode takes it away", "Content-Length: \xa05"),
    ("digits of another script", "digits by Unicode, in UTF-8", "Content-Length: \xd9\xa5"),
    ("a vertical tab", "trimming by C takes it away", "Content-Length: \x0b5"),
    ("a NUL behind it", "C ends the text there", "Content-Length: 5\x003"),
    ("folded", "a folded line is a value, or none", "Content-Length:\r\n 5"),
    ("a blank behind the name", "another name, or the same", "Content-Length : 5"),
    ("a tab behind the name", "another name, or the same", "Content-Length\t: 5"),
    ("a blank before the name", "continues Host, or is a field", " Content-Length: 5"),
    ("a NUL in the name", "C ends the name there", "Content-Length\x00: 5"),
    ("behind a bare line feed", "a line of its own, or the end of X", "X: y\nContent-Length: 5"),
    ("behind a bare carriage return", "a line of its own, or the end of X", "X: y\rContent-Length: 5"),
)

CODINGS = (
    ("chunked twice", "a chunked body in a chunked body", "Transfer-Encoding: chunked, chunked"),
    ("two fields", "the same", CHUNKED, CHUNKED),
    ("identity behind it", "not chunked in the end, or is it", "Transfer-Encoding: chunked, identity"),
    ("identity before it", "not chunked at first, or is it", "Transfer-Encoding: identity, chunked"),
    ("a field with another", "the first or the last", CHUNKED, "Transfer-Encoding: cow"),
    ("gzip before it", "content that we could not read", "Transfer-Encoding: gzip, chunked"),
    ("gzip alone", "ends with the connection, and so never", "Transfer-Encoding: gzip"),
    ("a letter before it", "some look for the word within", "Transfer-Encoding: xchunked"),
    ("a letter behind it", "some compare the beginning", "Transfer-Encoding: chunkedx"),
    ("a parameter", "compared with or without", "Transfer-Encoding: chunked;q=1"),
    ("quotes", "compared with or without", 'Transfer-Encoding: "chunked"'),
    ("commas around it", "empty members may be dropped", "Transfer-Encoding: ,chunked,"),
    ("a vertical tab", "trimming by C takes it away", "Transfer-Encoding: \x0bchunked"),
    ("a form feed", "trimming by C takes it away", "Transfer-Encoding: chunked\x0c"),
    ("a no-break space", "trimming by Unicode takes it away", "Transfer-Encoding: \xa0chunked"),
    ("a NUL behind it", "C ends the text there", "Transfer-Encoding: chunked\x00"),
    ("the long s", "folds to a common s in Unicode", "Tran\xc5\xbffer-Encoding: chunked"),
    ("folded", "a folded line is a value, or none", "Transfer-Encoding:\r\n chunked"),
    ("folded before the comma", "chunked, or cow", "Transfer-Encoding: chunked\r\n , cow"),
    ("a blank behind the name", "another name, or the same", "Transfer-Encoding : chunked"),
    ("a tab behind the name", "another name, or the same", "Transfer-Encoding\t: chunked"),
    ("a blank before the name", "continues Host, or is a field", " Transfer-Encoding: chunked"),
    ("a blank within the name", "another name, or the same", "Transfer- Encoding: chunked"),
    ("a control before the name", "another name, or the same", "\x01Transfer-Encoding: chunked"),
    ("a colon before the name", "an empty name, or this one", ":Transfer-Encoding: chunked"),
    ("behind a bare line feed", "a line of its own, or the end of X", "X: y\nTransfer-Encoding: chunked"),
    ("behind a bare carriage return", "a line of its own, or the end of X", "X: y\rTransfer-Encoding: chunked"),
)

LENGTH = Group("lengths", tuple(doubtful(name, why, *fields) for name, why, *fields in LENGTHS))

CODING = Group("codings", tuple(doubtful(name, why, *fields) for name, why, *fields in CODINGS))


def _carried(method: str, target: str) -> Case:
    body = SMUGGLED
    sent = request(f"{method} {target} HTTP/1.1", length(body), body=body)
    return forwarded(
        f"{method} of {target} with a request for content",
        "whoever forgets the content takes it for a request",
        sent,
        Got(method, target, body),
    )


def _chunked(method: str, target: str) -> Case:
    body = SMUGGLED
    sent = request(f"{method} {target} HTTP/1.1", CHUNKED, body=b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body))
    return forwarded(
        f"{method} with a request in chunks", "the same with the other framing", sent, Got(method, target, body)
    )


def _cut(name: str, sent: bytes) -> Case:
    why = "what is missing must not be taken from the next request"
    return Case(name, why, (sent,), (400,), closes=True, is_doubtful=True, ends=True)


def _shadowed(field: str) -> Case:
    why = "to a program behind a server of the CGI kind it is the real one"
    return Case(f"{field}, with an underscore", why, (post(field),), (200,), (Got("POST", CHAT),), either=True)


CONTENT = Group(
    "content that looks like a request",
    (
        *(_carried(method, "/api/nothing") for method in ("GET", "HEAD", "OPTIONS", "DELETE", "PUT", "get")),
        *(_chunked(method, "/api/nothing") for method in ("GET", "HEAD", "OPTIONS", "DELETE")),
        _carried("POST", CHAT),
        _carried("POST", WRITE),
        _chunked("PUT", CHAT),
        forwarded(
            "CL.0",
            "without a length there is no content, so these are two",
            post() + SMUGGLED,
            Got("POST", CHAT),
            Got("GET", "/smuggled"),
        ),
        forwarded(
            "a length of zero",
            "these are two as well",
            post("Content-Length: 0") + SMUGGLED,
            Got("POST", CHAT),
            Got("GET", "/smuggled"),
        ),
        forwarded(
            "zeros before a length",
            "not octal",
            post("Content-Length: 0012", body=b"twelve bytes"),
            Got("POST", CHAT, b"twelve bytes"),
        ),
        forwarded(
            "blanks around a length",
            "they do not count",
            post("Content-Length:\t 5 \t", body=b"hello"),
            Got("POST", CHAT, b"hello"),
        ),
        forwarded(
            "framing in capitals",
            "neither name nor coding has case",
            post("TRANSFER-ENCODING: CHUNKED", body=b"5\r\nhello\r\n0\r\n\r\n"),
            Got("POST", CHAT, b"hello"),
        ),
        forwarded(
            "a read of HTTP/1.0 with content",
            "a length is all it needs",
            request(f"GET {CHAT} HTTP/1.0", "Content-Length: 5", body=b"hello"),
            Got("GET", CHAT, b"hello"),
        ),
        _cut("content cut short", post("Content-Length: 500", body=SMUGGLED)),
        _cut("content of a buffered write cut short", post("Content-Length: 500", body=SMUGGLED, target=WRITE)),
        _cut("chunks cut short", post(CHUNKED, body=b"500\r\n" + SMUGGLED)),
        _shadowed("Content_Length: 53"),
        _shadowed("Transfer_Encoding: chunked"),
        refused(
            "a head of framing alone",
            "who sends no host sends nothing",
            f"POST {CHAT} HTTP/1.1\r\n{KEY}\r\nContent-Length: 5\r\n\r\n".encode() + b"hello" + SMUGGLED,
        ),
        Case(
            "a head cut short",
            "half a head is no request",
            (f"GET {CHAT} HTTP/1.1\r\n{HOST}\r\n".encode(),),
            (),
            closes=True,
            ends=True,
        ),
        forwarded(
            "a fat read of a list",
            "content makes it a request of its own",
            get("/api/operator?organizationId=24", length(SMUGGLED), body=SMUGGLED),
            Got("GET", "/api/operator?organizationId=24", SMUGGLED),
        ),
    ),
)

GROUPS = (BOTH, LENGTH, CODING, CONTENT)
