"""More requests than there is room for: refused at once, given up in time, and what was promised is kept."""

import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from tests.client import Client
from tests.integration.shop import Shop
from tuning.stack import web
from tuning.stack.ports import HOST, free_port
from tuning.stack.stack import Stack

# Longer than any test holds one, on however slow a machine; the role's own is 2 s.
LOCK_TIMEOUT_S = 20
REFUSAL_S = 0.05
PATIENCE_S = 10.0
ONE_WORKER = {"WORKERS": "1", "STRATEGY": "function", "CACHE": "none", "POOL_TIMEOUT_S": "10"}
GTHREAD = {"WORKER_CLASS": "gthread", "CONNECTION_MODE": "persistent", "THREADS": "2"}


class Service:
    """One worker beside the session's own, and clients of it that end before it does."""

    def __init__(self, url: str, token: str) -> None:
        self._url, self._token = url, token
        self._clients: list[Client] = []

    def client(self) -> Client:
        """One with a connection of its own, for a user that is logged in."""
        self._clients.append(Client(self._url))
        self._clients[-1].token = self._token
        return self._clients[-1]

    def close_clients(self) -> None:
        for each in self._clients:
            each.__exit__()


@contextmanager
def served(stack: Stack, log: Path, **changes: str) -> Iterator[Service]:
    port = free_port()
    child = web.start(log, port, {**patient(stack), **ONE_WORKER, **changes})
    try:
        service = Service(f"http://{HOST}:{port}", token_of(stack))
        try:
            yield service
        finally:
            service.close_clients()
    finally:
        child.stop()


def patient(stack: Stack) -> dict[str, str]:
    """The stack's settings, past PgBouncer, with buyers who wait for a lock until the test lets them go."""
    url = make_conninfo(stack.conninfo("app"), options=f"-c lock_timeout={LOCK_TIMEOUT_S}s")
    return {**stack.service_env(), "DATABASE_URL": url, "LANE_DATABASE_URL": url}


def token_of(stack: Stack) -> str:
    """An access token, from the session's service: the one under test may be full."""
    with Client(stack.url) as client:
        assert client.log_in("user1").status == 200
        assert client.token is not None
        return client.token


@contextmanager
def locked(stack: Stack) -> Iterator[int]:
    """A product whose buyers wait."""
    with psycopg.connect(stack.direct) as blocker:
        product = Shop(blocker).product(1_000)
        blocker.commit()
        blocker.execute("SELECT 1 FROM product_stock WHERE product_id = %s FOR UPDATE", [product])
        yield product
        blocker.rollback()


def reserved(stack: Stack, key: str) -> int:
    """How many reservations were made under a key."""
    with psycopg.connect(stack.direct) as connection:
        row = connection.execute("SELECT count(*) FROM stock_reservation WHERE idempotency_key = %s", [key]).fetchone()
    assert row is not None
    return int(row[0])


def sessions_that_wait(stack: Stack, count: int) -> None:
    """Wait until so many sessions wait for a lock."""
    deadline = time.monotonic() + PATIENCE_S
    with psycopg.connect(stack.superuser, autocommit=True) as watcher:
        while True:
            row = watcher.execute("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'").fetchone()
            if row is not None and row[0] >= count:
                return
            assert time.monotonic() < deadline, row
            time.sleep(0.01)


@pytest.mark.parametrize("worker", [{}, GTHREAD], ids=["gevent", "gthread"])
def test_full_worker_refuses_at_once_and_tells_that_it_lives(
    stack: Stack, tmp_path: Path, worker: dict[str, str]
) -> None:
    with served(stack, tmp_path / "web", MAX_IN_FLIGHT="2", **worker) as service, locked(stack) as product:
        inside = [service.client() for _ in range(2)]
        for each in inside:
            each.send_reservation(product, 1)
        sessions_that_wait(stack, 2)
        took = []
        for _ in range(5):
            began = time.monotonic()
            answer = service.client().get("/api/products")
            took.append(time.monotonic() - began)
            assert (answer.status, answer.json["code"]) == (503, "overload")
            assert answer.headers["Content-Type"] == "application/problem+json"
            assert answer.headers["Retry-After"] in ("1", "2", "3")
        assert median(took) <= REFUSAL_S
        if not worker:  # the threads of the other class are all at work
            assert service.client().get("/healthz").status == 200


