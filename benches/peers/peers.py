"""The peers: how each is started before an upstream, and what its processes take of the machine."""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import harness
from harness import Program, ask, expect, wait_until

HERE = Path(__file__).resolve().parent
RELEASE = harness.TARGET / "release"
TICKS = os.sysconf("SC_CLK_TCK")

UNPACED = {
    "CHATHUB_GATEWAY__THROTTLE__OPERATOR__RATE": "1000000/s",
    "CHATHUB_GATEWAY__THROTTLE__OPERATOR__BURST": "1000000",
    "CHATHUB_GATEWAY__THROTTLE__OTHER__RATE": "1000000/s",
    "CHATHUB_GATEWAY__THROTTLE__OTHER__BURST": "1000000",
}
"""Quotas that are never reached. They are reckoned with all the same; otherwise the gateway would be measured waiting."""


@dataclass(frozen=True)
class Peer:
    """A running server."""

    name: str
    url: str
    program: Program

    def cpu_seconds(self) -> float:
        """What all its processes have taken of the processors so far, those that have ended included."""
        return sum(_ticks(process) for process in self.processes()) / TICKS

    def memory(self) -> int:
        """The bytes that all its processes hold; what they share counts once."""
        return sum(_pss(process) for process in self.processes())

    def processes(self) -> list[int]:
        """The process that was started, and all that came of it."""
        children: dict[int, list[int]] = {}
        for process in (int(name) for name in os.listdir("/proc") if name.isdigit()):
            if (fields := _stat(process)) is not None:
                children.setdefault(int(fields[1]), []).append(process)
        found = [self.program.process.pid]
        for process in found:
            found += children.get(process, [])
        return found


def _stat(process: int) -> list[str] | None:
    """The fields of /proc/PID/stat behind the name, which may have blanks in it."""
    try:
        return Path(f"/proc/{process}/stat").read_text("utf-8").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None


def _ticks(process: int) -> int:
    fields = _stat(process)
    # utime, stime, and those of children that were waited for.
    return sum(map(int, fields[11:15])) if fields else 0


def _pss(process: int) -> int:
    for line in Path(f"/proc/{process}/smaps_rollup").read_text("utf-8").splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return 0


def free_port() -> int:
    """A port that nobody has at this moment: not every peer can tell which one it took."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@dataclass(frozen=True)
class Setting:
    """What all peers of a work have in common."""

    directory: Path
    upstream: str
    workers: int
    prefix: tuple[str, ...] = ()
    """What stands before a peer's command: on which processors it may run."""


def start_upstream(directory: Path, content: str, prefix: tuple[str, ...] = ()) -> AbstractContextManager[Peer]:
    """A server behind the peers, which answers everything with a list."""
    return _bare("upstream", directory, content, None, prefix)


@contextmanager
def _bare(name: str, directory: Path, role: str, workers: int | None, prefix: tuple[str, ...]) -> Iterator[Peer]:
    command = [*prefix, RELEASE / "examples/bare", "127.0.0.1:0", role, *([str(workers)] if workers else [])]
    with Program(name, _absolute(command), directory) as program:
        url = wait_until("the bare server tells its address", lambda: _told(program.out), program)
        yield Peer(name, url, program)


def _told(out: Path) -> str | None:
    first, newline, _ = out.read_text("utf-8").partition("\n")
    return first.split()[-1] if newline else None


def _absolute(command: list) -> list:
    """A program has to be named by its path, as whoever starts it checks that it is there."""
    return [shutil.which(str(command[0])) or command[0], *command[1:]]


@contextmanager
def bare(setting: Setting, content: str) -> Iterator[Peer]:
    """The libraries alone. `content` is a length, or empty for one that passes requests on."""
    with _bare("bare", setting.directory, content or setting.upstream, setting.workers, setting.prefix) as peer:
        yield peer


@contextmanager
def gateway(setting: Setting, settings: Mapping[str, str]) -> Iterator[Peer]:
    """The gateway with its defaults, metrics and access log: into a file, as a container's log goes."""
    free = "127.0.0.1:0"
    options = ["--listen", free, "--admin-listen", free, "--upstream", setting.upstream]
    command = [*setting.prefix, RELEASE / "chathub-gateway", *options]
    workers = {"CHATHUB_GATEWAY__SERVER__WORKERS": str(setting.workers)}
    with Program("gateway", _absolute(command), setting.directory, {**workers, **settings}) as program:
        told = wait_until("the gateway tells its ports", lambda: harness.addresses_told(program.err), program)
        yield _answering(Peer("gateway", f"http://{told[0]}", program))


RIVALS: dict[str, tuple[str, list[str]]] = {
    "nginx": ("nginx.conf", ["nginx", "-c", "@CONFIG@"]),
    "haproxy": ("haproxy.cfg", ["haproxy", "-f", "@CONFIG@"]),
    "varnish": (
        "varnish.vcl",
        [
            "varnishd",
            "-F",
            "-n",
            "@DIRECTORY@/work",
            "-a",
            "@LISTEN@",
            "-f",
            "@CONFIG@",
            "-s",
            "malloc,64m",
            "-T",
            "none",
        ],
    ),
}
"""What the others are configured with, and how they are started."""


@contextmanager
def rival(
    setting: Setting, name: str, templates: Path = HERE, more: Mapping[str, str] = MappingProxyType({})
) -> Iterator[Peer]:
    """One of the others. They cannot tell which port they took, so one is chosen for them.

    Other tests have configurations of their own, in `templates`, with words of their own, `more`.
    """
    template, command = RIVALS[name]
    listen, config = f"127.0.0.1:{free_port()}", setting.directory / template
    words = {**_words(setting), **more, "@LISTEN@": listen, "@CONFIG@": str(config)}
    config.write_text(_filled((templates / template).read_text("utf-8"), words), "utf-8")
    filled = [_filled(word, words) for word in command]
    with Program(name, _absolute([*setting.prefix, *filled]), setting.directory) as program:
        yield _answering(Peer(name, f"http://{listen}", program))


def _words(setting: Setting) -> dict[str, str]:
    host, _, port = setting.upstream.removeprefix("http://").partition(":")
    return {
        "@DIRECTORY@": str(setting.directory),
        "@WORKERS@": str(setting.workers),
        "@UPSTREAM@": f"{host}:{port}",
        "@UPSTREAM_HOST@": host,
        "@UPSTREAM_PORT@": port,
    }


def _filled(text: str, words: Mapping[str, str]) -> str:
    for word, value in words.items():
        text = text.replace(word, value)
    return text


def _answering(peer: Peer) -> Peer:
    wait_until(f"{peer.name} answers", lambda: _answers(peer.url), peer.program)
    return peer


def _answers(url: str) -> bool | None:
    try:
        return ask("GET", f"{url}/api/ready").status == 200 or None
    except OSError:
        return None


def directory(name: str) -> Path:
    """A fresh directory on a tmpfs, where there is one: no peer is to wait for a disk."""
    base = Path("/dev/shm") if os.access("/dev/shm", os.W_OK) else harness.TARGET
    path = base / f"chathub-gateway-peers-{os.getpid()}" / name
    expect(not path.exists(), f"{path} is in use")
    path.mkdir(parents=True)
    # nginx's workers and Varnish's run under users of their own.
    for place in (path.parent, path):
        place.chmod(0o755)
    return path
