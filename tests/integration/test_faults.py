"""Faults under traffic over HTTP: only 503, no unit sold twice, back within 5 s, no connection leaked.

``HOTROW_SOAK_S`` makes them long: sessions are ended for half a minute, and every way to serve meets every fault.
"""

import os
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from tests.client import Answer, Client
from tests.conftest import missing
from tests.integration.shop import Shop
from tests.integration.traffic import Traffic
from tuning.stack import binaries, postgres, web
from tuning.stack.ports import HOST, free_port
from tuning.stack.profiles import KIT
from tuning.stack.stack import Stack
from tuning.stack.supervisor import running

IS_SOAK = "HOTROW_SOAK_S" in os.environ
RECOVERY_S = 5.0
# As the requirement says.
PGBOUNCER_KILLS = 10
TERMINATE_S = 30.0 if IS_SOAK else 2.0
TERMINATE_INTERVAL_S = 2.0 if IS_SOAK else 0.3
POOL_SIZE = 4
LAST_UNITS = 25
APPLICATION = "faults"


@dataclass(frozen=True)
class Way:
    """How the service is run; ``is_pooled`` is through PgBouncer."""

    worker_class: str
    mode: str
    strategy: str
    is_pooled: bool = True

    def __str__(self) -> str:
        return f"{self.worker_class}-{self.mode}-{self.strategy}-{'pgbouncer' if self.is_pooled else 'direct'}"


MAIN = Way("gevent", "pool", "batched")
DIRECT = Way("gevent", "pool", "function", is_pooled=False)
PERSISTENT = Way("gthread", "persistent", "function")
EVERY_WAY = [MAIN, DIRECT, PERSISTENT, Way("gthread", "pool", "batched"), Way("sync", "per_request", "function")]
# A pool whose tries grow apart for as long as the outage lasts comes back 7 s after one of 8 s: too late.
OUTAGES = [(way, is_killed, 20.0) for way in EVERY_WAY for is_killed in (False, True)] if IS_SOAK else []


@pytest.fixture(scope="module")
def broken(state_directory: Path) -> Iterator[Stack]:
    """A stack of this module's own: its parts are ended and started again."""
    if binaries.find("pgbouncer") is None:
        missing("pgbouncer")
    with running("faults", replace(KIT, has_replica=False, has_redis=False, has_web=False), is_fresh=True) as started:
        yield started


@contextmanager
def served(stack: Stack, way: Way, log: Path, **changes: str) -> Iterator[str]:
    """One worker of the service, whose pool alone answers."""
    direct = make_conninfo(stack.conninfo("app"), application_name=APPLICATION)
    urls = {} if way.is_pooled else {"DATABASE_URL": direct, "LANE_DATABASE_URL": direct}
    settings = {
        "WORKER_CLASS": way.worker_class,
        "CONNECTION_MODE": way.mode,
        "STRATEGY": way.strategy,
        "WORKERS": "1",
        "THREADS": "9",
        "POOL_SIZE": str(POOL_SIZE),
        "POOL_TIMEOUT_S": "2",
    }
    port = free_port()
    child = web.start(log, port, {**stack.service_env(), **settings, **urls, **changes})
    try:
        yield f"http://{HOST}:{port}"
    finally:
        child.stop()


@contextmanager
def buyers(stack: Stack, way: Way, tmp_path: Path, **changes: str) -> Iterator[Traffic]:
    """Traffic on two products, one of which sells out; at the end all that was told is compared with the database."""
    with psycopg.connect(stack.direct, autocommit=True) as connection:
        shop = Shop(connection)
        many, few = shop.product(1_000_000), shop.product(LAST_UNITS)
    with served(stack, way, tmp_path / "web.log", **changes) as address:
        with Client(address) as client:
            assert client.log_in("user1").status == 200
            token = client.token
        assert token is not None
        clients = 1 if way.worker_class == "sync" else 8
        with Traffic(address, token, [many, many, many, few], clients) as traffic:
            yield traffic
        if way.mode == "pool":
            assert_no_slot_leaked(address)
    assert traffic.told.wrong == []
    with psycopg.connect(stack.direct, autocommit=True) as connection:
        shop = Shop(connection)
        assert shop.violations() == []
        assert sum(shop.counters(few)) == LAST_UNITS
        assert shop.counters(few)[1] == shop.reservations(few)
        durable = connection.execute(
            "SELECT count(DISTINCT order_id) FROM stock_reservation WHERE order_id = ANY (%s::uuid[])",
            [list(traffic.told.acked)],
        ).fetchone()
    assert durable == (len(traffic.told.acked),)


