"""The public corpus: the requests that the crate http_desync_guardian was tested with, and what is made of them.

They are somebody else's, so they are not in this tree: cargo fetches the crate and checks its digest, as it does with
any other. An entry there is a method, a target, a version and fields; how it is to be treated is said as well, but for
another kind of program. Here the strict reader decides. A head that it takes is a request like any, sent with the
content that it announces, and must arrive as it is. Any other is malformed. If it is clear nevertheless where the
request ends, it has that content, too; if not, it is played with each tail of our own corpus, and with content of each
length that somebody may read, so that a server that reads another length than the next gives itself away.

What a newcomer would get wrong: nearly none of the entries has a host, and without one all would be refused for that
alone. So it is added.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import harness
from harness import expect

import strict
from corpus.case import HOST, KEY, SMUGGLED, TAILS, Case, Got, Group

NAME, VERSION, COUNT = "http_desync_guardian", "0.1.3", 159

TITLE = f"The public corpus of {NAME} {VERSION}"

DIRECTORY = harness.TARGET / "hostile/public"
CRATE = DIRECTORY / f"crates/{NAME}-{VERSION}"
PYTHON = harness.TARGET / "hostile/python/bin/python"
"""An interpreter that has PyYAML: tests/run makes it."""

READ = (
    "import json, sys, yaml; "
    "json.dump([[name, yaml.load(open(name, encoding='utf-8'), yaml.BaseLoader)] for name in sys.argv[1:]], sys.stdout)"
)
"""A program for it. The base loader takes every scalar as it is written: 1000,1000 must not become a number."""

MANIFEST = f"""[package]
name = "public-corpus"
version = "0.0.0"
edition = "2021"
[lib]
path = "none.rs"
[dependencies]
{NAME} = {{ version = "={VERSION}", default-features = false }}
[workspace]
"""

LENGTH = re.compile(rb"(?i)length|transfer|encod")
"""What makes of a malformed line one that another server may read a length from."""

NUMBER = re.compile(rb"(?i)length\s*:\s*\D?(\d{1,6})(?!\d)")
"""A length that somebody may read."""


def fetch() -> None:
    """Fetches the crate, unless it is there."""
    if CRATE.is_dir():
        return
    DIRECTORY.mkdir(parents=True, exist_ok=True)
    manifest = DIRECTORY / "Cargo.toml"
    manifest.write_text(MANIFEST, "utf-8")
    (DIRECTORY / "none.rs").touch()
    command = ["cargo", "vendor", "--quiet", "--versioned-dirs", "--manifest-path", manifest, CRATE.parent]
    ended = subprocess.run(command, cwd=DIRECTORY, stdout=subprocess.DEVNULL, check=False)
    expect(ended.returncode == 0 and CRATE.is_dir(), f"cargo cannot fetch {NAME} {VERSION}: is there a network?")


def groups() -> tuple[Group, ...]:
    """The corpus, a group for each of its files."""
    expect(PYTHON.exists(), f"{PYTHON} is missing: tests/run hostile makes it")
    files = sorted((CRATE / "tests").glob("*.yaml"))
    told = subprocess.run([PYTHON, "-c", READ, *files], capture_output=True, text=True, check=True)
    read = json.loads(told.stdout)
    found = tuple(Group(Path(name).stem.replace("-", " "), _cases(entries)) for name, entries in read)
    count = sum(len(group.cases) for group in found)
    expect(count == COUNT, f"the corpus has {count} requests, not {COUNT}")
    return found


def _cases(entries: list[dict[str, Any]]) -> tuple[Case, ...]:
    """The entries of a file; those of one name are numbered."""
    names: Counter[str] = Counter()
    cases = []
    for entry in entries:
        names[entry["name"]] += 1
        number = names[entry["name"]]
        cases.append(_case(entry, entry["name"] if number == 1 else f"{entry['name']} ({number})"))
    return tuple(cases)


def _case(entry: dict[str, Any], name: str) -> Case:
    raw = _head(entry)
    try:
        head = strict.parse_head(raw)
    except strict.Fault as fault:
        return _malformed(name, str(fault), raw)
    content, body = _content(head)
    got = Got(head.method, head.target, body)
    return Case(name, "well-formed", (raw + content,), (200,), (got,), either=True)


def _malformed(name: str, why: str, raw: bytes) -> Case:
    """If it is clear where the request ends, it has its content; if not, whatever anybody may read."""
    head = _framing(raw)
    if head is not None:
        return Case(name, why, (raw + _content(head)[0],), (400,), closes=True)
    numbers = sorted({int(number) for number in NUMBER.findall(raw)})
    tails = [*TAILS, *(b"x" * number + SMUGGLED for number in numbers)]
    return Case(name, why, tuple(raw + tail for tail in tails), (400,), closes=True, is_doubtful=True)


def _framing(raw: bytes) -> strict.Head | None:
    """The head without what is malformed and says nothing of the length, if that is clear to everybody."""
    first, *lines = raw.removesuffix(b"\r\n\r\n").split(b"\r\n")
    if re.search(rb"[\r\n]", b"".join([first, *lines])) or not first.endswith(b" HTTP/1.1"):
        return None
    kept = [line for line in lines if strict.is_field(line) or LENGTH.search(line)]
    try:
        return strict.parse_head(b"\r\n".join([b"GET / HTTP/1.1", *kept, b"", b""]))
    except strict.Fault:
        return None


def _content(head: strict.Head) -> tuple[bytes, bytes]:
    """The content that a head announces, on the wire and for itself."""
    body = b"hello" if head.is_chunked else b"x" * head.length
    return (b"5\r\nhello\r\n0\r\n\r\n" if head.is_chunked else body), body


def _head(entry: dict[str, Any]) -> bytes:
    """The head as it would be on the wire, with a host and a credential."""
    fields = [(field["name"], field["value"]) for field in entry["headers"] or []]
    lines = [" ".join(filter(None, (entry["method"], entry["uri"], entry["version"])))]
    if not any(name.strip().lower() == "host" for name, _ in fields):
        lines.append(HOST)
    lines += [f"{name}:{value}" if value.startswith(" ") else f"{name}: {value}" for name, value in fields]
    # Texts with bytes beyond ASCII are UTF-8 there, and stand for themselves.
    return "\r\n".join([*lines, KEY, "", ""]).encode("utf-8")
