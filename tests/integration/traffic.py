"""Buyers who reserve over HTTP while something breaks, and what they were told."""

import http.client
import random
import threading
import time
import uuid
from collections import Counter
from dataclasses import dataclass, field

from tests.client import Answer, Client

# A refused client comes back sooner than Retry-After says, so that a fault meets more requests.
PAUSE_S = 0.05


@dataclass
class Told:
    """``acked`` holds the orders that a buyer was told of, each with the time of day when.

    ``wrong`` holds each answer that is never to be given.
    """

    statuses: Counter[int] = field(default_factory=Counter)
    acked: dict[str, float] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    last_success: float = 0.0


class Traffic:
    """Keep-alive clients, each in a thread of its own; use it as a context manager."""

    def __init__(self, url: str, token: str, products: list[int], clients: int = 8) -> None:
        self.told = Told()
        self._url = url
        self._token = token
        self._products = products
        self._is_over = threading.Event()
        self._threads = [threading.Thread(target=self._buy, daemon=True) for _ in range(clients)]

    def __enter__(self) -> "Traffic":
        for thread in self._threads:
            thread.start()
        self.await_success(time.monotonic())
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        for thread in self._threads:
            thread.join(60)
            assert not thread.is_alive(), "a request was never answered"

    def await_success(self, since: float, timeout_s: float = 30.0) -> float:
        """Wait for a reservation that began after ``since``; how long it took from there."""
        deadline = time.monotonic() + timeout_s
        while self.told.last_success <= since:
            assert time.monotonic() < deadline, f"nothing succeeds any more: {self.told.statuses}"
            time.sleep(0.01)
        return self.told.last_success - since

    def _buy(self) -> None:
        while not self._is_over.is_set():
            with Client(self._url) as client:
                client.token = self._token
                try:
                    self._buy_over(client)
                except (OSError, http.client.HTTPException) as error:
                    # gunicorn itself is never ended here: it owes an answer to everyone.
                    self.told.wrong.append(repr(error))

    def _buy_over(self, client: Client) -> None:
        key, product = uuid.uuid4().hex, random.choice(self._products)
        while not self._is_over.is_set():
            began = time.monotonic()
            answer = client.reserve(product, 1, key)
            other = client.get(f"/api/products/{product}/availability")
            self._judge(answer, {201, 409})
            self._judge(other, {200})
            if answer.status == 503:
                time.sleep(PAUSE_S)
                continue
            if answer.status == 201:
                self.told.acked[answer.json["order_id"]] = time.time()
                if other.status == 200:
                    self.told.last_success = max(self.told.last_success, began)
            key, product = uuid.uuid4().hex, random.choice(self._products)

    def _judge(self, answer: Answer, expected: set[int]) -> None:
        self.told.statuses[answer.status] += 1
        if answer.status == 503 and answer.headers["Retry-After"] in ("1", "2", "3") and answer.json["code"] == "busy":
            return
        if answer.status not in expected:
            self.told.wrong.append(f"{answer.status}: {answer.body[:200]!r}")