def assert_no_slot_leaked(url: str, timeout_s: float = RECOVERY_S) -> None:
    """Whatever the pool counts is free again once nobody asks."""
    deadline = time.monotonic() + timeout_s
    while True:
        with Client(url) as client:
            pool = client.get("/readyz").json["pool"]
        if pool["pool_available"] == pool["pool_size"] <= POOL_SIZE and pool["requests_waiting"] == 0:
            return
        assert time.monotonic() < deadline, pool
        time.sleep(0.1)


def assert_recovers(traffic: Traffic, since: float) -> None:
    took_s = traffic.await_success(since)
    assert took_s <= RECOVERY_S, f"{took_s:.1f} s after the fault"


def test_pgbouncer_killed_and_restarted_ten_times(broken: Stack, tmp_path: Path) -> None:
    with buyers(broken, MAIN, tmp_path) as traffic:
        for _ in range(PGBOUNCER_KILLS):
            broken.end("pgbouncer", is_killed=True)
            time.sleep(0.2)
            broken.begin("pgbouncer")
            assert_recovers(traffic, time.monotonic())
    # The control: the fault was felt.
    assert traffic.told.statuses[503] > 0


@pytest.mark.parametrize("way", EVERY_WAY if IS_SOAK else [MAIN, DIRECT, PERSISTENT], ids=str)
def test_every_session_ended_again_and_again(broken: Stack, tmp_path: Path, way: Way) -> None:
    ended = 0
    with buyers(broken, way, tmp_path) as traffic:
        deadline = time.monotonic() + TERMINATE_S
        with psycopg.connect(broken.superuser, autocommit=True) as superuser:
            while time.monotonic() < deadline:
                row = superuser.execute(
                    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                    " WHERE pid <> pg_backend_pid() AND usename = %s",
                    [postgres.GRANTED_ROLES["app"]],
                ).fetchone()
                assert row is not None
                ended += row[0]
                time.sleep(TERMINATE_INTERVAL_S)
        assert_recovers(traffic, time.monotonic())
    assert ended > 0


@pytest.mark.parametrize(("way", "is_killed", "outage_s"), [(MAIN, True, 1.0), (DIRECT, False, 8.0), *OUTAGES], ids=str)
def test_postgresql_restarted(broken: Stack, tmp_path: Path, way: Way, is_killed: bool, outage_s: float) -> None:
    with buyers(broken, way, tmp_path) as traffic:
        broken.end("primary", is_killed=is_killed)
        away_since = time.monotonic()
        time.sleep(outage_s)
        # The control: the fault was felt, by waiting where PgBouncer and the lane carry requests over it.
        assert traffic.told.last_success <= away_since
        broken.begin("primary")
        assert_recovers(traffic, time.monotonic())


def test_pgbouncer_that_lets_nobody_through_is_answered_with_503(broken: Stack, tmp_path: Path) -> None:
    """The queue of PgBouncer ends with 08P01, which is 503 and not 500."""
    console = make_conninfo(broken.console)
    with buyers(broken, MAIN, tmp_path) as traffic:
        with psycopg.connect(
            console, autocommit=True, prepare_threshold=None, cursor_factory=psycopg.ClientCursor
        ) as admin:
            admin.execute(f"PAUSE {postgres.DATABASE}")
            time.sleep(6)  # query_wait_timeout is 5
            admin.execute(f"RESUME {postgres.DATABASE}")
        assert_recovers(traffic, time.monotonic())
    assert traffic.told.statuses[503] > 0


