"""Customers of the service, at a constant rate, and what each request met."""

import http.client
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.client import Client

CLIENTS = 4
# Each client begins a request so often: 4 clients make 80 requests a second, which two cores have time for.
INTERVAL_S = 0.05
# A login takes 25 ms of a processor, and on a busy machine half a second.
LOGINS_S = 30.0


@dataclass(slots=True)
class Seen:
    """Seconds of each request by what it did, and the requests that failed."""

    seconds: list[tuple[float, str]] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    @property
    def worst(self) -> tuple[float, str]:
        return max(self.seconds)


@contextmanager
def traffic(url: str, products: list[int]) -> Iterator[Seen]:
    """List, look, reserve, pay and give back, from when all have logged in until the block is left."""
    seen, stop, ready = Seen(), threading.Event(), threading.Barrier(CLIENTS + 1)
    threads = [
        threading.Thread(target=_customer, args=(url, number, products, seen, stop, ready)) for number in range(CLIENTS)
    ]
    for thread in threads:
        thread.start()
    try:
        ready.wait(LOGINS_S)
        yield seen
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def _customer(
    url: str, number: int, products: list[int], seen: Seen, stop: threading.Event, ready: threading.Barrier
) -> None:
    with Client(url) as client:
        assert client.log_in(f"user{number + 1}").status == 200
        ready.wait(LOGINS_S)
        turn, order, begins = number, "", time.monotonic()
        while not stop.wait(max(0.0, begins - time.monotonic())):
            begins = max(begins + INTERVAL_S, time.monotonic() - INTERVAL_S)
            turn += 1
            product = products[turn % len(products)]
            started = time.monotonic()
            try:
                doing, status, order = _request(client, turn % 7, product, order)
            except (OSError, http.client.HTTPException) as error:
                seen.failures.append(f"{type(error).__name__}: {error}")
                return
            seen.seconds.append((time.monotonic() - started, doing))
            if status not in (200, 201):
                seen.failures.append(f"{doing}: {status}")


def _request(client: Client, step: int, product: int, order: str) -> tuple[str, int, str]:
    path = f"/api/reservations/{order}"
    match step:
        case 0 | 1:
            return "list", client.get("/api/products").status, order
        case 2:
            return "availability", client.get(f"/api/products/{product}/availability").status, order
        case 3 | 5:
            body = {"lines": [{"product_id": product, "quantity": 1}]}
            made = client.post("/api/reservations", body, {"Idempotency-Key": uuid.uuid4().hex})
            return "reserve", made.status, str(made.json.get("order_id", ""))
        case 4 if order:
            return "confirm", client.post(f"{path}/confirm", {"payment_ref": uuid.uuid4().hex}).status, ""
        case 6 if order:
            return "release", client.post(f"{path}/release", {}).status, ""
        case _:
            return "list", client.get("/api/products").status, order
