"""The report: what was measured, on what, and how it compares."""

from __future__ import annotations

import datetime
import os
import platform
import re
import subprocess
from pathlib import Path

from footprint import Footprint
from works import Result

VERSIONS = {"nginx": ["nginx", "-v"], "HAProxy": ["haproxy", "-v"], "Varnish": ["varnishd", "-V"], "wrk": ["wrk", "-v"],
            "oha": ["oha", "--version"], "Rust": ["rustc", "--version"]}  # fmt: skip

HEAD = """# The gateway and its peers

Written by `benches/peers/run --footprint --output benches/peers/RESULTS.md`: {rounds} rounds of {seconds} s for each peer
and work, in turn; medians. The gateway runs with its defaults, with metrics and access log (into a file); of what goes
upstream its quotas are set so high that nothing waits. The others are tuned and log nothing (configurations beside this
file). "bare" is a server of the gateway's libraries alone: hyper, a keyed digest, a lookup. Load generator, upstream and
all servers share the machine's processors. Figures are good for ratios within one table and for nothing else.

{machine}

"""


def render(results: list[Result], footprint: Footprint | None, rounds: int, seconds: int) -> str:
    """The whole report."""
    parts = [HEAD.format(rounds=rounds, seconds=seconds, machine=machine())]
    if results:
        parts.append(summary(results))
    parts += [table(result) for result in results]
    if footprint:
        parts.append(footprint.render())
    return "\n".join(parts)


def machine() -> str:
    """Where and with what this was measured."""
    found = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text("utf-8"))
    processor = found.group(1) if found else platform.machine()
    versions = ", ".join(f"{name} {version(command)}" for name, command in VERSIONS.items())
    date = datetime.date.today().isoformat()
    return f"{date}; {os.cpu_count()} × {processor}, Linux {platform.release()}; {versions}."


def version(command: list[str]) -> str:
    """The first thing in a program's own words that looks like a version."""
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    found = re.search(r"\d+\.\d+(\.\d+)?", told.stdout + told.stderr)
    return found.group(0) if found else "?"


def summary(results: list[Result]) -> str:
    """One line for each work: the gateway against the best of the others."""
    rows = ["| work | against | CPU per request | p50 | p99 |", "|---|---|---|---|---|"]
    for result in results:
        against = "bare: {:.2f}".format(result.median("gateway", "cpu") / result.median("bare", "cpu"))
        rivals = "best of " + ", ".join(result.work.against) if len(result.work.against) > 1 else result.work.against[0]
        figures = " | ".join(f"{result.ratio(figure):.2f} ×" for figure in ("cpu", "p50", "p99"))
        rows.append(f"| {result.work.name} | {rivals} ({against}) | {figures} |")
    return "## The gateway, relative to others\n\n" + "\n".join(rows) + "\n"


def table(result: Result) -> str:
    """All figures of one work."""
    rows = [
        f"## {result.work.name[0].upper()}{result.work.name[1:]}\n",
        "| peer | CPU µs per request | of these rounds | requests/s | p50 µs | p99 µs | p99.9 µs | memory MB |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for peer, samples in result.samples.items():
        cpus = [sample.cpu for sample in samples]
        rows.append(
            f"| {peer} | {result.median(peer, 'cpu'):.1f} | {min(cpus):.1f} to {max(cpus):.1f}"
            f" | {result.median(peer, 'rate'):,.0f} | {result.median(peer, 'p50'):,.0f}"
            f" | {result.median(peer, 'p99'):,.0f} | {result.median(peer, 'p999'):,.0f}"
            f" | {result.median(peer, 'memory') / 1e6:.1f} |"
        )
    return "\n".join(rows) + "\n"


def lines(result: Result) -> list[str]:
    """The same for who looks on."""
    told = [
        f"{peer:8} {result.median(peer, 'cpu'):6.1f} µs CPU, {result.median(peer, 'rate'):7,.0f}/s,"
        f" p50 {result.median(peer, 'p50'):6,.0f}, p99 {result.median(peer, 'p99'):7,.0f} µs"
        for peer in result.samples
    ]
    ratios = ", ".join(f"{figure} {result.ratio(figure):.2f}" for figure in ("cpu", "p50", "p99"))
    return [*told, f"gateway / best of {', '.join(result.work.against)}: {ratios} (CPU bar {result.work.bar})"]
