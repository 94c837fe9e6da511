"""What a pod finds outside: a server of names, and an upstream behind TLS whose authority nobody else knows.

The addresses of names come over UDP from a server that answers as a cluster's does: every name is tried with the
cluster's endings first, and none of those exists. What a newcomer would get wrong: to test with /etc/hosts alone. A
static binary has no NSS; it asks the servers of /etc/resolv.conf by itself, and that is what must work.
"""

from __future__ import annotations

import socket
import ssl
import struct
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from container import tool
from harness import expect

NAME = "chathub.example"

RESOLV_CONF = """\
search here.svc.cluster.local svc.cluster.local cluster.local
nameserver 127.0.0.1
options ndots:5
"""
"""As a kubelet writes it."""

OPERATORS = b'[{"id":101,"name":"Ann","status":0}]'

A, NO_SUCH_NAME = 1, 3


@contextmanager
def names() -> Iterator[list[str]]:
    """A server of names on port 53, while it lasts; the names that it was asked for."""
    asked: list[str] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 53))
        thread = threading.Thread(target=_answer_all, args=(server, asked), daemon=True)
        thread.start()
        try:
            yield asked
        finally:
            # A datagram of nothing ends it.
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
                last.sendto(b"", ("127.0.0.1", 53))
            thread.join(10)


def _answer_all(server: socket.socket, asked: list[str]) -> None:
    while True:
        question, whose = server.recvfrom(512)
        if not question:
            return
        server.sendto(_answer(question, asked), whose)


def _answer(question: bytes, asked: list[str]) -> bytes:
    """RFC 1035 §4.1: the question again, and for the one name that exists, its address."""
    labels, at = [], 12
    while question[at]:
        labels.append(question[at + 1 : at + 1 + question[at]].decode())
        at += 1 + question[at]
    (kind,) = struct.unpack_from("!H", question, at + 1)
    name = ".".join(labels)
    asked.append(name)
    is_known = name == NAME
    answers = 1 if is_known and kind == A else 0
    flags = 0x8180 | (0 if is_known else NO_SUCH_NAME)
    head = question[:2] + struct.pack("!HHHHH", flags, 1, answers, 0, 0)
    # The name by a pointer to the question, one minute to live, four bytes.
    address = struct.pack("!HHHIH4s", 0xC00C, A, 1, 60, 4, socket.inet_aton("127.0.0.1"))
    return head + question[12 : at + 5] + address * answers


class _Lists(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answers with the same list whatever is asked for."""
        self.send_response(200)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(OPERATORS)))
        self.end_headers()
        self.wfile.write(OPERATORS)

    def log_message(self, *_: object) -> None:
        """Nothing is to be said."""


@contextmanager
def upstream(directory: Path) -> Iterator[tuple[str, Path]]:
    """An upstream behind TLS, while it lasts: its URL, and the file with its authority."""
    authority, certificate, key = make_certificates(directory)
    terms = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    terms.load_cert_chain(certificate, key)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Lists)
    server.daemon_threads = True
    server.socket = terms.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield f"https://{NAME}:{server.server_port}", authority
    finally:
        server.shutdown()
        server.server_close()


def make_certificates(directory: Path) -> tuple[Path, Path, Path]:
    """An authority, and a certificate for the name with its key. They are made anew, and good for a day."""
    directory.mkdir(parents=True, exist_ok=True)
    authority, request, certificate = (directory / name for name in ("ca.crt", "leaf.csr", "leaf.crt"))
    authority_key, key, extensions = (directory / name for name in ("ca.key", "leaf.key", "leaf.ext"))
    new_key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    extensions.write_text(f"subjectAltName=DNS:{NAME}\nbasicConstraints=CA:FALSE\n", "utf-8")
    whose = ["-CA", authority, "-CAkey", authority_key, "-CAcreateserial"]
    _openssl(
        "req", "-x509", *new_key, "-days", "1", "-subj", "/CN=An authority", "-keyout", authority_key, "-out", authority
    )
    _openssl("req", *new_key, "-subj", f"/CN={NAME}", "-keyout", key, "-out", request)
    _openssl("x509", "-req", "-in", request, *whose, "-days", "1", "-extfile", extensions, "-out", certificate)
    return authority, certificate, key


def _openssl(*arguments: str | Path) -> None:
    ended = subprocess.run([tool("openssl"), *arguments], capture_output=True, text=True, timeout=30)
    expect(ended.returncode == 0, f"openssl {arguments[0]}: {ended.stderr.strip()}")
