"""A real Prometheus for a test: it scrapes each second, keeps what it scraped in a directory of its own, and is asked.

What a newcomer would get wrong: a server that runs has scraped nothing yet. Whoever asks waits for what it is to know.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import harness  # noqa: E402
from harness import Program, ask, expect  # noqa: E402

DIRECTORY = harness.TARGET / "prometheus"

START_SECONDS = 30
"""How long it may take until it serves: it takes a second or two."""


def find(program: str) -> Path:
    """A program of Prometheus: the machine's own, or the one that tests/run has unpacked."""
    folders = os.pathsep.join([os.environ.get("PATH", ""), str(DIRECTORY / "package/usr/bin")])
    found = shutil.which(program, path=folders)
    expect(found is not None, f"{program} is missing: tests/run prometheus installs it")
    return Path(str(found))


@dataclass(frozen=True)
class Prometheus:
    """A running server."""

    url: str
    program: Program

    def ask(self, path: str, **parameters: str | float) -> Any:
        """What a call of its API brings; fails with its reason if it refuses."""
        query = f"?{urlencode(parameters)}" if parameters else ""
        answer = ask("GET", f"{self.url}/api/v1/{path}{query}")
        expect(answer.status == 200, f"Prometheus answers {answer.status} to {path}{query}: {answer.text[:300]}")
        return answer.json()["data"]

    def values(self, query: str) -> list[float]:
        """The values of a query at this moment, one of each series."""
        return [float(series["value"][1]) for series in self.ask("query", query=query)["result"]]

    def is_serving(self) -> bool | None:
        """Whether it can be asked; nothing if not yet."""
        try:
            return True if ask("GET", f"{self.url}/-/ready").status == 200 else None
        except OSError:
            return None


@contextmanager
def prometheus(logs: Path, jobs: list[dict[str, Any]], rules: Path | None = None) -> Iterator[Prometheus]:
    """A server that scrapes these jobs, and works out these rules, each second."""
    DIRECTORY.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=DIRECTORY) as directory:
        address = free_address()
        settings = Path(directory) / "prometheus.json"
        every = {"scrape_interval": "1s", "evaluation_interval": "1s"}
        # YAML includes JSON, and JSON needs no quoting by hand.
        whole = {"global": every, "scrape_configs": jobs, "rule_files": [str(rules)] if rules else []}
        settings.write_text(json.dumps(whole), "utf-8")
        with Program("prometheus", server_command(settings, Path(directory) / "data", address), logs) as program:
            server = Prometheus(f"http://{address}", program)
            harness.wait_until("Prometheus serves", server.is_serving, program, START_SECONDS)
            yield server


def server_command(settings: Path, data: Path, address: str) -> list[str | Path]:
    """What starts it."""
    return [
        find("prometheus"),
        f"--config.file={settings}",
        f"--storage.tsdb.path={data}",
        f"--web.listen-address={address}",
        "--log.level=warn",
    ]


def free_address() -> str:
    """A port that was free just now: Prometheus does not tell which one it took if it is given port 0."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"
