"""Each connection mode under each worker class, over HTTP, on real gunicorn workers."""

import time
import uuid
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from tests.client import Client
from tests.integration.shop import Shop
from tuning.stack import web
from tuning.stack.errors import StackError
from tuning.stack.ports import HOST, free_port
from tuning.stack.stack import Stack

WORKER_CLASSES = ("sync", "gthread", "gevent")
POOL_SIZE = 3
REQUESTS = 12


@pytest.mark.parametrize("strategy", ["pessimistic", "function"])
@pytest.mark.parametrize(
    ("worker_class", "mode"),
    [
        (worker_class, mode)
        for worker_class in WORKER_CLASSES
        for mode in ("pool", "persistent", "per_request")
        if (worker_class, mode) != ("gevent", "persistent")
    ],
)
def test_mode_keeps_its_connections(
    stack: Stack, shop: Shop, tmp_path: Path, worker_class: str, mode: str, strategy: str
) -> None:
    """How many server connections stay behind a request is what tells the modes apart."""
    name = f"mode-{uuid.uuid4().hex[:12]}"
    settings = {
        "WORKER_CLASS": worker_class,
        "CONNECTION_MODE": mode,
        "STRATEGY": strategy,
        "WORKERS": "1",
        "THREADS": "2",
        "POOL_SIZE": str(POOL_SIZE),
        "DATABASE_URL": make_conninfo(stack.direct, application_name=name),
    }
    port = free_port()
    child = web.start(tmp_path / "web.log", port, {**stack.service_env(), **settings})
    try:
        product = shop.product(REQUESTS)
        with Client(f"http://{HOST}:{port}") as client:
            client.log_in("user1")
            for _ in range(REQUESTS):
                assert client.reserve(product, 1).status == 201
            assert client.reserve(product, 1).status == 409
        expected = {"pool": range(1, POOL_SIZE + 1), "persistent": range(1, 3), "per_request": range(1)}[mode]
        assert settled_connections(shop, name, expected) in expected
    finally:
        child.stop()
    assert shop.counters(product) == (0, REQUESTS, 0)


def test_gevent_with_persistent_connections_does_not_start(stack: Stack, tmp_path: Path) -> None:
    settings = {**stack.service_env(), "CONNECTION_MODE": "persistent"}
    with pytest.raises(StackError, match="persistent leaks connections under gevent"):
        web.start(tmp_path / "web.log", free_port(), settings)


def settled_connections(shop: Shop, name: str, expected: range) -> int:
    """How many connections stay; a worker closes one a moment after it has answered."""
    deadline = time.monotonic() + 2
    while True:
        row = shop.connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = %s", [name]
        ).fetchone()
        assert row is not None
        if row[0] in expected or time.monotonic() > deadline:
            return int(row[0])


def await_lock_wait(watcher: psycopg.Connection) -> None:
    """Return when some session waits for a row lock."""
    deadline = time.monotonic() + 5
    waiting = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%reserve_%'"
    while watcher.execute(waiting).fetchone() is None:
        assert time.monotonic() < deadline, "nothing waits for the lock"


def test_full_pool_answers_503_with_retry_after(
    stack: Stack, shop: Shop, watcher: psycopg.Connection, tmp_path: Path
) -> None:
    """The only connection waits for a lock; whoever wants it next is sent away, not left to wait."""
    port = free_port()
    settings = {"POOL_SIZE": "1", "POOL_TIMEOUT_S": "0.2", "WORKERS": "1", "DATABASE_URL": stack.direct}
    child = web.start(tmp_path / "web.log", port, {**stack.service_env(), **settings})
    product = shop.product(5)
    try:
        with Client(f"http://{HOST}:{port}") as client, Client(f"http://{HOST}:{port}") as other:
            client.log_in("user1")
            other.token = client.token
            with psycopg.connect(stack.direct) as blocker:
                blocker.execute("SELECT 1 FROM product_stock WHERE product_id = %s FOR UPDATE", [product])
                client.send_reservation(product, 1)
                await_lock_wait(watcher)
                refused = other.get(f"/api/reservations/{uuid.uuid4()}")
            assert (refused.status, refused.json["code"]) == (503, "busy")
            assert refused.headers["Retry-After"] in ("1", "2", "3")
            assert client.receive().status == 201
    finally:
        child.stop()
