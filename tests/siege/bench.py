"""What all sieges share: a gateway to besiege, what its process takes, and how many descriptors there may be.

What a newcomer would get wrong: to ask the gateway for its metrics over a new connection. While it is besieged that
may be just what it cannot accept, so a reader keeps the connection that it had before.
"""

from __future__ import annotations

import http.client
import multiprocessing
import os
import re
import resource
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from typing import Any

import harness
from harness import Failure, Program, addresses_told, expect, wait_until

TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
MIB = 1024 * 1024

KEPT_DESCRIPTORS = 600
"""Descriptors that are not for a crowd's connections."""

FORK = multiprocessing.get_context("fork")

PASSED = "/api/chat/chats"
"""A request that is passed on."""

CACHED = "/api/operator?organizationId=24"
"""A request that is answered from memory."""

FIELDS = f"X-Authorization-Key: {harness.KEY}\r\n"


def raise_descriptors() -> int:
    """Takes as many descriptors as the system lets us, for us and what we start, and returns the size of a crowd."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    most = min(hard, 1 << 20) if hard != resource.RLIM_INFINITY else 1 << 20
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
    return most - KEPT_DESCRIPTORS


@dataclass(frozen=True)
class Besieged:
    """A running gateway."""

    program: Program
    listen: str
    admin: str
    _reader: http.client.HTTPConnection

    @property
    def address(self) -> tuple[str, int]:
        """Where clients connect."""
        return split(self.listen)

    def rss(self) -> int:
        """The bytes of memory that it holds."""
        return int(Path(f"/proc/{self.program.process.pid}/statm").read_text("utf-8").split()[1]) * PAGE

    def cpu(self) -> float:
        """The seconds of the processors that it has taken."""
        fields = Path(f"/proc/{self.program.process.pid}/stat").read_text("utf-8").rpartition(")")[2].split()
        return sum(map(int, fields[11:13])) / TICKS

    def cores(self, seconds: float) -> float:
        """How many processors it takes for so long from now on."""
        before, began = self.cpu(), time.monotonic()
        time.sleep(seconds)  # it is the span over which is measured
        return (self.cpu() - before) / (time.monotonic() - began)

    def metric(self, name: str, **labels: str) -> float:
        """A metric, or the sum of those of that name that have these labels."""
        self._reader.request("GET", "/metrics")
        text = self._reader.getresponse().read().decode()
        found = re.findall(rf"^chathub_gateway_{name}(\{{[^}}]*\}})? (\S+)$", text, re.MULTILINE)
        wanted = [f'{label}="{value}"' for label, value in labels.items()]
        return sum(float(value) for own, value in found if all(pair in own for pair in wanted))

    def wait_for(self, what: str, holds: Callable[[], bool], seconds: float) -> float:
        """Waits until it holds, and returns how long that took."""
        began = time.monotonic()
        wait_until(what, lambda: holds() or None, self.program, seconds)
        return time.monotonic() - began


@contextmanager
def besieged(
    program: Path,
    upstream: str,
    directory: Path,
    settings: Mapping[str, str],
    descriptors: int | None = None,
    listen: str = "127.0.0.1:0",
) -> Iterator[Besieged]:
    """A gateway before an upstream, once it serves; with so many descriptors at most."""
    command: list[str | Path] = [program, "--listen", listen, "--admin-listen", "127.0.0.1:0", "--upstream", upstream]
    if descriptors:
        expect(program.exists(), f"{program} is missing: tests/run builds it")
        command = ["/bin/sh", "-c", f'ulimit -n {descriptors} && exec "$@"', "sh", *command]
    settings = {"CHATHUB_GATEWAY__THROTTLE__MODE": "off", "CHATHUB_GATEWAY__LOG__ACCESS": "false", **settings}
    with Program("gateway", command, directory, settings) as running:
        own, admin = wait_until("the gateway tells its ports", lambda: addresses_told(running.err), running)
        host, port = split(admin)
        reader = http.client.HTTPConnection(host, port, timeout=10)
        try:
            yield Besieged(running, own, admin, reader)
        finally:
            reader.close()


def split(address: str) -> tuple[str, int]:
    """An address as sockets want it."""
    host, _, port = address.removeprefix("http://").rpartition(":")
    return host, int(port)


@contextmanager
def helper(work: Callable[..., None], *arguments: Any) -> Iterator[Pipe]:
    """A process of our own beside this one; what it has to say comes by a pipe. It ends with the block."""
    ours, theirs = FORK.Pipe()
    process = FORK.Process(target=_helped, args=(work, theirs, arguments), daemon=True)
    process.start()
    theirs.close()
    try:
        yield ours
    finally:
        process.terminate()
        process.join(10)
        ours.close()


def _helped(work: Callable[..., None], pipe: Pipe, arguments: tuple[Any, ...]) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.stdin.close()
    work(pipe, *arguments)


def told(pipe: Pipe, what: str, seconds: float) -> Any:
    """What a helper says next."""
    if not pipe.poll(seconds):
        raise Failure(f"{what}: not within {seconds} s")
    try:
        return pipe.recv()
    except EOFError:
        raise Failure(f"{what}: its process has ended") from None


def quantile(sorted_values: list[float], share: float) -> float:
    """The value below which that share of them lies; zero if there are none."""
    return sorted_values[min(len(sorted_values) - 1, int(share * len(sorted_values)))] if sorted_values else 0.0


def spread(seconds: list[float]) -> str:
    """Times in words."""
    values = sorted(seconds)
    p50, p99, most = (quantile(values, share) * 1e3 for share in (0.5, 0.99, 1.0))
    return f"p50 {p50:.2f} ms, p99 {p99:.1f} ms, at most {most:.1f} ms"
