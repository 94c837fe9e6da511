"""What an entry of the corpus is made of.

An entry names what is sent, why somebody would send it, and what the GATEWAY does with it: how it answers, and which
requests its upstream may receive. Other servers may do otherwise and still be safe; judge.py has the rules for all.

Lines end with CRLF and texts are Latin-1, so that every byte can be written. `attacker0000` is replaced by a credential
of the case's own, of the same length: what one case leaves behind is no affair of the next.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

ATTACKER = "attacker0000"
KEY = f"X-Authorization-Key: {ATTACKER}"
BEARER = f"Authorization: Bearer {ATTACKER}"
HOST = "Host: chathub.example"

LIST = "/api/operator?organizationId=24"
ORGANIZATIONS = "/api/company/organization"
CHAT = "/api/chat/7/message"
"""A write whose content is streamed, and which hides no list."""

WRITE = "/api/operator/synchronize"
"""A write whose content is read before it is forwarded."""


def request(line: str, *fields: str, body: bytes = b"", host: str | None = HOST, key: str | None = KEY) -> bytes:
    """A request, to the byte. Host comes first, the credential last."""
    lines = [line, *([host] if host is not None else []), *fields, *([key] if key is not None else []), "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


def get(target: str, *fields: str, body: bytes = b"", key: str | None = KEY) -> bytes:
    """A read."""
    return request(f"GET {target} HTTP/1.1", *fields, body=body, key=key)


def post(*fields: str, body: bytes = b"", target: str = CHAT, key: str | None = KEY) -> bytes:
    """A write, which says of its length what `fields` say."""
    return request(f"POST {target} HTTP/1.1", *fields, body=body, key=key)


def length(body: bytes) -> str:
    """The field that goes with a body."""
    return f"Content-Length: {len(body)}"


SMUGGLED_TARGET = "/smuggled"
SMUGGLED = get(SMUGGLED_TARGET)
"""What must never be taken for a request: whoever sent it may have meant it as content of the one before."""

TAILS = (SMUGGLED, b"0\r\n\r\n" + SMUGGLED, b"hello" + SMUGGLED)
"""What follows a head of doubtful length: nothing, an empty chunked body, or five bytes; and then a request."""


@dataclass(frozen=True)
class Got:
    """A request that the upstream receives. Of the fields those named are compared; None is one that is not there."""

    method: str
    target: str
    body: bytes = b""
    fields: Mapping[str, str | None] = field(default_factory=dict)
    who: str = f"key:{ATTACKER}"

    def with_fields(self, **fields: str | None) -> Got:
        """The same with fields that are compared; an underscore in a name stands for a hyphen."""
        named = {name.replace("_", "-"): value for name, value in fields.items()}
        return Got(self.method, self.target, self.body, {**self.fields, **named}, self.who)


@dataclass(frozen=True)
class Case:
    """An entry."""

    name: str
    why: str
    plays: tuple[bytes, ...]
    """What is sent, each over a connection of its own: one request with different bytes behind it."""

    answers: tuple[int, ...]
    """How the gateway answers, request for request."""

    passes: tuple[Got, ...] = ()
    """What its upstream receives, in order."""

    closes: bool = False
    """Whether the connection must end with the answer."""

    is_doubtful: bool = False
    """Whether two servers may differ about where the request ends, so that nothing behind it is a request."""

    before: tuple[bytes, ...] = ()
    """Requests that are made first, each over a connection of its own: they fill the cache."""

    asks: str = LIST
    """What is asked for afterwards: by somebody else, by nobody, and by the same client without its tricks."""

    ends: bool = False
    """Whether the client says behind its bytes that no more come."""

    either: bool = False
    """Whether a refusal would do as well."""

    http2: bool = False
    """Whether it is played over HTTP/2; the bytes are then frames behind the preface."""


@dataclass(frozen=True)
class Group:
    """Entries that are about one thing, as the table of results names it."""

    name: str
    cases: tuple[Case, ...]

    def __post_init__(self) -> None:
        """Of two with one name, one would be lost in the results."""
        names = [case.name for case in self.cases]
        doubled = {name for name in names if names.count(name) > 1}
        if doubled:
            raise ValueError(f"{self.name}: {doubled} are there more than once")


def refused(name: str, why: str, *plays: bytes, status: int = 400, is_doubtful: bool = False) -> Case:
    """An entry that the gateway answers itself, and after which it closes."""
    return Case(name, why, plays, (status,), closes=True, is_doubtful=is_doubtful)


def doubtful(name: str, why: str, *fields: str, line: str = f"POST {CHAT} HTTP/1.1") -> Case:
    """A head from which one server reads another length than the next: refused, whatever stands behind it."""
    return refused(name, why, *(request(line, *fields, body=tail) for tail in TAILS), is_doubtful=True)


def forwarded(name: str, why: str, sent: bytes, *passes: Got, asks: str = LIST) -> Case:
    """An entry that is a request like any other, and goes forward as it came."""
    return Case(name, why, (sent,), (200,) * len(passes), passes, asks=asks)


def unhurt(name: str, why: str, target: str, *fields: str, passes: Got | None = None) -> Case:
    """A read that goes forward with its target to the byte, and whose answer nobody else is given."""
    got = passes or Got("GET", target)
    return Case(name, why, (get(target, *fields),), (200,), (got,), asks=target)
