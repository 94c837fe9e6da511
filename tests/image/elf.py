"""What the head of an ELF file tells of a program: for which processor it is, and what it needs at the start.

What a newcomer would get wrong: to ask `ldd`. It runs the program's own loader, and says "not a dynamic executable" of
whatever it cannot run, another processor's programs among them.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

PROCESSORS = {62: "amd64", 183: "arm64"}
"""EM_X86_64 and EM_AARCH64, by Docker's names."""

PT_DYNAMIC, PT_INTERP, PT_GNU_STACK = 2, 3, 0x6474E551
DT_NEEDED = 1
PF_X = 1
ET_DYN = 3


@dataclass(frozen=True)
class Head:
    """What is of interest here."""

    processor: str
    is_movable: bool
    """Whether it may be loaded at any address, so that each start has another."""
    has_loader: bool
    """Whether the system starts another program to load this one."""
    libraries: int
    """How many shared libraries it asks for."""
    runs_stack: bool
    """Whether what lies on its stack may be run."""


def read(path: Path) -> Head:
    """Reads the head of a 64-bit little-endian file."""
    content = path.read_bytes()
    if content[:6] != b"\x7fELF\x02\x01":
        raise ValueError(f"{path} is no 64-bit little-endian ELF file")
    kind, processor = struct.unpack_from("<HH", content, 16)
    (offset,) = struct.unpack_from("<Q", content, 32)
    size, count = struct.unpack_from("<HH", content, 54)
    segments = [struct.unpack_from("<IIQQQQ", content, offset + size * index) for index in range(count)]
    kinds = {segment[0] for segment in segments}
    return Head(
        processor=PROCESSORS.get(processor, str(processor)),
        is_movable=kind == ET_DYN,
        has_loader=PT_INTERP in kinds,
        libraries=sum(
            _libraries(content, begin, length) for what, _, begin, _, _, length in segments if what == PT_DYNAMIC
        ),
        runs_stack=any(flags & PF_X for what, flags, *_ in segments if what == PT_GNU_STACK),
    )


def _libraries(content: bytes, begin: int, length: int) -> int:
    entries = struct.iter_unpack("<qQ", content[begin : begin + length - length % 16])
    return sum(tag == DT_NEEDED for tag, _ in entries)
