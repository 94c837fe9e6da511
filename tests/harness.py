"""What the tests with real programs share: starting, watching and stopping programs, and naming checks.

Two rules keep these tests from being flaky. Nothing is waited for by a fixed sleep: whoever waits names an event, polls
for it and gives up after a bound, or as soon as the program has ended. And no port is guessed: programs bind port 0
and tell which one they got.
"""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parent.parent
TARGET = Path(os.environ.get("CARGO_TARGET_DIR") or ROOT / "target").absolute()

START_SECONDS = 20
"""How long a program may take until it serves."""

STOP_SECONDS = 40
"""How long it may take to end: longer than the gateway's own deadline of 25 s."""

LOGIN = "demo@acme.example"
PASSWORD = "demo-password-acme"
KEY = "demo-profile-key-acme"
"""Credentials that the emulator knows from its start, and that are worth nothing elsewhere."""

T = TypeVar("T")


class Failure(Exception):
    """What a check found wrong, in words for the reader of the log."""


def expect(holds: bool, message: str) -> None:
    """Fails the check around it."""
    if not holds:
        raise Failure(message)


class Checks:
    """Prints each check with its verdict, and adds a line for it to the report that tests/run counts."""

    def __init__(self) -> None:
        self.report = os.environ.get("CHECKS_REPORT")
        self.failed = 0

    @contextmanager
    def named(self, name: str) -> Iterator[None]:
        """A check: it fails if what stands inside raises, and what comes after it goes on."""
        started = time.monotonic()
        try:
            yield
        except Exception as problem:
            self._note(name, "failed", started)
            # What a check found speaks for itself; anything else is a fault of the test, and one wants to know where.
            story = str(problem) if isinstance(problem, Failure) else traceback.format_exc()
            print(_indented(story), flush=True)
        else:
            self._note(name, "passed", started)

    def _note(self, name: str, verdict: str, started: float) -> None:
        self.failed += verdict == "failed"
        print(f"{verdict}: {name} ({time.monotonic() - started:.1f} s)", flush=True)
        if self.report:
            with open(self.report, "a", encoding="utf-8") as report:
                report.write(f"{verdict} {name}\n")


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.splitlines())


def end_on_signals() -> None:
    """Makes SIGTERM unwind the stack as Ctrl-C does, so that every program that was started is stopped."""
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))


def wait_until(what: str, probe: Callable[[], T | None], program: Program, seconds: float = START_SECONDS) -> T:
    """Polls until the probe returns something, and returns it."""
    deadline = time.monotonic() + seconds
    is_last = False
    while True:
        program.expect_running(what)
        found = probe()
        if found is not None:
            return found
        # However late it is, one looks once more: it may be we who were held up, and not what is waited for.
        expect(not is_last, f"{what}: not within {seconds} s\n{program.last_words()}")
        time.sleep(0.02)  # between two looks, not for an event
        is_last = time.monotonic() >= deadline


@dataclass
class Program:
    """A program in the background; what it prints goes to two files that stay for the reader."""

    name: str
    command: list[str | Path]
    directory: Path
    settings: Mapping[str, str] = field(default_factory=dict)
    is_contained: bool = False
    """Whether its environment holds nothing but its settings, as a container's does."""

    def __post_init__(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        self.out = self.directory / f"{self.name}.out"
        self.err = self.directory / f"{self.name}.err"

    def __enter__(self) -> Program:
        expect(Path(self.command[0]).exists(), f"{self.command[0]} is missing: tests/run builds and installs it")
        with self.out.open("wb") as out, self.err.open("wb") as err:
            env = dict(self.settings) if self.is_contained else environment(self.settings)
            self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=env)
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> int:
        """Asks it to end, makes it end if it does not, and returns its exit code."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            return self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()

    def expect_running(self, meanwhile: str) -> None:
        """Fails at once if it has ended, instead of waiting for what can no longer happen."""
        code = self.process.poll()
        expect(code is None, f"{meanwhile}: the {self.name} ended with {code}\n{self.last_words()}")

    def last_words(self) -> str:
        """The end of what it printed."""
        return "\n".join(tail(path) for path in (self.out, self.err))


def tail(path: Path, lines: int = 10) -> str:
    """The end of a file, as far as a log should show it."""
    last = path.read_text("utf-8", "replace").splitlines()[-lines:]
    return "\n".join(f"{path.name}: {line[:300]}" for line in last)


def environment(settings: Mapping[str, str]) -> dict[str, str]:
    """The environment without what would lead a program elsewhere: proxies, settings of somebody's own gateway."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.lower().endswith("_proxy") and not name.startswith("CHATHUB_")
    }
    return {**kept, "PYTHONDONTWRITEBYTECODE": "1", **settings}


