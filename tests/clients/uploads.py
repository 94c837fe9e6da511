"""Lets PHP's curl send content for which it waits to be asked, and measures for how long it waits.

Whoever asks with `Expect: 100-continue` goes on by himself after a second, so a gateway that never answers is not seen
to fail: each upload only takes a second longer. That second is what is looked for here.
"""

from __future__ import annotations

import argparse
import json
import shutil

from harness import Checks, expect
from playing import HERE, INSTALLED, Client, Run, play_direct, play_through

PROMPT_SECONDS = 0.25
"""Until when the interim answer is there. It takes a millisecond; a busy machine may take more."""

SHORT_SECONDS = 0.5
"""How long an upload takes that waits for nothing. With curl's own patience it takes longer than one second."""

TURN_SECONDS = 1.5
"""How long the second of two uploads waits for its turn at the quota of QUEUED: longer than curl's patience."""

QUEUED = {
    f"CHATHUB_GATEWAY__THROTTLE__{name}__{setting}": value
    for name in ("OPERATOR", "OTHER")
    for setting, value in (("RATE", "40/m"), ("BURST", "1"))
}
"""A quota at which every second upload waits."""

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
    with checks.named("uploads: curl is asked at once, and waits for nothing"):
        direct = play_direct(Client("uploads", command), arguments, directory / "direct")
        through = play_through(Client("uploads", command), arguments, directory / "gateway")
        check_prompt(direct, through)
    with checks.named("uploads: who waits for his turn is not made to wait longer"):
        check_queued(play_through(Client("uploads", command, QUEUED), arguments, directory / "queued"))
    with checks.named("uploads: a refusal comes at once, and before long content is sent"):
        check_refused(play_through(Client("uploads", command, REFUSED), arguments, directory / "refused"))


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


def check_prompt(direct: Run, through: Run) -> None:
    for where, run in ("without the gateway", direct), ("with the gateway", through):
        for upload in uploads(run):
            told = tell(where, upload)
            print(f"    {told}")
            expect(upload["status"] == 200 and upload["sent"] == upload["length"], told)
            expect(upload["asked"] is not None and upload["asked"] < PROMPT_SECONDS, told)
            expect(upload["took"] < SHORT_SECONDS, told)


def check_queued(run: Run) -> None:
    for upload in uploads(run):
        told = tell("in the queue", upload)
        print(f"    {told}")
        expect(upload["status"] == 200 and upload["asked"] is not None, told)
        expect(upload["took"] < TURN_SECONDS + SHORT_SECONDS, told)
        has_waited = upload["took"] > TURN_SECONDS - SHORT_SECONDS
        expect(has_waited or upload["time"] == "first", f"it was to wait for its turn: {told}")
        expect(upload["asked"] < PROMPT_SECONDS, told)


def check_refused(run: Run) -> None:
    for upload in uploads(run):
        told = tell("at the quota", upload)
        expect(upload["took"] < SHORT_SECONDS, told)
        if upload["time"] == "second":
            print(f"    {told}")
            expect(upload["status"] == 429, told)
            expect(upload["sent"] == 0 or upload["upload"] not in NOT_READ, f"{upload['sent']} bytes sent: {told}")
