"""The works: what is asked of the peers, how it is asked, and what each of them took for it."""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
from contextlib import ExitStack
from dataclasses import dataclass, field

import peers
from harness import environment, expect
from peers import Peer, Setting

BEARER = "t" * 180
"""As long as a small JWT."""

FIELDS = ("User-Agent: python-requests/2.32.3", "Accept-Encoding: gzip, deflate", "Accept: */*")
"""What Python's requests sends."""

LIST = "/api/operator?organizationId=24"
CACHES = ("nginx", "haproxy", "varnish")


@dataclass(frozen=True)
class Work:
    """Something that the peers are asked to do."""

    key: str
    name: str
    against: tuple[str, ...]
    """The gateway is compared with the best of these."""
    bar: float
    """What the gateway may take of what the best of them takes."""
    path: str = LIST
    mode: str = "same"
    """See load.lua."""
    content: str = "2048"
    """What the upstream and the bare server answer; see bare.rs."""
    rate: int | None = None
    """Requests a second, at times that do not depend on the answers; `None` for as many as 64 connections can."""
    is_pinned: bool = False
    """The server has the first processor to itself, load and upstream the second."""
    is_passed: bool = False
    """Every request goes to the upstream."""


ALL = [
    Work("hit-2k", "cached list of 2 KB", CACHES, 0.80),
    Work("hit-50k", "cached list of 50 KB", CACHES, 0.90, content="51200"),
    Work("miss", "list of 2 KB, fetched and stored", ("haproxy",), 1.1, mode="other", content="distinct:2048",
         path="/api/operator?organizationId=", is_passed=True),
    Work("paced-hit", "cached list of 2 KB at 5,000 requests a second", CACHES, 1.0, rate=5000),
    Work("get", "GET of 2 KB passed through", ("nginx",), 1.3, path="/api/other/thing", is_passed=True),
    Work("post", "POST of 2 KB passed through", ("nginx",), 1.3, path="/api/chat/thing", mode="post", is_passed=True),
    Work("get-pinned", "GET of 2 KB passed through, server pinned", ("nginx",), 1.15, path="/api/other/thing",
         is_pinned=True, is_passed=True),
    Work("post-pinned", "POST of 2 KB passed through, server pinned", ("nginx",), 1.15, path="/api/chat/thing",
         mode="post", is_pinned=True, is_passed=True),
]  # fmt: skip


@dataclass(frozen=True)
class Sample:
    """What one peer did in one round. Times are in microseconds."""

    cpu: float
    upstream_cpu: float
    rate: float
    p50: float
    p99: float
    p999: float
    memory: int


@dataclass
class Result:
    """What all peers did in all rounds."""

    work: Work
    samples: dict[str, list[Sample]] = field(default_factory=dict)

    def median(self, peer: str, figure: str) -> float:
        """The middle of a figure over all rounds."""
        return statistics.median(getattr(sample, figure) for sample in self.samples[peer])

    def ratio(self, figure: str) -> float:
        """The gateway against the best of those it is compared with."""
        return self.median("gateway", figure) / min(self.median(peer, figure) for peer in self.work.against)

    def rounds(self) -> int:
        """How many rounds there were."""
        return len(next(iter(self.samples.values())))


def measure(work: Work, rounds: int, seconds: int) -> Result:
    """Starts the peers and drives them in turn."""
    result = Result(work)
    server, others = (("taskset", "-c", "0"), ("taskset", "-c", "1")) if work.is_pinned else ((), ())
    path = peers.directory(work.key)
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, path.parent, ignore_errors=True)
        upstream = stack.enter_context(peers.start_upstream(path, work.content, others))
        setting = Setting(path, upstream.url, 1 if work.is_pinned else os.cpu_count() or 1, server)
        running = [
            stack.enter_context(peers.bare(setting, "" if work.is_passed else work.content)),
            stack.enter_context(peers.gateway(setting, peers.UNPACED if work.is_passed else {})),
            *(stack.enter_context(peers.rival(setting, name)) for name in peers.RIVALS),
        ]
        driver = Driver(work, upstream, others)
        for peer in running:
            driver.drive(peer, 1)  # connections, caches, pages of memory
        for turn in range(rounds):
            # Nobody is always the one who comes after the same other.
            for peer in running[turn % len(running) :] + running[: turn % len(running)]:
                result.samples.setdefault(peer.name, []).append(driver.drive(peer, seconds))
    return result


@dataclass
class Driver:
    """Sends what a work asks for."""

    work: Work
    upstream: Peer
    prefix: tuple[str, ...]
    asked_for: int = 0
    """The last identifier that somebody may have been asked for."""

    def drive(self, peer: Peer, seconds: int) -> Sample:
        """Drives one peer, and finds out what it took."""
        before, upstream_before = peer.cpu_seconds(), self.upstream.cpu_seconds()
        told = self._oha(peer, seconds) if self.work.rate else self._wrk(peer, seconds)
        cpu, upstream_cpu = peer.cpu_seconds() - before, self.upstream.cpu_seconds() - upstream_before
        requests = told["requests"]
        expect(told["failed"] == 0, f"{self.work.key}: {told['failed']} requests to {peer.name} failed")
        expect(requests > 0, f"{self.work.key}: {peer.name} answered nothing")
        self._check_upstream(peer, upstream_cpu / requests * 1e6)
        return Sample(
            cpu / requests * 1e6,
            upstream_cpu / requests * 1e6,
            requests / told["seconds"],
            told["p50"],
            told["p99"],
            told["p999"],
            peer.memory(),
        )

    def _check_upstream(self, peer: Peer, cpu: float) -> None:
        """A peer that asks the upstream does not cache, and one that does not has not passed anything through."""
        if peer.name != "bare":
            does_ask = cpu > 1.5
            expect(does_ask == self.work.is_passed, f"{self.work.key}: {peer.name} made the upstream work {cpu:.2f} µs")

    def _wrk(self, peer: Peer, seconds: int) -> dict:
        # Two threads, each with a million identifiers of its own.
        self.asked_for += 2_000_000
        script = [self.work.mode, str(self.asked_for)]
        options = ["-t2", "-c64", f"-d{seconds}s", "--latency", "-s", str(peers.HERE / "load.lua")]
        told = self._run(["wrk", *options, *_fields(), peer.url + self.work.path, "--", *script])
        return json.loads(told.strip().splitlines()[-1])

    def _oha(self, peer: Peer, seconds: int) -> dict:
        options = ["-q", str(self.work.rate), "-z", f"{seconds}s", "-c", "64", "-w", "--no-tui", "--latency-correction"]
        told = json.loads(
            self._run(["oha", *options, "--output-format", "json", *_fields(), peer.url + self.work.path])
        )
        latencies, codes = told["latencyPercentiles"], told["statusCodeDistribution"]
        answered = codes.get("200", 0)
        return {
            "requests": answered,
            "seconds": told["summary"]["total"],
            "p50": latencies["p50"] * 1e6,
            "p99": latencies["p99"] * 1e6,
            "p999": latencies["p99.9"] * 1e6,
            "failed": sum(codes.values()) - answered + sum(told["errorDistribution"].values()),
        }

    def _run(self, command: list[str]) -> str:
        done = subprocess.run(
            [*self.prefix, *command], capture_output=True, text=True, check=False, env=environment({})
        )
        expect(done.returncode == 0, f"{command[0]} failed: {done.stderr or done.stdout}")
        return done.stdout


def _fields() -> list[str]:
    lines = (f"Authorization: Bearer {BEARER}", *FIELDS)
    return [word for line in lines for word in ("-H", line)]
