"""What the scenes are played on: an emulator of ChatHub, a gateway before it, and actors who play until the end.

What a newcomer would get wrong: an actor whose request is refused, cut or reset has not failed, for that is what its
scene is about. What it must not do is wait without an end, so every call has a bound, and every part looks at the time.
"""

from __future__ import annotations

import http.client
import socket
import subprocess
import threading
import time
import traceback
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from urllib.parse import urlsplit

import harness
from harness import Emulator, Failure, Gateway, expect

CALL_SECONDS = 6
"""How long an answer may take: longer than the longest wait that a scene's gateway allows."""

LIST = "/api/operator?organizationId=24"
ORGANIZATIONS = "/api/company/organization"
CHATS = "/api/chat/chats"
STATUS = "/api/operator/status"
SYNCHRONIZE = "/api/operator/synchronize"
OWN = {"X-Authorization-Key": harness.KEY}
FRESH = {**OWN, "Cache-Control": "no-cache"}


class Caller:
    """A client that keeps its connection."""

    def __init__(self, url: str) -> None:
        target = urlsplit(url)
        self.http = http.client.HTTPConnection(target.hostname or "", target.port, timeout=CALL_SECONDS)

    def call(self, method: str, target: str, fields: Mapping[str, str] = OWN, content: str | None = None) -> int:
        """A call, and its status; 0 if the connection ended before that."""
        kind = {} if content is None else {"Content-Type": "application/json"}
        try:
            self.http.request(method, target, content, {**kind, **fields})
            answer = self.http.getresponse()
            answer.read()
            return answer.status
        except (OSError, http.client.HTTPException):
            self.http.close()
            return 0


def address(url: str) -> tuple[str, int]:
    """Where to connect."""
    target = urlsplit(url)
    return target.hostname or "", target.port or 80


def head(method: str, target: str, *fields: str) -> bytes:
    """A request as it is sent."""
    lines = [f"{method} {target} HTTP/1.1", "Host: chathub", f"X-Authorization-Key: {harness.KEY}", *fields, "", ""]
    return "\r\n".join(lines).encode("latin-1")


class Stage:
    """One emulator and one gateway, for as long as the scene is played."""

    def __init__(
        self, gateway: Path, emulator: Path, logs: Path, settings: Mapping[str, str], file: Path | None = None
    ) -> None:
        self.binary, self.logs = gateway, logs
        self.wait_for_scrape: Callable[[str], None] = lambda _: None
        self.settings = _environment(
            {name: value for name, value in settings.items() if name in known_settings(gateway)}
        )
        if file:
            self.settings["CHATHUB_GATEWAY_CONFIG"] = str(file)
        self.open = ExitStack()
        self.chathub: Emulator = self.open.enter_context(harness.emulator(emulator, logs))
        self.chathub.order("PATCH", "/switches", {"rateLimit": {"kind": "off"}})
        self.between = self._start(harness.FREE, harness.FREE)

    def _start(self, listen: str, admin: str) -> Gateway:
        started = harness.gateway(self.binary, self.chathub.url, self.logs, self.settings, listen, admin)
        return self.open.enter_context(started)

    @property
    def target(self) -> str:
        """What Prometheus scrapes."""
        return urlsplit(self.between.admin).netloc

    def caller(self) -> Caller:
        """A client of the gateway."""
        return Caller(self.between.url)

    def fault(self, endpoint: str, fault: object, times: int = 1) -> None:
        """The next requests to an endpoint go wrong."""
        self.chathub.order("POST", "/faults", {"endpoint": endpoint, "fault": fault, "times": times})

    def stall(self, endpoint: str) -> int:
        """Requests to an endpoint are held from now on."""
        return self.chathub.order("POST", "/stalls", {"endpoint": endpoint})["id"]

    def wait_for_held(self, stall: int, count: int) -> None:
        """Until so many are held, or for a second: others may have taken their places."""

        def is_held() -> bool | None:
            held = [each["inside"] for each in self.chathub.order("GET", "/stalls") if each["id"] == stall]
            return True if held and held[0] >= count else None

        with suppress(Failure):
            harness.wait_until("a request is held", is_held, self.between.program, 1)

    def release(self, stall: int) -> None:
        """Lets them go."""
        self.chathub.order("DELETE", f"/stalls/{stall}")

    def hold(self, metric: str) -> None:
        """Lets it go on until Prometheus has seen it: a gauge tells nothing of what was between two scrapes."""
        query = f'{{__name__="chathub_gateway_{metric}", instance="{self.target}"}} > 0'
        with suppress(Failure):
            self.wait_for_scrape(query)

    def knows(self, metric: str) -> bool:
        """Whether this gateway has a metric."""
        return f"# TYPE chathub_gateway_{metric} " in self.between.metrics()

    def metric(self, series: str) -> float:
        """A series of the exposition, as `name` or `name{label="word"}`; zero if there is none."""
        prefix = f"chathub_gateway_{series} "
        lines = [line for line in self.between.metrics().splitlines() if line.startswith(prefix)]
        return float(lines[0].removeprefix(prefix)) if lines else 0.0

    def wait_for_more(self, series: str, before: float, seconds: float = CALL_SECONDS) -> None:
        """Until a series is above a value."""
        found = lambda: self.metric(series) > before or None  # noqa: E731
        harness.wait_until(f"more of {series}", found, self.between.program, seconds)

    def restart(self, while_down: Callable[[], None]) -> None:
        """Ends the gateway, and starts it anew under the same addresses."""
        listen, admin = urlsplit(self.between.url).netloc, urlsplit(self.between.admin).netloc
        self.between.program.stop()
        while_down()
        self.between = self._start(listen, admin)

    def connect(self, source: str = "127.0.0.1") -> socket.socket:
        """A bare connection to the gateway."""
        return socket.create_connection(address(self.between.url), CALL_SECONDS, (source, 0))


