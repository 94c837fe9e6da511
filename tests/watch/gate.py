"""What befalls the other two gateways: gate, which has too many clients, and seal, which speaks TLS and starts anew.

What a newcomer would get wrong: to take the metrics of a gateway without descriptors over a new connection. Prometheus
keeps the one that it has, and so must whoever looks in the meantime.
"""

from __future__ import annotations

import http.client
import itertools
import os
import re
import resource
import signal
import socket
import ssl
import subprocess
from collections.abc import Callable, Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from urllib.parse import urlsplit

import harness
import http2
from client import Connection as Raw
from connections import Connection, EventStream, Polling, WebSocket
from harness import KEY, LOGIN, PASSWORD, Failure, ask, expect
from stage import CHATS, LIST, Play, Stage, head

# === gate: connections, streams, HTTP/2, and more of all than there may be ===

GATE = {
    "server.max_connections": "12",
    "server.max_connections_per_peer": "8",
    "server.max_requests_per_connection": "20",
    "server.max_in_flight": "6",
    "server.drain_deadline": "5s",
    "throttle.mode": "off",
    "admin.max_connections": "4",
    "cache.max_inspect": "64KiB",
    "cache.inspect_buffer": "64KiB",
}

LONG = 60_000
"""Bytes of a write of which there is room for one."""

FEW_DESCRIPTORS = 3
"""So many more than are open: less than what is then connected."""

FAILURES = 3
"""So often accepting is to fail while descriptors are short: once may be a moment's."""

STARVED_SECONDS = 2
"""How long that may take: the gateway tries twenty times a second."""

FIELDS = (
    (":method", "GET"),
    (":scheme", "http"),
    (":authority", "chathub"),
    (":path", CHATS),
    ("x-authorization-key", KEY),
)

CANCEL = (8).to_bytes(4, "big")


def play_gate(stage: Stage, play: Play) -> None:
    """Streams of all kinds come and go, connections and requests are too many, descriptors run out."""
    play.act(_streams(stage), 1, 0.1)
    play.act(_crowds(stage), 1, 0.5)
    play.act(_overloads(stage), 1, 0.3)
    play.act(_blunders(stage), 1, 0.1)
    play.act(_long_writes(stage), 1, 0.5)


def hub(stage: Stage) -> Callable[[], Connection]:
    """What opens a WebSocket, an event stream and a long poll in turn."""
    login = {"login": LOGIN, "password": PASSWORD}
    token = ask("POST", f"{stage.chathub.url}/api/company/get-token", content=login).text
    url, chathub = stage.between.url, stage.chathub.url
    kinds: list[Callable[[], Connection]] = [
        lambda: WebSocket(url, token),
        lambda: EventStream(url, chathub, token),
        lambda: Polling(url, chathub, token),
    ]
    turn = itertools.cycle(kinds)
    return lambda: next(turn)()


def _streams(stage: Stage) -> Callable[[], None]:
    opened = hub(stage)

    def part() -> None:
        # The others may have taken all places.
        with suppress(Failure, OSError, ValueError, http.client.HTTPException):
            stream = opened()
            stage.hold("streams")
            stream.close()

    return part


def _crowds(stage: Stage) -> Callable[[], None]:
    """More connections than one address may have, than there may be in all, and than there are descriptors; and operators."""

    def part() -> None:
        _gather(stage, ["127.0.0.1"] * 10 + ["127.0.0.2"] * 8, lambda: None)
        _gather_operators(stage, 8)
        _starve(stage)

    return part


def _gather_operators(stage: Stage, count: int) -> None:
    """Connects to the operators' listener, from where Prometheus is not."""
    admin = urlsplit(stage.between.admin)
    with ExitStack() as crowd:
        for _ in range(count):
            crowd.enter_context(socket.create_connection((admin.hostname, admin.port), 5, ("127.0.0.2", 0)))


def _gather(stage: Stage, sources: list[str], meanwhile: Callable[[], None]) -> None:
    """Connects from these addresses."""
    crowd: list[socket.socket] = []
    try:
        for source in sources:
            with suppress(OSError):
                crowd.append(stage.connect(source))
                crowd[-1].sendall(head("GET", LIST))
        meanwhile()
    finally:
        for client in crowd:
            client.close()


def _starve(stage: Stage) -> None:
    """Leaves the gateway hardly any descriptors until it has noticed."""
    pid = stage.between.program.process.pid
    limits = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    admin = urlsplit(stage.between.admin)
    reader = http.client.HTTPConnection(admin.hostname or "", admin.port, timeout=5)
    try:
        before = _accept_errors(reader)  # accepted by now, and no new connection to come
        count = len(os.listdir(f"/proc/{pid}/fd"))
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (count + FEW_DESCRIPTORS, limits[1]))
        _gather(stage, ["127.0.0.3"] * 3 * FEW_DESCRIPTORS, lambda: _wait_for_failures(stage, reader, before))
    finally:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)
        reader.close()


def _wait_for_failures(stage: Stage, reader: http.client.HTTPConnection, before: int) -> None:
    """Until accepting has failed some times more, or not in time: others may have left and given their descriptors back."""
    failed = lambda: _accept_errors(reader) >= before + FAILURES or None  # noqa: E731
    with suppress(Failure):
        harness.wait_until("accepting fails", failed, stage.between.program, STARVED_SECONDS)


