"""The table of results: how many cases of each group a server is safe in."""

from __future__ import annotations

import datetime
import platform
import re
import shutil
import subprocess
from dataclasses import dataclass, field

HEAD = """# Hostile requests

Written by `{command}`.

Each case is played against each server before an upstream that records every byte; the numbers say in how many a
server was safe, and judge.py says what that means. From the gateway more is demanded: the answer and the requests that
the case names, to the letter. A request that is refused is safe. nginx keeps lists for a minute, by credential, and
HAProxy keeps nothing; both are otherwise as they come (configurations beside this file).

{machine}
"""

OWN = "Our own corpus"

VERSIONS = {"nginx": ("nginx", "-v"), "haproxy": ("haproxy", "-v")}


@dataclass
class Row:
    """A group, and what became of its cases: for each server the names of those in which it was unsafe, and why."""

    group: str
    cases: int
    unsafe: dict[str, dict[str, str]] = field(default_factory=dict)

    def cell(self, server: str) -> str:
        """How many were safe."""
        return str(self.cases - len(self.unsafe[server])) if server in self.unsafe else "–"


def render(tables: dict[str, list[Row]], servers: list[str], command: str, left_out: list[str]) -> str:
    """The whole report."""
    parts = [HEAD.format(command=command, machine=machine(servers))]
    parts += [table(title, rows, servers) for title, rows in tables.items()]
    parts += [f"{text}\n" for text in left_out]
    # Of the public corpus not even the names are ours to repeat.
    rows = [row for title, rows in tables.items() if title.startswith(OWN) for row in rows]
    failed = [f"* {row.group}: {name}" for row in rows for name in row.unsafe.get("gateway", {})]
    if failed:
        parts.append("## Cases in which the gateway is not as it should be\n\n" + "\n".join(failed) + "\n")
    return "\n".join(parts)


def table(title: str, rows: list[Row], servers: list[str]) -> str:
    """Safe cases of one corpus, group by group, and in all."""
    lines = [f"## {title}\n", f"| group | cases | {' | '.join(servers)} |", "|---" * (2 + len(servers)) + "|"]
    for row in rows:
        lines.append(f"| {row.group} | {row.cases} | {' | '.join(row.cell(server) for server in servers)} |")
    sums = []
    for server in servers:
        played = [row for row in rows if server in row.unsafe]
        sums.append(str(sum(row.cases - len(row.unsafe[server]) for row in played)) if played else "–")
    lines.append(f"| **in all** | **{sum(row.cases for row in rows)}** | {' | '.join(f'**{one}**' for one in sums)} |")
    return "\n".join(lines) + "\n"


def machine(servers: list[str]) -> str:
    """When, and against what."""
    told = [f"{name} {version(VERSIONS[name])}" for name in servers if name in VERSIONS]
    return ", ".join([datetime.date.today().isoformat(), f"Python {platform.python_version()}", *told]) + "."


def version(command: tuple[str, ...]) -> str:
    """The first thing in a program's own words that looks like a version."""
    if shutil.which(command[0]) is None:
        return "?"
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    found = re.search(r"\d+\.\d+(\.\d+)?", told.stdout + told.stderr)
    return found.group(0) if found else "?"