def test_worker_without_a_bound_refuses_nobody(stack: Stack, tmp_path: Path) -> None:
    """The control; and what waited inside is answered in the end."""
    with served(stack, tmp_path / "web", MAX_IN_FLIGHT="0") as service:
        with locked(stack) as product:
            inside = [service.client() for _ in range(2)]
            for each in inside:
                each.send_reservation(product, 1)
            sessions_that_wait(stack, 2)
            assert service.client().get("/api/products").status == 200
        assert [each.receive().status for each in inside] == [201, 201]


def test_refused_client_keeps_its_connection_and_is_served_on_it(stack: Stack, tmp_path: Path) -> None:
    with served(stack, tmp_path / "web", MAX_IN_FLIGHT="1") as service:
        waiting = service.client()
        with locked(stack) as product:
            inside = service.client()
            inside.send_reservation(product, 1)
            sessions_that_wait(stack, 1)
            key = uuid.uuid4().hex
            answers = [waiting.reserve(product, 1, key) for _ in range(3)]
            assert [each.status for each in answers] == [503] * 3
            assert {each.headers["Connection"] for each in answers} == {None}
        assert inside.receive().status == 201
        assert waiting.reserve(product, 1, key).status == 201


def test_sync_workers_refuse_who_waited_longest_in_the_backlog(stack: Stack, tmp_path: Path) -> None:
    sync = {"WORKER_CLASS": "sync", "CONNECTION_MODE": "persistent"}
    with served(stack, tmp_path / "web", MAX_IN_FLIGHT="2", **sync) as service:
        with locked(stack) as product:
            first = service.client()
            first.send_reservation(product, 1)
            # The worker has it: whoever comes now waits in the kernel's queue, and nobody else does.
            sessions_that_wait(stack, 1)
            clients = [service.client() for _ in range(5)]
            for each in clients:
                each.send_reservation(product, 1)
        answers = [each.receive() for each in [first, *clients]]
    # Of the five that wait three are too many.
    assert answers[0].status == 201
    assert sorted(each.status for each in answers) == [201, 201, 201, 503, 503, 503]
    assert {each.json["code"] for each in answers if each.status == 503} == {"overload"}


@pytest.mark.parametrize("strategy", ["function", "batched"], ids=["in the queue of the pool", "in the lane"])
@pytest.mark.parametrize(("allowed", "status"), [("0.3", 503), ("30", 201)], ids=["too late", "in time"])
def test_work_whose_deadline_passed_in_a_queue_is_not_done_afterwards(
    stack: Stack, tmp_path: Path, strategy: str, allowed: str, status: int
) -> None:
    """The control is a request with time enough, which waits in the same queue and is served."""
    with served(stack, tmp_path / "web", STRATEGY=strategy, POOL_SIZE="1", REQUEST_DEADLINE_S="20") as service:
        key = uuid.uuid4().hex
        other = service.client()
        with locked(stack) as product:
            first = service.client()
            first.send_reservation(product, 1)
            sessions_that_wait(stack, 1)
            began = time.monotonic()
            other.send_reservation(product, 1, key, {"Request-Timeout": allowed})
            if status == 503:
                assert other.receive().status == 503
                assert 0.2 < time.monotonic() - began < PATIENCE_S
            else:
                time.sleep(0.5)
        assert first.receive().status == 201
        if status == 201:
            assert other.receive().status == 201
        else:
            # Whoever asked behind the one that was given up is served, so its turn has come and gone.
            assert service.client().reserve(product, 1).status == 201
        assert reserved(stack, key) == (status == 201)
        # The key says so too: the reservation is made now, or told again.
        assert service.client().reserve(product, 1, key).status == 201
        assert reserved(stack, key) == 1


def test_what_was_sent_to_the_database_is_answered_after_its_deadline(stack: Stack, tmp_path: Path) -> None:
    with served(stack, tmp_path / "web", REQUEST_DEADLINE_S="0.5") as service:
        client, key = service.client(), uuid.uuid4().hex
        with locked(stack) as product:
            client.send_reservation(product, 1, key)
            sessions_that_wait(stack, 1)
            time.sleep(0.7)
        assert client.receive().status == 201
        assert reserved(stack, key) == 1
