"""The ChatHub calls of the operators page, as a Python service makes them with requests.

Nothing here waits between calls: pacing is what the gateway is for. And nothing here keeps a list: what the client
gets it has asked for, so a stale list is somebody else's.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import requests

ACTIVE, INACTIVE, DELETED = 0, 1, 2

CHUNK = 100
"""Operators in one synchronize call, as the page's sample has it."""

TIMEOUT = (5, 30)
"""Seconds for connecting and for the answer; a gateway may let a request wait for its turn."""

Observer = Callable[[requests.Response], None]


class ChatHub:
    """One company's view of ChatHub, over one connection that is kept."""

    def __init__(self, base_url: str, credential: dict[str, str], observe: Observer) -> None:
        self.base_url = base_url.rstrip("/")
        self.session = _session(observe)
        self.session.headers.update(credential)
        self.session.headers["Accept"] = "text/plain"

    def list_operators(self, organization_id: int) -> list[dict]:
        """All operators of an organization, deleted ones too."""
        response = self.session.get(
            f"{self.base_url}/api/operator", params={"organizationId": organization_id}, timeout=TIMEOUT
        )
        response.raise_for_status()
        return response.json()

    def active_operators(self, organization_id: int) -> list[dict]:
        """Those who can take chats."""
        return [operator for operator in self.list_operators(organization_id) if operator["status"] == ACTIVE]

    def find_operator(self, organization_id: int, name: str) -> dict | None:
        """The first operator of this name, in whatever case."""
        wanted = name.casefold()
        operators = self.list_operators(organization_id)
        return next((operator for operator in operators if operator["name"].casefold() == wanted), None)

    def add_operators(self, organization_id: int, names: list[str]) -> list[dict]:
        """Adds operators; the same name twice makes two."""
        items = [{"organizationId": organization_id, "name": name} for name in names]
        return self._post("/api/operator/synchronize", items).json()

    def import_operators(self, organization_id: int, names: list[str]) -> Iterator[list[dict]]:
        """Adds many operators and yields each chunk as it has been added."""
        for start in range(0, len(names), CHUNK):
            yield self.add_operators(organization_id, names[start : start + CHUNK])

    def add_missing(self, organization_id: int, names: list[str]) -> list[dict]:
        """Adds those whose names are not listed yet."""
        listed = {operator["name"].casefold() for operator in self.list_operators(organization_id)}
        missing = [name for name in names if name.casefold() not in listed]
        return self.add_operators(organization_id, missing) if missing else []

    def set_status(self, operator_id: int, status: int) -> None:
        """Switches an operator on or off, or deletes it."""
        self._post("/api/operator/status", {"id": operator_id, "status": status})

    def statistics(self, organization_id: int) -> dict[str, int]:
        """How many operators there are, in all and by status."""
        statuses = [operator["status"] for operator in self.list_operators(organization_id)]
        return {
            "total": len(statuses),
            "active": statuses.count(ACTIVE),
            "inactive": statuses.count(INACTIVE),
            "deleted": statuses.count(DELETED),
        }

    def organizations(self) -> list[dict]:
        """The company's organizations."""
        response = self.session.get(f"{self.base_url}/api/company/organization", timeout=TIMEOUT)
        response.raise_for_status()
        return response.json()

    def operator_token(self, operator_id: int, expires_at: str) -> str:
        """A token for one operator, which lives for a day at most."""
        return _token_in(self._post("/api/operator/get-token", {"id": operator_id, "expiresAt": expires_at}))

    def validate_token(self, token: str) -> dict:
        """The verdict on an operator's token."""
        return self._post("/api/operator/validate-token", {"token": token}).json()

    def _post(self, path: str, content: object) -> requests.Response:
        response = self.session.post(f"{self.base_url}{path}", json=content, timeout=TIMEOUT)
        response.raise_for_status()
        return response


def log_in(base_url: str, login: str, password: str, observe: Observer) -> str:
    """Exchanges login and password for a company token."""
    with _session(observe) as session:
        response = session.post(
            f"{base_url.rstrip('/')}/api/company/get-token",
            json={"login": login, "password": password},
            timeout=TIMEOUT,
        )
        response.raise_for_status()
        return _token_in(response)


def _session(observe: Observer) -> requests.Session:
    session = requests.Session()
    session.hooks["response"].append(lambda response, **_: observe(response))
    return session


def _token_in(response: requests.Response) -> str:
    """Reads a token in any of its three shapes: as plain text, as a JSON string, in an object."""
    text = response.text.strip()
    if not text.startswith(('"', "{")):
        return text
    value = json.loads(text)
    return value["token"] if isinstance(value, dict) else value
