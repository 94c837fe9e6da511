"""Who asks: credentials that are two, or none, for another server (contract section 3)."""

from __future__ import annotations

from .case import ATTACKER, BEARER, CHAT, KEY, LIST, SMUGGLED, Case, Got, Group, get, post, refused, request

VICTIM = "victim-token"
BOTH = f"bearer:Bearer {ATTACKER}+key:{ATTACKER}"


def _repeated(name: str, *fields: str) -> Case:
    why = "the cache goes by one, the upstream by the other"
    return Case(name, why, (request(f"GET {LIST} HTTP/1.1", *fields, key=None),), (400,))


def _list(name: str, why: str, *fields: str, who: str = f"key:{ATTACKER}", **compared: str | None) -> Case:
    got = Got("GET", LIST, who=who).with_fields(**compared)
    return Case(name, why, (get(LIST, *fields, key=None),), (200,), (got,))


def _shadow(name: str, field: str) -> Case:
    why = "to a program behind a server of the CGI kind it is the real one"
    return Case(name, why, (get(LIST, field, key=KEY),), (200,), (Got("GET", LIST),), either=True)


def _blurred(name: str, field: str) -> Case:
    return refused(name, "a credential, or none", request(f"GET {LIST} HTTP/1.1", field, key=None) + SMUGGLED)


GROUP = Group(
    "credentials",
    (
        _repeated("two bearers", BEARER, f"Authorization: Bearer {VICTIM}"),
        _repeated("one bearer twice", BEARER, BEARER),
        _repeated("two keys", KEY, f"X-Authorization-Key: {VICTIM}"),
        _repeated("one key twice, in other letters", KEY, KEY.lower()),
        _repeated("two keys, one empty", KEY, "X-Authorization-Key:"),
        _repeated("two schemes", BEARER, "Authorization: Basic dTpw"),
        _list("a bearer and a key", "nobody knows which counts", BEARER, KEY, who=BOTH),
        _list(
            "a bearer and an empty key",
            "nobody knows whether it counts",
            BEARER,
            "X-Authorization-Key:",
            who=f"bearer:Bearer {ATTACKER}+key:",
        ),
        _list(
            "a list of bearers",
            "one, or two",
            f"Authorization: Bearer {ATTACKER}, Bearer {VICTIM}",
            who=f"bearer:Bearer {ATTACKER}, Bearer {VICTIM}",
        ),
        _list(
            "a list of keys",
            "one, or two",
            f"X-Authorization-Key: {ATTACKER}, {VICTIM}",
            who=f"key:{ATTACKER}, {VICTIM}",
        ),
        _list(
            "a bearer with a blank within",
            "one, or two",
            f"Authorization: Bearer {ATTACKER} {VICTIM}",
            who=f"bearer:Bearer {ATTACKER} {VICTIM}",
        ),
        _list(
            "a bearer in small letters",
            "the scheme has no case",
            f"Authorization: bearer {ATTACKER}",
            who=f"bearer:bearer {ATTACKER}",
        ),
        _list(
            "a bearer with high bytes",
            "not a token",
            f"Authorization: Bearer {ATTACKER}\xff",
            who=f"bearer:Bearer {ATTACKER}\xff",
        ),
        _list("another scheme", "not a credential of this API", "Authorization: Basic dTpw", who="bearer:Basic dTpw"),
        _list("a scheme alone", "no credential", "Authorization: Bearer", who="bearer:Bearer"),
        _list("an empty key", "no credential", "X-Authorization-Key:", who="key:"),
        _list("blanks around a key", "they do not count", f"X-Authorization-Key: \t{ATTACKER}\t "),
        _list("no credential", "nobody's list is nobody else's", who="nobody"),
        _list(
            "credentials for a proxy",
            "for the gateway, and no further",
            KEY,
            "Proxy-Authorization: Basic dTpw",
            proxy_authorization=None,
        ),
        _shadow("a key with underscores", f"X_Authorization_Key: {VICTIM}"),
        _shadow("a key with one underscore", f"X-Authorization_Key: {VICTIM}"),
        _shadow("a key with underscores in small letters", f"x_authorization_key: {VICTIM}"),
        Case(
            "only a key with underscores",
            "to the gateway nobody, to another the victim",
            (get(LIST, f"X_Authorization_Key: {VICTIM}", key=None),),
            (200,),
            (Got("GET", LIST, who="nobody"),),
            either=True,
        ),
        Case(
            "a write with a key with underscores",
            "as the victim",
            (post("Content-Length: 0", f"X_Authorization_Key: {VICTIM}"),),
            (200,),
            (Got("POST", CHAT),),
            either=True,
        ),
        _blurred("a blank behind a key's name", f"X-Authorization-Key : {ATTACKER}"),
        _blurred("a blank before a key's name", f" X-Authorization-Key: {ATTACKER}"),
        _blurred("a NUL in a key", f"X-Authorization-Key: {ATTACKER}\x00{VICTIM}"),
        _blurred("a NUL in a key's name", f"X-Authorization-Key\x00: {ATTACKER}"),
        _blurred("a folded bearer", f"Authorization: Bearer\r\n {ATTACKER}"),
        _blurred("a key behind a bare line feed", f"X: y\nX-Authorization-Key: {ATTACKER}"),
        _blurred("a key behind a bare carriage return", f"X: y\rX-Authorization-Key: {ATTACKER}"),
    ),
)

GROUPS = (GROUP,)