def test_connection_that_is_not_given_back_is_seen(broken: Stack, tmp_path: Path) -> None:
    """The control of the leak check: a reservation that waits for a lock keeps its connection."""
    with psycopg.connect(broken.direct) as blocker, served(broken, DIRECT, tmp_path / "web.log") as url:
        product = Shop(blocker).product(1)
        blocker.commit()
        with Client(url) as client:
            client.log_in("user1")
            assert_no_slot_leaked(url)
            blocker.execute("SELECT 1 FROM product_stock WHERE product_id = %s FOR UPDATE", [product])
            client.send_reservation(product, 1)
            with pytest.raises(AssertionError):
                assert_no_slot_leaked(url, 0.5)
            blocker.rollback()
            assert client.receive().status == 201
            assert_no_slot_leaked(url)


def test_every_view_answers_503_while_the_database_is_away(broken: Stack, tmp_path: Path) -> None:
    order = uuid.uuid4()
    views = {
        "/api/products": None,
        "/api/products/1/availability": None,
        f"/api/reservations/{order}": None,
        "/admin/": None,
        "/readyz": None,
        "/api/auth/token": {"username": "user1", "password": "flash-sale"},
        "/api/availability": {"product_ids": [1]},
        "/api/reservations": {"lines": [{"product_id": 1, "quantity": 1}]},
        f"/api/reservations/{order}/release": {},
        "/api/products/1/waitlist": {"quantity": 1},
    }
    # Kept answers are given without the database.
    changes = {"ADMIN": "true", "POOL_TIMEOUT_S": "0.2", "DEBUG": "false", "CACHE": "none"}
    with served(broken, MAIN, tmp_path / "web.log", **changes) as url, Client(url) as client:
        client.log_in("user1")
        # A session's cookie makes the admin look it up.
        headers = {"Idempotency-Key": "away", "Cookie": f"sessionid={'x' * 32}"}
        before = {path: ask(client, path, body, headers).status for path, body in views.items()}
        assert 503 not in before.values(), before
        broken.end("pgbouncer", is_killed=True)
        try:
            for path, body in views.items():
                answer = ask(client, path, body, headers)
                assert (path, answer.status, answer.body[:1]) == (path, 503, b"{")
                assert answer.headers["Content-Type"] == "application/problem+json"
                assert answer.headers["Retry-After"] in ("1", "2", "3")
            assert client.get("/healthz").status == 200
        finally:
            broken.begin("pgbouncer")


def ask(client: Client, path: str, body: object, headers: dict[str, str]) -> Answer:
    return client.get(path, headers) if body is None else client.post(path, body, headers)


@pytest.mark.parametrize("way", [DIRECT, replace(MAIN, is_pooled=False)], ids=str)
def test_connection_to_a_server_that_only_reads_is_given_up(broken: Stack, tmp_path: Path, way: Way) -> None:
    with buyers(broken, way, tmp_path) as traffic, psycopg.connect(broken.superuser, autocommit=True) as superuser:
        deadline = time.monotonic() + RECOVERY_S
        # A session shows its last statement alone, which is as often a read or the pool's look at it.
        while not (before := sessions(superuser, "%reserve%")):
            assert time.monotonic() < deadline, "no session reserves"
            time.sleep(0.01)
        superuser.execute("ALTER SYSTEM SET default_transaction_read_only = on")
        superuser.execute("SELECT pg_reload_conf()")
        try:
            deadline = time.monotonic() + RECOVERY_S
            while before & sessions(superuser):
                assert time.monotonic() < deadline, "a connection to the old primary stays"
                time.sleep(0.1)
        finally:
            superuser.execute("SET default_transaction_read_only = off")
            superuser.execute("ALTER SYSTEM RESET default_transaction_read_only")
            superuser.execute("SELECT pg_reload_conf()")
        assert_recovers(traffic, time.monotonic())
    assert traffic.told.statuses[503] > 0


def sessions(connection: psycopg.Connection, doing: str = "%") -> set[int]:
    """The service's sessions, or those whose last statement was like this."""
    rows = connection.execute(
        "SELECT pid FROM pg_stat_activity WHERE application_name = %s AND query LIKE %s", [APPLICATION, doing]
    )
    return {row[0] for row in rows}