def _environment(settings: Mapping[str, str]) -> dict[str, str]:
    return {f"CHATHUB_GATEWAY__{name.upper().replace('.', '__')}": value for name, value in settings.items()}


_known: dict[Path, set[str]] = {}


def known_settings(gateway: Path) -> set[str]:
    """The settings that this gateway has, as `section.name`: one that it does not know would be an error."""
    if gateway not in _known:
        _known[gateway] = read_settings(gateway)
    return _known[gateway]


def read_settings(gateway: Path) -> set[str]:
    """Asks it."""
    ended = subprocess.run([gateway, "config"], capture_output=True, text=True, timeout=10, env=harness.environment({}))
    expect(ended.returncode == 0, f"the gateway does not tell its settings: {ended.stderr[:300]}")
    names, section = set(), ""
    for line in ended.stdout.splitlines():
        if line.startswith("["):
            section = line.strip("[]")
        elif " = " in line:
            names.add(f"{section}.{line.lstrip('# ').split(' = ')[0]}")
    return names


class Play:
    """Actors who do their parts again and again, side by side, until the time is over."""

    def __init__(self, seconds: float) -> None:
        self.ends = time.monotonic() + seconds
        self.threads: list[threading.Thread] = []
        self.problems: list[str] = []

    def act(self, part: Callable[[], None], times: int = 1, pause: float = 0.0) -> None:
        """Adds actors. A pause between two rounds leaves the processors to the others; nothing is waited for."""
        for _ in range(times):
            thread = threading.Thread(target=self._act, args=(part, pause), daemon=True)
            self.threads.append(thread)
            thread.start()

    def _act(self, part: Callable[[], None], pause: float) -> None:
        try:
            while time.monotonic() < self.ends:
                part()
                time.sleep(pause)
        except Exception:
            self.problems.append(traceback.format_exc())

    def end(self) -> None:
        """Waits for all of them."""
        for thread in self.threads:
            thread.join(max(self.ends - time.monotonic(), 0) + 4 * CALL_SECONDS)
        expect(not any(thread.is_alive() for thread in self.threads), "an actor does not come to an end")
        expect(not self.problems, "\n".join(self.problems))
