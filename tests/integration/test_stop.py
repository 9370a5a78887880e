"""A stop and a reload under load: nobody is told of an error that one retry does not mend, and nothing is lost.

``HOTROW_SOAK_S`` makes it as long as the requirement says: a reload every 10 s for 2 min.
"""

import http.client
import os
import signal
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from tests.client import Answer, Client
from tests.integration.shop import Shop
from tests.integration.test_overload import GTHREAD, locked, patient, sessions_that_wait, token_of
from tuning.stack import web
from tuning.stack.children import Child
from tuning.stack.ports import HOST, free_port
from tuning.stack.stack import Stack

IS_SOAK = "HOTROW_SOAK_S" in os.environ
RELOADS = 12 if IS_SOAK else 3
RELOAD_INTERVAL_S = 10.0 if IS_SOAK else 1.5
CLIENTS = 6
PATIENCE_S = 20.0
DRAIN_S = 3.0
WORKERS = [pytest.param({}, id="gevent"), pytest.param({**GTHREAD, "THREADS": "9"}, id="gthread")]


@contextmanager
def started(stack: Stack, log: Path, **changes: str) -> Iterator[tuple[Child, str]]:
    port = free_port()
    child = web.start(log, port, {**patient(stack), "WORKERS": "2", "STRATEGY": "batched", **changes})
    try:
        yield child, f"http://{HOST}:{port}"
    finally:
        child.stop()


class Buyers:
    """Clients that keep their connections, and ask once more with the same key when one was closed under them."""

    def __init__(self, url: str, token: str, product: int) -> None:
        self.acked: list[str] = []
        self.retries = 0
        self.failed: list[str] = []
        self._url, self._token, self._product = url, token, product
        self._is_over = threading.Event()
        self._threads = [threading.Thread(target=self._buy, daemon=True) for _ in range(CLIENTS)]

    def __enter__(self) -> "Buyers":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        for thread in self._threads:
            thread.join(PATIENCE_S)
            assert not thread.is_alive()

    def await_acked(self, count: int) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while len(self.acked) < count:
            assert time.monotonic() < deadline, (len(self.acked), self.failed)
            time.sleep(0.01)

    def _buy(self) -> None:
        with Client(self._url) as client:
            client.token = self._token
            while not self._is_over.is_set():
                self._reserve(client, uuid.uuid4().hex)
                # Now and then a connection rests, so that a reload meets one that is idle.
                time.sleep(0.02 if len(self.acked) % 50 else 0.5)

    def _reserve(self, client: Client, key: str) -> None:
        for is_last in (False, True):
            try:
                answer = client.reserve(self._product, 1, key)
            except (OSError, http.client.HTTPException) as error:
                # The next try opens a new connection.
                client.__exit__()
                self.retries += 1
                if is_last:
                    self.failed.append(repr(error))
                continue
            if answer.status == 201:
                self.acked.append(answer.json["order_id"])
            else:
                self.failed.append(f"{answer.status} {answer.body[:100]!r}")
            return


def product_of(stack: Stack) -> int:
    with psycopg.connect(stack.direct, autocommit=True) as connection:
        return Shop(connection).product(1_000_000)


def assert_durable(stack: Stack, orders: list[str]) -> None:
    with psycopg.connect(stack.direct) as connection:
        row = connection.execute(
            "SELECT count(DISTINCT order_id) FROM stock_reservation WHERE order_id = ANY (%s::uuid[])", [orders]
        ).fetchone()
    assert row == (len(orders),)


def workers(child: Child) -> set[str]:
    return set(Path(f"/proc/{child.pid}/task/{child.pid}/children").read_text().split())


@pytest.mark.timeout(300)
@pytest.mark.parametrize("changes", WORKERS)
def test_reloads_under_load_fail_nobody_who_asks_twice(stack: Stack, tmp_path: Path, changes: dict[str, str]) -> None:
    with started(stack, tmp_path / "web", **changes) as (child, url):
        with Buyers(url, token_of(stack), product_of(stack)) as buyers:
            buyers.await_acked(20)
            for _ in range(RELOADS):
                before, acked = workers(child), len(buyers.acked)
                child.process.send_signal(signal.SIGHUP)
                deadline = time.monotonic() + PATIENCE_S
                # The control: there are other workers, and they serve.
                while not workers(child) - before:
                    assert time.monotonic() < deadline
                    time.sleep(0.05)
                time.sleep(RELOAD_INTERVAL_S)
                buyers.await_acked(acked + 20)
                assert web.answers(int(url.rpartition(":")[2]), "/readyz")
        assert buyers.failed == []
        assert_durable(stack, buyers.acked)


@pytest.mark.parametrize("changes", WORKERS)
def test_stop_is_seen_before_it_happens_and_loses_nothing(
    stack: Stack, tmp_path: Path, changes: dict[str, str]
) -> None:
    changes = {**changes, "WORKERS": "1", "STRATEGY": "function", "DRAIN_S": str(DRAIN_S)}
    with started(stack, tmp_path / "web", **changes) as (child, url), Client(url) as kept, Client(url) as inside:
        kept.token = inside.token = token_of(stack)
        assert kept.get("/readyz").status == 200
        with locked(stack) as product:
            inside.send_reservation(product, 1)
            sessions_that_wait(stack, 1)
            child.process.send_signal(signal.SIGTERM)
            # A new connection each: the drain takes them.
            answer = await_not_ready(url)
            assert (answer.status, answer.json["code"]) == (503, "draining")
            assert answer.headers["Connection"] == "close"
            alive = kept.get("/healthz")
            assert (alive.status, alive.headers["Connection"]) == (200, "close")
            with Client(url) as late:
                late.token = kept.token
                assert late.get("/api/products").status == 200
            assert child.exit_code() is None
        answer = inside.receive()
        assert answer.status == 201
        assert child.exit_code(PATIENCE_S) == 0
        assert_durable(stack, [answer.json["order_id"]])
        assert "timeout" not in (tmp_path / "web").read_text().lower()


def test_stop_without_a_drain_is_at_once(stack: Stack, tmp_path: Path) -> None:
    """The control: the drain is what is waited for."""
    with started(stack, tmp_path / "web", DRAIN_S="0") as (child, url):
        child.process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + PATIENCE_S
        while web.answers(int(url.rpartition(":")[2]), "/healthz"):
            assert time.monotonic() < deadline
        assert child.exit_code(PATIENCE_S) == 0


def test_stop_under_load_keeps_what_was_promised(stack: Stack, tmp_path: Path) -> None:
    with started(stack, tmp_path / "web", DRAIN_S="0.5") as (child, url):
        with Buyers(url, token_of(stack), product_of(stack)) as buyers:
            buyers.await_acked(50)
            child.process.send_signal(signal.SIGTERM)
            assert child.exit_code(PATIENCE_S) == 0
        # There is nobody left to ask again; what was answered was answered well.
        assert not [each for each in buyers.failed if each[0].isdigit()]
        assert_durable(stack, buyers.acked)


def await_not_ready(url: str) -> Answer:
    """The second answer that says so: the signal may have come while the first was made."""
    deadline = time.monotonic() + PATIENCE_S
    seen = 0
    while True:
        with Client(url) as client:
            answer = client.get("/readyz")
        seen += answer.status != 200
        if seen == 2:
            return answer
        assert time.monotonic() < deadline
        time.sleep(0.01)
