"""What the gateway must do in its root: start on its defaults, serve, tell of itself, drain and end.

What a newcomer would get wrong: to look at the gateway from outside. The probes and hooks of a pod run in the same root
as the gateway, as the same user, and find it by the same settings; so do the commands here.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import container
import far
import harness
from harness import Checks, Program, ask, expect, wait_until

GATEWAY = "http://127.0.0.1:2428"
ADMIN = "http://127.0.0.1:2429"
"""Where the gateway listens by default."""

LIST = f"{GATEWAY}/api/operator?organizationId=24"
KEY = {"X-Authorization-Key": harness.KEY}

STARTS = 5
"""How often a start is measured."""

MOST_MB, MOST_SECONDS, MOST_MIB = 12, 1, 24
"""What the binary, a start and an idle gateway may take: far more than they do, far less than a mistake would."""

LOGS = harness.TARGET / "image/runs"


def play(root: Path, emulator: Path, beside: Path, checks: Checks) -> None:
    """All checks of a root that holds the image's files."""
    with checks.named("the program tells its version, its settings, and what is wrong with them"):
        ask_offline(root)
    with checks.named("an emulator of ChatHub stands beside it"):
        with harness.emulator(emulator, LOGS / "emulator") as chathub:
            upstream = {"CHATHUB_GATEWAY__UPSTREAM__URL": chathub.url}
            with checks.named("it serves on its defaults, answers probes and tells its metrics"):
                serve(root, upstream, chathub)
            with checks.named("SIGTERM ends it with 0, and what had begun has its answer"):
                terminate(root, upstream)
            with checks.named("a hook drains it and quits it"):
                drain(root, upstream)
            with checks.named("it is small, ready soon, and content with little memory"):
                measure(root, upstream, beside)
    with checks.named("it finds a name as a cluster has it, and trusts the authority it is given"):
        reach_far(root)
    with checks.named("without a file of authorities it trusts those it brings, and no other"):
        refuse_unknown(root)


@contextmanager
def gateway(root: Path, settings: Mapping[str, str], name: str = "gateway") -> Iterator[Program]:
    """A gateway on its default addresses, once it is ready."""
    command = container.within(root, "/chathub-gateway")
    with Program(name, command, LOGS, settings, is_contained=True) as running:
        wait_until("the gateway is ready", is_ready, running)
        yield running


def is_ready() -> bool | None:
    """Whether it is, or nothing while nobody listens."""
    try:
        return True if ask("GET", f"{ADMIN}/readyz").status == 200 else None
    except OSError:
        return None


def order(root: Path, *words: str, settings: Mapping[str, str] | None = None, code: int = 0) -> str:
    """What the program says, asked in its root; `code` is what it must end with."""
    ended, said, complaint = container.run(root, "/chathub-gateway", *words, settings=dict(settings or {}))
    expect(ended == code, f"chathub-gateway {' '.join(words)} ended with {ended}, not {code}\n{said}\n{complaint}")
    return said or complaint


def ask_offline(root: Path) -> None:
    expect(order(root, "--version").startswith("chathub-gateway "), "it does not tell its version")
    expect(order(root, "check") == "the settings are good", "it finds fault with its own defaults")
    told = order(root, "config", settings={"CHATHUB_GATEWAY__CACHE__OPERATORS_TTL": "30s"})
    expect('operators_ttl = "30s"' in told, "a setting of the environment is not in force")
    wrong = order(root, "check", settings={"CHATHUB_GATEWAY__CACHE__OPERATORS_TTL": "soon"}, code=78)
    expect("cache.operators_ttl" in wrong, f"it does not say which setting is wrong: {wrong}")
    lost = order(root, "probe", code=1)
    expect("127.0.0.1:2429" in lost, f"a probe of nobody does not say where it asked: {lost}")


def serve(root: Path, upstream: Mapping[str, str], chathub: harness.Emulator) -> None:
    with gateway(root, upstream) as running:
        first, second = (ask("GET", LIST, KEY) for _ in range(2))
        expect(first.status == 200 and first.text == second.text and "John Smith" in first.text, f"{first}")
        reached = chathub.counters().get("listOperators", 0)
        expect(reached == 1, f"of two lists {reached} reached ChatHub")
        for words in ["probe", "started"], ["probe", "live"], ["probe", "ready"], ["wait"]:
            order(root, *words)
        metrics = ask("GET", f"{ADMIN}/metrics").text
        counted = 'chathub_gateway_cache_lookups_total{outcome="hit",route="list_operators"} 1'
        expect(counted in metrics, f"the hit is not in the metrics: {counted}")
        told = owner(running)
        expect(told == container.USER or not container.is_root(), f"it runs as user {told}")
        expect(running.stop() == 0, f"it ended badly\n{running.last_words()}")


def owner(running: Program) -> int:
    """The user as whom a program runs, as the machine sees it."""
    return Path(f"/proc/{running.process.pid}").stat().st_uid


