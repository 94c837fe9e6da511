"""Plays a case against a server before the recorder, and judges what became of it.

The rules are the same for every server. It is safe if nothing that the recorder received was malformed, altered, or
there twice; if nothing behind a request of doubtful length was taken for another; if whoever asked afterwards, over the
same connection or another, was given an answer made for them alone. From the gateway more is demanded: the answer that
the case names, and exactly the requests that it names.

What a newcomer would get wrong: a server may refuse anything. That is no way to hide, for each case is followed by
requests that it must answer.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import client
import http2
import strict
from client import Answer, Connection, Gone, Silence
from corpus.case import ATTACKER, HOST, LIST, SMUGGLED_TARGET, Case, Got
from recorder import EARLY, Received, Recorder, who

MARKER = "/api/marker"
"""What is asked for over the connection of the case, and over another, to see that each is given its own."""

DECIDING = (*strict.CREDENTIALS, "content-length", "transfer-encoding", "host")
"""Fields that decide where a request goes, where it ends, and whose it is."""

QUIET_SECONDS = 0.3
"""How long a server of which no particular answer is demanded may be silent until it counts as done."""

EARLY_SECONDS = 5
"""How long the rest of a request that is answered before it was read may be on its way."""

Renamed = Callable[[str], str]
"""Puts the credential of a play into a text."""


class Unsafe(Exception):
    """What went wrong."""


@dataclass(frozen=True)
class Peer:
    """A running server before the recorder."""

    name: str
    address: str
    is_ours: bool
    address_http2: str | None = None


@dataclass
class Outcome:
    """What the client of the case saw. A refusal that is no answer, as HTTP/2 has it, is None."""

    answers: list[Answer | None] = field(default_factory=list)
    has_closed: bool = False
    marker: Answer | None = None

    def is_tunnel(self) -> bool:
        """Whether the connection speaks another protocol now."""
        return any(answer and answer.status == 101 for answer in self.answers)


class Bench:
    """A server, its recorder, and a number for each play."""

    def __init__(self, peer: Peer, recorder: Recorder) -> None:
        self.peer = peer
        self.recorder = recorder
        self._plays = 0

    def judge(self, case: Case) -> str | None:
        """Plays all of a case, and tells what is unsafe about it, if anything is."""
        for number, raw in enumerate(case.plays, 1):
            try:
                self._play(case, raw)
            except Unsafe as problem:
                self._settle()
                return f"{problem}" if len(case.plays) == 1 else f"{problem} (play {number})"
        return None

    def _settle(self) -> None:
        """Nothing of a case that went wrong may reach the next: all connections to the upstream are made anew."""
        self.recorder.drop_connections()
        for _ in range(10):
            try:
                if _asked(self.peer, MARKER).status == 200:
                    return
            except Unsafe:
                pass

    def _play(self, case: Case, raw: bytes) -> None:
        self._plays += 1
        trial = Trial(self.peer, self.recorder, case, self._plays)
        for before in case.before:
            trial.once(before)
        self.recorder.take()
        outcome = trial.converse(raw)
        trial.check_new_connection()
        if self.peer.is_ours:
            early = sum(got.target.startswith(EARLY) for got in case.passes)
            self.recorder.wait_for_early(early, EARLY_SECONDS)
        received, faults = self.recorder.take()
        check_received(case, trial.renamed, outcome, received, faults)
        check_marker(case, self.peer, outcome, trial.marker)
        if self.peer.is_ours:
            check_to_the_letter(case, trial.renamed, outcome, received)
        trial.check_lists()
        late, faults = self.recorder.take()
        _demand(not faults, f"later the upstream was sent what is malformed: {faults[:1]}")
        _demand(not any(_is_smuggled(one) for one in late), "later the upstream was sent what was content")


class Trial:
    """One play: its credentials, and what is asked around it."""

    def __init__(self, peer: Peer, recorder: Recorder, case: Case, number: int) -> None:
        self._peer = peer
        self._case = case
        self._number = number
        self.marker = _made_for(f"key:marker{number:04}", MARKER)

    def renamed(self, text: str) -> str:
        """The text with the credential of this play."""
        return text.replace(ATTACKER, f"attacker{self._number:04}")

    def once(self, raw: bytes) -> None:
        """One request ahead, with its answer."""
        with Connection(self._peer.address) as connection:
            connection.send(self._own(raw))
            try:
                connection.answer()
            except (Silence, Gone):
                raise Unsafe("no answer to the request before the case") from None

    def converse(self, raw: bytes) -> Outcome:
        """Sends the case and the marker behind it, and reads what comes."""
        address = self._peer.address_http2 if self._case.http2 else self._peer.address
        with Connection(address or "") as connection:
            if self._case.http2:
                return self._converse_http2(http2.Session(connection), self._own(raw))
            return self._converse_http1(connection, self._own(raw))

    def _converse_http1(self, connection: Connection, raw: bytes) -> Outcome:
        outcome = Outcome()
        connection.send(raw)
        if self._case.ends:
            connection.end()
        try:
            self._read(connection, outcome, is_head=raw.startswith(b"HEAD "))
        except (Silence, Gone):
            pass
        if outcome.is_tunnel():
            return outcome
        if self._case.closes and self._peer.is_ours:
            outcome.has_closed = connection.is_closed()
        elif outcome.answers and not connection.is_gone and not self._case.ends:
            connection.send(self._marker())
            try:
                outcome.marker = connection.answer()
            except (Silence, Gone):
                outcome.has_closed = connection.is_gone
        return outcome

    def _read(self, connection: Connection, outcome: Outcome, is_head: bool) -> None:
        """As many answers as are due, or as come."""
        is_ours, due = self._peer.is_ours, len(self._case.answers)
        while not is_ours or len(outcome.answers) < due:
            has_content = not (is_head and not outcome.answers)
            answer = connection.answer(has_content, client.ANSWER_SECONDS if is_ours else QUIET_SECONDS)
            outcome.answers.append(answer)
            if answer.status == 101:
                return

    def _converse_http2(self, session: http2.Session, frames: bytes) -> Outcome:
        outcome = Outcome()
        session.send(frames)
        try:
            outcome.answers.append(session.answer())
        except http2.Refused:
            outcome.answers.append(None)
        except Silence:
            return outcome
        outcome.has_closed = session.is_gone
        if not session.is_gone:
            key = ("x-authorization-key", self.marker["who"].removeprefix("key:"))
            path, scheme, method = (":path", MARKER), (":scheme", "http"), (":method", "GET")
            host = (":authority", "chathub.example")
            session.send(http2.headers((method, scheme, host, path, key), stream=3))
            try:
                outcome.marker = session.answer(stream=3)
            except (Silence, http2.Refused):
                outcome.has_closed = session.is_gone
        return outcome

    def check_new_connection(self) -> None:
        """Whoever comes next is given its own."""
        answer = _asked(self._peer, MARKER, f"X-Authorization-Key: marker{self._number:04}")
        _demand(answer.status == 200, f"the next connection was answered {answer.status}")
        _demand(answer.made_for() == self.marker, f"the next connection was given {answer.made_for()}")

    def check_lists(self) -> None:
        """Somebody else, nobody, and the client without its tricks are given what was made for them."""
        number, target = self._number, self._case.asks
        for name, asked in ((f"victim{number:04}", target), (None, target), (f"attacker{number:04}", LIST)):
            answer = _asked(self._peer, asked, *([f"X-Authorization-Key: {name}"] if name else []))
            own = _made_for(f"key:{name}" if name else "nobody", asked)
            _demand(answer.status == 200 or asked != LIST, f"{asked} was then answered {answer.status}")
            _demand(
                answer.status != 200 or answer.made_for() == own, f"{own['who']} was then given {answer.made_for()}"
            )

    def _own(self, raw: bytes) -> bytes:
        return self.renamed(raw.decode("latin-1")).encode("latin-1")

    def _marker(self) -> bytes:
        key = f"X-Authorization-Key: marker{self._number:04}"
        return "\r\n".join([f"GET {MARKER} HTTP/1.1", HOST, key, "", ""]).encode()


def _asked(peer: Peer, target: str, *fields: str) -> Answer:
    try:
        return client.get(peer.address, target, *fields)
    except (Silence, Gone):
        raise Unsafe(f"a good request for {target} was not answered") from None


def _made_for(asker: str, target: str) -> dict[str, object]:
    return {"who": asker, "asked": f"GET {target}", "told": {}}


def check_received(case: Case, renamed: Renamed, outcome: Outcome, received: list[Received], faults: list[str]) -> None:
    """What no upstream should ever be sent."""
    _demand(not faults, f"the upstream was sent what is malformed: {faults[0] if faults else ''}")
    own = [one for one in received if one.head.target != MARKER]
    shadows = [name for one in own for name, _ in one.head.fields + one.trailers if _is_shadow(name)]
    _demand(not shadows, f"the upstream was sent {shadows}, which a server of the CGI kind takes for another field")
    trailers = [name for one in own for name, _ in one.trailers if name in DECIDING]
    _demand(not trailers, f"the upstream was sent trailers that decide: {trailers}")
    if case.is_doubtful:
        _demand(not any(_is_smuggled(one) for one in own), "what may be content was taken for a request")
    others = [one for one in own if case.passes or not _is_smuggled(one)]
    _demand(len(others) <= max(1, len(case.answers)), f"the upstream was sent {[str(one) for one in others]}")
    for one in others if case.passes and not case.closes else []:
        problems = [_difference(got, one, renamed) for got in case.passes]
        _demand(None in problems, f"the upstream was sent {one}: {problems[0]}")
    for one in [] if case.passes else others:
        is_sent = any(one.head.target in renamed(play.decode("latin-1")) for play in case.plays)
        _demand(is_sent, f"the upstream was sent {one}, a target that nobody sent")
    _demand(not outcome.is_tunnel() or 101 in case.answers, "a tunnel was opened that nothing passes by")


def check_marker(case: Case, peer: Peer, outcome: Outcome, own: dict[str, object]) -> None:
    """Whoever comes next on the same connection is given its own, or nothing."""
    if outcome.marker is None:
        is_over = case.closes or case.ends or outcome.has_closed or outcome.is_tunnel()
        _demand(is_over or not peer.is_ours or not outcome.answers, "the same connection stayed open, and was dead")
        return
    made_for = outcome.marker.made_for()
    _demand(made_for in (None, own), f"the same connection was then given {made_for}")
    _demand(
        not (case.is_doubtful and made_for == own), "the connection stayed open, though its next request is anywhere"
    )
    _demand(not peer.is_ours or made_for == own, f"the same connection was then answered {outcome.marker.status}")


def check_to_the_letter(case: Case, renamed: Renamed, outcome: Outcome, received: list[Received]) -> None:
    """What the case says of the gateway."""
    statuses = [answer.status if answer else None for answer in outcome.answers]
    own = [one for one in received if one.head.target != MARKER]
    if case.either and not own and _is_refusal(case, statuses):
        return
    is_right = statuses == list(case.answers) or case.http2 and case.answers[0] != 200 and _is_refusal(case, statuses)
    _demand(is_right, f"answered {statuses}, not {list(case.answers)}")
    _demand(len(own) == len(case.passes), f"the upstream was sent {[str(one) for one in own]}")
    for got, one in zip(case.passes, own, strict=True):
        problem = _difference(got, one, renamed) or _difference_of_fields(got, one)
        _demand(problem is None, f"the upstream was sent {one}: {problem}")
    _demand(not case.closes or outcome.has_closed, "the connection stayed open")


def _is_refusal(case: Case, statuses: list[int | None]) -> bool:
    """Over HTTP/2 a malformed request is answered 400, or its stream is reset (RFC 9113 §8.1.1)."""
    return all(status is None or 400 <= status < 500 for status in statuses) and bool(statuses)


def _difference(got: Got, one: Received, renamed: Renamed) -> str | None:
    """What of a request is not as it was sent. Some ask GET for HEAD, to keep the answer."""
    method = "HEAD" if got.method == "HEAD" and one.head.method == "GET" else one.head.method
    pairs = (
        ("the method", got.method, method),
        ("the target", renamed(got.target), one.head.target),
        ("the credential", renamed(got.who), who(one.head)),
    )
    for what, expected, found in pairs:
        if expected != found:
            return f"{what} is {found!r}, not {expected!r}"
    expected = renamed(got.body.decode("latin-1")).encode("latin-1")
    return None if one.body == expected else f"the content is {one.body[:80]!r}"


def _difference_of_fields(got: Got, one: Received) -> str | None:
    for name, expected in got.fields.items():
        found = one.head.value(name)
        if expected != found:
            return f"{name} is {found!r}, not {expected!r}"
    return None


def _is_shadow(name: str) -> bool:
    """CGI makes of both characters the same, and so do all who came after it."""
    return "_" in name and name.replace("_", "-") in DECIDING


def _is_smuggled(one: Received) -> bool:
    return one.head.target.startswith(SMUGGLED_TARGET)


def _demand(holds: object, problem: str) -> None:
    if not holds:
        raise Unsafe(problem)
