"""Lets PHP's curl send content for which it waits to be asked, and measures for how long it waits.

Whoever asks with `Expect: 100-continue` goes on by himself after a second, so a gateway that never answers is not seen
to fail: each upload only takes a second longer. That second is what is looked for here.
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Callable
from pathlib import Path

from harness import Checks, Failure, expect
from playing import HERE, INSTALLED, Client, Run, play_direct, play_through

PROMPT_SECONDS = 0.25
"""Until when the interim answer is there. It takes a millisecond; a busy machine may take more."""

SHORT_SECONDS = 0.5
"""How long an upload takes beside its turn. With curl's own patience it takes longer than one second."""

ROUNDS = 3
"""Rounds until all uploads of one are prompt, for the machine may be busy: curl's patience shows in each."""

QUEUED = {
    f"CHATHUB_GATEWAY__THROTTLE__{name}__{setting}": value
    for name in ("OPERATOR", "OTHER")
    for setting, value in (("RATE", "40/m"), ("BURST", "1"))
}
"""A quota at which every second upload waits, for longer than curl's patience."""

REFUSED = QUEUED | {"CHATHUB_GATEWAY__THROTTLE__MAX_WAIT": "0s"}
"""The same, where nobody may wait."""

NOT_READ = ("picture", "long list")
"""Content that the gateway does not read itself, since it makes no list stale or is too long. Of a request that is refused
nobody asks for it."""


def send(arguments: argparse.Namespace, checks: Checks) -> None:
    """Runs the program where nothing waits, where it has to, and where it may not."""
    directory = INSTALLED / "runs/uploads"
    shutil.rmtree(directory, ignore_errors=True)
    command: list = ["php", HERE / "php/uploads.php"]
    free, queued, refused = (Client("uploads", command, settings) for settings in ({}, QUEUED, REFUSED))
    with checks.named("uploads: curl is asked at once, and waits for nothing"):
        in_one_round(
            lambda place: check_prompt("without the gateway", play_direct(free, arguments, place)), directory / "direct"
        )
        in_one_round(
            lambda place: check_prompt("with the gateway", play_through(free, arguments, place)), directory / "gateway"
        )
    with checks.named("uploads: who waits for his turn is not made to wait longer"):
        in_one_round(lambda place: check_queued(play_through(queued, arguments, place)), directory / "queued")
    with checks.named("uploads: a refusal comes at once, and before long content is sent"):
        in_one_round(lambda place: check_refused(play_through(refused, arguments, place)), directory / "refused")


class Late(Failure):
    """Something took longer than it may."""


def in_one_round(play: Callable[[Path], None], directory: Path) -> None:
    """Plays until nothing is late; whatever else is wrong is so at once."""
    for number in range(1, ROUNDS + 1):
        try:
            return play(directory / str(number))
        except Late as late:
            print(f"    round {number}: {late}")
            last = late
    raise last


def expect_prompt(holds: bool, message: str) -> None:
    """Fails the round around it."""
    if not holds:
        raise Late(message)


def waits(run: Run) -> list[float]:
    """For each upload how long it had to wait for its turn, as the gateway tells."""
    lines = [json.loads(line) for line in (run.directory / "gateway.out").read_text("utf-8").splitlines()]
    of_uploads = [line for line in lines if line["route"] != "login"]
    expect(len(of_uploads) == 6, f"six uploads were made, and the access log has {len(of_uploads)}")
    return [line.get("throttle_wait", 0.0) for line in of_uploads]


def uploads(run: Run) -> list[dict]:
    """What the program measured, in the order in which it sent."""
    measured = [json.loads(line) for line in run.transcript]
    expect(len(measured) == 6, f"each of three uploads is made twice, and there are {len(measured)}")
    return measured


def tell(where: str, upload: dict) -> str:
    """The figures of an upload, for the log."""
    asked = "never" if upload["asked"] is None else f"after {upload['asked'] * 1e3:.1f} ms"
    took, length = upload["took"] * 1e3, upload["length"]
    answer = f"answered {upload['status']} after {took:.1f} ms"
    return f"{where}, {upload['time']} {upload['upload']} ({length} bytes): asked for {asked}, {answer}"


def check_prompt(where: str, run: Run) -> None:
    for upload in uploads(run):
        told = tell(where, upload)
        print(f"    {told}")
        expect(upload["status"] == 200 and upload["sent"] == upload["length"], told)
        expect(upload["asked"] is not None, told)
        expect_prompt(upload["asked"] < PROMPT_SECONDS and upload["took"] < SHORT_SECONDS, told)


def check_queued(run: Run) -> None:
    for upload, waited in zip(uploads(run), waits(run), strict=True):
        told = f"{tell('in the queue', upload)}, of which it waited {waited * 1e3:.1f} ms for its turn"
        print(f"    {told}")
        expect(upload["status"] == 200 and upload["asked"] is not None, told)
        expect(waited > 0 or upload["time"] == "first", f"it was to wait for its turn: {told}")
        expect_prompt(upload["took"] < waited + SHORT_SECONDS, told)
        expect_prompt(upload["asked"] < PROMPT_SECONDS, told)


def check_refused(run: Run) -> None:
    for upload in uploads(run):
        told = tell("at the quota", upload)
        if upload["time"] == "second":
            print(f"    {told}")
            expect(upload["status"] == 429, told)
            expect(upload["sent"] == 0 or upload["upload"] not in NOT_READ, f"{upload['sent']} bytes sent: {told}")
        expect_prompt(upload["took"] < SHORT_SECONDS, told)
