"""An upstream whose capacity is known, in a process of its own.

What a newcomer would get wrong: an upstream that waits for a time in each request has no capacity, for any number of
them wait at once. Here so many workers take so long for each, first come, first served, in a line without an end; and a
request whose client has left is worked on all the same, as servers do. That is what an overload needs to be one.
"""

from __future__ import annotations

import asyncio
import heapq
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection as Pipe

import bench

LIST = b"[" + b",".join(b'{"id":%d,"name":"Operator %d","status":0}' % (n, n) for n in range(40)) + b"]"
LARGE = 20 * bench.MIB
PIECE = bytes(64 * 1024)

LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


def answer(content: bytes, more: bytes = b"") -> bytes:
    """A whole answer."""
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n%sContent-Length: %d\r\n\r\n" % (more, len(content))
    return head + content


LISTED = answer(LIST)
DONE = answer(b"{}")
SWITCHED = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: "
"""To be followed by the value for the only key that our clients send."""
SWITCHED += b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"


class Workers:
    """When a request that comes now is done, if the line is as long as it is."""

    def __init__(self, count: int, seconds: float) -> None:
        self.seconds = seconds
        self.free_at = [0.0] * count

    def done_at(self, now: float) -> float:
        """Takes the worker that is free first."""
        done = max(now, self.free_at[0]) + self.seconds
        heapq.heapreplace(self.free_at, done)
        return done


class Server(asyncio.Protocol):
    """One connection: requests one after another."""

    def __init__(self, workers: Workers | None) -> None:
        self.workers = workers
        self.bytes = b""
        self.is_tunnel = False
        self.owed = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        transport.set_write_buffer_limits(high=len(PIECE))

    def data_received(self, data: bytes) -> None:
        if self.is_tunnel:
            self.transport.write(data)
            return
        self.bytes += data
        while (end := self.bytes.find(b"\r\n\r\n")) >= 0:
            length = LENGTH.search(self.bytes, 0, end)
            whole = end + 4 + (int(length[1]) if length else 0)
            if len(self.bytes) < whole:
                return
            head, self.bytes = self.bytes[:end], self.bytes[whole:]
            self.serve(head)

    def serve(self, head: bytes) -> None:
        """Answers by the path."""
        path = head.split(b" ", 2)[1]
        if path.startswith(b"/chathub"):
            self.is_tunnel = True
            self.transport.write(SWITCHED)
        elif path.startswith(b"/api/operator?"):
            self.transport.write(LISTED)
        elif path.startswith(b"/api/large"):
            self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % LARGE)
            self.owed = LARGE
            self.resume_writing()
        elif self.workers and path.startswith(b"/api/chat"):
            loop = asyncio.get_running_loop()
            loop.call_at(self.workers.done_at(loop.time()), self.transport.write, DONE)
        else:
            self.transport.write(DONE)

    def resume_writing(self) -> None:
        """Gives the next piece of a large answer whenever the last has gone: a thousand of them have no room here."""
        while self.owed and not self.transport.get_write_buffer_size() and not self.transport.is_closing():
            piece = PIECE[: self.owed]
            self.owed -= len(piece)
            self.transport.write(piece)


def serve(pipe: Pipe, workers: int, seconds: float) -> None:
    """Serves for ever; tells its port first. Without workers nothing takes any time."""

    async def main() -> None:
        shared = Workers(workers, seconds) if workers else None
        listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
        server = await asyncio.get_running_loop().create_server(lambda: Server(shared), sock=listener, backlog=4096)
        pipe.send(listener.getsockname()[1])
        await server.serve_forever()

    asyncio.run(main())


@contextmanager
def upstream(workers: int = 0, seconds: float = 0.0) -> Iterator[str]:
    """Such an upstream, by its URL."""
    with bench.helper(serve, workers, seconds) as pipe:
        yield f"http://127.0.0.1:{bench.told(pipe, 'the upstream tells its port', 10)}"