def terminate(root: Path, upstream: Mapping[str, str]) -> None:
    with gateway(root, upstream) as running:
        answer = ask("GET", LIST, KEY)
        expect(answer.status == 200, f"{answer}")
        began = time.monotonic()
        code = running.stop()
        expect(code == 0, f"it ended with {code}\n{running.last_words()}")
        print(f"from SIGTERM to the end: {1000 * (time.monotonic() - began):.0f} ms")
        logged = [line for line in running.out.read_text("utf-8").splitlines() if '"status":200' in line]
        expect(len(logged) == 1, f"the access log has {len(logged)} lines of one request")


def drain(root: Path, upstream: Mapping[str, str]) -> None:
    with gateway(root, upstream) as running:
        said = order(root, "drain")
        expect('"phase":"leaving"' in said, f"drain said: {said}")
        order(root, "probe", "ready", code=1)
        order(root, "probe", "live")
        expect(ask("GET", LIST, KEY).status == 200, "whoever comes nevertheless is not served")
        order(root, "quit")
        code = running.process.wait(harness.STOP_SECONDS)
        expect(code == 0, f"after quit it ended with {code}\n{running.last_words()}")


def reach_far(root: Path) -> None:
    with far.names() as asked, far.upstream(LOGS / "far") as (url, authority):
        etc = root / "etc"
        etc.mkdir(exist_ok=True)
        try:
            (etc / "resolv.conf").write_text(far.RESOLV_CONF, "utf-8")
            (etc / "authority.crt").write_bytes(authority.read_bytes())
            container.make_readable(root)
            settings = {
                "CHATHUB_GATEWAY__UPSTREAM__URL": url,
                "CHATHUB_GATEWAY__UPSTREAM__CA_FILE": "/etc/authority.crt",
            }
            with gateway(root, settings, "gateway-far"):
                answer = ask("GET", LIST, KEY)
                expect(answer.text.encode() == far.OPERATORS, f"{answer}")
            expect(f"{far.NAME}.svc.cluster.local" in asked and far.NAME in asked, f"it asked for {asked}")
        finally:
            remove(etc)


def refuse_unknown(root: Path) -> None:
    """The handshake fails for want of the right authority: so there were others, in a root without any file of them."""
    with far.names(), far.upstream(LOGS / "far") as (url, _):
        etc = root / "etc"
        etc.mkdir(exist_ok=True)
        try:
            (etc / "resolv.conf").write_text(far.RESOLV_CONF, "utf-8")
            container.make_readable(root)
            with gateway(root, {"CHATHUB_GATEWAY__UPSTREAM__URL": url}, "gateway-unknown") as running:
                answer = ask("GET", LIST, KEY)
                expect(answer.status == 502, f"{answer}")
                told = running.err.read_text("utf-8")
                expect("UnknownIssuer" in told, f"the log does not say why\n{running.last_words()}")
        finally:
            remove(etc)


def remove(directory: Path) -> None:
    for file in directory.iterdir():
        file.unlink()
    directory.rmdir()


# === figures ===


def measure(root: Path, upstream: Mapping[str, str], beside: Path) -> None:
    programs: dict[str, tuple[Path | None, str]] = {"image": (root, "/chathub-gateway")}
    if beside.exists():
        programs["beside"] = (None, str(beside))
    taken: dict[str, list[tuple[float, int]]] = {name: [] for name in programs}
    for _ in range(STARTS):
        for name, (where, program) in programs.items():
            taken[name].append(start_once(where, program, upstream))
    for name, (where, program) in programs.items():
        size = (where / program[1:] if where else Path(program)).stat().st_size
        start, memory = (statistics.median(column) for column in zip(*taken[name], strict=True))
        print(f"{name}: {size / 1e6:.1f} MB, ready after {1000 * start:.0f} ms, idle {memory / 1024:.1f} MiB")
        if name == "image":
            expect(size < MOST_MB * 1e6, "the binary is large")
            expect(start < MOST_SECONDS, "it starts slowly")
            expect(memory < MOST_MIB * 1024, "it takes much memory")


def start_once(root: Path | None, program: str, upstream: Mapping[str, str]) -> tuple[float, int]:
    """Seconds until it is ready, and the kibibytes that it holds after its first answers."""
    began = time.monotonic()
    command = container.within(root, program) if root else [program]
    with Program("gateway-measured", command, LOGS, upstream, is_contained=True) as running:
        while is_ready() is None:
            running.expect_running("the gateway is measured")
            expect(time.monotonic() - began < harness.START_SECONDS, "it does not get ready")
            time.sleep(0.001)  # finer than wait_until looks
        took = time.monotonic() - began
        for _ in range(2):
            expect(ask("GET", LIST, KEY).status == 200, "it does not serve")
        status = Path(f"/proc/{running.process.pid}/status").read_text("utf-8")
        return took, int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS:")))
