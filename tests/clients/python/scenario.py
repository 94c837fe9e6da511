"""A morning's work with ChatHub: the calls of the operators page, each checked by listing again.

It takes its settings from the environment and expects the data that a new emulator has. It runs alike against ChatHub
itself and against a gateway in front of it, which is the point: the two transcripts must be the same.

    CHATHUB_URL=http://127.0.0.1:2430 CHATHUB_LOGIN=… CHATHUB_PASSWORD=… CHATHUB_KEY=… python scenario.py
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from datetime import datetime, timedelta, timezone

import requests
from chathub import ACTIVE, DELETED, INACTIVE, ChatHub, log_in
from transcript import Transcript

ORGANIZATION = 24
NEWCOMERS = ["Alex Brown", "Emma Davis"]
IMPORTED = [f"Агент {number:03}" if number % 10 == 0 else f"Agent {number:03}" for number in range(1, 251)]
EXPECTED = ["john smith", "Nora Field", "Ївга Петрик"]
UNKNOWN_OPERATOR = 999_999


def main() -> None:
    """Plays all scenes, in this order: later ones count on what earlier ones added."""
    url = os.environ["CHATHUB_URL"]
    transcript = Transcript()
    token = log_in(url, os.environ["CHATHUB_LOGIN"], os.environ["CHATHUB_PASSWORD"], transcript.saw)
    chathub = ChatHub(url, {"Authorization": f"Bearer {token}"}, transcript.saw)

    read(chathub, transcript)
    first, second = add_two(chathub, transcript)
    switch(chathub, first)
    bulk_import(chathub, transcript)
    count(chathub, transcript)
    add_only_missing(chathub, transcript)
    read_organizations(chathub)
    onboard(chathub, transcript, url, second)
    be_refused(chathub, transcript)
    use_a_wrong_token(transcript, url, f"{token}x")
    use_the_profile_key(transcript, url, os.environ["CHATHUB_KEY"])


def read(chathub: ChatHub, transcript: Transcript) -> None:
    everyone = chathub.list_operators(ORGANIZATION)
    active = chathub.active_operators(ORGANIZATION)
    check(len(everyone) == 3 and len(active) == 2, "a new emulator lists three operators, two of them active")
    transcript.result("active operators", [operator["name"] for operator in active])


def add_two(chathub: ChatHub, transcript: Transcript) -> tuple[int, int]:
    added = chathub.add_operators(ORGANIZATION, NEWCOMERS)
    check([operator["name"] for operator in added] == NEWCOMERS, "the answer names those who were added, in order")
    for operator in added:
        check_status(chathub, operator["id"], ACTIVE)
    found = chathub.find_operator(ORGANIZATION, "alex brown")
    check(found is not None and found["id"] == added[0]["id"], "who was added is found by name, in whatever case")
    transcript.result("found by name", found)
    return added[0]["id"], added[1]["id"]


def switch(chathub: ChatHub, operator_id: int) -> None:
    for status in (INACTIVE, ACTIVE, DELETED):
        chathub.set_status(operator_id, status)
        check_status(chathub, operator_id, status)


def bulk_import(chathub: ChatHub, transcript: Transcript) -> None:
    sizes = []
    for added in chathub.import_operators(ORGANIZATION, IMPORTED):
        sizes.append(len(added))
        listed = ids_of(chathub.list_operators(ORGANIZATION))
        check(ids_of(added) <= listed, f"chunk {len(sizes)} of the import is listed once it was added")
    check(sizes == [100, 100, 50], f"250 names are imported as 100, 100 and 50, not as {sizes}")
    names = [operator["name"] for operator in chathub.list_operators(ORGANIZATION)]
    check(set(IMPORTED) <= set(names), "every imported name is listed")
    transcript.result("imported", {"chunks": sizes, "listed": len(names)})


def count(chathub: ChatHub, transcript: Transcript) -> None:
    statistics = chathub.statistics(ORGANIZATION)
    check(
        statistics == {"total": 255, "active": 253, "inactive": 1, "deleted": 1},
        f"3 seeded, 2 added and 250 imported, one inactive and one deleted; not {statistics}",
    )
    transcript.result("statistics", statistics)


def add_only_missing(chathub: ChatHub, transcript: Transcript) -> None:
    first = chathub.add_missing(ORGANIZATION, EXPECTED)
    check([operator["name"] for operator in first] == EXPECTED[1:], "only those who were missing are added")
    second = chathub.add_missing(ORGANIZATION, EXPECTED)
    check(second == [], f"nobody is missing the second time, yet {len(second)} were added")
    transcript.result("missing added", [len(first), len(second)])


def read_organizations(chathub: ChatHub) -> None:
    first, second = chathub.organizations(), chathub.organizations()
    check(ORGANIZATION in ids_of(first), f"organization {ORGANIZATION} is among the company's")
    check(first == second, "the organizations do not change between two reads")


def onboard(chathub: ChatHub, transcript: Transcript, url: str, operator_id: int) -> None:
    expires_at = datetime.now(timezone.utc) + timedelta(hours=8)
    token = chathub.operator_token(operator_id, expires_at.isoformat(timespec="seconds"))
    verdict = chathub.validate_token(token)
    check(verdict["isValid"] and verdict["operatorId"] == operator_id, "the operator's new token is valid")
    operator = ChatHub(url, {"Authorization": f"Bearer {token}"}, transcript.saw)
    check(operator_id in ids_of(operator.list_operators(ORGANIZATION)), "an operator finds itself in its list")


def be_refused(chathub: ChatHub, transcript: Transcript) -> None:
    nameless = refusal(lambda: chathub.add_operators(ORGANIZATION, [" "]))
    check(nameless.status_code == 400, f"a blank name is refused with 400, not with {nameless.status_code}")
    unknown = refusal(lambda: chathub.set_status(UNKNOWN_OPERATOR, INACTIVE))
    check(unknown.status_code == 404, f"an unknown operator is answered with 404, not with {unknown.status_code}")
    transcript.result("refused", [nameless.status_code, unknown.status_code])


def use_a_wrong_token(transcript: Transcript, url: str, token: str) -> None:
    stranger = ChatHub(url, {"Authorization": f"Bearer {token}"}, transcript.saw)
    answer = refusal(lambda: stranger.list_operators(ORGANIZATION))
    challenge = answer.headers.get("WWW-Authenticate", "")
    check(answer.status_code == 401, f"a wrong token is answered with 401, not with {answer.status_code}")
    check(challenge.startswith('Bearer error="invalid_token"'), f"the challenge says what is wrong: {challenge!r}")


def use_the_profile_key(transcript: Transcript, url: str, key: str) -> None:
    by_key = ChatHub(url, {"X-Authorization-Key": key}, transcript.saw)
    listed = by_key.list_operators(ORGANIZATION)
    transcript.result("listed by key", len(listed))
    check(len(listed) == 257, f"the profile key lists all 257 operators, not {len(listed)}")


def refusal(call: Callable[[], object]) -> requests.Response:
    """The answer of a call that must fail."""
    try:
        call()
    except requests.HTTPError as error:
        return error.response
    sys.exit("scenario: the call was to be refused, and was not")


def check_status(chathub: ChatHub, operator_id: int, status: int) -> None:
    """Lists anew and looks for the operator: what was written must show."""
    listed = {operator["id"]: operator["status"] for operator in chathub.list_operators(ORGANIZATION)}
    seen = listed.get(operator_id)
    check(seen == status, f"the list after a write shows status {status}, not {seen}")


def ids_of(items: list[dict]) -> set[int]:
    return {item["id"] for item in items}


def check(holds: bool, expectation: str) -> None:
    if not holds:
        sys.exit(f"scenario: expected: {expectation}")


if __name__ == "__main__":
    main()