@dataclass(frozen=True)
class Answer:
    """What an HTTP call brought."""

    status: int
    text: str

    def json(self) -> Any:
        """The content, parsed."""
        return json.loads(self.text)


def ask(method: str, url: str, fields: Mapping[str, str] | None = None, content: object = None) -> Answer:
    """One HTTP call over a connection of its own."""
    target = urlsplit(url)
    connection = http.client.HTTPConnection(target.hostname or "", target.port, timeout=10)
    try:
        query = f"?{target.query}" if target.query else ""
        body = None if content is None else json.dumps(content)
        kind = {} if content is None else {"Content-Type": "application/json"}
        connection.request(method, (target.path or "/") + query, body, {**kind, **(fields or {})})
        response = connection.getresponse()
        return Answer(response.status, response.read().decode())
    finally:
        connection.close()


@dataclass(frozen=True)
class Emulator:
    """A running emulator of ChatHub."""

    url: str
    control: str

    def counters(self) -> dict[str, int]:
        """How many requests reached each endpoint."""
        return ask("GET", f"{self.control}/counters").json()["byEndpoint"]

    def received(self) -> list[dict[str, Any]]:
        """The requests that reached it, in order; credentials are fingerprints."""
        return ask("GET", f"{self.control}/received").json()

    def hub_connections(self) -> int:
        """How many connections to the hub there are."""
        return ask("GET", f"{self.control}/counters").json()["hubConnections"]

    def order(self, method: str, target: str, content: object = None) -> Any:
        """A control call, as `GET /` on the control port lists them."""
        answer = ask(method, f"{self.control}{target}", content=content)
        expect(answer.status == 200, f"the emulator does not take {method} {target}: {answer.text}")
        return answer.json()


@contextmanager
def emulator(program: Path, directory: Path) -> Iterator[Emulator]:
    """A fresh emulator, with the data and the limits it starts with."""
    command: list[str | Path] = [program, "--port", "0", "--control-port", "0"]
    with Program("emulator", command, directory) as running:
        yield wait_until("the emulator tells its ports", lambda: _ports_told(running.out), running)


def _ports_told(out: Path) -> Emulator | None:
    """Reads `ChatHub (emulated) on URL, control calls on URL` from the first line, once it is whole."""
    first, newline, _ = out.read_text("utf-8").partition("\n")
    urls = [word.strip(",") for word in first.split() if word.startswith("http://")]
    return Emulator(*urls) if newline and len(urls) == 2 else None


@dataclass(frozen=True)
class Gateway:
    """A running gateway."""

    url: str
    admin: str
    program: Program

    def metrics(self) -> str:
        """The exposition, as Prometheus would read it."""
        answer = ask("GET", f"{self.admin}/metrics")
        expect(answer.status == 200, f"/metrics answers {answer.status}, not 200")
        return answer.text


FREE = "127.0.0.1:0"
"""Any address that nobody has."""


@contextmanager
def gateway(
    program: Path,
    upstream: str,
    directory: Path,
    settings: Mapping[str, str],
    listen: str = FREE,
    admin_listen: str = FREE,
) -> Iterator[Gateway]:
    """A gateway before an upstream, once it is ready."""
    command: list[str | Path] = [program, "--listen", listen, "--admin-listen", admin_listen, "--upstream", upstream]
    with Program("gateway", command, directory, settings) as running:
        listen, admin = wait_until("the gateway tells its ports", lambda: addresses_told(running.err), running)
        started = Gateway(f"http://{listen}", f"http://{admin}", running)
        wait_until("the gateway is ready", lambda: _is_ready(started.admin), running)
        yield started


def addresses_told(err: Path) -> tuple[str, str] | None:
    """Reads the clients' and the operators' address from the log's line `serving`. Other programs may write between."""
    for line in err.read_text("utf-8").splitlines(keepends=True):
        if line.startswith("{") and line.endswith("}\n"):
            event = json.loads(line)
            if event.get("message") == "serving":
                return event["listen"], event["admin"]
    return None


def _is_ready(admin: str) -> bool | None:
    return True if ask("GET", f"{admin}/readyz").status == 200 else None
