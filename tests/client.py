"""A small HTTP client for the service: the standard library's, with the token remembered."""

import http.client
import json
import uuid
from dataclasses import dataclass
from email.message import Message
from typing import Any
from urllib.parse import urlsplit

TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Message
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Client:
    """One keep-alive connection to the service."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        assert parts.hostname is not None
        self._connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=TIMEOUT_S)
        self.token: str | None = None

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def log_in(self, username: str, password: str = "flash-sale") -> Answer:
        answer = self.post("/api/auth/token", {"username": username, "password": password})
        if answer.status == 200:
            self.token = answer.json["access_token"]
        return answer

    def get(self, path: str, headers: dict[str, str] | None = None) -> Answer:
        self._send("GET", path, None, headers or {})
        return self.receive()

    def post(self, path: str, body: Any, headers: dict[str, str] | None = None) -> Answer:
        self._send("POST", path, json.dumps(body).encode(), headers or {})
        return self.receive()

    def delete(self, path: str) -> Answer:
        self._send("DELETE", path, None, {})
        return self.receive()

    def reserve(self, product_id: int, quantity: int, key: str | None = None) -> Answer:
        self.send_reservation(product_id, quantity, key)
        return self.receive()

    def send_reservation(
        self, product_id: int, quantity: int, key: str | None = None, more: dict[str, str] | None = None
    ) -> None:
        """Send and do not wait; :meth:`receive` takes the answer."""
        body = {"lines": [{"product_id": product_id, "quantity": quantity}]}
        headers = {"Idempotency-Key": key or uuid.uuid4().hex, **(more or {})}
        self._send("POST", "/api/reservations", json.dumps(body).encode(), headers)

    def receive(self) -> Answer:
        response = self._connection.getresponse()
        return Answer(response.status, response.headers, response.read())

    def _send(self, method: str, path: str, body: bytes | None, headers: dict[str, str]) -> None:
        given = {"Content-Type": "application/json", **headers}
        if self.token is not None:
            given["Authorization"] = f"Bearer {self.token}"
        self._connection.request(method, path, body, given)
