"""The corpus: hostile requests of our own writing, a file for each kind of trick, an entry for each trick.

See case.py for what an entry says. Names are unique within a group.
"""

from __future__ import annotations

from . import caching, chunks, connection, credentials, downgrades, leftovers, lengths, lines, sizes, targets
from .case import Group

HTTP1: tuple[Group, ...] = (
    *lengths.GROUPS,
    *chunks.GROUPS,
    *lines.GROUPS,
    *targets.GROUPS,
    *credentials.GROUPS,
    *connection.GROUPS,
    *caching.GROUPS,
    *leftovers.GROUPS,
    *sizes.GROUPS,
)

HTTP2: tuple[Group, ...] = downgrades.GROUPS