def _accept_errors(reader: http.client.HTTPConnection) -> int:
    reader.request("GET", "/metrics")
    found = re.search(rb"^chathub_gateway_accept_errors_total (\d+)$", reader.getresponse().read(), re.MULTILINE)
    return int(found.group(1)) if found else 0


def _overloads(stage: Stage) -> Callable[[], None]:
    """Requests over HTTP/2, more than may be on their way; then they are taken back."""

    def part() -> None:
        stall = stage.stall("listChats")
        with suppress(OSError), Raw(urlsplit(stage.between.url).netloc) as raw:
            session = http2.Session(raw)
            streams = range(1, 21, 2)
            session.send(b"".join(http2.headers(FIELDS, stream=stream) for stream in streams))
            stage.wait_for_held(stall, 6)
            stage.hold("http2_streams")
            session.send(b"".join(http2.frame(http2.RST_STREAM, 0, stream, CANCEL) for stream in streams))
        stage.release(stall)

    return part


def _blunders(stage: Stage) -> Callable[[], None]:
    """Requests that are malformed, or of which there are too many on one connection."""
    caller = stage.caller()

    def part() -> None:
        caller.call("GET", "/" + "a" * 10_000)
        for _ in range(5):
            caller.call("GET", LIST)

    return part


def _long_writes(stage: Stage) -> Callable[[], None]:
    """A write that is held for what it names, since its end does not come; and one for which there is no room beside it."""
    write = head("POST", "/api/operator/synchronize", "Content-Type: application/json", f"Content-Length: {LONG}")
    write += b"[" + b" " * (LONG - 2)

    def part() -> None:
        with suppress(OSError), stage.connect() as held, stage.connect() as other:
            held.sendall(write)
            stage.hold("buffered_bytes")
            other.sendall(write + b"]")
            other.recv(1)

    return part


def tell_streams(stage: Stage, is_seen: Callable[[], None]) -> None:
    """Ends the gateway while a stream of each kind is open, and lets them be until that was seen."""
    opened = hub(stage)
    streams = [opened() for _ in range(3)]
    try:
        stage.between.program.process.terminate()
        is_seen()
    finally:
        for stream in streams:
            with suppress(OSError, Failure, http.client.HTTPException):
                stream.close()


# === seal: certificates, settings that are read anew, and a restart ===


def seal_settings(directory: Path) -> Mapping[str, str]:
    """Makes the files of a gateway that speaks TLS."""
    directory.mkdir(parents=True, exist_ok=True)
    certify(directory)
    (directory / "settings.toml").write_text("", "utf-8")
    return {
        "server.tls_certificate": str(directory / "tls.crt"),
        "server.tls_key": str(directory / "tls.key"),
        "server.head_timeout": "1s",
    }


def certify(directory: Path) -> None:
    """A new certificate, for a day; it takes the place of the old one with its key."""
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-days", "1", "-subj", "/CN=gateway", "-addext", "subjectAltName=IP:127.0.0.1"]
    command += ["-keyout", "new.key", "-out", "new.crt"]
    ended = subprocess.run(command, cwd=directory, capture_output=True, text=True, timeout=20)
    expect(ended.returncode == 0, f"openssl makes no certificate: {ended.stderr[-300:]}")
    for kind in ("key", "crt"):
        (directory / f"new.{kind}").replace(directory / f"tls.{kind}")


def play_seal(stage: Stage, play: Play, directory: Path) -> None:
    """Handshakes, good and bad; new certificates, good and bad; settings, right and wrong."""
    play.act(_shakes_hands(stage), 1, 0.1)
    play.act(_renews(stage, directory), 1, 0.1)
    if stage.knows("settings_reloads_total"):
        play.act(_resets(stage, directory), 1, 0.5)


def _shakes_hands(stage: Stage) -> Callable[[], None]:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE

    def part() -> None:
        with suppress(OSError), context.wrap_socket(stage.connect()) as client:
            client.sendall(head("GET", LIST, "Connection: close"))
            while client.recv(1 << 16):
                pass
        with suppress(OSError), stage.connect() as client:
            client.sendall(head("GET", LIST))
            client.recv(1)

    return part


def _renews(stage: Stage, directory: Path) -> Callable[[], None]:
    def part() -> None:
        for make, outcome in ((lambda: certify(directory), "done"), (lambda: _spoil(directory), "failed")):
            series = f'tls_reloads_total{{outcome="{outcome}"}}'
            before = stage.metric(series)
            make()
            stage.wait_for_more(series, before)

    return part


def _spoil(directory: Path) -> None:
    (directory / "tls.crt").write_text("no certificate\n", "utf-8")


def _resets(stage: Stage, directory: Path) -> Callable[[], None]:
    """Settings that can change at once, settings that wait for a restart, and wrong ones."""
    turn = itertools.cycle(
        (
            ('[cache]\noperators_ttl = "30s"\n[server]\nmax_head = "16KiB"\nworkers = 1\n', "done"),
            ('[cache]\noperators_ttl = "never"\n', "failed"),
        )
    )

    def part() -> None:
        text, outcome = next(turn)
        series = f'settings_reloads_total{{outcome="{outcome}"}}'
        before = stage.metric(series)
        (directory / "settings.toml").write_text(text, "utf-8")
        stage.between.program.process.send_signal(signal.SIGHUP)
        stage.wait_for_more(series, before)

    return part
