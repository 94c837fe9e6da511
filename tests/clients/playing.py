"""What the tests with client programs share: running one, with the gateway or without, and what that leaves behind.

A program is told where ChatHub is by its environment, as a service is, and prints what it saw. Whatever is judged
afterwards is read from files, which stay for the reader.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import harness
from harness import Checks, Failure, expect, tail

HERE = harness.ROOT / "tests/clients"
INSTALLED = harness.TARGET / "clients"

PLAY_SECONDS = 120
"""How long one run may take; at the default pace it takes five seconds."""

SECRETS = {
    "the login": re.escape(harness.LOGIN),
    "the password": re.escape(harness.PASSWORD),
    "the profile key": re.escape(harness.KEY),
    "a token": r"eyJ[A-Za-z0-9_-]{5,}",
}
"""What must never be printed. A token is any text that begins as every JWT does, so that a part of one is found too."""


@dataclass(frozen=True)
class Client:
    """A client program, and the settings of the gateway it is run through."""

    name: str
    command: list[str | Path]
    settings: Mapping[str, str] = field(default_factory=dict)
    settled: Callable[[harness.Emulator], bool] = lambda chathub: True
    """What becomes so at ChatHub once the program has ended, while the gateway still runs."""

    @property
    def is_paced(self) -> bool:
        """Whether it meets the default quota."""
        return not self.settings


@dataclass(frozen=True)
class Run:
    """What one run of a client left behind."""

    directory: Path
    counters: dict[str, int]
    received: list[dict]
    exit_code: int | None = None

    @property
    def transcript(self) -> list[str]:
        """What the client saw, line by line."""
        return (self.directory / "transcript.jsonl").read_text("utf-8").splitlines()


def copy_node_programs() -> None:
    """Puts the Node programs beside their packages: modules look for packages nowhere else."""
    (INSTALLED / "node").mkdir(parents=True, exist_ok=True)
    for source in [*HERE.glob("node/*.js"), HERE / "node/package.json"]:
        shutil.copy(source, INSTALLED / "node")


def play_both(client: Client, arguments: argparse.Namespace, directory: Path) -> tuple[Run, Run]:
    """Runs a program without the gateway and then with it."""
    shutil.rmtree(directory, ignore_errors=True)
    return play_direct(client, arguments, directory / "direct"), play_through(client, arguments, directory / "gateway")


def play_direct(client: Client, arguments: argparse.Namespace, directory: Path) -> Run:
    """Runs a program straight at an emulator."""
    with harness.emulator(arguments.emulator, directory) as chathub:
        _play(client, chathub.url, chathub, directory)
        return _left_behind(directory, chathub)


def play_through(client: Client, arguments: argparse.Namespace, directory: Path) -> Run:
    """Runs a program at a gateway before an emulator."""
    with harness.emulator(arguments.emulator, directory) as chathub:
        with harness.gateway(arguments.gateway, chathub.url, directory, client.settings) as between:
            _play(client, between.url, chathub, directory)
            harness.wait_until("ChatHub settles", lambda: client.settled(chathub) or None, between.program)
            (directory / "metrics").write_text(between.metrics(), "utf-8")
            exit_code = between.program.stop()
        return _left_behind(directory, chathub, exit_code)


def _left_behind(directory: Path, chathub: harness.Emulator, exit_code: int | None = None) -> Run:
    return Run(directory, chathub.counters(), chathub.received(), exit_code)


def _play(client: Client, url: str, chathub: harness.Emulator, directory: Path) -> None:
    program = str(client.command[0])
    expect(shutil.which(program) is not None, f"{program} is missing: tests/run clients installs it")
    settings = {
        "CHATHUB_URL": url,
        "CHATHUB_CONTROL": chathub.control,
        "CHATHUB_LOGIN": harness.LOGIN,
        "CHATHUB_PASSWORD": harness.PASSWORD,
        "CHATHUB_KEY": harness.KEY,
    }
    errors = directory / "client.err"
    with (directory / "transcript.jsonl").open("wb") as out, errors.open("wb") as err:
        ended = subprocess.run(
            client.command,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            env=harness.environment(settings),
            timeout=PLAY_SECONDS,
        )
    expect(ended.returncode == 0, f"the program ended with {ended.returncode}\n{tail(errors)}\nmore in {directory}")


# === judging ===


def compare(client: Client, direct: Run, through: Run, checks: Checks) -> None:
    """The checks that every program must pass."""
    with checks.named(f"{client.name}: what the program saw is the same with and without the gateway"):
        check_same("without", direct.transcript, "with", through.transcript)
    with checks.named(f"{client.name}: no credential was printed, logged or counted"):
        _check_secrets(through)
    with checks.named(f"{client.name}: the gateway ended when asked, in good order"):
        last_words = tail(through.directory / "gateway.err")
        expect(through.exit_code == 0, f"its exit code is {through.exit_code}\n{last_words}")


def check_same(name: str, lines: list[str], other_name: str, other_lines: list[str]) -> None:
    """Two transcripts must be the same, line by line."""
    for number, (line, other) in enumerate(zip(lines, other_lines), start=1):
        if line != other:
            one, two = _around_difference(line, other)
            raise Failure(f"line {number}: {line[:60]}\n{name}: {one}\n{other_name}: {two}")
    expect(len(lines) == len(other_lines), f"{name}: {len(lines)} lines\n{other_name}: {len(other_lines)} lines")


def _around_difference(one: str, other: str) -> tuple[str, str]:
    """Where two lines part; they can be long, so only what is around that place."""
    at = next((at for at, (a, b) in enumerate(zip(one, other)) if a != b), min(len(one), len(other)))
    around = slice(max(0, at - 60), at + 120)
    return one[around], other[around]


def _check_secrets(run: Run) -> None:
    names = ("transcript.jsonl", "client.err", "gateway.out", "gateway.err", "metrics")
    found = [place for name in names for place in _secrets_in(run.directory / name)]
    expect(not found, "\n".join(found[:10]))


def _secrets_in(path: Path) -> list[str]:
    """Where a file shows what it must not; what it shows is not shown again."""
    lines = enumerate(path.read_text("utf-8").splitlines(), start=1)
    shown = [(number, what) for number, line in lines for what, form in SECRETS.items() if re.search(form, line)]
    return [f"{path}:{number} shows {what}" for number, what in shown]
