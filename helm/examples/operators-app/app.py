#!/usr/bin/env python3
"""An application as a team would put it beside the gateway: it keeps track of the operators of a few organizations.

It knows nothing of the gateway but the base URL. At its start it adds an operator of its own to the first organization,
then it lists all of them again and again, and at its end it switches its operator off. With `--once` it does all this
once and ends, as a Job does. It has a port of its own, on which it says how it is and what it knows.

Two things are easily got wrong in a pod. SIGTERM is where the work of ending begins: calls made from then on must still
find the gateway, and as a native sidecar it is there until this program has ended. And a cache, a pause or a retry of
the program's own would not help: lists come from the gateway's memory, writes hide them, and what is over quota waits.

Settings, all of the environment:
  CHATHUB_BASE_URL          where ChatHub is, or what stands before it
  CHATHUB_KEY               the profile key
  ORGANIZATIONS             whose operators, by commas (24)
  POLL_SECONDS              how long lies between two rounds (1)
  LISTEN                    address and port of its own (0.0.0.0:8000); empty: none
  CHATHUB_GATEWAY_QUIT_URL  for a Job beside a gateway that is no native sidecar: where to end it when all is done
  CHATHUB_GATEWAY_TOKEN     the secret that this takes, if the gateway has one
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import requests

ACTIVE, INACTIVE = 0, 1
"""Statuses of operators."""

PATIENCE_SECONDS = 30
"""How long a call may take. Longer than the gateway lets a call over quota wait, so that waiting is no failure."""


class Operators:
    """What is known of the operators, and the calls by which it is learnt."""

    def __init__(self) -> None:
        self.base = os.environ.get("CHATHUB_BASE_URL", "https://chatapi.smsbat.com")
        self.organizations = [int(each) for each in os.environ.get("ORGANIZATIONS", "24").split(",")]
        self.session = requests.Session()
        self.session.headers["X-Authorization-Key"] = os.environ.get("CHATHUB_KEY", "")
        # Nothing of the machine's own proxies: the base URL is where the calls go.
        self.session.trust_env = False
        self.known: dict[int, list[dict[str, Any]]] = {}
        self.calls = self.failed = 0
        self.own: int | None = None

    def call(self, method: str, path: str, **more: Any) -> Any:
        """One call: what it brought, or nothing if it failed, which is counted and told."""
        self.calls += 1
        try:
            answer = self.session.request(method, self.base + path, timeout=PATIENCE_SECONDS, **more)
            answer.raise_for_status()
            return answer.json() if answer.content else True
        except requests.RequestException as problem:
            self.failed += 1
            say("call failed", method=method, path=path, problem=f"{type(problem).__name__}: {problem}")
            return None

    def look(self) -> None:
        """Lists the operators of each organization."""
        for organization in self.organizations:
            listed = self.call("GET", "/api/operator", params={"organizationId": organization})
            if listed is not None:
                self.known[organization] = listed

    def join(self) -> None:
        """Adds an operator of our own."""
        wanted = {"name": f"Example {os.getpid()}", "organizationId": self.organizations[0]}
        made = self.call("POST", "/api/operator/synchronize", json=[wanted])
        self.own = made[0]["id"] if made else None
        self.switch(ACTIVE)

    def switch(self, status: int) -> None:
        """Switches our operator, and looks whether the next list shows it: after one's own write no list is older."""
        if self.own is None:
            return
        if not self.call("POST", "/api/operator/status", json={"id": self.own, "status": status}):
            return
        failed = self.failed
        self.look()
        if self.failed > failed:
            return
        seen = [each["status"] for each in self.known[self.organizations[0]] if each["id"] == self.own]
        if seen != [status]:
            self.failed += 1
            say("an older list than our own write", operator=self.own, wanted=status, seen=seen)


def say(message: str, **fields: Any) -> None:
    """One line of log."""
    print(json.dumps({"time": round(time.time(), 3), "message": message, **fields}), flush=True)


def listen(operators: Operators, address: str) -> ThreadingHTTPServer:
    """Answers on a port of our own what is known."""

    class Known(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            """`/healthz` is empty; anything else is answered with the operators."""
            content = b"" if self.path == "/healthz" else json.dumps(operators.known).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Probes are not worth a line."""

    host, _, port = address.rpartition(":")
    server = ThreadingHTTPServer((host, int(port)), Known)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


def main() -> int:
    # However it ends, or a gateway that is a container as any other would keep the Job's pod from ending.
    try:
        operators = work()
    finally:
        leave_gateway(os.environ.get("CHATHUB_GATEWAY_QUIT_URL"), os.environ.get("CHATHUB_GATEWAY_TOKEN", ""))
    say("ended", calls=operators.calls, failed=operators.failed)
    return 1 if operators.failed else 0


def work() -> Operators:
    """All that is there to do, to the end; with what became known and counted."""
    is_once = "--once" in sys.argv[1:]
    # Kept until it is asked for, here and in every thread. A handler that sets an Event can meet the very lock that the wait
    # for it holds, and neither goes on.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    operators = Operators()
    say("started", base=operators.base, organizations=operators.organizations)
    address = os.environ.get("LISTEN", "0.0.0.0:8000")
    server = listen(operators, address) if address and not is_once else None
    operators.join()
    while not is_once:
        operators.look()
        told = signal.sigtimedwait({signal.SIGTERM}, float(os.environ.get("POLL_SECONDS", "1")))
        # A process that was stopped and goes on may be told of a signal that there is not.
        if told and told.si_signo == signal.SIGTERM:
            break
    say("ending", calls=operators.calls, failed=operators.failed)
    operators.switch(INACTIVE)
    if server:
        server.shutdown()
    return operators


def leave_gateway(url: str | None, token: str) -> None:
    """Ends the gateway of a Job, which else would keep the pod from ending."""
    if not url:
        return
    with requests.Session() as session:
        session.trust_env = False
        # A secret that was made of a file ends with the file's last line break.
        secret = token.strip()
        headers = {"Authorization": f"Bearer {secret}"} if secret else {}
        session.post(url, headers=headers, timeout=PATIENCE_SECONDS).raise_for_status()


if __name__ == "__main__":
    sys.exit(main())
