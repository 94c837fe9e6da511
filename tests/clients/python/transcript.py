"""Prints what the client saw, one line of JSON for each answer and each result.

Two runs of the same scenario must print the same, so what may differ between runs is replaced: tokens, dates, trace
ids, and the ids of new operators, which are counted from the first. Only what the client read is shown: how the answer
was framed on the wire, or what a gateway adds to it, is not.
"""

from __future__ import annotations

import json
import re
from urllib.parse import urlsplit

import requests

_TOKEN = re.compile(r"[\w-]{8,}\.[\w-]{8,}\.[\w-]{8,}")
_VARYING = {"expiresAt": "<date>", "traceId": "<trace>"}


class Transcript:
    """Standard output, with one memory: the id of the first operator that was added."""

    def __init__(self) -> None:
        self.first_new_id: int | None = None

    def saw(self, response: requests.Response) -> None:
        """Prints an answer."""
        body = _body_of(response)
        target = urlsplit(response.url)
        self._learn(target.path, response.status_code, body)
        query = f"?{target.query}" if target.query else ""
        self._print(
            saw=f"{response.request.method} {target.path}{query}",
            status=response.status_code,
            contentType=response.headers.get("Content-Type"),
            challenge=response.headers.get("WWW-Authenticate"),
            body=body,
        )

    def result(self, step: str, value: object) -> None:
        """Prints what the scenario made of the answers."""
        self._print(step=step, result=value)

    def _learn(self, path: str, status: int, body: object) -> None:
        is_first = self.first_new_id is None and path.endswith("/synchronize") and status == 200
        if is_first and isinstance(body, list):
            self.first_new_id = body[0]["id"]

    def _print(self, **members: object) -> None:
        line = {name: self._normalised(value, name) for name, value in members.items()}
        print(json.dumps(line), flush=True)

    def _normalised(self, value: object, name: str = "") -> object:
        match value:
            case dict():
                return {key: self._normalised(member, key) for key, member in value.items()}
            case list():
                return [self._normalised(member) for member in value]
            case str() if name in _VARYING:
                return _VARYING[name]
            case str():
                return _TOKEN.sub("<token>", value)
            case int() if name in ("id", "operatorId"):
                return self._counted_from_first(value)
        return value

    def _counted_from_first(self, operator_id: int) -> int | str:
        if self.first_new_id is None or operator_id < self.first_new_id:
            return operator_id
        return f"new+{operator_id - self.first_new_id}"


def _body_of(response: requests.Response) -> object:
    is_json = "json" in response.headers.get("Content-Type", "")
    return response.json() if is_json else response.text
